// A view as a table and as the chart that fits its columns:
//   lines over time, a line a key, where rows are of windows; distribution, where the keys are many;
//   bars, longest first, where there is no time. The choice can be changed.

import { Lines, bars, columns } from "./chart.js";
import { copy, list, make, mark, set } from "./dom.js";
import { page, store, touch } from "./store.js";
import { cell, count, isNumber, number, rate, watermark } from "./text.js";

export const title = "Views";
const SHOWN = 100;         // rows drawn
const LINES = 8;           // keys drawn as lines
const POINTS = 240;        // times drawn
const MANY = 60;           // keys, beyond which lines say nothing
const BARS = 14;
const GLOWING = 500;       // changes a second, beyond which nothing glows
const BINS = 24;

const part = {};
let view = null, drawn = 0, fresh = true, asked = 0, owed = false;
const wish = { filter: "", paused: false, chart: {}, value: {}, order: null };
const still = matchMedia("(prefers-reduced-motion: reduce)");

export function mount(root) {
  const button = (text, act, more) => make("button", { type: "button", onclick: act, ...more }, text);
  const choice = (label, act) => { const select = make("select", { "aria-label": label, onchange: act }); return select };
  part.picks = make("nav", { class: "picks", "aria-label": "Views" });
  part.name = make("h1"); part.about = make("p", { class: "note" });
  part.filter = make("input", { type: "search", placeholder: "Filter by key …", "aria-label": "Filter rows by key", oninput: () => { wish.filter = part.filter.value.trim().toLowerCase(); now() } });
  part.kind = choice("Chart", () => { wish.chart[view.name] = part.kind.value; now() });
  part.value = choice("Value of the chart", () => { wish.value[view.name] = part.value.value; now() });
  part.pause = button("Pause", () => { wish.paused = !wish.paused; mark(part.pause, "aria-pressed", wish.paused); set(part.pause, wish.paused ? "Resume" : "Pause"); now() }, { "aria-pressed": "false" });
  const address = tail => `${location.origin}/api/v1/views/${encodeURIComponent(view.name)}${tail}`;
  part.curl = button("Copy as curl", () => copy(part.curl, `curl -s '${address("/rows?limit=100")}'`));
  part.sse = button("Copy as SSE", () => copy(part.sse, `curl -N '${address("/stream")}'`));
  part.query = make("details", { class: "query" }, make("summary", {}, "SQL"), part.sql = make("pre", { tabindex: "0" }));
  part.lines = make("div", { class: "plot" }); part.bars = make("ol", { class: "bars" }); part.bins = make("div", { class: "bins", role: "img", "aria-label": "Distribution" });
  part.says = make("p", { class: "note says" });
  part.head = make("tr"); part.body = make("tbody");
  part.scroll = make("div", { class: "scroll rows", tabindex: "0", role: "region", "aria-label": "Rows" }, make("table", {}, make("thead", {}, part.head), part.body));
  part.empty = make("p", { class: "empty" }); part.total = make("p", { class: "note" });
  part.chart = make("section", { class: "card", "aria-label": "Chart" }, make("div", { class: "tools" }, part.kind, part.value, part.says), part.lines, part.bars, part.bins);
  part.one = make("div", { class: "one" },
    make("div", { class: "head" }, make("div", {}, part.name, part.about), make("div", { class: "tools" }, part.filter, part.pause, part.curl, part.sse)),
    part.query, part.chart, make("section", { class: "card", "aria-label": "Rows" }, part.empty, part.scroll, part.total));
  part.none = make("p", { class: "empty", hidden: true }, "This dataflow publishes no view: CREATE MATERIALIZED VIEW makes one.");
  root.append(make("div", { class: "sided" }, part.picks, part.one), part.none);
  part.plot = new Lines(part.lines, { height: 260, label: "Chart" });
}

function now() { drawn = 0; fresh = true; owed = false; touch("views") }

export function go(name) {
  const next = store.views.get(name) ?? (name ? null : view) ?? [...store.views.values()][0] ?? null;
  wanted = name;
  if (next && next !== view) choose(next);
}
let wanted = "";

