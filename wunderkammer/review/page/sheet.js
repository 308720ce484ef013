// The contact sheet: only the tiles near what is seen exist, however many crops there are.

import { thumbUrl } from "./api.js";
import { describe } from "./deck.js";

const GAP = 10;
const OVERSCAN_SCREENS = 1;
// Tiles that only fly past are not asked for.
const SETTLE_MS = 70;

export class Sheet {
  constructor({ root, inner, deck, onSelect, onOpen }) {
    Object.assign(this, { root, inner, deck, onSelect, onOpen });
    this.rows = [];
    this.position = 0;
    this.tiles = new Map();
    root.addEventListener("scroll", () => this.requestRender(), { passive: true });
    root.addEventListener("click", (event) => this.clicked(event));
    new ResizeObserver(() => this.resized()).observe(root);
  }

  // A list of rows of the deck, and the position in it that is the current one.
  show(rows, position) {
    this.rows = rows;
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    this.measure();
    this.select(position);
  }

  select(position, atTop = false) {
    const before = this.tiles.get(this.position);
    before?.setAttribute("aria-selected", "false");
    this.position = position;
    if (atTop) this.root.scrollTop = Math.floor(position / this.columns) * this.step;
    this.reveal();
    this.render();
    const tile = this.tiles.get(position);
    tile?.setAttribute("aria-selected", "true");
    if (tile) this.root.setAttribute("aria-activedescendant", tile.id);
    else this.root.removeAttribute("aria-activedescendant");
  }

  // These rows of the deck look different now.
  refresh(changed) {
    const rows = new Set(changed);
    for (const [position, tile] of this.tiles) {
      if (rows.has(this.rows[position])) this.label(tile, position);
    }
  }

  get perPage() {
    return this.columns * Math.max(1, Math.floor(this.root.clientHeight / this.step));
  }

  // The first and the last position that are seen whole.
  page() {
    const first = Math.ceil((this.root.scrollTop - GAP) / this.step) * this.columns;
    const last = Math.min(this.rows.length, first + this.perPage) - 1;
    return [Math.max(0, first), last];
  }

  measure() {
    const size = parseInt(getComputedStyle(this.root).getPropertyValue("--tile"), 10);
    this.columns = Math.max(1, Math.floor((this.root.clientWidth - GAP) / (size + GAP)));
    this.step = size + GAP;
    this.indent = Math.max(GAP, (this.root.clientWidth - this.columns * this.step + GAP) / 2);
    const lines = Math.ceil(this.rows.length / this.columns);
    this.inner.style.height = `${lines * this.step + GAP}px`;
  }

  resized() {
    if (!this.root.clientWidth) return;
    const wasSeen = this.tiles.has(this.position);
    this.measure();
    if (wasSeen) this.reveal();
    for (const [position, tile] of this.tiles) this.place(tile, position);
    this.render();
  }

  reveal() {
    if (!this.root.clientHeight) return;
    const top = Math.floor(this.position / this.columns) * this.step;
    const bottom = top + this.step + GAP;
    if (top < this.root.scrollTop) this.root.scrollTop = top;
    else if (bottom > this.root.scrollTop + this.root.clientHeight) {
      this.root.scrollTop = bottom - this.root.clientHeight;
    }
  }

  requestRender() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.render();
    });
  }

  render() {
    if (!this.root.clientHeight) return;
    const screen = this.root.clientHeight;
    const from = this.root.scrollTop - OVERSCAN_SCREENS * screen;
    const to = this.root.scrollTop + (1 + OVERSCAN_SCREENS) * screen;
    const first = Math.max(0, Math.floor(from / this.step) * this.columns);
    const last = Math.min(this.rows.length, Math.ceil(to / this.step) * this.columns) - 1;
    for (const [position, tile] of this.tiles) {
      if (position < first || position > last) {
        tile.remove();
        this.tiles.delete(position);
      }
    }
    for (let position = first; position <= last; position++) {
      if (!this.tiles.has(position)) this.tiles.set(position, this.make(position));
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), SETTLE_MS);
  }

  make(position) {
    const tile = document.createElement("div");
    tile.id = `crop-${position}`;
    tile.className = "tile";
    tile.setAttribute("role", "option");
    tile.setAttribute("aria-setsize", this.rows.length);
    tile.setAttribute("aria-posinset", position + 1);
    tile.setAttribute("aria-selected", position === this.position);
    tile.dataset.position = position;
    const image = document.createElement("img");
    image.alt = "";
    image.draggable = false;
    image.decoding = "async";
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.setAttribute("aria-hidden", "true");
    tile.append(image, mark);
    this.place(tile, position);
    this.label(tile, position);
    this.inner.append(tile);
    return tile;
  }

  place(tile, position) {
    const line = Math.floor(position / this.columns);
    tile.style.left = `${this.indent + (position % this.columns) * this.step}px`;
    tile.style.top = `${GAP + line * this.step}px`;
  }

  label(tile, position) {
    const row = this.rows[position];
    const state = this.deck.state(row);
    const words = describe(state, this.deck.isSaving(row));
    tile.dataset.decision = state?.decision ?? "";
    tile.toggleAttribute("data-saving", this.deck.isSaving(row));
    tile.lastChild.textContent = words;
    const said = words ? words.slice(2) : "undecided";
    tile.setAttribute("aria-label", `Crop ${position + 1} of ${this.rows.length}, ${said}`);
  }

  load() {
    // What is seen comes first, then what is near.
    const [first, last] = this.page();
    const near = [...this.tiles.keys()].filter((position) => position < first || position > last);
    const seen = [...this.tiles.keys()].filter((position) => position >= first && position <= last);
    for (const position of [...seen, ...near]) {
      const image = this.tiles.get(position).firstChild;
      if (!image.src) image.src = thumbUrl(this.deck.version, this.rows[position]);
    }
  }

  clicked(event) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const position = Number(tile.dataset.position);
    if (position === this.position) this.onOpen();
    else this.onSelect(position);
  }
}
