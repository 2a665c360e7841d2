// The opening page: what the program is about. A strip of the engine's figures, then charts of the views and the alerts that
// stand. The cards can be arranged and are kept by the browser; the address of a shared board has all of them, and #wall/ shows
// it without anything around it.

import { ALERTS, keepOwn, own, readBoard, short, usual, written } from "./boards.js";
import { pairs, when } from "./alerts.js";
import { copy, list, make, mark, say, set } from "./dom.js";
import { past } from "./past.js";
import { KINDS, Picture, best, measures, partly } from "./picture.js";
import { lagOf, refused, sample, standing, store, touch } from "./store.js";
import { compact, count, percent, rate, some, span, watermark } from "./text.js";

export const title = "Board";
const LISTED = 5;           // alerts of the card
const DUE_MS = 900;         // a chart is drawn anew so often at most
const part = {}, drawn = new Map();
let cards = null, shared = false, arranging = false, wall = false, held = "";

export function mount(root) {
  const button = (text, act, more) => make("button", { type: "button", onclick: act, ...more }, text);
  part.root = root;
  part.strip = make("dl", { class: "strip", "aria-label": "The engine" });
  for (const [name, label] of [["rate", "events/s"], ["latency", "latency p50 · p99"], ["lag", "watermark lag"], ["queue", "queue"], ["total", "received"], ["late", "late"], ["rejected", "rejected"], ["asof", "as of"]])
    part.strip.append(make("div", {}, make("dt", {}, label), part[name] = make("dd", { "data-figure": name })));
  part.arrange = button("Arrange", () => { arranging = !arranging; arranged() }, { "aria-pressed": "false" });
  part.add = make("select", { "aria-label": "Add a chart", onchange: () => { const name = part.add.value; part.add.value = ""; if (name) change(list => list.push(name === ALERTS ? { view: ALERTS } : { view: name, ...best(store.views.get(name)) })) } });
  part.share = button("Copy address", () => copy(part.share, location.origin + "/#board/" + written(cards)));
  part.full = button("Full screen", () => { document.documentElement.requestFullscreen?.().catch(() => {}); location.hash = "#wall/" + written(cards) });
  part.keep = button("Keep as mine", () => { keepOwn(cards); say("Kept"); location.hash = "#board" }, { class: "main" });
  part.mine = make("a", { href: "#board" }, "Back to mine");
  part.usual = button("Start over", () => { keepOwn(null); cards = null; touch("catalog") });
  part.says = make("p", { class: "note" });
  part.bar = make("div", { class: "head controls" }, part.says, make("div", { class: "tools" }, part.mine, part.keep, part.usual, part.add, part.arrange, part.share, part.full));
  part.grid = make("div", { class: "board" }); part.none = make("p", { class: "empty", hidden: true });
  root.append(make("h1", { class: "unseen" }, "Board"), part.strip, part.bar, part.grid, part.none);
  document.addEventListener("fullscreenchange", () => { if (!document.fullscreenElement && wall) location.hash = location.hash.replace("#wall", "#board") });
  document.addEventListener("keydown", event => { if (event.key === "Escape" && wall && !document.fullscreenElement) location.hash = location.hash.replace("#wall", "#board") });
  arranged();
}