function choose(next) {
  view = next; wish.order = null; fresh = true; drawn = 0; owed = false;
  part.body.replaceChildren(); part.body.held = new Map(); part.head.replaceChildren();
  part.filter.value = ""; wish.filter = "";
  set(part.name, view.name);
  const head = (text, cls, title, name) => {
    const label = name ? make("button", { type: "button", title, onclick: () => sort(name) }, text) : text;
    part.head.append(make("th", { scope: "col", class: cls, "data-column": name }, label));
  };
  head("status", "", "");
  for (const c of view.columns) head(c.name, isNumber(c.type) ? "n" : "", c.type, c.name);
  set(part.sql, view.info.sql);
  const { info } = view;
  part.told = !info.closes ? "updates with every change" : info.emit === "final" ? "rows appear when their window closes" : "updates while windows are open";
  const numbers = view.columns.filter(c => isNumber(c.type) && !(info.key ?? []).includes(c.name)).map(c => c.name);
  part.value.replaceChildren(...numbers.map(name => make("option", { value: name }, name)));
  part.value.value = wish.value[view.name] ?? numbers[0] ?? "";
  part.value.hidden = numbers.length < 2;
  view.kinds = [...(view.newest ? ["lines"] : []), "bars", ...(numbers.length ? ["distribution"] : [])];
  part.kind.replaceChildren(make("option", { value: "" }, "chart: as fits"), ...view.kinds.map(kind => make("option", { value: kind }, kind)));
  part.kind.value = wish.chart[view.name] ?? "";
  part.chart.hidden = numbers.length === 0;
  mark(part.scroll, "aria-label", "Rows of " + view.name);
}

function sort(name) {
  const { order } = wish, first = isNumber(view.columns.find(c => c.name === name).type) ? -1 : 1;
  wish.order = order?.by !== name ? { by: name, sign: first } : order.sign === first ? { by: name, sign: -first } : null;
  for (const th of part.head.children) mark(th, "aria-sort", wish.order && th.dataset.column === wish.order.by ? (wish.order.sign > 0 ? "ascending" : "descending") : null);
  now();
}

const labelOf = names => row => names.map(name => row[name] === null ? "NULL" : String(row[name])).join(" · ");

export function draw(changed) {
  part.none.hidden = store.views.size > 0 || store.state !== "live"; part.one.hidden = store.views.size === 0;
  if (changed.has("catalog")) {
    if (view && store.views.get(view.name) !== view) view = null;
    if (!view || wanted) go(wanted);
    if (view && part.query.firstChild.nextSibling.shown !== view.info.sql) choose(view);
  }
  list(part.picks, [...store.views.values()], one => one.name, one => make("a", { href: "#views/" + encodeURIComponent(one.name) }, make("span", {}, one.name), make("small", { class: "count" })), (link, one) => {
    mark(link, "aria-current", one === view ? "true" : null);
    mark(link, "class", one.info.alert ? "alerting" : null);
    set(link.lastChild, count(one.total));
  });
  if (!view) return;
  if (view.paged && !wish.paused && performance.now() - asked > 2000) { asked = performance.now(); page(view).catch(() => {}) }
  if (wish.paused && drawn) return;
  if (!changed.has("views") && drawn) return;
  drawn = performance.now();
  set(part.about, `${part.told} · as of ${watermark(view.asOf)}${view.paged ? "" : ` · ${rate(view.rate)} changes/s`}` + (view.info.alert ? ` · alert: ${view.info.alert}` : ""));

  const keys = view.key.filter(name => { const c = view.columns.find(c => c.name === name); return c && !c.time }), label = labelOf(view.info.key ? keys : view.columns.filter(c => !c.time && !isNumber(c.type)).map(c => c.name));
  const fits = wish.filter ? row => label(row).toLowerCase().includes(wish.filter) : null;
  // The rows in one frame, the chart in the next: neither waits for the other.
  if (owed) { owed = false; if (!part.chart.hidden) chart(fits, label); return }
  const { rows, fitting } = view.top(SHOWN, fits, wish.order);
  table(rows);
  const total = view.total;
  part.empty.hidden = rows.length > 0; part.scroll.hidden = rows.length === 0;
  set(part.empty, total > 0 ? "No row fits the filter." : store.finished ? "No rows." : "No rows yet.");
  set(part.total, fitting === 0 ? "" : (fitting > rows.length || fits ? `${count(rows.length)} of ` : "") + `${count(fits ? fitting : total)} ${total === 1 ? "row" : "rows"}` + (fits ? ` that fit, of ${count(total)}` : "") + (wish.order ? "" : view.newest ? ", newest first" : ""));
  if (fresh) { if (!part.chart.hidden) chart(fits, label) } else { owed = true; touch("views") }
  fresh = false;
}

