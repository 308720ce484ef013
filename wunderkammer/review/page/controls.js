// What is listed and in which order; kept over a reload of the tab.

const byId = (id) => document.getElementById(id);
const FACET_WORDS = { class_name: "class", proposed_by: "proposed by" };
const MAX_NAME = 40;

export class Controls {
  constructor({ deck, onChange }) {
    this.deck = deck;
    this.key = `review ${location.pathname}`;
    this.sort = byId("sort");
    this.decision = byId("filter-decision");
    this.facets = new Map();
    fill(this.sort, deck.orders());
    fill(this.decision, this.decisions());
    for (const [name, { names }] of deck.facets) this.addFacet(name, names);
    const form = byId("filters");
    form.addEventListener("change", onChange);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(onChange));
    byId("filters-button").addEventListener("click", () => this.toggle());
    if (deck.measures.has("uncertainty")) this.sort.value = "-uncertainty";
    if (deck.gate === "sample") this.decision.value = "sample";
  }

  decisions() {
    const options = [
      ["", "all"], ["undecided", "undecided"], ["accept", "accepted"],
      ["corrected", "corrected"], ["reject", "rejected"],
    ];
    if (this.deck.sample.length) options.splice(1, 0, ["sample", "the sample"]);
    for (const reason of this.deck.reasons) {
      options.push([`reject:${reason}`, `rejected: ${reason.replaceAll("_", " ")}`]);
    }
    return options;
  }

  addFacet(name, names) {
    if (names.length < 2) return;
    const [field, label, select] = ["span", "label", "select"].map((tag) => document.createElement(tag));
    const words = FACET_WORDS[name] ?? name;
    label.textContent = `${words[0].toUpperCase()}${words.slice(1)}`;
    select.id = label.htmlFor = `filter-${name}`;
    field.append(label, " ", select);
    const shown = (value) => (value.length > MAX_NAME ? `${value.slice(0, MAX_NAME)}…` : value);
    fill(select, [["", "all"], ...names.map((value, code) => [String(code), shown(value) || "unknown"])]);
    byId("facets").append(field);
    this.facets.set(name, select);
  }

  wanted() {
    const facets = {};
    for (const [name, select] of this.facets) {
      if (select.value !== "") facets[name] = Number(select.value);
    }
    return { sort: this.sort.value, decision: this.decision.value, facets };
  }

  remember(row) {
    const facets = Object.fromEntries([...this.facets].map(([name, select]) => [name, select.value]));
    const { sort, decision } = this.wanted();
    const version = this.deck.version;
    sessionStorage.setItem(this.key, JSON.stringify({ version, row, sort, decision, facets }));
  }

  restore() {
    const kept = JSON.parse(sessionStorage.getItem(this.key) ?? "{}");
    choose(this.sort, kept.sort);
    choose(this.decision, kept.decision);
    for (const [name, select] of this.facets) choose(select, kept.facets?.[name]);
    // Rows are those of one version of the crops.
    return { row: kept.version === this.deck.version ? kept.row : undefined };
  }

  toggle(isOpen = !byId("filters").hasAttribute("data-open")) {
    byId("filters").toggleAttribute("data-open", isOpen);
    byId("filters-button").setAttribute("aria-expanded", isOpen);
  }

  focus() {
    this.toggle(true);
    this.sort.focus();
  }
}

function fill(select, options) {
  for (const [value, words] of options) {
    const option = document.createElement("option");
    option.value = value;
    option.textContent = words;
    select.append(option);
  }
}

function choose(select, value) {
  if (value !== undefined && [...select.options].some((option) => option.value === value)) {
    select.value = value;
  }
}
