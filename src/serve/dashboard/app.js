// The page: sections by the part of the address behind '#', the state of the connection, and one drawing per animation
// frame of the section that is seen, told what changed since the last.

import { recolour } from "./chart.js";
import { at, list, make, mark, set } from "./dom.js";
import { changed, onchange, standing, start, store } from "./store.js";
import { count } from "./text.js";
import * as alerts from "./alerts.js";
import * as flow from "./flow.js";
import * as live from "./live.js";
import * as tables from "./tables.js";
import * as time from "./time.js";
import * as views from "./views.js";

const sections = { live, views, time, flow, alerts, tables };
const roots = {};
let shown = null;

for (const [name, section] of Object.entries(sections)) {
  const link = make("a", { href: "#" + name }, make("span", {}, section.title), make("span", { class: "count" }));
  at("nav").append(link);
  roots[name] = { link, box: at("main").appendChild(make("div", { id: "section-" + name, class: "section", hidden: true })), mounted: false };
}

function route() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  if (name === "main") { at("main").focus(); return }
  const next = sections[name] ? name : "live";
  if (shown !== next) {
    for (const [key, root] of Object.entries(roots)) { root.box.hidden = key !== next; mark(root.link, "aria-current", key === next ? "page" : null) }
    roots[next].link.scrollIntoView({ block: "nearest", inline: "center" });
    shown = next; scrollTo(0, 0);
    document.title = next === "live" ? "Highwater" : sections[next].title + " · Highwater";
  }
  if (!roots[shown].mounted) { roots[shown].mounted = true; sections[shown].mount(roots[shown].box) }
  sections[shown].go?.(decodeURIComponent(rest.join("/")));
  wake(true);
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
    set(roots.alerts.link.lastChild, bad ? count(bad) : "");
    set(roots.views.link.lastChild, store.views.size ? String(store.views.size) : "");
  }
  sections[shown].draw(topics);
  // Never more than a fifth of the time goes into drawing.
  pace = Math.max(100, 5 * (performance.now() - now));
}
onchange(() => wake());

const words = { connecting: "connecting", live: "live", lost: "reconnecting", locked: "asks for /?access_token=…" };
function state() {
  const done = store.state === "live" && store.finished;
  mark(at("state"), "class", "state " + (done ? "done" : store.state));
  set(at("state").lastChild, done ? "finished" : words[store.state]);
}

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
route();
start();
