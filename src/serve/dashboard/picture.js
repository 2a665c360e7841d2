// A view's chart, wherever it is shown. What fits is found from the columns; what was chosen is `want`:
//   kind    lines (over time, a line a key), bars (the highest keys), distribution, number (a view of one row)
//   value   the column that is drawn: one, so units are not mixed
//   facet   where a column says what is measured (`kind`, `unit`, ...): which of it
//   keys    only these keys; closed: without what is open

import { Lines, bars, columns } from "./chart.js";
import { list, make, mark, set } from "./dom.js";
import { SAMPLE, fitting, ranking, store } from "./store.js";
import { count, isNumber, isReal, isolated, number } from "./text.js";

const LINES = 8;           // keys drawn as lines
const POINTS = 240;        // times drawn at most; where there is less room, fewer: lines that fill it say nothing
const POINT_PX = 6;
const MANY = 60;           // keys, beyond which lines say nothing
const BARS = 12;
const BINS = 24;

export const KINDS = ["lines", "bars", "distribution", "number"];

/** Columns that say what is measured. */
const MEASURED = /^(kind|metric|unit|units|measure|measurement|quantity|currency|type|sensor_type)$/i;

/** The columns that can be drawn. */
export const measures = view => view.columns.filter(c => isNumber(c.type) && !c.key && !c.names).map(c => c.name);
/** The columns that tell rows apart, besides their times. */
export const labels = view => view.info.key
  ? view.key.filter(name => !view.columns.find(c => c.name === name)?.time)
  : view.columns.filter(c => !c.time && (!isNumber(c.type) || c.names)).map(c => c.name);
// A text that looks like NULL, or like the empty text, is in quotes: another key is another label.
const textOf = value => value === null || value === undefined ? "NULL" : /^“*(NULL)?”*$/.test(value) ? `“${value}”` : isolated(String(value));
export const labelOf = names => row => names.map(name => textOf(row[name])).join(" · ");
export const kinds = view => { const any = measures(view).length > 0; return !any ? [] : view.info.key?.length === 0 ? ["number"] : [...(timed(view) ? ["lines"] : []), "bars", "distribution"] };
const timed = view => Boolean(view.newest);
/** Whether its rows follow each other in time: the key, or the window, has it. */
const series = view => timed(view) && Boolean(view.info.key?.includes(view.newest) || view.info.closes);
/** The column that says what is measured, if the value's unit may depend on it. */
export function facetOf(view, value, by) {
  const column = view.columns.find(c => c.name === value);
  if (!column || !isReal(column.type)) return null;
  return labels(view).find(name => name !== by && MEASURED.test(name)) ?? null;
}

/** Of which rows a picture is, if not of all. */
export const partly = (view, picture) => view.whole || picture.exact || picture.bare ? "" : picture.told !== null ? (picture.told < SAMPLE ? "" : `of the ${view.newest ? "newest" : "first"} ${count(picture.told)} rows that fit`) : view.newest ? `of the newest ${count(view.rows.size)} rows` : view.paged ? `of the first ${count(view.rows.size)} rows by key` : `of ${count(view.rows.size)} of ${count(view.total)} rows`;

/** The chart that the view asks for (`WITH ('chart' = ...)`), or what fits. */
export function best(view) {
  const told = view.info.chart, all = measures(view);
  return { kind: told?.kind ?? "", value: told?.value ?? all[0] ?? "", by: told?.by ?? "", facet: "", keys: null, closed: false };
}

export class Picture {
  constructor(parent, { height = 260, tall = true } = {}) {
    this.height = height; this.tall = tall;
    this.lines = parent.appendChild(make("div", { class: "plot" }));
    this.bars = parent.appendChild(make("ol", { class: "bars" }));
    this.bins = parent.appendChild(make("div", { class: "bins", role: "img", "aria-label": "Distribution" }));
    this.big = parent.appendChild(make("p", { class: "figure" }, make("b"), make("small", { class: "note" })));
    this.plot = new Lines(this.lines, { height, label: "Chart" });
    this.held = null; this.words = ""; this.all = []; this.facets = [];
    for (const part of [this.lines, this.bars, this.bins, this.big]) part.hidden = true;
  }

