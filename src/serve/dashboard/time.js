// Event time, a picture for each source: the watermark, the windows that are open, where late rows fall, how late they
// are, and the bound that would find almost all of them on time.

import { columns } from "./chart.js";
import { copy, list, make, mark, set } from "./dom.js";
import { store } from "./store.js";
import { clock, count, day, percent, span } from "./text.js";

export const title = "Time";
let root = null, cards = null, none = null;

export function mount(box) {
  root = box;
  cards = make("div", { class: "stack" }); none = make("p", { class: "empty", hidden: true }, "No source of this dataflow has a watermark.");
  root.append(make("h1", { class: "unseen" }, "Event time"), cards, none);
}

function card(source) {
  const element = make("section", { class: "card", "aria-label": "Event time of " + source.name });
  const facts = make("dl", { class: "facts" });
  element.facts = {};
  for (const [key, label] of [["watermark", "watermark"], ["bound", "bound"], ["lateness", "lateness"], ["onTime", "on time"], ["amending", "late, taken"], ["rejected", "late, rejected"]])
    facts.append(make("div", {}, make("dt", {}, label), element.facts[key] = make("dd")));
  element.picture = make("svg", { class: "timeline", role: "img", width: "100%" });
  element.words = make("p", { class: "note" });
  element.bins = make("div", { class: "bins", role: "img", "aria-label": "Rows by how late they come" });
  element.advice = make("p", { class: "advice" }); element.code = make("code", { tabindex: "0" }); element.copy = make("button", { type: "button", onclick: () => copy(element.copy, element.code.textContent) }, "Copy");
  element.append(make("div", { class: "head" }, make("h2", {}, source.name), facts), element.picture, element.words,
    make("div", { class: "halves" }, make("div", {}, make("h3", {}, "How late rows come"), element.bins),
      make("div", {}, make("h3", {}, "The bound it suggests"), element.advice, make("div", { class: "codeline" }, element.code, element.copy))));
  return element;
}

export function draw(changed) {
  if (!changed.has("sources") && !changed.has("views")) return;
  const timed = store.sources.filter(source => source.event_time);
  none.hidden = timed.length > 0 || store.sources.length === 0;
  list(cards, timed, source => source.name, card, update);
}

function update(element, source) {
  const time = source.event_time, { rows } = source;
  set(element.facts.watermark, time.watermark_ms === null ? (time.watermark === "infinity" ? "end" : "–") : `${day(time.watermark_ms)} ${clock(time.watermark_ms)}`);
  set(element.facts.bound, span(time.bound_ms)); set(element.facts.lateness, time.lateness_ms === null ? "without bound" : span(time.lateness_ms));
  set(element.facts.onTime, count(rows.on_time)); set(element.facts.amending, count(rows.accepted_late)); set(element.facts.rejected, count(rows.rejected_late));
  picture(element, source);
  histogram(element, time, rows);
}

/** The open windows by their times, and how many rows (keys) each has. */
function openWindows() {
  const windows = new Map();
  for (const view of store.views.values()) {
    if (!view.info.closes) continue;
    const names = new Set(view.columns.map(c => c.name));
    if (!names.has("window_start") || !names.has("window_end")) continue;
    const found = new Map();
    for (const { row, status } of view.rows.values()) {
      if (status !== "open") continue;
      const key = row.window_start + row.window_end, there = found.get(key);
      if (there) there.rows++; else found.set(key, { from: Date.parse(row.window_start), to: Date.parse(row.window_end), rows: 1 });
    }
    if (found.size) windows.set(view.name, [...found.values()].filter(one => !Number.isNaN(one.from)));
  }
  return windows;
}

