// The operator graph in SQL's words: each operator is the clause that asks for it, with the view it is of and its place in the
// program. Layers from sources to views; edges as thick as rows flow, with the rows and the watermark that they carry; each node with
// its rates, how busy it is, what it keeps, and how uneven its workers are. The busiest operator stands out, a source that brings nothing is dashed.

import { Lines, bars } from "./chart.js";
import { list, make, mark, resized, set } from "./dom.js";
import { operators } from "./past.js";
import { store, touch } from "./store.js";
import { compact, count, percent, rate, size } from "./text.js";

export const title = "Dataflow";
const W = 216, H = 84, GAP_X = 88, GAP_Y = 18;
let svg = null, shape = "", nodes = new Map(), edges = [], detail = null, picked = null, body = null, words = null, box = null;

export function mount(root) {
  svg = make("svg", { class: "graph", role: "group", "aria-label": "Operators" });
  box = make("div", { class: "scroll graphbox", tabindex: "0", role: "region", "aria-label": "Operator graph" }, svg);
  words = make("p", { class: "note" });
  detail = make("div", { class: "detail", "aria-live": "off" });
  body = make("tbody");
  // Escape leaves the chosen operator, and leads back to it in the graph.
  root.addEventListener("keydown", event => { if (event.key === "Escape" && picked !== null) { nodes.get(picked)?.focus(); choose(picked) } });
  resized(box, () => { shape = ""; touch("flow") });
  root.append(make("h1", { class: "unseen" }, "Dataflow"), make("section", { class: "card", "aria-label": "Graph" }, words, box, detail),
    make("section", { class: "card", "aria-label": "Operators" }, make("h2", {}, "Operators, busiest first"), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Operators as a table" },
      make("table", { class: "operators" }, make("thead", {}, make("tr", {}, ...[["operator"], ["of"], ["busy", "n"], ["skew", "n"], ["rows/s in", "n"], ["rows/s out", "n"], ["rows in", "n"], ["rows out", "n"], ["state rows", "n"], ["state bytes", "n"], ["watermark", "n"], ["place"]].map(([text, cls]) => make("th", { scope: "col", class: cls }, text)))), body))));
}

const WORDS = { source: "SOURCE", table: "TABLE", reduce: "GROUP BY", join: "JOIN", lookup: "JOIN AS OF", union: "UNION", rank: "ORDER BY", over: "OVER", pattern: "MATCH_RECOGNIZE", recursion: "RECURSIVE", rows: "RECURSIVE", hold: "HOLD", window: "WINDOW", every: "ALL", view: "VIEW", sink: "SINK" };
/** What an operator is called in SQL. */
function wordOf(node) {
  if (node.kind === "map") return / where /.test(node.does) ? "WHERE" : "SELECT";
  const sql = node.origins[0]?.sql ?? "", said = /^(TUMBLE|HOP|CUMULATE|SESSION|(?:SELECT )?DISTINCT|(?:NOT )?(?:IN|EXISTS)|INTERSECT|EXCEPT|ROW_NUMBER|RANK|DENSE_RANK|LIMIT|FETCH|MATCH_RECOGNIZE)\b/i.exec(sql);
  if (/^(inner|left|right|full|semi|anti|cross)\b.* join/.test(node.does) && !said) return node.does.split(" ", 1)[0].toUpperCase() + " JOIN";
  if (node.kind === "reduce" && node.does.startsWith("reduce:") && !said) return "AGGREGATE";
  return said && node.kind !== "source" && node.kind !== "table" ? said[1].toUpperCase() : WORDS[node.kind] ?? node.kind.toUpperCase();
}
/** The clause without the words that the operator is called by. */
const clauseOf = node => node.kind === "map" && !(wordOf(node) === "WHERE" ? /^(WHERE|HAVING)\b/i : /^(SELECT|WHERE|HAVING)\b/i).test(node.origins[0]?.sql ?? "") ? null : node.origins[0]?.sql.replace(/^(SELECT DISTINCT|SELECT|WHERE|HAVING|GROUP BY|JOIN|UNION( ALL)?|TUMBLE|HOP|CUMULATE|ORDER BY)\b\s*/i, "") || null;
/** The operator in words: its kind, then its clause, where that does not say it. */
const saidOf = (one, most) => fit(one.origins.length && !named(one) && new RegExp(`^${one.word}\\b`, "i").test(one.name) ? one.name : `${one.word} ${one.name}`, most);
const named = one => ["source", "table", "view", "sink"].includes(one.kind);
/** Without a key all rows are of one worker: that is no fault of the rows. */
const uneven = one => one.skew >= 2 && one.word !== "AGGREGATE";
const placeOf = one => one.origins.length ? `${one.origins[0].file.split("/").at(-1)}:${one.origins[0].line}:${one.origins[0].column}` : "";
const ofWhom = one => one.origins[0]?.of ?? one.serves[0] ?? "";

