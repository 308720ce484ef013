// The crops in columns, the decision in force for each, and lists of them by filter and order.

export const UNDECIDED = "undecided";
const AS_LISTED = "as listed";
const SHUFFLED = "shuffled";

function floats(packed) {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

export class Deck {
  constructor(opening) {
    Object.assign(this, opening);
    this.width = floats(opening.width);
    this.height = floats(opening.height);
    this.windows = opening.window.map(floats);
    this.objects = opening.object?.map(floats);
    this.angles = opening.angles && floats(opening.angles);
    this.shares = opening.shown?.map(floats);
    this.measures = new Map(Object.entries(opening.measures).map(([k, v]) => [k, floats(v)]));
    this.facets = new Map();
    for (const [name, { names, codes }] of Object.entries(opening.facets)) {
      this.facets.set(name, { names, codes: floats(codes) });
    }
    this.inSample = new Set(opening.sample);
    this.states = new Array(this.size).fill(null);
    this.pending = new Map();
    this.revision = 0;
  }

  // What a person sees: their own decision at once, before it is saved.
  state(row) {
    const waiting = this.pending.get(row);
    return waiting === undefined ? this.states[row] : waiting.state;
  }

  decision(row) {
    return this.state(row)?.decision ?? UNDECIDED;
  }

  isSaving(row) {
    return this.pending.has(row);
  }

  expect(row, id, state) {
    this.pending.set(row, { id, state });
  }

  // The row's decision `id` is saved or refused; a newer one may still be waiting.
  settle(row, id) {
    if (this.pending.get(row)?.id === id) this.pending.delete(row);
  }

  // Returns the rows that have changed. A late reply of an earlier revision is no news.
  apply({ revision, rows }) {
    if (revision < this.revision) return [];
    this.revision = revision;
    for (const [row, decision, reason, reviewer, id, window, object] of rows) {
      this.states[row] = decision ? { decision, reason, reviewer, id, window, object } : null;
    }
    return rows.map(([row]) => row);
  }

  counts() {
    const counts = { accept: 0, reject: 0, undecided: 0 };
    for (let row = 0; row < this.size; row++) counts[this.decision(row)]++;
    return counts;
  }

  sampleCounts() {
    const counts = { accept: 0, reject: 0, undecided: 0 };
    for (const row of this.sample) counts[this.decision(row)]++;
    return counts;
  }

  proposedWindow(row) {
    return this.windows.map((edges) => edges[row]);
  }

  proposedObject(row) {
    const edges = this.objects?.map((column) => column[row]);
    return edges && !edges.some(Number.isNaN) ? edges : null;
  }

  angle(row) {
    return this.angles?.[row] || 0;
  }

  // Which shares of the window's width and height show the picture; the rest is padding.
  shownShare(row) {
    return this.shares ? this.shares.map((column) => Math.min(1, column[row] || 1)) : [1, 1];
  }

  orders() {
    const orders = [[AS_LISTED, "as listed"], [SHUFFLED, "shuffled"]];
    for (const name of this.measures.keys()) {
      const words = name.replaceAll("_", " ");
      orders.push([`-${name}`, `${words}, most first`], [`+${name}`, `${words}, least first`]);
    }
    return orders;
  }

  rows({ sort, decision, facets }) {
    const wanted = [...Object.entries(facets)].map(([name, code]) => [this.facets.get(name).codes, code]);
    const found = [];
    for (let row = 0; row < this.size; row++) {
      if (this.matches(row, decision) && wanted.every(([codes, code]) => codes[row] === code)) {
        found.push(row);
      }
    }
    return this.sorted(found, sort);
  }

  matches(row, wanted) {
    if (wanted === "") return true;
    if (wanted === "sample") return this.inSample.has(row);
    const state = this.state(row);
    if (wanted === "corrected") return Boolean(state?.window || state?.object);
    if (wanted.startsWith("reject:")) {
      return state?.decision === "reject" && (state.reason ?? "") === wanted.slice(7);
    }
    return this.decision(row) === wanted;
  }

  sorted(rows, sort) {
    if (sort === SHUFFLED) return shuffled(rows);
    const values = this.measures.get(sort.slice(1));
    if (!values) return rows;
    const sign = sort[0] === "-" ? -1 : 1;
    // What was not measured comes last, in either order.
    const key = (row) => (Number.isNaN(values[row]) ? Infinity : sign * values[row]);
    return rows.sort((a, b) => key(a) - key(b) || a - b);
  }
}

// The same order at every reload: rows by a hash of their number (Wang's 32-bit mix).
function shuffled(rows) {
  const hash = (x) => {
    x = (x ^ 61 ^ (x >>> 16)) >>> 0;
    x = Math.imul(x, 9) >>> 0;
    x = (x ^ (x >>> 4)) >>> 0;
    x = Math.imul(x, 0x27d4eb2d) >>> 0;
    return (x ^ (x >>> 15)) >>> 0;
  };
  return rows.sort((a, b) => hash(a) - hash(b));
}

export function describe(state, isSaving = false) {
  if (!state) return "";
  const changed = state.window || state.object ? ", corrected" : "";
  const reason = state.reason ? `: ${state.reason.replaceAll("_", " ")}` : "";
  const mark = state.decision === "accept" ? "✓ accepted" : "✗ rejected";
  return `${mark}${changed}${reason}${isSaving ? " …" : ""}`;
}