const HEIGHT = 26, SESSIONS = 40;
function picture(element, source) {
  const time = source.event_time, svg = element.picture, W = time.watermark_ms;
  mark(svg, "hidden", W === null); element.words.hidden = W === null;
  if (W === null) return;
  const windows = openWindows(), late = time.lateness_ms;
  let from = W - (late ?? 5 * time.bound_ms) * 1.25 - 1000, to = W + Math.max(time.bound_ms * 1.6, 1500);
  for (const list of windows.values()) for (const one of list) { if (list.length <= SESSIONS) { from = Math.min(from, one.from); to = Math.max(to, one.to) } }
  // A step at a time, so that the scale does not tremble.
  const width = svg.clientWidth || 800, scale = ms => 96 + (width - 108) * (ms - from) / (to - from);
  const step = [100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6, 2.16e7, 8.64e7].find(step => (to - from) / step <= Math.max(3, width / 130)) ?? 6.048e8;
  const parts = [], lanes = [...windows], tall = 54 + HEIGHT * Math.max(1, lanes.length);
  const rect = (cls, a, b, y, height, title) => parts.push(make("rect", { class: cls, x: scale(Math.max(a, from)).toFixed(1), y, width: Math.max(1, scale(Math.min(b, to)) - scale(Math.max(a, from))).toFixed(1), height, rx: cls.startsWith("window") ? 3 : 0 }, title ? make("title", {}, title) : null));
  const text = (cls, x, y, words, anchor = "start") => parts.push(make("text", { class: cls, x, y, "text-anchor": anchor }, words));
  rect("zone rejected", from, late === null ? from : W - late, 18, tall - 36, "rows here are rejected");
  rect("zone late", late === null ? from : W - late, W, 18, tall - 36, "rows here are late and still amend");
  rect("zone ahead", W, Math.min(to, W + time.bound_ms), 18, tall - 36, "rows here are on time");
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
    const x = scale(t).toFixed(1);
    parts.push(make("line", { class: "tick", x1: x, x2: x, y1: 18, y2: tall - 18 }));
    text("label", x, tall - 4, step >= 1000 ? clock(t) : clock(t) + "." + String(Math.floor(t % 1000 / 100)), "middle");
  }
  lanes.forEach(([name, list], lane) => {
    const y = 24 + lane * HEIGHT;
    text("lane", 0, y + 13, name.length > 14 ? name.slice(0, 13) + "…" : name);
    if (list.length > SESSIONS) {
      const least = Math.min(...list.map(one => one.from)), most = Math.max(...list.map(one => one.to));
      rect("window many", least, most, y, HEIGHT - 8, `${count(list.length)} open windows`);
      text("label within", scale(Math.max(least, from)) + 6, y + 13, `${count(list.length)} open`);
    } else {
      for (const one of list) rect("window", one.from, one.to, y, HEIGHT - 8, `${name}: ${clock(one.from)} to ${clock(one.to)}, ${count(one.rows)} rows`);
    }
  });
  const at = scale(W).toFixed(1);
  parts.push(make("line", { class: "watermark", x1: at, x2: at, y1: 14, y2: tall - 18 }));
  text("watermark", at, 10, "watermark " + clock(W), "middle");
  if (late !== null && scale(W) - scale(W - late) > 90) text("label", scale(W - late) + 4, 12, "late, amends");
  mark(svg, "height", tall); mark(svg, "viewBox", `0 0 ${width} ${tall}`);
  svg.replaceChildren(...parts);
  const open = lanes.reduce((sum, [, list]) => sum + list.length, 0);
  const words = `The watermark is ${span(time.bound_ms)} behind the newest row. Rows behind it are late` + (late === null ? " and still amend." : `; up to ${span(late)} behind they still amend, beyond they are rejected.`) + ` ${count(open)} windows are open.`;
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
  const share = rows.accepted + rows.rejected_late ? rows.on_time / (rows.accepted + rows.rejected_late) : 1;
  set(element.advice, `With ${span(time.bound_ms)}, ${(100 * share).toFixed(2)} % of the rows are on time. A bound of ${span(p99_ms)} would do for 99 %, ${span(p999_ms)} for 99.9 %.` + (p999_ms > time.bound_ms ? "" : " What is set is enough; less would show results sooner."));
  const seconds = Math.max(0, p999_ms) / 1000;
  set(element.code, `WATERMARK FOR ${time.column} AS ${time.column} - INTERVAL '${seconds}' SECOND`);
}