  /** Draws; `fits` leaves rows out, and `wanted` says to the server which. Afterwards `words` says what is seen, `all` has the keys,
   *  `facets` what can be chosen of the facet, `exact` whether rows that are not here count too. */
  show(view, want, fits = null, wanted = { equal: [], words: [], unknown: null }) {
    const value = want.value || measures(view)[0] || "", facet = facetOf(view, value, want.by), names = want.by ? [want.by] : labels(view).filter(name => name !== facet || labels(view).length === 1);
    // A label is made once an entry: of twenty thousand rows few are new from one picture to the next.
    const by = names.join("\n"), text = labelOf(names), keys = want.keys && new Set(want.keys);
    const label = entry => { if (entry.by !== by) { entry.by = by; entry.label = text(entry.row) } return entry.label };
    const entries = [], facets = new Map(), known = new Set();
    const of = entry => textOf(entry.row[facet]);
    // Of a view that is not all here the server knows what fits.
    const told = fits && !view.whole && wanted.unknown === null ? fitting(view, wanted) : null;
    this.told = told?.length ?? null;
    for (const entry of told ?? view.rows.values()) {
      if (want.closed && entry.status === "open") continue;
      if (!told && fits && !fits(entry.row)) continue;
      if (facet) facets.set(of(entry), (facets.get(of(entry)) ?? 0) + 1);
      entries.push(entry);
    }
    this.facet = facet; this.facets = [...facets.keys()].sort();
    let chosen = entries;
    if (facet && this.facets.length > 1) {
      this.shown = facets.has(want.facet) ? want.facet : this.facets[0];
      chosen = entries.filter(entry => of(entry) === this.shown);
    } else this.shown = null;
    this.all = [];
    for (const entry of chosen) { const key = label(entry); if (!known.has(key)) { known.add(key); this.all.push(key) } }
    if (keys) chosen = chosen.filter(entry => keys.has(label(entry)));
    const kind = kinds(view).includes(want.kind) ? want.kind : this.fitting(view, keys ? keys.size : known.size);
    this.kind = kind; this.exact = this.bare = false;
    this.lines.hidden = kind !== "lines"; this.bars.hidden = kind !== "bars"; this.bins.hidden = kind !== "distribution"; this.big.hidden = kind !== "number";
    if (kind === "lines") this.overTime(view, chosen, label, value, keys);
    else if (kind === "bars") this.highest(view, this.ranked(view, want, value, chosen, wanted) ?? chosen, label, value);
    else if (kind === "distribution") this.spread(view, chosen, value);
    else if (kind === "number") this.figure(view, chosen, value);
    else this.words = "";
    // Axes without anything on them would say something.
    if (this.bare) { this.lines.hidden = this.bars.hidden = this.bins.hidden = true; this.words = chosen.length ? "No row has a value to draw." : view.total && (keys || fits || want.closed) ? "No row fits." : store.finished ? "No rows." : "No rows yet." }
    if (this.shown) this.words = `${facet}: ${this.shown}` + (this.words ? " · " + this.words : "");
  }

  /** The rows with the highest values of a view whose rows are not all here. Where each key's newest counts, those are the newest. */
  ranked(view, want, value, chosen, { equal, words, unknown }) {
    if (unknown !== null || view.whole || series(view) || want.keys) return null;
    const facet = this.shown === null ? [] : [[this.facet, String(chosen[0].row[this.facet])]];
    const entries = ranking(view, value, { equal: [...equal, ...facet], words });
    this.exact = entries !== null;
    return entries?.filter(entry => !(want.closed && entry.status === "open")) ?? null;
  }

  fitting(view, many) {
    const can = kinds(view);
    if (can.length < 2) return can[0] ?? "";
    return !series(view) ? "bars" : many > MANY ? "distribution" : "lines";
  }

  overTime(view, entries, label, value, chosen) {
    const groups = new Map();
    for (const entry of entries) {
      const ms = entry.ms ??= Date.parse(entry.row[view.newest]), y = entry.row[value];
      if (Number.isNaN(ms) || y === null || !Number.isFinite(Number(y))) continue;
      const key = label(entry);
      let group = groups.get(key); if (!group) groups.set(key, group = { key, points: [], last: -Infinity, y: 0 });
      group.points.push([ms / 1000, Number(y), entry.status]);
      if (ms > group.last) { group.last = ms; group.y = Number(y) }
    }
    const all = [...groups.values()], { held } = this;
    // Lines that were chosen stay, so that colours do not jump; the rest by name.
    const stay = held?.view === view && held.value === value && held.shown === this.shown && held.chosen === chosen?.size ? held.keys.filter(key => groups.has(key)) : [];
    const rest = all.filter(group => !stay.includes(group.key)).sort((a, b) => b.y - a.y).map(group => group.key);
    const keys = [...stay, ...rest].slice(0, this.tall ? LINES : 6);
    this.held = { view, value, shown: this.shown, chosen: chosen?.size, keys };
    this.bare = all.length === 0;
    const times = new Set();
    for (const key of keys) for (const [t] of groups.get(key).points) times.add(t);
    const room = Math.min(POINTS, Math.max(24, Math.floor(this.lines.clientWidth / POINT_PX)));
    const x = [...times].sort((a, b) => a - b).slice(-room), place = new Map(x.map((t, at) => [t, at]));
    const drawn = keys.map((key, at) => {
      const values = x.map(() => null), statuses = x.map(() => null);
      for (const [t, y, status] of groups.get(key).points) { const i = place.get(t); if (i !== undefined) { values[i] = y; statuses[i] = status } }
      return { label: key || value, colour: "hue-" + (at + 1), values, statuses };
    });
    Object.assign(this.plot.options, { format: number, grain: 0 });
    this.plot.show(x, drawn, { watermark: store.finished ? null : view.asOf?.watermark_ms ? view.asOf.watermark_ms / 1000 : null });
    const standing = status => entries.reduce((sum, entry) => sum + (entry.status === status), 0), open = standing("open"), amended = standing("amended");
    this.words = [all.length > keys.length && `${keys.length} of ${count(all.length)} keys`, open && `hollow: ${count(open)} open`, amended && `ringed: ${count(amended)} amended`].filter(Boolean).join(" · ");
    this.plot.label(`${value} of ${view.name} over ${view.newest}: ${keys.length} of ${all.length} keys, ${entries.length} rows, ${open} open, ${amended} amended`);
  }

