// A view: its SQL, the chart that fits its columns or was chosen, and its rows. What is chosen here can be pinned to the board.

import { pin } from "./boards.js";
import { copy, list, make, mark, say, set } from "./dom.js";
import { Picture, best, choices, kinds, measures, partly } from "./picture.js";
import { Rows, wanted } from "./rows.js";
import { sample, store, touch } from "./store.js";
import { count, rate, watermark } from "./text.js";
import { token } from "./token.js";

export const title = "Views";
const part = {}, wishes = new Map();
let view = null, asked = "", drawn = 0, owed = false, sampled = 0, paused = false, rows = null, picture = null;

/** What was chosen for a view. */
const wish = of => { if (!wishes.has(of.name)) wishes.set(of.name, best(of)); return wishes.get(of.name) };

export function mount(root) {
  const button = (text, act, more) => make("button", { type: "button", onclick: act, ...more }, text);
  const choice = (label, act) => make("select", { "aria-label": label, onchange: act });
  const want = change => { change(wish(view)); now() };
  part.picks = make("nav", { class: "picks", "aria-label": "Views" });
  part.name = make("h1"); part.about = make("p", { class: "note" });
  part.filter = make("input", { type: "search", placeholder: "Filter, or column=value", "aria-label": "Filter rows", title: "Rows that have all these words in their texts and whole numbers; behind them column=value: exactly that, to the next column= or in quotes", oninput: () => { rows.filter(part.filter.value); now() } });
  part.kind = choice("Chart", () => want(one => { one.kind = part.kind.value }));
  part.value = choice("Value of the chart", () => want(one => { one.value = part.value.value; one.facet = "" }));
  part.facet = choice("What is measured", () => want(one => { one.facet = part.facet.value; one.keys = null }));
  part.closed = make("input", { type: "checkbox", onchange: () => want(one => { one.closed = !part.closed.checked }) });
  part.open = make("label", { class: "check" }, part.closed, "open windows");
  part.keyList = make("div", { class: "checks" });
  part.keyFind = make("input", { type: "search", placeholder: "Find a key …", "aria-label": "Find a key", oninput: () => now() });
  part.keyWord = make("summary", { role: "button" }, "keys");
  part.keys = make("details", { class: "menu" }, part.keyWord, make("div", { class: "sheet" }, part.keyFind, part.keyList, button("All keys", () => want(one => { one.keys = null }))));
  part.keys.addEventListener("toggle", () => now());
  part.keys.addEventListener("keydown", event => { if (event.key === "Escape") { part.keys.open = false; part.keyWord.focus() } });
  part.pin = button("Pin to the board", () => { pin({ view: view.name, ...wish(view) }); say("Pinned"); set(part.pin, "Pinned"); setTimeout(() => set(part.pin, "Pin to the board"), 1500) });
  part.pause = button("Pause", () => { paused = !paused; mark(part.pause, "aria-pressed", paused); set(part.pause, paused ? "Resume" : "Pause"); now() }, { "aria-pressed": "false" });
  // The token itself is in no text that is pasted elsewhere.
  const curl = option => `curl ${option} ` + (token.value ? `-H "Authorization: Bearer $TOKEN" ` : "");
  // Between quotes of a shell, where a quote of the name would end the text.
  const address = tail => `${location.origin}/api/v1/views/${encodeURIComponent(view.name).replaceAll("'", "%27")}${tail}`;
  part.curl = button("Copy as curl", () => copy(part.curl, `${curl("-s")}'${address("/rows?limit=100")}'`));
  part.sse = button("Copy as SSE", () => copy(part.sse, `${curl("-N")}'${address("/stream")}'`));
  part.query = make("details", { class: "query" }, make("summary", {}, "SQL"), part.sql = make("pre", { tabindex: "0" }));
  part.says = make("p", { class: "note says" });
  part.chart = make("section", { class: "card", "aria-label": "Chart" }, make("div", { class: "tools" }, part.kind, part.value, part.facet, part.keys, part.open, part.pin, part.says));
  picture = new Picture(part.chart);
  part.one = make("div", { class: "one" },
    make("div", { class: "head" }, make("div", {}, part.name, part.about), make("div", { class: "tools" }, part.filter, part.pause, part.curl, part.sse)),
    part.query, part.chart);
  rows = new Rows(part.one);
  part.none = make("p", { class: "empty", hidden: true }, "This dataflow publishes no view: CREATE MATERIALIZED VIEW makes one.");
  part.unknown = make("section", { class: "card", role: "alert", hidden: true }, make("h1"), make("p", { class: "note" }, "Choose one of those that there are."));
  root.append(make("div", { class: "sided" }, part.picks, make("div", { class: "one" }, part.unknown, part.one)), part.none);
}