export function go(rest, name) {
  const back = wall && name !== "wall";
  wall = name === "wall";
  document.documentElement.classList.toggle("wall", wall);
  const text = location.hash.replace(/^#[^/]*\/?/, "");
  if (text !== held || cards === null) { held = text; shared = text !== ""; cards = shared ? named(readBoard(text)) : null }
  // Something may have been pinned meanwhile.
  if (!shared) { const mine = own(); if (mine) cards = named(mine) }
  arranged();
  // What led to the wall has the focus again.
  if (back) part.full.focus();
}
export function leave() { wall = false; document.documentElement.classList.remove("wall") }

function arranged() {
  mark(part.arrange, "aria-pressed", arranging); set(part.arrange, arranging ? "Done" : "Arrange");
  part.keep.hidden = part.mine.hidden = !shared; part.usual.hidden = !arranging || shared; part.add.hidden = !arranging;
  part.root.classList.toggle("arranging", arranging);
  touch("views", "catalog");
}

/** Changes the cards: of a shared board its address, otherwise one's own. */
function change(act) {
  act(cards); cards = named([...cards]);
  if (shared) { held = written(cards); history.replaceState(null, "", (wall ? "#wall/" : "#board/") + held) } else keepOwn(cards);
  touch("views", "catalog");
}

/** What a card is, whatever its width, is its name; the same twice is told apart. */
function named(list) {
  const seen = new Map();
  for (const card of list) { const what = written([{ ...card, wide: false }]), n = (seen.get(what) ?? 0) + 1; seen.set(what, n); card.id = what + "#" + n }
  return list;
}
const idOf = card => card.id;

function card(one) {
  const element = make("section", { class: "card tile-card" });
  const tool = (label, text, act) => make("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick: act }, text);
  const place = () => cards.findIndex(other => idOf(other) === idOf(one)), move = by => { const from = place(), to = from + by; if (to < 0 || to >= cards.length) return; change(all => all.splice(to, 0, ...all.splice(from, 1))); say(`Place ${to + 1} of ${cards.length}`) };
  const name = one.view === ALERTS ? "Alerts" : short(one.view);
  element.tools = make("div", { class: "tools arrange" },
    tool(`Move ${name} before`, "‹", () => move(-1)), tool(`Move ${name} behind`, "›", () => move(1)),
    tool(`Make ${name} wide or narrow`, "↔", () => change(all => { const at = place(); all[at] = { ...all[at], wide: !all[at].wide } })), tool(`Take ${name} off the board`, "×", () => change(all => all.splice(place(), 1))));
  element.name = make("a", { href: one.view === ALERTS ? "#alerts" : "#views/" + encodeURIComponent(one.view) }, name);
  element.what = make("span", { class: "note" }); element.says = make("p", { class: "note foot" });
  element.append(make("div", { class: "head" }, make("h2", {}, element.name, " ", element.what), element.tools));
  if (one.view === ALERTS) element.append(element.list = make("ol", { class: "alerts brief" }), element.none = make("p", { class: "empty" }));
  else { element.body = element.appendChild(make("div", { class: "body" })); element.picture = new Picture(element.body, { height: 190, tall: false }) }
  element.append(element.says);
  // Cards can be pulled to their place too.
  element.addEventListener("dragstart", event => { event.dataTransfer.setData("text/plain", String(idOf(one))); event.dataTransfer.effectAllowed = "move"; element.classList.add("pulled") });
  element.addEventListener("dragend", () => element.classList.remove("pulled"));
  element.addEventListener("dragover", event => { if (arranging) event.preventDefault() });
  element.addEventListener("drop", event => {
    event.preventDefault();
    const from = cards.findIndex(other => String(idOf(other)) === event.dataTransfer.getData("text/plain")), to = place();
    if (from >= 0 && to >= 0 && from !== to) change(all => all.splice(to, 0, ...all.splice(from, 1)));
  });
  return element;
}

export function draw(changed) {
  if (cards === null && store.views.size) { cards = named(own() ?? usual()); changed.add("catalog") }
  if (changed.has("stats")) strip();
  part.bar.hidden = store.state === "live" && store.views.size === 0;
  if (!cards) { part.none.hidden = store.state !== "live" || store.views.size > 0; set(part.none, "This dataflow publishes no view: CREATE MATERIALIZED VIEW makes one."); return }
  if (changed.has("catalog")) catalog();
  list(part.grid, cards, idOf, card, (element, one) => { element.one = one; mark(element, "class", "card tile-card" + (one.wide ? " wide" : "")); mark(element, "draggable", arranging ? "true" : null) });
  // A chart a frame, the one that waits longest: the page answers between them.
  const now = performance.now();
  let next = null, owed = 0;
  for (const element of part.grid.children) {
    const { one } = element, view = store.views.get(one.view);
    const sign = one.view === ALERTS ? store.alerts.length + "/" + standing() + "/" + Math.floor(now / 5000) : view ? `${view.changes}/${view.asOf?.epoch ?? view.asOf?.watermark}/${view.rows.size}` : "none";
    const full = sign + JSON.stringify([one.kind, one.value, one.by, one.facet, one.keys, one.closed, one.wide]);
    if (element.sign === full || now - (element.drawn ?? -Infinity) < DUE_MS && element.drawn) { if (element.sign !== full) owed++; continue }
    owed++;
    if (!next || (element.drawn ?? 0) < (next.element.drawn ?? 0)) next = { element, one, view, full };
  }
  if (next) { fill(next.element, next.one, next.view); next.element.sign = next.full; next.element.drawn = performance.now(); owed-- }
  if (owed > 0) touch("views");
}

/** What a card asks for that its view has not, and how to say so; the chart is what fits without it. */
function gone(one, view) {
  const missing = [], is = (of, words) => missing.push([of, `There is no ${words(`“${short(one[of])}”`)}`]);
  if (one.kind && !KINDS.includes(one.kind)) is("kind", name => "chart " + name);
  if (one.value && !measures(view).includes(one.value)) is("value", name => `column ${name} to draw`);
  if (one.by && !view.columns.some(column => column.name === one.by)) is("by", name => `column ${name} to tell rows apart by`);
  return missing;
}

function fill(element, one, view) {
  if (one.view === ALERTS) return alerts(element);
  if (!view) { set(element.what, ""); set(element.says, `There is no view “${short(one.view)}” in this program.`); element.body.hidden = true; return }
  element.body.hidden = false;
  if (view.paged && performance.now() - (drawn.get(view) ?? -Infinity) > 5000) { drawn.set(view, performance.now()); sample(view).catch(() => {}) }
  const missing = gone(one, view), want = { ...one, ...Object.fromEntries(missing.map(([of]) => [of, ""])) };
  element.picture.show(view, want);
  const value = want.value || measures(view)[0], how = { bars: "highest ", distribution: "distribution of " }[element.picture.kind] ?? "";
  set(element.what, [value && how + value, want.by && "by " + want.by].filter(Boolean).join(" "));
  mark(element, "aria-label", `${one.view}: ${element.what.textContent}`);
  if (measures(view).length === 0) { set(element.what, ""); set(element.says, "No column of this view can be drawn."); return }
  if (one.keys && view.rows.size && !one.keys.some(key => element.picture.all.includes(key))) missing.push(["keys", "None of its keys is there"]);
  if (missing.length) { set(element.says, missing.map(([, words]) => words + ".").join(" ")); return }
  set(element.says, [element.picture.words, partly(view, element.picture)].filter(Boolean).join(" · "));
}

function alerts(element) {
  const there = store.alerts.filter(alert => !alert.struck), all = standing();
  set(element.what, all ? `${count(all)} ${all === 1 ? "stands" : "stand"}` : ""); mark(element, "aria-label", "Alerts: " + (element.what.textContent || "none"));
  element.none.hidden = there.length > 0; set(element.none, "None stands.");
  list(element.list, there.slice(0, LISTED), alert => alert.id, alert => make("li", {}, make("span", { class: "severity " + alert.severity }, alert.severity), make("a", { href: "#views/" + encodeURIComponent(alert.view) }, alert.view), make("span", { class: "what" }), make("small", { class: "note since" })), (item, alert) => {
    if (item.row !== alert.row) { item.row = alert.row; item.children[2].replaceChildren(...pairs(alert, false)) }
    set(item.lastChild, when(alert));
  });
  set(element.says, all > LISTED ? `the newest ${LISTED}` : "");
}

function catalog() {
  const names = [...store.views.values()].filter(view => !view.info.alert && measures(view).length).map(view => view.name), options = JSON.stringify(names);
  if (part.options !== options) {
    part.options = options;
    part.add.replaceChildren(make("option", { value: "" }, "Add a chart …"), ...names.map(name => make("option", { value: name }, name)), make("option", { value: ALERTS }, "Alerts"));
  }
  const all = cards.length;
  set(part.says, (shared ? "A shared board: yours stays as it is. " : "") + (all === 0 && shared && held !== "" ? "Nothing in its address is a chart. Arrange, then add one." : all === 0 ? "Nothing is on this board: Arrange, then add a chart, or pin one in Views." : arranging ? "Pull cards to their places, or use their buttons." : ""));
}

function strip() {
  const stats = store.stats; if (!stats) return;
  const now = name => past.newest("engine", null, name), p99 = now("latency_p99");
  set(part.rate, rate(stats.finished ? 0 : now("rows_per_second") ?? stats.rows_per_second));
  set(part.latency, p99 === null ? "–" : `${span(now("latency_p50"))} · ${span(p99)}`);
  const lags = stats.sources.map(lagOf).filter(lag => lag !== null);
  set(part.lag, !stats.finished && lags.length ? span(Math.max(...lags)) : "–");
  const full = now("queue") ?? 0; set(part.queue, percent(full)); mark(part.queue, "class", full >= 0.9 ? "bad" : full >= 0.6 ? "warn" : null);
  set(part.total, compact(stats.rows_received)); mark(part.total, "title", some(stats.rows_received, "row", "rows"));
  set(part.late, compact(stats.rows_late)); set(part.rejected, compact(refused(stats))); mark(part.rejected, "class", refused(stats) ? "warn" : null);
  set(part.asof, store.views.size ? watermark(stats.as_of) : "–");
}
