// What the page knows, and the one connection that tells it: all views, and every second the statistics, the sources and
// the dataflow. Events change plain objects here; `changed` names what to draw anew.
//
// The browser reconnects by itself and says where it was; only where it gives up (an answer that is no stream, as while
// the server is starting) is the connection made anew.

import { isNumber } from "./text.js";

const KEPT = 20_000;        // rows kept of a view: beyond, closed ones make room, oldest first
const WHOLE = 50_000;       // views with more rows are not followed: their newest rows are asked for instead
const NEWEST = 500;
const SECONDS = 300;        // of history
const ALERTS = 500;

export const store = {
  views: new Map(), stats: null, sources: [], flow: null, open: new Map(), history: [], alerts: [],
  state: "connecting", finished: false, changes: 0, run: 0,
};
export const changed = new Set();
let wake = () => {};
export const onchange = act => { wake = act };
export function touch(...topics) { for (const topic of topics) changed.add(topic); wake() }

// A server that asks for a token is told the one of the page's own address (`/?access_token=...`).
const token = new URLSearchParams(location.search).get("access_token");
export const withToken = path => token ? path + (path.includes("?") ? "&" : "?") + "access_token=" + encodeURIComponent(token) : path;

export async function ask(path, init = {}) {
  const answer = await fetch(path, token ? { ...init, headers: { ...init.headers, authorization: "Bearer " + token } } : init);
  const body = answer.headers.get("content-type")?.includes("json") ? await answer.json() : await answer.text();
  if (!answer.ok) throw Object.assign(new Error(body.detail ?? answer.statusText), { status: answer.status });
  return body;
}

/** A view: its rows by key. A row that changes may stand beside its old form for the length of one event. */
export class View {
  constructor(about) {
    this.rows = new Map(); this.changes = 0; this.trimmed = 0; this.asOf = about.as_of; this.rate = 0; this.seen = 0;
    this.about(about);
  }
  about(about) {
    this.info = about; this.name = about.name;
    this.paged = about.rows > WHOLE && !about.alert;
    this.columns = about.columns.map(c => ({ ...c, time: c.type.startsWith("TIMESTAMP") }));
    const times = this.columns.filter(c => c.time).map(c => c.name);
    this.newest = times.find(n => n === "window_end") || times.find(n => /_end$/.test(n)) || times.at(-1);
    this.key = about.key || about.columns.map(c => c.name);
  }
  keyOf(row) { return this.key.length === 1 ? String(row[this.key[0]]) : JSON.stringify(this.key.map(name => row[name])) }
  clear() { this.rows.clear(); this.trimmed = 0 }
  get total() { return this.paged ? this.info.rows : this.rows.size + this.trimmed }
  change({ op, row, status, version }) {
    const key = this.keyOf(row), there = this.rows.get(key);
    if (op === "insert") {
      if (there) { this.rows.set(key, { row, status, version, n: there.n + 1 }) }
      else this.rows.set(key, { row, status, version, n: 1 });
    } else if (there) {
      if (there.n > 1) there.n--; else this.rows.delete(key);
    }
  }
  trim() {
    if (this.rows.size <= KEPT) return;
    let surplus = this.rows.size - 0.9 * KEPT;
    for (const [key, entry] of this.rows) {
      if (surplus <= 0) break;
      if (entry.status !== "open") { this.rows.delete(key); this.trimmed++; surplus-- }
    }
  }
  /** The best `limit` rows of those that `fits`: newest first, then by key. */
  top(limit, fits, order) {
    const by = this.newest, keys = this.key;
    // Of numbers that are text (beyond what the page's own hold) the size counts.
    const sizes = new Set(this.columns.filter(c => isNumber(c.type)).map(c => c.name));
    const of = (row, name) => sizes.has(name) && typeof row[name] === "string" ? Number(row[name]) : row[name];
    const plain = (a, b) => a === b ? 0 : a === null || a === undefined ? -1 : b === null || b === undefined ? 1 : a < b ? -1 : 1;
    const compare = order
      ? ([, { row: a }], [, { row: b }]) => order.sign * plain(of(a, order.by), of(b, order.by)) || plain(of(a, keys[0]), of(b, keys[0]))
      : ([, { row: a }], [, { row: b }]) => {
        if (by) { const d = plain(b[by], a[by]); if (d) return d }
        for (const key of keys) { const d = plain(of(a, key), of(b, key)); if (d) return d }
        return 0;
      };
    let best = [], worst = null, fitting = 0;
    for (const entry of this.rows) {
      if (fits && !fits(entry[1].row)) continue;
      fitting++;
      if (worst && compare(entry, worst) > 0) continue;
      best.push(entry);
      if (best.length >= 4 * limit) { best = best.sort(compare).slice(0, limit); worst = best[limit - 1] }
    }
    return { rows: best.sort(compare).slice(0, limit), fitting };
  }
}