function now() { drawn = 0; owed = false; touch("views") }

export function go(name) {
  asked = name;
  const next = store.views.get(name) ?? (name ? null : view) ?? (name ? null : [...store.views.values()][0]) ?? null;
  if (next && next !== view) choose(next);
}

function choose(next) {
  view = next; drawn = 0; owed = false; sampled = 0;
  part.filter.value = "";
  rows.choose(view);
  set(part.name, view.name); set(part.sql, view.info.sql);
  const { info } = view, numbers = measures(view), able = kinds(view), want = wish(view);
  part.told = !info.closes ? "updates with every change" : info.emit === "final" ? "rows appear when they are final" : "updates while windows are open";
  part.value.replaceChildren(...numbers.map(name => make("option", { value: name }, name)));
  part.value.value = want.value; part.value.hidden = numbers.length < 2;
  part.kind.replaceChildren(make("option", { value: "" }, "chart: as fits"), ...able.map(kind => make("option", { value: kind }, kind)));
  part.kind.value = able.includes(want.kind) ? want.kind : ""; part.kind.hidden = able.length < 2;
  part.closed.checked = !want.closed; part.open.hidden = !info.closes || info.emit === "final";
  part.keys.open = false; part.keyFind.value = "";
  part.chart.hidden = numbers.length === 0;
  part.facets = "";
}

export function draw(changed) {
  const some = store.views.size > 0;
  part.none.hidden = some || store.state !== "live";
  if (changed.has("catalog")) {
    if (view && store.views.get(view.name) !== view) view = null;
    if (!view || asked) go(asked);
    if (view && part.sql.shown !== view.info.sql) choose(view);
  }
  const unknown = some && asked !== "" && !store.views.has(asked);
  part.unknown.hidden = !unknown; part.one.hidden = !some || unknown || !view;
  if (unknown) set(part.unknown.firstChild, `There is no view “${asked.slice(0, 80)}”.`);
  list(part.picks, [...store.views.values()], one => one.name, one => make("a", { href: "#views/" + encodeURIComponent(one.name) }, make("span", {}, one.name), make("small", { class: "count" })), (link, one) => {
    mark(link, "aria-current", one === view && !unknown ? "true" : null);
    mark(link, "class", one.info.alert ? "alerting" : null);
    set(link.lastChild, count(one.total));
  });
  if (!view || unknown) return;
  if (view.paged && !paused && performance.now() - sampled > 4000) { sampled = performance.now(); sample(view).catch(() => {}) }
  if (paused && drawn && !owed) return;
  const fresh = changed.has("views") || changed.has("catalog");
  if (!fresh && !owed && drawn) return;
  drawn = performance.now();
  set(part.about, `${part.told} · as of ${watermark(view.asOf)}${view.paged ? "" : ` · ${rate(view.rate)} changes/s`}` + (view.info.alert ? ` · alert: ${view.info.alert}` : ""));
  // The rows in one frame, the chart in the next: neither waits for the other, and what came between them is drawn after both.
  if (owed) { owed = false; chart(rows.fits()); if (fresh) touch("views"); return }
  rows.draw();
  owed = true; touch("chart");
}

function chart(fits) {
  if (part.chart.hidden) return;
  const want = wish(view);
  picture.show(view, want, fits, wanted(part.filter.value, view));
  set(part.says, [picture.words, partly(view, picture)].filter(Boolean).join(" · "));
  part.facet.hidden = picture.facets.length < 2;
  if (part.facets !== picture.facets.join("\n")) { part.facets = picture.facets.join("\n"); part.facet.replaceChildren(...picture.facets.map(name => make("option", { value: name }, `${picture.facet}: ${name}`))) }
  if (picture.shown !== null && part.facet.value !== picture.shown) part.facet.value = picture.shown;
  part.keys.hidden = picture.all.length < 2 || picture.kind === "number";
  set(part.keyWord, want.keys ? `${count(want.keys.length)} of ${count(picture.all.length)} keys` : `keys: ${count(picture.all.length)}`);
  if (!part.keys.open) return;
  const find = part.keyFind.value.trim().toLowerCase(), all = picture.all;
  choices(part.keyList, { all: all.filter(key => key.toLowerCase().includes(find)).sort() }, want, key => {
    const keys = new Set(want.keys ?? []);
    if (keys.has(key)) keys.delete(key); else keys.add(key);
    want.keys = keys.size ? [...keys] : null; now();
  });
}
