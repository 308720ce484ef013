// One crop: its picture with the boxes on it, a preview of the cut, and what is known of it.

import { get, pictureUrl } from "./api.js";
import * as boxes from "./box.js";
import { describe } from "./deck.js";

const PRELOADED = 3;
const COARSE = 0.02;
const SWIPE_PX = 60;
const CORNERS = ["nw", "ne", "sw", "se"];
const KINDS = ["window", "object"];
const byId = (id) => document.getElementById(id);

export class Single {
  constructor({ deck, onSwipe, onEdit }) {
    Object.assign(this, { deck, onSwipe, onEdit });
    this.root = byId("single");
    this.stage = byId("stage");
    this.picture = byId("picture");
    this.elements = { window: byId("window-box"), object: byId("object-box") };
    this.active = "window";
    // Corrections that are not saved yet: they go with the next acceptance of their row.
    this.edits = new Map();
    this.ahead = [];
    for (const kind of KINDS) this.arm(kind);
    byId("other-box").hidden = !deck.objects;
    this.picture.addEventListener("load", () => this.loaded());
    this.picture.addEventListener("error", () => this.say("This picture can't be shown."));
    this.stage.addEventListener("pointerdown", (event) => this.swipeFrom(event));
    new ResizeObserver(() => this.draw()).observe(this.stage);
  }

  show(row, following) {
    if (row !== this.row) {
      this.row = row;
      if (!this.deck.proposedObject(row)) this.active = "window";
      this.say("Loading …");
      this.picture.src = pictureUrl(this.deck.version, row);
      this.ahead = following.slice(0, PRELOADED).map((next) => {
        const image = new Image();
        image.src = pictureUrl(this.deck.version, next);
        return image;
      });
      this.tell(row);
    }
    this.refresh();
  }

  refresh() {
    if (this.row === undefined) return;
    const state = this.deck.state(this.row);
    const words = byId("single-state");
    words.dataset.decision = state?.decision ?? "";
    const by = state?.reviewer ? ` (${state.reviewer})` : "";
    words.textContent = state ? describe(state, this.deck.isSaving(this.row)) + by : "undecided";
    this.draw();
  }

  // The box as it would be saved: edited, else as somebody corrected it, else as proposed.
  box(kind, row = this.row) {
    const state = this.deck.state(row);
    return this.edits.get(row)?.[kind] ?? state?.[kind] ?? this.proposed(kind, row);
  }

  proposed(kind, row = this.row) {
    return kind === "window" ? this.deck.proposedWindow(row) : this.deck.proposedObject(row);
  }

  // What an acceptance of the row would correct: {window, object_box}, null where nothing.
  corrections(row) {
    const changed = (kind) => {
      const box = this.box(kind, row);
      return box && !boxes.same(box, this.proposed(kind, row)) ? box : null;
    };
    return { window: changed("window"), object: changed("object") };
  }

  edit(change) {
    const { width, height } = this.size();
    const limits = boxes.reach(width, height, this.proposed("window"));
    const box = change(this.box(this.active), limits, this.least());
    this.edits.set(this.row, { ...this.edits.get(this.row), [this.active]: box });
    this.onEdit(this.row);
    this.draw();
  }

  command(name, isFine) {
    const box = this.box(this.active);
    const step = isFine ? 1 : Math.max(1, Math.round(COARSE * (box[2] - box[0])));
    const move = { left: [-step, 0], right: [step, 0], "box-up": [0, -step], "box-down": [0, step] };
    const sizes = { smaller: -2 * step, larger: 2 * step, narrower: -2 * step, wider: 2 * step };
    if (move[name]) this.edit((b, limits) => boxes.moved(b, ...move[name], limits));
    else if (name in sizes) this.resize(name, sizes[name]);
    else if (name === "other-box") this.switchBox();
    else if (name === "reset-box") this.edit(() => this.proposed(this.active));
    else return false;
    return true;
  }

  resize(name, grow) {
    const isWidth = name === "narrower" || name === "wider";
    this.edit((box, limits, least) =>
      isWidth && this.active === "object"
        ? boxes.stretched(box, grow, 0, limits, least)
        : boxes.scaled(box, grow, limits, least),
    );
  }

  switchBox() {
    if (!this.proposed("object")) return;
    this.active = this.active === "window" ? "object" : "window";
    this.draw();
  }

  // The shortest side that a box may get: a window is never blown up beyond what the filter allows.
  least() {
    if (this.active === "object") return 4;
    const window = this.proposed("window");
    return Math.min(this.deck.min_side_px, window[2] - window[0], window[3] - window[1]);
  }

  size() {
    return { width: this.deck.width[this.row], height: this.deck.height[this.row] };
  }

  say(words) {
    byId("stage-text").textContent = words;
    byId("stage-text").hidden = !words;
    for (const element of [this.picture, ...Object.values(this.elements)]) element.hidden = true;
  }

  loaded() {
    if (!this.picture.src.endsWith(pictureUrl(this.deck.version, this.row))) return;
    byId("stage-text").hidden = true;
    this.picture.hidden = false;
    this.draw();
  }