// ---- alerts: newest first; one that is taken back stays, struck ----
// What goes and comes in one event under the same name is the same alert with other numbers.
function alerting(view, changes) {
  const names = view.info.key ?? view.columns.filter(c => c.time || !isNumber(c.type)).map(c => c.name);
  const nameOf = row => JSON.stringify(names.map(name => row[name]));
  const gone = new Map(), come = new Map();
  for (const { op, row, status } of changes) {
    const text = JSON.stringify(row), [to, from] = op === "insert" ? [come, gone] : [gone, come];
    // What goes and comes as it was only changes its status.
    if (op === "insert" && gone.has(text)) { gone.delete(text); const there = found(view, text); if (there) there.status = status; continue }
    if (from.has(text)) from.delete(text); else to.set(text, { row, status, name: nameOf(row) });
  }
  for (const [text, { name }] of gone) {
    const there = found(view, text); if (!there) continue;
    const next = [...come].find(([, one]) => one.name === name);
    if (!next) { there.struck = true; continue }
    come.delete(next[0]);
    Object.assign(there, { text: next[0], row: next[1].row, status: next[1].status, updates: there.updates + 1 });
  }
  for (const [text, { row, status }] of come) {
    if (!found(view, text)) store.alerts.unshift({ id: ++store.run, view: view.name, severity: view.info.alert, text, row, status, struck: false, updates: 0 });
  }
  store.alerts.length = Math.min(store.alerts.length, ALERTS);
  touch("alerts");
}
const found = (view, text) => store.alerts.find(alert => !alert.struck && alert.text === text && alert.view === view.name);

/** How many alerts stand: more than are listed, perhaps. */
export const standing = () => [...store.views.values()].reduce((sum, view) => sum + (view.info.alert ? view.total : 0), 0);

// ---- the connection ----
let source = null, retry = null;

/** Asks what there is, then follows it. */
export async function start() {
  clearTimeout(retry);
  try {
    const { views } = await ask("/api/v1/views");
    const names = new Set(views.map(view => view.name));
    for (const name of store.views.keys()) if (!names.has(name)) store.views.delete(name);
    for (const about of views) {
      const view = store.views.get(about.name);
      if (view) view.about(about); else store.views.set(about.name, new View(about));
    }
    touch("catalog", "views");
    follow();
  } catch (error) {
    store.state = error.status === 401 ? "locked" : "lost"; touch("state");
    retry = setTimeout(start, 2000);
  }
}

// Events that have come at once are taken a few ms of them at a time: between them the page draws, and answers who uses it.
const SLICE_MS = 6, turn = new MessageChannel();
let waiting = [];
turn.port1.onmessage = () => {
  const end = performance.now() + SLICE_MS;
  let at = 0;
  try { while (at < waiting.length && (at === 0 || performance.now() < end)) waiting[at++]() } finally {
    waiting = waiting.slice(at);
    if (waiting.length) turn.port2.postMessage(0);
  }
};
function later(act) { if (waiting.push(act) === 1) turn.port2.postMessage(0) }

function follow() {
  source?.close(); waiting = [];
  const followed = [...store.views.values()].filter(view => !view.paged).map(view => encodeURIComponent(view.name));
  // Without a name all views would be followed.
  const asked = store.views.size === followed.length ? "" : "&views=" + (followed.join(",") || encodeURIComponent([...store.views.keys()][0]));
  source = new EventSource(withToken("/api/v1/stream?align=false&numbers=exact&every=200ms&with=stats,sources,dataflow" + asked));
  const on = (name, act) => source.addEventListener(name, event => later(() => act(JSON.parse(event.data))));
  source.onopen = () => { store.state = "live"; touch("state") };
  source.onerror = () => {
    store.state = "lost"; touch("state");
    if (source.readyState === EventSource.CLOSED) { clearTimeout(retry); retry = setTimeout(start, 2000) }
  };
  on("snapshot", ({ view: name, as_of, rows }) => {
    const view = store.views.get(name); if (!view) return;
    view.clear(); view.asOf = as_of;
    const changes = rows.map(({ _status, _version, ...row }) => ({ op: "insert", row, status: _status, version: _version }));
    for (const change of changes) view.change(change);
    view.trim();
    if (view.info.alert) {
      const there = new Set(changes.map(change => JSON.stringify(change.row)));
      for (const alert of store.alerts) if (alert.view === name && !there.has(alert.text)) alert.struck = true;
      alerting(view, changes.slice(-ALERTS));
    }
    touch("views");
  });
  on("delta", ({ view: name, as_of, changes }) => {
    const view = store.views.get(name); if (!view) return;
    view.asOf = as_of; view.changes += changes.length; store.changes += changes.length;
    for (const change of changes) view.change(change);
    view.trim();
    if (view.info.alert) alerting(view, changes);
    touch("views");
  });
  on("progress", ({ view: name, as_of }) => {
    if (name) { const view = store.views.get(name); if (view) view.asOf = as_of }
    else for (const view of store.views.values()) view.asOf = as_of;
    touch("views");
  });
  on("reset", () => { refresh(); touch("views") });
  on("stats", stats => { measure(stats); touch("stats", "state") });
  on("sources", ({ sources }) => { store.sources = sources; touch("sources") });
  on("dataflow", flow => { flowing(flow); touch("flow") });
}

