// Event time, a picture for each source: the watermark, the windows that are open, where late rows fall, how late they
// are, and the bound that would find almost all of them on time.

import { columns } from "./chart.js";
import { copy, list, make, mark, resized, set } from "./dom.js";
import { store, touch, upstream } from "./store.js";
import { clock, count, day, percent, some, span } from "./text.js";

export const title = "Time";
let root = null, cards = null, none = null;

export function mount(box) {
  root = box;
  cards = make("div", { class: "stack" }); none = make("p", { class: "empty", hidden: true }, "No source of this dataflow has a watermark.");
  root.append(make("h1", { class: "unseen" }, "Event time"), cards, none);
  // Also when nothing comes.
  resized(cards, () => touch("sources"));
}

function card(source) {
  const element = make("section", { class: "card", "aria-label": "Event time of " + source.name });
  const facts = make("dl", { class: "facts" });
  element.facts = {};
  for (const [key, label] of [["watermark", "watermark"], ["bound", "bound"], ["lateness", "lateness"], ["onTime", "on time"], ["amending", "late, taken"], ["rejected", "late, rejected"]])
    facts.append(make("div", {}, make("dt", {}, label), element.facts[key] = make("dd")));
  element.picture = make("svg", { class: "timeline", role: "img", width: "100%" });
  element.words = make("p", { class: "note" }); element.leaps = make("ul", { class: "note", "aria-label": "Rows that move the watermark far" });
  element.bins = make("div", { class: "bins", role: "img", "aria-label": "Rows by how late they come" });
  element.advice = make("p", { class: "advice" }); element.code = make("code", { tabindex: "0" }); element.copy = make("button", { type: "button", onclick: () => copy(element.copy, element.code.textContent) }, "Copy");
  element.append(make("div", { class: "head" }, make("h2", {}, source.name), facts), element.picture, element.words, element.leaps,
    make("div", { class: "halves" }, make("div", {}, make("h3", {}, "How late rows come"), element.bins),
      make("div", {}, make("h3", {}, "The bound it suggests"), element.advice, make("div", { class: "codeline" }, element.code, element.copy))));
  return element;
}

export function draw(changed) {
  if (!changed.has("sources") && !changed.has("flow")) return;
  const timed = store.sources.filter(source => source.event_time);
  none.hidden = timed.length > 0 || store.sources.length === 0 && (!store.flow || store.flow.nodes.some(node => node.kind === "source"));
  list(cards, timed, source => source.name, card, update);
}

function update(element, source) {
  const time = source.event_time, { rows } = source;
  set(element.facts.watermark, time.watermark_ms === null ? (time.watermark === "infinity" ? "end" : "–") : `${day(time.watermark_ms)} ${clock(time.watermark_ms)}`);
  set(element.facts.bound, span(time.bound_ms)); set(element.facts.lateness, time.lateness_ms === null ? "without bound" : span(time.lateness_ms));
  set(element.facts.onTime, count(rows.on_time)); set(element.facts.amending, count(rows.accepted_late)); set(element.facts.rejected, count(rows.rejected_late));
  list(element.leaps, time.leaps.slice(-3), leap => leap.position, () => make("li"), (line, leap) => set(line, leap.text)); element.leaps.hidden = time.leaps.length === 0;
  picture(element, source);
  // Before the first row there is nothing to advise.
  element.lastChild.hidden = rows.accepted + rows.rejected_late === 0;
  if (element.lastChild.hidden) { element.words.hidden = false; return set(element.words, "No row has come yet.") }
  histogram(element, time, rows);
}

/** Where a source's windows are: a lane for each operator that has some, named by the views that show it. */
function lanesOf(source) {
  const flow = store.flow; if (!flow) return [];
  const own = flow.nodes.find(node => node.kind === "source" && node.name === source.name);
  const lanes = flow.nodes.filter(node => node.open_windows && own && upstream(flow, node.id).has(own.id)).map(node => ({ id: node.id, open: node.open_windows, does: node.does, names: [] }));
  for (const view of flow.nodes) {
    if (view.kind !== "view" && view.kind !== "sink") continue;
    const near = upstream(flow, view.id, node => Boolean(node.open_windows));
    for (const lane of lanes) if (near.has(lane.id)) lane.names.push(view.name);
  }
  return lanes.map(lane => ({ ...lane, name: lane.names.length ? lane.names[0] + (lane.names.length > 1 ? " +" + (lane.names.length - 1) : "") : lane.does.split(":")[0] }));
}

