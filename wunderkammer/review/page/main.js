// The page: what each command does, and what follows from it.

import { Outbox, get, newId } from "./api.js";
import { Deck, describe } from "./deck.js";
import { Controls } from "./controls.js";
import { commandOf, fillHelp } from "./keys.js";
import { Sheet } from "./sheet.js";
import { Single } from "./single.js";

const POLL_MS = 1500;
const HIDDEN_POLL_MS = 10000;
const byId = (id) => document.getElementById(id);

class Review {
  constructor(deck) {
    this.deck = deck;
    this.rows = [];
    this.position = 0;
    this.isSingle = false;
    this.undoable = [];
    this.outbox = new Outbox({
      version: deck.version,
      since: () => deck.revision,
      onSaved: (batch, reply) => this.saved(batch, reply),
      onRefused: (wish, why) => this.refused(wish, why),
      onStatus: (count, isFailing) => this.tellSaving(count, isFailing),
    });
    this.sheet = new Sheet({
      root: byId("sheet"), inner: byId("sheet-inner"), deck,
      onSelect: (position) => this.go(position), onOpen: () => this.look(true),
    });
    this.single = new Single({
      deck,
      onSwipe: (forward) => this.go(this.position + (forward ? 1 : -1)),
      onEdit: () => {},
    });
    this.controls = new Controls({ deck, onChange: () => this.relist() });
    this.wire();
  }

  wire() {
    byId("subject").textContent = this.deck.subject;
    document.title = `Review: ${this.deck.subject}`;
    fillHelp(byId("help-keys"));
    byId("letters").checked = localStorage.getItem("letters") !== "off";
    byId("letters").addEventListener("change", (event) =>
      localStorage.setItem("letters", event.target.checked ? "on" : "off"),
    );
    byId("help-button").addEventListener("click", () => this.run("help"));
    this.deck.reasons.forEach((reason, i) => {
      const button = document.createElement("button");
      button.dataset.command = "reason";
      button.dataset.number = i + 1;
      const key = document.createElement("kbd");
      key.textContent = i + 1;
      button.append(`${reason.replaceAll("_", " ")} `, key);
      byId("reasons").append(button);
    });
    addEventListener("click", (event) => {
      const button = event.target.closest("button[data-command]");
      if (button) this.run(button.dataset.command, { number: Number(button.dataset.number) });
    });
    addEventListener("keydown", (event) => this.keyed(event));
    addEventListener("visibilitychange", () => document.hidden || this.poll());
  }

  start() {
    const { row } = this.controls.restore();
    this.list();
    const known = this.rows.indexOf(row);
    this.go(known >= 0 ? known : Math.max(0, this.nextUndecided(-1)), { silently: true });
    this.tellCounts();
    byId("sheet").focus();
    this.poll();
  }

  keyed(event) {
    const target = event.target;
    if (byId("help").open) return;
    const isField = target.matches("select, input");
    if (isField && event.key === "Escape") return this.focusView();
    const isButton = target.matches("button, a, summary");
    if (isField || (isButton && [" ", "Enter"].includes(event.key))) return;
    const withLetters = byId("letters").checked;
    const found = commandOf(event, { isSingle: this.isSingle, withLetters });
    if (!found) return;
    event.preventDefault();
    this.run(found.command, found);
  }

  run(command, { number = 0, isFine = false } = {}) {
    const columns = this.isSingle ? 1 : this.sheet.columns;
    const page = this.isSingle ? 1 : this.sheet.perPage;
    const steps = {
      next: 1, previous: -1, down: columns, up: -columns, "next-page": page, "previous-page": -page,
      first: -Infinity, last: Infinity,
    };
    const actions = {
      accept: () => this.decide("accept"),
      reject: () => this.decide("reject"),
      reason: () => this.deck.reasons[number - 1] && this.decide("reject", this.deck.reasons[number - 1]),
      "accept-page": () => this.acceptPage(),
      undo: () => this.undo(),
      clear: () => this.clear(),
      "next-undecided": () => this.goUndecided(),
      "toggle-view": () => this.look(!this.isSingle),
      sheet: () => this.look(false),
      filter: () => this.controls.focus(),
      relist: () => this.relist(),
      help: () => byId("help").showModal(),
    };
    const atTop = command.endsWith("-page");
    if (command in steps) this.go(this.position + steps[command], { atTop });
    else if (command in actions) actions[command]();
    else if (this.isSingle && this.rows.length) this.single.command(command, isFine);
  }