/** Nodes by id: those of the plan, then views and sinks. */
function build(flow) {
  return new Map(flow.nodes.map(node => {
    const condition = node.kind === "map" ? / where (.*)$/.exec(node.does)?.[1] : null, head = condition ?? node.does.split(":")[0].replace(/^\w+\s*/, "");
    return [node.id, {
      key: node.id, kind: node.kind, word: wordOf(node), name: node.name ?? clauseOf(node) ?? head, origins: node.origins, serves: node.serves, parts: node.parts ?? [], skew: node.skew ?? null, does: node.does, known: node.known, inputs: node.inputs, source: node.kind === "source" ? node.name : null,
      rate: node.rate, rateOut: node.rateOut, busy: node.busy, rowsIn: node.rows_in, rowsOut: node.rows_out, stateRows: node.state_rows, stateBytes: node.state_bytes, watermark: node.watermark_ms, watermarkText: node.watermark,
    }];
  }));
}

function layers(all) {
  const depth = new Map();
  const deep = key => { if (!depth.has(key)) depth.set(key, 1 + Math.max(-1, ...all.get(key).inputs.filter(input => all.has(input)).map(deep))); return depth.get(key) };
  for (const key of all.keys()) deep(key);
  // Outputs stand right behind what they show; sources right before who reads them first.
  const columns = [];
  for (const key of all.keys()) (columns[depth.get(key)] ??= []).push(key);
  const place = new Map();
  columns.forEach((column, x) => {
    if (x > 0) {
      const middle = key => { const rows = all.get(key).inputs.map(input => place.get(input)?.[1] ?? 0); return rows.reduce((a, b) => a + b, 0) / (rows.length || 1) };
      column.sort((a, b) => middle(a) - middle(b));
    }
    column.forEach((key, y) => place.set(key, [x, y]));
  });
  return { place, wide: columns.length, tall: Math.max(1, ...columns.map(column => column.length)), columns };
}

function lay(all) {
  const { place, wide, tall, columns } = layers(all);
  const width = Math.max(0, wide * (W + GAP_X) - GAP_X) + 4, height = tall * (H + GAP_Y) - GAP_Y + 4;
  // A graph that is a little too wide is drawn a little smaller; beyond that it scrolls.
  const room = (box.clientWidth - 32) / width, scale = room < 0.75 ? 0.9 : Math.min(1, room);
  for (const [name, value] of [["viewBox", `0 0 ${width} ${height}`], ["width", width * scale], ["height", height * scale]]) mark(svg, name, value);
  svg.replaceChildren(); nodes = new Map(); edges = [];
  const spot = key => { const [x, y] = place.get(key), free = (tall - columns[x].length) * (H + GAP_Y) / 2; return [2 + x * (W + GAP_X), 2 + free + y * (H + GAP_Y)] };
  const lines = svg.appendChild(make("g", { class: "edges", "aria-hidden": "true" }));
  for (const one of all.values()) for (const input of one.inputs) {
    if (!place.has(input)) continue;
    const [x1, y1] = spot(input), [x2, y2] = spot(one.key), a = x1 + W, b = y1 + H / 2, c = x2, d = y2 + H / 2, bend = Math.max(24, (c - a) / 2);
    edges.push([input, one.key, lines.appendChild(make("path", { d: `M${a} ${b}C${a + bend} ${b} ${c - bend} ${d} ${c} ${d}` }))]);
  }
  for (const one of all.values()) {
    const [x, y] = spot(one.key);
    const text = (cls, dx, dy, anchor) => make("text", { class: cls, x: dx, y: dy, "text-anchor": anchor });
    const element = make("g", { class: "node " + one.kind, transform: `translate(${x} ${y})`, tabindex: "0", role: "button", onclick: () => choose(one.key), onkeydown: event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(one.key) } } },
      make("rect", { class: "body", width: W, height: H, rx: 8 }), make("rect", { class: "busy", x: 0, y: H - 4, width: 0, height: 4 }));
    const parts = { kind: text("kind", 12, 20), busy: text("value", W - 12, 20, "end"), name: text("name", 12, 40), rate: text("value", 12, 64), state: text("value", W - 12, 64, "end") };
    // What leaves it: rows and how far event time is. Of all its edges the same.
    if ([...all.values()].some(other => other.inputs.includes(one.key))) Object.assign(parts, { out: text("edge", W + 6, H / 2 - 6), reached: text("edge", W + 6, H / 2 + 15) });
    element.append(...Object.values(parts)); Object.assign(element, { parts, bar: element.children[1] });
    nodes.set(one.key, svg.appendChild(element));
  }
}