const HEIGHT = 26;
function picture(element, source) {
  const time = source.event_time, svg = element.picture, W = time.watermark_ms;
  mark(svg, "hidden", W === null); element.words.hidden = W === null;
  if (W === null) return;
  const lanes = lanesOf(source), lateness = time.lateness_ms, width = svg.clientWidth || 800, LEFT = Math.min(140, width / 4);
  // Late rows stand as far behind the watermark as they were when they came.
  const late = time.late_rows.map(row => ({ by: row.watermark_ms - row.event_ms, accepted: row.accepted }));
  const room = lateness ?? 5 * time.bound_ms, far = Math.min(Math.max(0, ...late.map(row => row.by)), 4 * room + 30_000);
  let from = W - Math.max(room * 1.25, far * 1.05) - 1000, to = W + Math.max(time.bound_ms * 1.6, 1500);
  for (const { open } of lanes) if (open.from_ms !== null) { from = Math.min(from, open.from_ms); to = Math.max(to, open.to_ms) }
  const scale = ms => LEFT + (width - LEFT - 12) * (ms - from) / (to - from);
  const step = [100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 1.2e5, 3e5, 6e5, 1.8e6, 3.6e6, 7.2e6, 2.16e7, 4.32e7, 8.64e7].find(step => (to - from) / step <= Math.max(3, (width - LEFT) / 110)) ?? 6.048e8;
  const parts = [], rows = Math.max(1, lanes.length + (late.length > 0)), foot = 24 + HEIGHT * rows, tall = foot + 18;
  const rect = (cls, a, b, y, height, title) => parts.push(make("rect", { class: cls, x: scale(Math.max(a, from)).toFixed(1), y, width: Math.max(1, scale(Math.min(b, to)) - scale(Math.max(a, from))).toFixed(1), height, rx: cls.startsWith("window") ? 3 : 0 }, title ? make("title", {}, title) : null));
  const text = (cls, x, y, words, anchor = "start") => parts.push(make("text", { class: cls, x: typeof x === "number" ? x.toFixed(1) : x, y, "text-anchor": anchor }, words));
  const lane = (at, name) => { const y = 22 + at * HEIGHT, most = Math.floor(LEFT / 7) - 1; text("lane", 0, y + 13, name.length > most ? name.slice(0, most - 1) + "…" : name); return y };
  if (lateness !== null) rect("zone rejected", from, W - lateness, 18, foot - 18, "rows here are rejected");
  rect("zone late", lateness === null ? from : W - lateness, W, 18, foot - 18, "rows here are late and still amend");
  rect("zone ahead", W, Math.min(to, W + time.bound_ms), 18, foot - 18, "rows here are on time");
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
    const x = scale(t);
    parts.push(make("line", { class: "tick", x1: x.toFixed(1), x2: x.toFixed(1), y1: 18, y2: foot }));
    if (x < width - 24) text("label", x, tall - 3, step >= 1000 ? clock(t) : clock(t) + "." + String(Math.floor(t % 1000 / 100)), "middle");
  }
  lanes.forEach(({ name, open }, at) => {
    const y = lane(at, name);
    if (open.windows.length) for (const one of open.windows) rect("window", one.from_ms, one.to_ms, y, HEIGHT - 8, `${name}: ${clock(one.from_ms)} to ${clock(one.to_ms)}`);
    else if (open.count) {
      const [a, b] = open.from_ms === null ? [W, to] : [open.from_ms, open.to_ms];
      rect("window many", a, b, y, HEIGHT - 8, `${count(open.count)} open`);
      text("label within", scale(Math.max(a, from)) + 6, y + 13, `${count(open.count)} open`);
    }
  });
  if (late.length) {
    const y = lane(lanes.length, "late rows") + 9;
    late.forEach((row, at) => parts.push(make("circle", { class: "row " + (row.accepted ? "taken" : "refused"), cx: Math.max(LEFT, scale(W - row.by)).toFixed(1), cy: (y + (at % 5 - 2) * 3).toFixed(1), r: 3 }, make("title", {}, `${span(row.by)} behind the watermark: ${row.accepted ? "amends" : "rejected"}`))));
  }
  const at = scale(W);
  parts.push(make("line", { class: "watermark", x1: at.toFixed(1), x2: at.toFixed(1), y1: 14, y2: foot }));
  text("watermark", at > width - 70 ? width - 12 : at, 10, "watermark " + clock(W), at > width - 70 ? "end" : "middle");
  if (lateness !== null && at - scale(W - lateness) > 150) text("label", scale(W - lateness) + 4, 10, "late, amends");
  if (lateness !== null && scale(W - lateness) - LEFT > 60 && at - LEFT > 130) text("label", LEFT, 10, "rejected");
  mark(svg, "height", tall); mark(svg, "viewBox", `0 0 ${width} ${tall}`);
  svg.replaceChildren(...parts);
  const open = lanes.reduce((sum, lane) => sum + lane.open.count, 0), refused = late.filter(row => !row.accepted).length;
  const words = `The watermark is ${span(time.bound_ms)} behind the newest row. Rows behind it are late` + (lateness === null ? " and still amend." : lateness === 0 ? " and rejected." : `; up to ${span(lateness)} behind they still amend, beyond they are rejected.`)
    + ` ${open ? some(open, "window is", "windows are") : "No window is"} open.` + (late.length === 1 ? ` The one late row ${refused ? "was rejected" : "was taken"}.` : late.length ? ` Of the last ${count(late.length)} late rows ${refused ? count(refused) : "none"} ${refused === 1 || !refused ? "was" : "were"} rejected.` : "");
  mark(svg, "aria-label", words); set(element.words, words);
}