/** After a restart the program may be another. */
async function refresh() {
  store.history = []; store.stats = null; store.flow = null; store.open = new Map();
  const { views } = await ask("/api/v1/views").catch(() => ({ views: null }));
  if (!views) return;
  const same = views.length === store.views.size && views.every(about => store.views.has(about.name));
  if (!same) return start();
  for (const about of views) store.views.get(about.name).about(about);
  touch("catalog");
}

// ---- what is measured ----
const latencyOf = ({ ingest_to_visible: found }) => found ? { p50: 1000 * found.p50_seconds, p99: 1000 * found.p99_seconds } : { p50: null, p99: null };

/** How far a source's watermark is behind the clock, in ms; null if that says nothing. */
export function lagOf(source) {
  if (source.watermark_lag_ms !== undefined) return source.watermark_lag_ms;
  const ms = Date.parse(source.watermark);
  return Number.isNaN(ms) ? null : Math.max(0, Date.now() - ms);
}

let begun = 0;
function measure(stats) {
  const before = store.stats, seconds = before ? stats.seconds - before.seconds : 0;
  if (before && (stats.rows_received < before.rows_received || seconds < 0)) store.history = [];
  // By the server's clock: answers may come, and be taken, in a bunch.
  if (store.history.length === 0) begun = Date.now() / 1000 - stats.seconds;
  const per = (now, then) => seconds > 0 ? Math.max(0, (now - then) / seconds) : null;
  const latency = latencyOf(stats);
  const point = {
    t: begun + stats.seconds, rate: before ? per(stats.rows_received, before.rows_received) : null,
    p50: latency.p50, p99: latency.p99, changes: before ? per(store.changes, before.changes ?? 0) : null,
    queue: Math.max(0, ...stats.sources.map(s => s.buffer_capacity_rows ? s.buffer_rows / s.buffer_capacity_rows : 0)),
    lag: stats.sources.map(lagOf), sources: {},
  };
  for (const one of stats.sources) {
    const then = before?.sources.find(other => other.name === one.name);
    point.sources[one.name] = then ? per(one.rows_received, then.rows_received) : null;
  }
  if (seconds > 0) for (const view of store.views.values()) { view.rate = (view.changes - view.seen) / seconds; view.seen = view.changes }
  for (const one of stats.views) { const view = store.views.get(one.name); if (view?.paged) { view.info.rows = one.rows; view.asOf = one.as_of } }
  stats.changes = store.changes;
  store.stats = stats; store.finished = stats.finished;
  if (!stats.finished || point.rate > 0 || store.history.length < 2) store.history.push(point);
  if (store.history.length > SECONDS) store.history.shift();
}

/** Rates of nodes, from one answer to the next; the statistics of the same moment have come before it. */
function flowing(flow) {
  const before = store.flow, then = new Map((before?.nodes ?? []).map(node => [node.id, node]));
  flow.at = store.stats?.seconds ?? 0;
  const seconds = before ? flow.at - before.at : 0;
  for (const node of flow.nodes) {
    const old = then.get(node.id), per = name => old && seconds > 0 ? Math.max(0, (node[name] - old[name]) / seconds) : null;
    node.rate = per("rows_in"); node.rateOut = per("rows_out"); node.busy = per("busy_seconds");
  }
  store.flow = flow;
  store.open = new Map(flow.nodes.filter(node => node.kind === "view").map(view => {
    const near = [...upstream(flow, view.id, node => Boolean(node.open_windows))].map(id => flow.nodes[id].open_windows?.count ?? 0);
    return [view.name, near.reduce((sum, one) => sum + one, 0)];
  }));
}

/** The nodes that a node reads, and what those read, up to where `stop` says so. */
export function upstream(flow, id, stop = () => false, seen = new Set()) {
  for (const input of flow.nodes[id].inputs) if (!seen.has(input)) { seen.add(input); if (!stop(flow.nodes[input])) upstream(flow, input, stop, seen) }
  return seen;
}

/** The newest rows of a view that is too large to follow. */
export async function page(view) {
  const order = view.newest ? "&order=-" + encodeURIComponent(view.newest) : "";
  const { rows, as_of } = await ask(`/api/v1/views/${encodeURIComponent(view.name)}/rows?numbers=exact&limit=${NEWEST}${order}`);
  view.clear(); view.asOf = as_of;
  for (const { _status, _version, ...row } of rows) view.change({ op: "insert", row, status: _status, version: _version });
  touch("views");
}