  get row() {
    return this.rows[this.position];
  }

  list() {
    this.rows = this.deck.rows(this.controls.wanted());
    byId("nothing").hidden = this.rows.length > 0;
    this.sheet.show(this.rows, Math.min(this.position, Math.max(0, this.rows.length - 1)));
  }

  relist() {
    const row = this.row;
    this.list();
    this.go(Math.max(0, this.rows.indexOf(row)));
    this.tellCounts();
  }

  go(position, { silently = false, atTop = false } = {}) {
    this.position = Math.max(0, Math.min(this.rows.length - 1, position));
    this.controls.remember(this.row);
    this.sheet.select(this.position, atTop);
    if (this.isSingle && !this.rows.length) this.look(false);
    if (this.isSingle) this.single.show(this.row, this.rows.slice(this.position + 1));
    if (!silently && this.isSingle) this.speakRow();
  }

  look(isSingle) {
    this.isSingle = isSingle && this.rows.length > 0;
    byId("single").hidden = !this.isSingle;
    byId("sheet").hidden = this.isSingle;
    byId("accept-page").hidden = this.isSingle;
    const button = byId("toggle-view");
    button.firstChild.textContent = this.isSingle ? "Sheet " : "Look closer ";
    this.go(this.position);
    this.focusView();
  }

  focusView() {
    byId(this.isSingle ? "single" : "sheet").focus();
  }

  nextUndecided(position) {
    for (let next = position + 1; next < this.rows.length; next++) {
      if (!this.deck.state(this.rows[next])) return next;
    }
    return -1;
  }

  goUndecided() {
    let next = this.nextUndecided(this.position);
    if (next < 0) next = this.nextUndecided(-1);
    if (next < 0) this.speak("Nothing in this list is undecided");
    else this.go(next);
  }

  decide(decision, reason = null) {
    if (!this.rows.length) return;
    const wasDecided = this.deck.state(this.row) !== null;
    const wish = this.wish(this.row, decision, reason);
    this.push([wish]);
    this.undoable.push([wish]);
    this.speak(describe(this.deck.state(wish.row)).slice(2));
    // Whoever changes their mind goes on to the neighbour, else to what is left.
    const next = wasDecided ? this.position + 1 : this.nextUndecided(this.position);
    this.go(next < 0 ? this.position + 1 : next, { silently: true });
  }

  wish(row, decision, reason) {
    const wish = { id: newId(), row, decision };
    if (reason) wish.reason = reason;
    if (decision === "accept") {
      const { window, object } = this.single.corrections(row);
      if (window) wish.window = named(window);
      if (object) wish.object_box = named(object);
    }
    return wish;
  }

  acceptPage() {
    if (this.isSingle) return;
    const [first, last] = this.sheet.page();
    const open = this.rows.slice(first, last + 1).filter((row) => !this.deck.state(row));
    const wishes = open.map((row) => this.wish(row, "accept"));
    if (wishes.length) {
      this.push(wishes);
      this.undoable.push(wishes);
    }
    this.speak(`${wishes.length} accepted`);
    this.go(last + 1, { silently: true, atTop: true });
  }

  // Takes back the last decision made in this tab, else the one on the current crop.
  undo() {
    const last = this.undoable.pop();
    if (!last) return this.clear();
    this.push(last.map(({ row, id }) => ({ id: newId(), row, decision: "undo", undoes: id })));
    const position = this.rows.indexOf(last[0].row);
    if (position >= 0) this.go(position, { silently: true });
    this.speak(last.length > 1 ? `${last.length} decisions undone` : "undone");
  }

  clear() {
    const state = this.rows.length ? this.deck.state(this.row) : null;
    if (!state) return this.speak("Nothing to undo");
    this.undoable = this.undoable.filter((group) => group.every(({ id }) => id !== state.id));
    this.push([{ id: newId(), row: this.row, decision: "undo", undoes: state.id }]);
    this.speak("undone");
  }

  push(wishes) {
    this.isRefused = false;
    for (const wish of wishes) this.deck.expect(wish.row, wish.id, this.expected(wish));
    this.redraw(wishes.map(({ row }) => row));
    this.outbox.push(wishes);
  }