function histogram(element, time, rows) {
  const { buckets, p99_ms, p999_ms } = time.late_by, all = buckets.reduce((sum, one) => sum + one.rows, 0) || 1;
  // By doubling bounds: rows that came after newer ones, by how much.
  const merged = new Map();
  for (const { up_to_ms, rows } of buckets) { const edge = up_to_ms === null ? Infinity : up_to_ms <= 0 ? 0 : 2 ** Math.ceil(Math.log2(up_to_ms)); merged.set(edge, (merged.get(edge) ?? 0) + rows) }
  const bins = [...merged].sort(([a], [b]) => a - b).map(([edge, n]) => ({
    label: edge === 0 ? "0" : edge === Infinity ? "more" : span(edge).replace(".0", ""), value: n, title: `${edge === 0 ? "in order" : "up to " + span(edge) + " late"}: ${count(n)} rows, ${percent(n / all)}`,
    tone: edge <= Math.max(time.bound_ms, 2 ** Math.ceil(Math.log2(Math.max(1, time.bound_ms)))) ? "good" : time.lateness_ms === null || edge <= time.bound_ms + time.lateness_ms ? "warn" : "bad",
  }));
  const every = element.bins.clientWidth < 40 * bins.length ? 3 : element.bins.clientWidth < 64 * bins.length ? 2 : 1;
  columns(element.bins, bins.map((bin, at) => at % every ? { ...bin, label: "\u200b".repeat(at) } : bin));
  mark(element.bins, "aria-label", `Rows by how late they come: ${bins.map(bin => bin.title).join("; ")}`);
  advise(element, time, rows, p99_ms, p999_ms);
}

const FEW = 100, MANY = 1000, DAY_MS = 864e5;
/** The bound that would do. Of few rows the latest is no measure, and rows that are days behind are no matter of a bound. */
function advise(element, time, rows, p99, p999) {
  const all = rows.accepted + rows.rejected_late, late = all - rows.on_time, bound = span(time.bound_ms);
  const now = late === 0 ? `With ${bound} all rows are on time.` : `With ${bound}, ${(Math.floor(1e4 * rows.on_time / all) / 100).toFixed(2)} % of the rows are on time.`;
  // Shares are of buckets, whose bounds are rough: where all are on time, what is set is no less than what is wanted.
  const least = ms => late === 0 || ms <= time.bound_ms ? Math.min(ms, time.bound_ms) : ms, for99 = least(p99), for999 = least(p999);
  const few = all < FEW, far = for999 > DAY_MS, wanted = all < MANY || far ? for99 : for999;
  const words = few ? `${some(all, "row is", "rows are")} too few to say what would do.`
    : for99 > DAY_MS ? `For 99 % it would take ${span(for99)}: so far behind are other times, not late rows.`
      : all < MANY ? `A bound of ${span(for99)} would do for 99 %.`
        : far ? `A bound of ${span(for99)} would do for 99 %; for 99.9 % it would take ${span(for999)}: so far behind are other times, not late rows.`
          : span(for99) === span(for999) ? `A bound of ${span(for999)} would do for 99.9 %.` : `A bound of ${span(for99)} would do for 99 %, ${span(for999)} for 99.9 %.`;
  const told = !few && wanted <= DAY_MS;
  set(element.advice, `${now} ${words}` + (!told || wanted > time.bound_ms ? "" : wanted === time.bound_ms ? " What is set is enough." : " What is set is enough; less would show results sooner."));
  element.code.parentElement.hidden = !told;
  set(element.code, `WATERMARK FOR ${time.column} AS ${time.column} - INTERVAL '${Math.max(0, wanted) / 1000}' SECOND`);
}