  draw() {
    if (this.picture.hidden || this.row === undefined || !this.stage.clientWidth) return;
    const { width, height } = this.size();
    const limits = boxes.reach(width, height, this.proposed("window"));
    const [w, h] = [limits[2] - limits[0], limits[3] - limits[1]];
    this.scale = Math.min(this.stage.clientWidth / w, this.stage.clientHeight / h);
    this.left = (this.stage.clientWidth - w * this.scale) / 2 - limits[0] * this.scale;
    this.top = (this.stage.clientHeight - h * this.scale) / 2 - limits[1] * this.scale;
    this.put(this.picture, [0, 0, width, height]);
    for (const kind of KINDS) {
      const box = this.box(kind);
      this.elements[kind].hidden = !box;
      this.elements[kind].toggleAttribute("data-active", kind === this.active);
      if (box) this.put(this.elements[kind], box);
      this.elements[kind].style.rotate = `${this.deck.angle(this.row)}deg`;
    }
    this.drawPreview();
    this.tellBox();
  }

  put(element, box) {
    element.style.left = `${this.left + box[0] * this.scale}px`;
    element.style.top = `${this.top + box[1] * this.scale}px`;
    element.style.width = `${(box[2] - box[0]) * this.scale}px`;
    element.style.height = `${(box[3] - box[1]) * this.scale}px`;
  }

  drawPreview() {
    const canvas = byId("preview");
    const [x0, y0, x1, y1] = this.box("window");
    const zoom = canvas.width / Math.max(x1 - x0, y1 - y0);
    const context = canvas.getContext("2d");
    context.resetTransform();
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.beginPath();
    const [w, h] = [(x1 - x0) * zoom, (y1 - y0) * zoom];
    context.translate((canvas.width - w) / 2, (canvas.height - h) / 2);
    context.save();
    const [shownW, shownH] = this.deck.shownShare(this.row);
    context.rect((w * (1 - shownW)) / 2, (h * (1 - shownH)) / 2, w * shownW, h * shownH);
    context.clip();
    context.translate(w / 2, h / 2);
    context.rotate((-this.deck.angle(this.row) * Math.PI) / 180);
    context.scale(zoom, zoom);
    context.translate(-(x0 + x1) / 2, -(y0 + y1) / 2);
    context.drawImage(this.picture, 0, 0, this.size().width, this.size().height);
    context.restore();
  }

  tellBox() {
    const box = this.box(this.active);
    const size = `${Math.round(box[2] - box[0])} × ${Math.round(box[3] - box[1])} px`;
    const isEdited = this.edits.has(this.row) && !this.isAsStanding();
    const hint = isEdited ? ": accept to keep it" : "";
    byId("box-text").textContent = `${this.active} ${size}${hint}`;
  }

  isAsStanding() {
    const state = this.deck.state(this.row);
    return KINDS.every((kind) => {
      const standing = state?.[kind] ?? this.proposed(kind);
      return !standing || boxes.same(this.box(kind), standing);
    });
  }

  arm(kind) {
    const element = this.elements[kind];
    for (const corner of CORNERS) {
      const handle = document.createElement("div");
      handle.className = "handle";
      handle.dataset.corner = corner;
      element.append(handle);
    }
    element.addEventListener("pointerdown", (event) => this.dragFrom(event));
  }

  dragFrom(event) {
    event.preventDefault();
    event.stopPropagation();
    const element = event.currentTarget;
    const corner = event.target.dataset.corner;
    const start = this.box(this.active);
    const [x, y] = [event.clientX, event.clientY];
    element.setPointerCapture(event.pointerId);
    const move = (now) => {
      const [dx, dy] = [(now.clientX - x) / this.scale, (now.clientY - y) / this.scale];
      this.edit((_, limits, minSide) => {
        if (!corner) return boxes.moved(start, dx, dy, limits);
        const aspect = (start[2] - start[0]) / (start[3] - start[1]);
        const toX = start[corner.includes("w") ? 0 : 2] + dx;
        const toY = start[corner.includes("n") ? 1 : 3] + dy;
        const keeping = { minSide, aspect: this.active === "window" ? aspect : null };
        return boxes.dragged(start, corner, toX, toY, limits, keeping);
      });
    };
    const end = () => {
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", end);
      element.removeEventListener("pointercancel", end);
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
  }

  swipeFrom(event) {
    if (event.pointerType !== "touch") return;
    const [x, y] = [event.clientX, event.clientY];
    const end = (up) => {
      removeEventListener("pointerup", end);
      const [dx, dy] = [up.clientX - x, up.clientY - y];
      if (Math.abs(dx) > SWIPE_PX && Math.abs(dx) > 2 * Math.abs(dy)) this.onSwipe(dx < 0);
    };
    addEventListener("pointerup", end);
    addEventListener("pointercancel", () => removeEventListener("pointerup", end), { once: true });
  }

  async tell(row) {
    const list = byId("details");
    let details = {};
    try {
      details = await get("api/details", { version: this.deck.version, row });
    } catch (error) {
      details = { error: error.message };
    }
    if (row !== this.row) return;
    list.replaceChildren();
    const add = (name, value) => {
      const term = document.createElement("dt");
      term.textContent = name.replaceAll("_", " ");
      const meaning = document.createElement("dd");
      meaning.append(value);
      list.append(term, meaning);
    };
    for (const [name, values] of this.deck.measures) {
      if (!Number.isNaN(values[row])) add(name, Number(values[row].toPrecision(4)).toString());
    }
    const { history = [], ...known } = details;
    for (const [name, value] of Object.entries(known)) add(name, link(String(value)));
    for (const past of history) add(`${past.time.slice(0, 16).replace("T", " ")}`, told(past));
  }
}

function told({ decision, reason, reviewer }) {
  return `${decision}${reason ? `: ${reason.replaceAll("_", " ")}` : ""} (${reviewer})`;
}

function link(text) {
  if (!/^https?:\/\//.test(text)) return text;
  const anchor = document.createElement("a");
  anchor.href = text;
  anchor.textContent = text;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  return anchor;
}