  /** Of each key its newest row, the highest first. */
  highest(view, entries, label, value) {
    const newest = new Map(), by = view.newest, follows = series(view);
    for (const entry of entries) {
      const y = Number(entry.row[value]); if (entry.row[value] === null || Number.isNaN(y)) continue;
      const key = label(entry), there = newest.get(key);
      if (!there || (follows ? entry.row[by] > there.entry.row[by] : y > there.y)) newest.set(key, { key, y, entry });
    }
    const sorted = [...newest.values()].sort((a, b) => b.y - a.y || (a.key < b.key ? -1 : 1)).slice(0, this.tall ? BARS : 8);
    this.bare = sorted.length === 0;
    bars(this.bars, sorted.map(({ key, y, entry }) => ({ name: key || value, value: y, text: number(y), status: view.info.closes ? entry.status : "final" })));
    const standing = status => view.info.closes ? sorted.reduce((sum, { entry }) => sum + (entry.status === status), 0) : 0, open = standing("open"), amended = standing("amended");
    const of = this.exact ? this.told ?? view.total : newest.size;
    this.words = [of > sorted.length && `the ${sorted.length} highest of ${count(of)}${this.exact ? this.told === SAMPLE ? " rows and more" : " rows" : ""}`, follows && newest.size && "the newest of each"].filter(Boolean).join(", ") + (open ? ` · hollow: ${open} open` : "") + (amended ? ` · striped: ${amended} amended` : "");
  }

  spread(view, entries, value) {
    const numbers = [];
    for (const { row } of entries) { const y = Number(row[value]); if (row[value] !== null && Number.isFinite(y)) numbers.push(y) }
    const values = Float64Array.from(numbers);
    if (values.length === 0) { this.bare = true; return }
    values.sort();
    const at = share => values[Math.min(values.length - 1, Math.floor(share * values.length))];
    // The highest hundredth is one bin: a few far off do not flatten the rest.
    const low = values[0], high = values.length > 200 ? at(0.99) : values.at(-1), integers = values.every(Number.isInteger);
    const width = Math.max(integers ? 1 : 0, nice((high - low) / BINS)) || 1, from = Math.floor(low / width) * width;
    const edges = [], most = Math.min(4 * BINS, Math.floor((high - from) / width) + 1) || 1;
    for (let bin = 0; bin < most; bin++) edges.push(Number((from + bin * width).toPrecision(12)));
    const bins = edges.map(() => 0), of = one => Math.min(bins.length - 1, Math.max(0, Math.floor((one - from) / width)));
    for (const one of values) bins[of(one)]++;
    const step = Math.ceil(edges.length / (this.tall ? 8 : 5));
    columns(this.bins, edges.map((edge, i) => ({ label: i % step ? "\u200b".repeat(i + 1) : number(edge, width), value: bins[i], title: `${number(edge)} to ${i === edges.length - 1 && high < values.at(-1) ? number(values.at(-1)) : number(edge + width)}: ${count(bins[i])} rows` })));
    this.words = `median ${number(at(0.5))} · p99 ${number(at(0.99))} · max ${number(values.at(-1))}`;
    mark(this.bins, "aria-label", `Distribution of ${value} of ${count(values.length)} rows: ${this.words}`);
  }

  figure(view, entries, value) {
    const row = entries[0]?.row, y = row?.[value];
    set(this.big.firstChild, y === null || y === undefined ? "–" : number(Number(y))); set(this.big.lastChild, value);
    this.words = "";
  }

  remove() { this.plot.remove() }
}

/** What of a picture can be chosen: checkboxes of the keys, at most so many. */
export function choices(parent, picture, want, act) {
  const MOST = 200, chosen = want.keys && new Set(want.keys);
  list(parent, picture.all.slice(0, MOST), key => key, key => make("label", { class: "check" }, make("input", { type: "checkbox", onchange: () => act(key) }), make("bdi", {}, key)), (item, key) => {
    const on = chosen ? chosen.has(key) : false;
    if (item.firstChild.checked !== on) item.firstChild.checked = on;
  });
}

function nice(width) {
  if (!(width > 0) || !Number.isFinite(width)) return 0;
  const power = 10 ** Math.floor(Math.log10(width)), scale = width / power;
  return power * (scale <= 1 ? 1 : scale <= 2 ? 2 : scale <= 5 ? 5 : 10);
}