function table(rows) {
  // Where everything changes all the time a glow says nothing, and costs.
  const flash = !fresh && !still.matches && !(view.rate > GLOWING);
  const glow = element => element.animate([{ backgroundColor: "var(--flash)" }, { backgroundColor: "transparent" }], { duration: 700, easing: "ease-out" });
  list(part.body, rows, ([key]) => key, () => make("tr", {}, make("td", {}, make("span", { class: "badge" })), ...view.columns.map(c => make("td", { class: isNumber(c.type) ? "n" : "" }))), (tr, [, entry]) => {
    const old = tr.entry; if (old === entry) return;
    tr.entry = entry;
    const badge = tr.firstChild.firstChild;
    set(badge, entry.status); mark(badge, "class", "badge " + entry.status); mark(badge, "title", entry.version > 1 ? "version " + entry.version : null);
    view.columns.forEach((c, at) => {
      const value = entry.row[c.name], td = tr.children[at + 1], text = cell(value, c);
      if (td.shown === text) return;
      set(td, text); td.classList.toggle("null", value === null);
      if (text.length > 40) mark(td, "title", text);
      if (flash && old && td.glow?.playState !== "running") td.glow = glow(td);
    });
    if (flash && !old) glow(tr);
  });
}

// ---- the chart ----
function chart(fits, label) {
  const value = part.value.value, entries = [];
  for (const entry of view.rows.values()) if (!fits || fits(entry.row)) entries.push(entry);
  const kind = part.kind.value || fitting(entries, label);
  part.lines.hidden = kind !== "lines"; part.bars.hidden = kind !== "bars"; part.bins.hidden = kind !== "distribution";
  if (kind === "lines") lines(entries, label, value);
  else if (kind === "bars") longest(entries, label, value);
  else spread(entries, value);
}

/** The chart that fits: by whether rows have times, and how many keys there are. */
function fitting(entries, label) {
  if (!view.newest || !view.info.key?.includes(view.newest) && !view.info.closes) return "bars";
  const keys = new Set();
  for (const { row } of entries) { keys.add(label(row)); if (keys.size > MANY) return "distribution" }
  return "lines";
}