const fit = (text, most) => text.length > most ? text.slice(0, most - 1) + "…" : text;
const pen = make("canvas").getContext("2d"), fonts = new Map();
/** The font of a picture's text, which its class tells, and the space between letters. */
function fontOf(element) {
  const of = element.getAttribute("class");
  if (!fonts.has(of)) { const style = getComputedStyle(element); fonts.set(of, [`${style.fontWeight} ${style.fontSize} ${style.fontFamily}`, parseFloat(style.letterSpacing) || 0]) }
  return fonts.get(of);
}
/** As much of a text as has room in so many pixels of a picture. */
function fitTo(element, text, width) {
  const [font, between] = fontOf(element), drawn = text => pen.measureText(text).width + text.length * between;
  pen.font = font;
  if (drawn(text) <= width) return text;
  let length = text.length - 1;
  while (length > 1 && drawn(text.slice(0, length) + "…") > width) length--;
  return text.slice(0, length).trimEnd() + "…";
}
/** Sets it, anew only when it is another. */
const setFit = (element, text, width) => { if (element.whole !== text + width) { element.whole = text + width; set(element, fitTo(element, text, width)) } };
const quiet = one => { const source = store.sources.find(source => source.name === one.source); return Boolean(source) && source.status === "live" && one.rate === 0 };

/** How far a node's event time is. */
const reached = (one, end = 19) => one.watermark !== null && one.watermark !== undefined ? new Date(one.watermark).toISOString().slice(11, end) : one.watermarkText === "infinity" ? "end" : "–";

let latest = new Map();
export function draw(changed) {
  if (!changed.has("flow") || !store.flow) return;
  const all = latest = build(store.flow), next = JSON.stringify([...all.values()].map(one => [one.key, one.inputs]));
  if (next !== shape) { shape = next; lay(all) }
  let busiest = null, most = 1, silent = null, skewed = null;
  for (const one of all.values()) { if (one.busy !== null && (!busiest || one.busy > busiest.busy)) busiest = one; most = Math.max(most, one.rateOut ?? 0); if (quiet(one)) silent = one; if (uneven(one) && (!skewed || one.skew > skewed.skew)) skewed = one }
  for (const one of all.values()) {
    const element = nodes.get(one.key), { parts } = element;
    const mood = quiet(one) ? "quiet" : one.busy >= 0.8 ? "hot" : one === busiest && one.busy > 0.2 ? "warm" : "";
    mark(element, "class", `node ${one.kind} ${mood}${picked === one.key ? " picked" : ""}`);
    setFit(parts.kind, named(one) ? one.word : `${one.word} · ${ofWhom(one)}`, W - 24 - (one.busy === null ? 0 : 48)); setFit(parts.name, one.name, W - 24);
    set(parts.busy, one.busy === null ? "" : percent(one.busy));
    set(parts.rate, quiet(one) ? "no rows" : one.rate === null ? "" : `${rate(one.rate)} rows/s`);
    set(parts.state, one.stateRows ? `${compact(one.stateRows)} kept` : "");
    if (parts.out) { set(parts.out, one.rateOut === null ? "" : `${rate(one.rateOut)}/s`); set(parts.reached, reached(one)) }
    mark(element.bar, "width", (W * Math.min(1, one.busy ?? 0)).toFixed(1));
  }
  for (const [from, to, path] of edges) {
    const flow = all.get(from)?.rateOut ?? 0;
    mark(path, "stroke-width", (1 + 5 * Math.sqrt(flow / most)).toFixed(1)); mark(path, "class", flow > 0 ? "flowing" : null);
  }
  box.hidden = body.closest("section").hidden = all.size === 0;
  if (all.size === 0) return set(words, "This dataflow has no operators.");
  set(words, (busiest?.busy > 0 ? `Busiest: ${saidOf(busiest, 48)}${busiest.origins.length && ofWhom(busiest) !== busiest.name ? " of " + ofWhom(busiest) : ""} at ${percent(busiest.busy)} of a core.` : "Nothing is busy.") + (skewed ? ` Most uneven: ${saidOf(skewed, 40)}: one worker has ${skewed.skew.toFixed(1)} times the mean.` : "") + (silent ? ` The source ${silent.source} is live and brings nothing.` : "") + " Choose an operator to see all of it.");
  list(body, [...all.values()].sort((a, b) => (b.busy ?? 0) - (a.busy ?? 0) || (b.rowsIn ?? 0) - (a.rowsIn ?? 0)), one => one.key, one => make("tr", {}, make("th", { scope: "row" }), make("td"), ...Array.from({ length: 9 }, () => make("td", { class: "n" })), make("td")), (row, one) => {
    const cells = row.children, known = (value, show) => value === null || value === undefined ? "–" : show(value);
    set(cells[0], saidOf(one, 56)); mark(cells[0], "title", one.does); set(cells[1], ofWhom(one)); mark(cells[1], "title", ofWhom(one));
    set(cells[2], known(one.busy, percent)); set(cells[3], known(one.skew, skew => skew.toFixed(1) + "×")); mark(cells[3], "class", uneven(one) ? "n warn" : "n"); set(cells[4], known(one.rate, rate)); set(cells[5], known(one.rateOut, rate));
    set(cells[6], known(one.rowsIn, count)); set(cells[7], known(one.rowsOut, count)); set(cells[8], known(one.stateRows || null, count)); set(cells[9], known(one.stateBytes || null, size));
    set(cells[10], reached(one, 21)); set(cells[11], placeOf(one));
  });
  if (picked) describe();
}