  expected({ id, decision, reason = null, window, object_box: object }) {
    if (decision === "undo") return null;
    const reviewer = this.deck.reviewer;
    return { id, decision, reason, reviewer, window: edges(window), object: edges(object) };
  }

  saved(batch, reply) {
    const changed = this.deck.apply(reply);
    for (const { row, id, decision } of batch) {
      this.deck.settle(row, id);
      if (decision === "accept") this.single.edits.delete(row);
    }
    this.redraw([...changed, ...batch.map(({ row }) => row)]);
  }

  refused(wish, why) {
    this.deck.settle(wish.row, wish.id);
    this.undoable = this.undoable.filter((group) => group.every(({ id }) => id !== wish.id));
    this.redraw([wish.row]);
    this.isRefused = true;
    this.notify(`A decision was refused: ${why}`);
  }

  redraw(rows) {
    this.sheet.refresh(rows);
    if (this.isSingle && rows.includes(this.row)) this.single.refresh();
    this.tellCounts();
  }

  async poll() {
    clearTimeout(this.timer);
    try {
      const reply = await get("api/changes", { version: this.deck.version, since: this.deck.revision });
      const changed = this.deck.apply(reply);
      if (changed.length) this.redraw(changed);
      this.isLost = false;
      if (reply.current !== this.deck.version) this.notify("The crops have been made anew.", true);
      else if (!this.isRefused) this.notify("");
    } catch {
      if (this.isLost) this.notify("The review has ended: start `wunderkammer review` again.");
      this.isLost = true;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), document.hidden ? HIDDEN_POLL_MS : POLL_MS);
  }

  notify(words, canReload = false) {
    const notice = byId("notice");
    if (notice.dataset.words === words) return;
    notice.dataset.words = words;
    notice.hidden = !words;
    notice.textContent = words;
    if (!canReload) return;
    const button = document.createElement("button");
    button.textContent = "Load them";
    button.addEventListener("click", () => location.reload());
    notice.append(button);
  }

  tellCounts() {
    // Once a frame, however many decisions come at once.
    this.counting ??= requestAnimationFrame(() => {
      this.counting = null;
      this.writeCounts();
    });
  }

  writeCounts() {
    const { accept, reject, undecided } = this.deck.counts();
    byId("counts").replaceChildren(
      bold(accept), " accepted, ", bold(reject), " rejected, ", bold(undecided), " undecided",
      this.rows.length === this.deck.size ? "" : ` (listed: ${this.rows.length})`,
    );
    byId("gate").textContent = this.gateWords(accept, undecided);
  }

  gateWords(accept, undecided) {
    if (this.deck.gate === "none") return "no gate: nothing is held back";
    if (this.deck.gate === "all") {
      return undecided ? "gate: only accepted crops go on" : "gate: all decided";
    }
    const sample = this.deck.sampleCounts();
    const decided = sample.accept + sample.reject;
    const percent = (share) => `${Math.round(1000 * share) / 10} %`;
    const rate = decided ? `, ${percent(sample.accept / decided)} accepted` : "";
    return `sample: ${decided} of ${this.deck.sample.length} decided${rate} (needs ${percent(this.deck.min_accept_rate)})`;
  }

  tellSaving(count, isFailing) {
    const words = isFailing ? `${count} not saved yet, trying again …` : count ? `saving ${count} …` : "all saved";
    byId("saving").textContent = words;
  }

  speakRow() {
    const words = describe(this.deck.state(this.row)).slice(2) || "undecided";
    this.speak(`${this.position + 1} of ${this.rows.length}, ${words}`);
  }

  speak(words) {
    byId("spoken").textContent = words;
  }
}

const named = ([x0, y0, x1, y1]) => ({ x0, y0, x1, y1 });
const edges = (box) => (box ? [box.x0, box.y0, box.x1, box.y1] : null);

function bold(number) {
  const element = document.createElement("b");
  element.textContent = number;
  return element;
}

async function open() {
  try {
    const deck = new Deck(await get("api/opening"));
    deck.apply(await get("api/changes", { version: deck.version, since: 0 }));
    new Review(deck).start();
    document.body.dataset.ready = "";
  } catch (error) {
    byId("notice").textContent = error.message;
    byId("notice").hidden = false;
  }
}

open();
