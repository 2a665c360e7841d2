// The page: sections by the part of the address behind '#', the state of the connection, and one drawing per animation
// frame of the section that is seen, told what changed since the last.

import { ALSO, read } from "./address.js";
import { recolour } from "./chart.js";
import { at, make, mark, set } from "./dom.js";
import { changed, onchange, silence, standing, start, store } from "./store.js";
import { count, span } from "./text.js";
import { locked } from "./token.js";
import * as alerts from "./alerts.js";
import * as board from "./board.js";
import * as flow from "./flow.js";
import * as health from "./health.js";
import * as tables from "./tables.js";
import * as time from "./time.js";
import * as views from "./views.js";

const sections = new Map(Object.entries({ board, views, alerts, time, dataflow: flow, tables, health }));
const roots = new Map();
let shown = null;

for (const [name, section] of sections) {
  const link = make("a", { href: "#" + name }, make("span", {}, section.title), make("span", { class: "count" }));
  at("nav").append(link);
  roots.set(name, { link, box: at("main").appendChild(make("div", { id: "section-" + name, class: "section", hidden: true })), mounted: false });
}
const lost = make("section", { class: "card lost", hidden: true, role: "alert" }, make("h1"), make("p", { class: "note" }));
at("main").prepend(lost);

/** Says in the section's place why there is nothing. */
function tell(head, ...words) { set(lost.firstChild, head); lost.lastChild.replaceChildren(...words); lost.hidden = false }

function route() {
  const { name, rest } = read(location.hash);
  if (name === "main") { at("main").focus(); return }
  const next = sections.has(name) ? name : ALSO.get(name) ?? null;
  lost.hidden = true;
  if (shown !== next) {
    sections.get(shown)?.leave?.();
    for (const [key, { box, link }] of roots) { box.hidden = key !== next; mark(link, "aria-current", key === next ? "page" : null) }
    roots.get(next)?.link.scrollIntoView({ block: "nearest", inline: "center" });
    shown = next; scrollTo(0, 0);
    document.title = next === "board" ? "Highwater" : (sections.get(next)?.title ?? "Nothing here") + " · Highwater";
  }
  if (next === null) {
    const links = [...sections].flatMap(([key, section], at) => [at ? ", " : "", make("a", { href: "#" + key }, section.title)]);
    return tell(`There is no section “${name.slice(0, 80)}”.`, "There are ", ...links, ".");
  }
  guarded(() => {
    const root = roots.get(shown);
    if (!root.mounted) { root.mounted = true; sections.get(shown).mount(root.box) }
    const place = rest.join("/");
    sections.get(shown).go?.(place, name);
    if (place && !sections.get(shown).go) tell(`“${place.slice(0, 80)}” is no place of its own.`, `All of ${sections.get(shown).title} is below.`);
  });
  wake(true);
}

/** A section that fails leaves the others, and the connection, as they are. */
function guarded(act) {
  try { act() } catch (error) { console.error(error); tell(`${sections.get(shown).title} cannot be shown.`, String(error?.message ?? error)) }
}

// ---- drawing ----
let waiting = false, last = 0;
function wake(all) {
  if (all) for (const topic of ["stats", "sources", "flow", "views", "alerts", "catalog", "state"]) changed.add(topic);
  if (!waiting) { waiting = true; requestAnimationFrame(frame) }
}
let pace = 100;
function frame(now) {
  waiting = false;
  if (now - last < pace && changed.size > 0) { wake(); return }
  last = now;
  const topics = new Set(changed); changed.clear();
  if (topics.has("state") || topics.has("stats")) state();
  if (topics.has("alerts") || topics.has("catalog") || topics.has("stats")) {
    const bad = standing();
    set(roots.get("alerts").link.lastChild, bad ? count(bad) : "");
    set(roots.get("views").link.lastChild, store.views.size ? String(store.views.size) : "");
  }
  if (shown) guarded(() => sections.get(shown).draw(topics));
  // Never more than a fifth of the time goes into drawing.
  pace = Math.max(100, 5 * (performance.now() - now));
}
onchange(() => wake());

// ---- how things stand ----
const words = { connecting: "connecting", live: "live", lost: "reconnecting", locked: "asks for a token" };
function state() {
  const quiet = silence(), done = store.state === "live" && store.finished;
  const is = store.state === "live" && quiet ? "stale" : done ? "done" : store.state;
  const since = quiet ? " · " + old(quiet) : "";
  // Another process of the cluster that takes nothing holds this one up.
  const held = is === "live" ? store.stats?.peers?.find(peer => peer.trouble) : null;
  mark(at("state"), "class", "state " + (held ? "held" : is));
  at("state").title = held?.trouble ?? "";
  set(at("state").lastChild, held ? `waits for process ${held.process}` : is === "stale" ? "no news for " + old(quiet) : done ? "finished" : words[store.state] + (store.state === "live" ? "" : since));
  // What is old is grey, whatever the connection believes.
  document.documentElement.classList.toggle("stale", quiet > 0);
  locked(store.state === "locked" ? store.why : null, start);
}
const old = ms => ms < 99_500 ? Math.floor(ms / 1000) + " s" : span(ms);
setInterval(() => { if (!document.hidden) state() }, 500);

// ---- colours ----
const themes = ["system", "light", "dark"], glyphs = { system: "◐", light: "○", dark: "●" };
let theme = "system";
try { theme = themes.find(one => one === localStorage.getItem("theme")) ?? "system" } catch { /* not kept */ }
function paint() {
  if (theme === "system") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = theme;
  at("theme").textContent = glyphs[theme]; at("theme").title = "Colours: " + theme;
}
at("theme").addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  try { localStorage.setItem("theme", theme) } catch { /* not kept */ }
  paint(); recolour(); wake(true);
});
paint();

addEventListener("hashchange", route);
document.addEventListener("visibilitychange", () => { if (!document.hidden) wake(true) });
start();
route();