function choose(key) { picked = picked === key ? null : key; for (const [other, element] of nodes) element.classList.toggle("picked", other === picked); describe() }

/** Whether rows stay in it. */
const keeps = one => !["source", "map", "union", "unnest"].includes(one.kind);

/** All of the chosen operator: its clause and place, its parts by worker, and what it kept over time. */
function describe() {
  const one = latest.get(picked);
  if (!one) { if (detail.shown !== undefined) { for (const line of detail.lines ?? []) line.remove(); detail.replaceChildren(); detail.shown = undefined } return }
  if (detail.shown !== one.key) {
    for (const line of detail.lines ?? []) line.remove();
    detail.shown = one.key;
    const views = one.serves.flatMap((name, at) => [at ? ", " : "", store.views.has(name) ? make("a", { href: "#views/" + encodeURIComponent(name) }, name) : name]);
    detail.parts = make("ol", { class: "bars" });
    const charts = make("div", { class: "halves" }), chart = label => { const box = charts.appendChild(make("div", {}, make("h3", {}, label))); return new Lines(box, { height: 120, label, zero: true, least: 60, legend: false, format: label === "Busy" ? percent : compact, grain: label === "Busy" ? 0.001 : 1 }) };
    detail.replaceChildren(make("h3", {}, saidOf(one, 88)),
      ...one.origins.map(origin => make("div", { class: "codeline" }, make("code", {}, origin.sql), make("span", { class: "note" }, `${origin.of}, ${origin.file}:${origin.line}:${origin.column}`))),
      make("p", { class: "note" }, "For ", ...views, "."), make("p", {}, one.does), make("ul", {}, ...one.known.split(" | ").filter(Boolean).map(text => make("li", {}, text))), ...(one.parts.length ? [make("h3", {}, "By worker"), detail.parts] : []), charts);
    const busy = ["source", "view", "sink"].includes(one.kind) ? null : chart("Busy");
    detail.lines = busy ? [busy, ...(keeps(one) ? [chart("Rows kept")] : [])] : [];
    if (!operators.t.length) operators.begin();
  }
  bars(detail.parts, one.parts.map(part => ({ name: "worker " + part.worker, value: part.rate, text: `${rate(part.rate)}/s` + (keeps(one) ? ` · ${compact(part.kept)} kept` : "") })));
  detail.lines[0]?.show(operators.t, [{ label: "busy", colour: "hue-2", fill: true, values: operators.values("operator", String(one.key), "busy") }]);
  detail.lines[1]?.show(operators.t, [{ label: "rows kept", colour: "hue-1", fill: true, values: operators.values("operator", String(one.key), "state_rows") }]);
}