function lines(entries, label, value) {
  const groups = new Map();
  for (const entry of entries) {
    const ms = Date.parse(entry.row[view.newest]), y = entry.row[value];
    if (Number.isNaN(ms) || y === null) continue;
    const key = label(entry.row);
    let group = groups.get(key); if (!group) groups.set(key, group = { key, points: [], last: -Infinity, y: 0 });
    group.points.push([ms / 1000, y, entry.status]);
    if (ms > group.last) { group.last = ms; group.y = y }
  }
  const all = [...groups.values()];
  // Lines that were chosen stay, so that colours do not jump; the rest by name.
  const held = part.plot.held?.view === view && part.plot.held.value === value && part.plot.held.filter === wish.filter ? part.plot.held.keys.filter(key => groups.has(key)) : [];
  const rest = all.filter(group => !held.includes(group.key)).sort((a, b) => b.y - a.y).map(group => group.key);
  const keys = [...held, ...rest].slice(0, LINES);
  part.plot.held = { view, value, filter: wish.filter, keys };
  let times = new Set();
  for (const key of keys) for (const [t] of groups.get(key).points) times.add(t);
  const x = [...times].sort((a, b) => a - b).slice(-POINTS), place = new Map(x.map((t, at) => [t, at]));
  const series = keys.map((key, at) => {
    const values = x.map(() => null), statuses = x.map(() => null);
    for (const [t, y, status] of groups.get(key).points) { const i = place.get(t); if (i !== undefined) { values[i] = y; statuses[i] = status } }
    return { label: key || value, colour: "hue-" + (at + 1), values, statuses };
  });
  part.plot.options.format = number;
  part.plot.show(x, series, { watermark: store.finished ? null : view.asOf?.watermark_ms ? view.asOf.watermark_ms / 1000 : null });
  const points = entries.length, open = entries.reduce((sum, entry) => sum + (entry.status === "open"), 0), amended = entries.reduce((sum, entry) => sum + (entry.status === "amended"), 0);
  set(part.says, `${keys.length} of ${count(all.length)} keys · ` + (open ? `hollow: ${count(open)} open · ` : "") + (amended ? `ringed: ${count(amended)} amended · ` : "") + "shaded: after the watermark");
  part.plot.label(`${value} of ${view.name} over ${view.newest}: ${keys.length} of ${all.length} keys, ${points} rows, ${open} open, ${amended} amended`);
}

function longest(entries, label, value) {
  const best = [...entries].sort((a, b) => (b.row[value] ?? -Infinity) - (a.row[value] ?? -Infinity) || (label(a.row) < label(b.row) ? -1 : 1)).slice(0, BARS);
  const name = row => (label(row) || value) + (view.info.closes && view.newest ? "  " + String(row[view.newest]).slice(11, 19) : "");
  bars(part.bars, best.map(entry => ({ name: name(entry.row), value: entry.row[value], text: entry.row[value] === null ? "NULL" : number(entry.row[value]), status: view.info.closes ? entry.status : "final" })));
  set(part.says, entries.length > BARS ? `the ${BARS} highest of ${count(entries.length)}` : "");
}

function spread(entries, value) {
  const numbers = [];
  for (const { row } of entries) if (typeof row[value] === "number") numbers.push(row[value]);
  const values = Float64Array.from(numbers);
  if (values.length === 0) { columns(part.bins, []); set(part.says, ""); return }
  values.sort();
  const at = share => values[Math.min(values.length - 1, Math.floor(share * values.length))];
  // The highest hundredth is one bin: a few far off do not flatten the rest.
  const low = values[0], high = values.length > 200 ? at(0.99) : values.at(-1), integers = values.every(Number.isInteger);
  const width = Math.max(integers ? 1 : 0, nice((high - low) / BINS)) || 1, from = Math.floor(low / width) * width;
  const bins = new Map();
  for (let edge = from; edge <= high; edge += width) bins.set(Number(edge.toPrecision(12)), 0);
  const edges = [...bins.keys()];
  for (const one of values) { const edge = edges[Math.min(edges.length - 1, Math.max(0, Math.floor((one - from) / width)))]; bins.set(edge, bins.get(edge) + 1) }
  const step = Math.ceil(edges.length / 8);
  columns(part.bins, edges.map((edge, i) => ({ label: i % step ? "\u200b".repeat(i + 1) : number(edge), value: bins.get(edge), title: `${number(edge)} to ${i === edges.length - 1 && high < values.at(-1) ? number(values.at(-1)) : number(edge + width)}: ${count(bins.get(edge))} rows` })));
  const words = `${value} of ${count(values.length)} rows: median ${number(at(0.5))}, p90 ${number(at(0.9))}, p99 ${number(at(0.99))}, max ${number(values.at(-1))}`;
  set(part.says, words); mark(part.bins, "aria-label", "Distribution of " + words);
}

function nice(width) {
  if (!(width > 0)) return 0;
  const power = 10 ** Math.floor(Math.log10(width)), scale = width / power;
  return power * (scale <= 1 ? 1 : scale <= 2 ? 2 : scale <= 5 ? 5 : 10);
}
