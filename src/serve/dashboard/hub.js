// The one connection to the server, shared by all pages of one browser: as a SharedWorker, or in the page where there is none.
// It follows the views, keeps their rows, hands every event on to the pages that are looked at, and tells a page that comes
// what it missed; so many pages cost the server one stream, and the browser one of its few connections.
//
// The browser reconnects by itself and says where it was. Where it gives up (an answer that is no stream, as while the server
// is starting), or where nothing comes for long though the connection stands, it is made anew.

import { View, apply } from "./model.js";

const RETRY_MS = 2000;
const DEAF_MS = 15_000;            // after so long without an event a connection is taken for dead
const GONE_MS = 150_000;           // a page that has not called for so long is
const PIECE = 500;                 // rows a message

const ports = new Map();           // the pages: when each called last, and whether it looks
const views = new Map();
const latest = new Map();          // of the events that tell all there is, the last
const WHOLE_EVENTS = ["history", "stats", "sources", "dataflow"];
let token = null, source = null, retry = null, standing = { is: "connecting" }, heard = null, opened = 0, lastId = "", tried = 0, run = null;

const withToken = path => token ? path + (path.includes("?") ? "&" : "?") + "access_token=" + encodeURIComponent(token) : path;
const tell = message => { for (const [port, page] of ports) if (page.looks) port.postMessage(message) };
const quiet = () => heard === null ? null : performance.now() - heard;
function stand(is, more = {}) { standing = { is, ...more }; tell({ state: standing, quiet: quiet() }) }

/** A page. It says `join` first (with its token), then every now and then whether it `looks`, and `bye`. */
export function join(port) {
  port.onmessage = ({ data }) => {
    if (data.say === "bye") { ports.delete(port); rest(); return }
    const page = ports.get(port), { looks } = data;
    ports.set(port, { looks, called: performance.now() });
    if (data.say === "join") { token ??= data.token; if (!source && !retry) start() }
    if (looks && !page?.looks) welcome(port);
  };
  port.start?.();
}
globalThis.onconnect = event => join(event.ports[0]);

/** All that is known here, in the order in which it would have come. */
function welcome(port) {
  port.postMessage({ state: standing, quiet: quiet() });
  if (views.size) port.postMessage({ catalog: [...views.values()].map(view => view.info), run });
  for (const view of views.values()) {
    if (!view.known) continue;
    const rows = [...view.rows.values()];
    for (let at = 0; at === 0 || at < rows.length; at += PIECE) port.postMessage({ rows: rows.slice(at, at + PIECE), view: view.name, asOf: view.asOf, trimmed: view.trimmed, begins: at === 0, ends: at + PIECE >= rows.length });
  }
  for (const [event, text] of latest) port.postMessage({ event, text });
}

/** Nobody is there: the stream is given back. */
function rest() {
  if (ports.size) return;
  source?.close(); source = null; clearTimeout(retry); retry = null; standing = { is: "connecting" }; heard = null;
  for (const view of views.values()) view.known = false;
}

async function ask(path) {
  const answer = await fetch(path, token ? { headers: { authorization: "Bearer " + token } } : {});
  if (answer.ok) return answer.json();
  const body = await answer.json().catch(() => ({}));
  const why = /expired/.test(answer.headers.get("www-authenticate") ?? "") ? "expired" : answer.status === 403 ? "role" : token ? "wrong" : "missing";
  throw Object.assign(new Error(body.detail ?? answer.statusText), { status: answer.status, why });
}

/** Asks what there is, then follows it. */
async function start() {
  clearTimeout(retry); retry = null;
  const mine = ++tried;
  try {
    const found = await ask("/api/v1/views");
    if (mine !== tried) return;
    take(found);
    follow();
  } catch (error) {
    if (mine !== tried) return;
    if (error.status === 401 || error.status === 403) return stand("locked", { why: error.why, detail: error.message });
    stand("lost");
    retry = setTimeout(start, RETRY_MS);
  }
}

function take({ views: all, run: of }) {
  run = of;
  const names = new Set(all.map(about => about.name));
  for (const name of views.keys()) if (!names.has(name)) views.delete(name);
  for (const about of all) { const view = views.get(about.name); if (view) view.about(about); else views.set(about.name, new View(about)) }
  tell({ catalog: all, run });
}

function follow() {
  source?.close();
  const followed = [...views.values()].filter(view => !view.paged).map(view => encodeURIComponent(view.name));
  // Without a name all views would be followed.
  const asked = views.size === followed.length ? "" : "&views=" + (followed.join(",") || encodeURIComponent([...views.keys()][0]));
  const since = lastId && [...views.values()].every(view => view.known || view.paged) ? "&last_event_id=" + encodeURIComponent(lastId) : "";
  source = new EventSource(withToken("/api/v1/stream?align=false&numbers=exact&every=200ms&with=" + WHOLE_EVENTS.join() + asked + since));
  opened = performance.now();
  const on = (name, act) => source.addEventListener(name, event => {
    heard = performance.now(); lastId = event.lastEventId;
    act?.(event.data);
    if (WHOLE_EVENTS.includes(name)) latest.set(name, event.data);
    tell({ event: name, text: event.data });
  });
  source.onopen = () => stand("live");
  source.onerror = () => {
    stand("lost");
    if (source?.readyState === EventSource.CLOSED) { lastId = ""; clearTimeout(retry); retry = setTimeout(start, RETRY_MS) }
  };
  for (const name of ["snapshot", "delta", "progress"]) on(name, text => apply(views, name, text));
  on("reset", refresh);
  for (const name of WHOLE_EVENTS) on(name);
}

/** After a restart the program may be another. */
async function refresh() {
  latest.clear();
  const found = await ask("/api/v1/views").catch(() => null);
  if (!found) return;
  const same = found.views.length === views.size && found.views.every(about => views.has(about.name));
  take(found);
  if (!same) { lastId = ""; follow() }
}

setInterval(() => {
  const now = performance.now();
  for (const [port, page] of ports) if (now - page.called > GONE_MS) ports.delete(port);
  if (source && !retry && source.readyState !== EventSource.CLOSED && now - Math.max(opened, heard ?? 0) > DEAF_MS) { stand("lost"); follow() }
  rest();
}, 1000);
