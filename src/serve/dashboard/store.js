// What the page knows: the views' rows, the statistics, the sources, the dataflow, the alerts. Told by the one connection that
// all pages of a browser share (hub.js); messages change plain objects here, and `changed` names what to draw anew.

import { forget } from "./acknowledged.js";
import { View, apply } from "./model.js";
import { operators, past, told } from "./past.js";
import { isNumber } from "./text.js";
import { token, withToken } from "./token.js";

export { withToken };
export const SAMPLE = 1000;        // newest rows of a view that is too large to be followed
const ALERTS = 500;
const STALE_MS = 3000;      // after so long without news what is shown is old
const ASLEEP_MS = 20_000;   // so long a page in the background is still told everything

export const store = {
  views: new Map(), stats: null, sources: [], flow: null, open: new Map(), alerts: [],
  state: "connecting", why: null, finished: false, changes: 0, alerted: 0, run: null, heard: null,
};
export const changed = new Set();
let wake = () => {};
export const onchange = act => { wake = act };
export function touch(...topics) { for (const topic of topics) changed.add(topic); wake() }

export async function ask(path, init = {}) {
  const mine = token.value;
  const answer = await fetch(path, mine ? { ...init, headers: { ...init.headers, authorization: "Bearer " + mine } } : init)
    .catch(() => { throw new Error("The server does not answer" + (init.method ? "; whether this was done is not known." : ".")) });
  const body = answer.headers.get("content-type")?.includes("json") ? await answer.json() : await answer.text();
  if (!answer.ok) throw Object.assign(new Error(body.detail ?? answer.statusText), { status: answer.status });
  return body;
}

// ---- how old it is ----
/** For how many ms nothing has come, once that is long; otherwise 0. */
export function silence() {
  if (store.heard === null || asleep) return 0;
  const quiet = performance.now() - store.heard;
  return quiet > STALE_MS ? quiet : 0;
}

// ---- alerts: newest first; one that is taken back stays, struck ----
// What goes and comes in one event under the same name is the same alert with other numbers.
function alerting(view, changes, seen) {
  const names = namesOf(view);
  const nameOf = row => JSON.stringify(names.map(name => row[name]));
  const gone = new Map(), come = new Map(), now = Date.now();
  for (const { op, row, status } of changes) {
    const text = JSON.stringify(row), [to, from] = op === "insert" ? [come, gone] : [gone, come];
    // What goes and comes as it was only changes its status.
    if (op === "insert" && gone.has(text)) { gone.delete(text); const there = found(view, text); if (there) there.status = status; continue }
    if (from.has(text)) from.delete(text); else to.set(text, { row, status, name: nameOf(row) });
  }
  for (const [text, { name }] of gone) {
    const there = found(view, text); if (!there) continue;
    const next = [...come].find(([, one]) => one.name === name);
    if (!next) { strike(there, now); continue }
    come.delete(next[0]);
    Object.assign(there, { text: next[0], row: next[1].row, status: next[1].status, updates: there.updates + 1 });
  }
  for (const [text, { row, status, name }] of come) {
    if (!found(view, text)) store.alerts.unshift({ id: ++store.alerted, view: view.name, severity: view.info.alert, name, text, row, status, struck: false, updates: 0, since: seen ? now : null });
  }
  store.alerts.length = Math.min(store.alerts.length, ALERTS);
  touch("alerts");
}
/** The alerts of another run of the server went with it: none of them was taken back. */
function ranBy(run) {
  if (store.run !== null && run !== store.run) { store.alerts = []; touch("alerts") }
  store.run = run;
}
function strike(alert, now) { forget(alert); Object.assign(alert, { struck: true, ended: now }) }
const found = (view, text) => store.alerts.find(alert => !alert.struck && alert.text === text && alert.view === view.name);

/** How many alerts stand: more than are listed, perhaps. */
export const standing = () => [...store.views.values()].reduce((sum, view) => sum + (view.info.alert ? view.total : 0), 0);

/** The rows of an alert's view are told as a whole: what is not among them has gone. */
function whole(view, changes) {
  const there = new Set(changes.map(change => JSON.stringify(change.row)));
  for (const alert of store.alerts) if (alert.view === view.name && !alert.struck && !there.has(alert.text)) strike(alert, Date.now());
  alerting(view, changes.slice(-ALERTS), false);
  date();
}

let dating = false;
/** Alerts that were there before this page: the server knows since when. */
async function date() {
  if (dating) return;
  dating = true;
  try {
    const { alerts } = await ask(`/api/v1/alerts?limit=${ALERTS}`), since = new Map();
    for (const { view: name, key, since_ms } of alerts) { const view = store.views.get(name); if (view) since.set(name + "\n" + JSON.stringify(namesOf(view).map(column => key[column])), since_ms) }
    for (const alert of store.alerts) if (!alert.struck) alert.since ??= since.get(alert.view + "\n" + alert.name) ?? null;
    store.alerts.sort((a, b) => (b.since ?? 0) - (a.since ?? 0));
    touch("alerts");
  } catch { /* then it is not known */ }
  dating = false;
}
/** The columns that an alert is known by. */
const namesOf = view => view.info.key ?? view.columns.filter(c => c.time || !isNumber(c.type)).map(c => c.name);

// ---- the connection ----
let port = null, spoken = false, asleep = false, dozing = null;
const say = (what, more = {}) => port?.postMessage({ say: what, looks: !asleep, ...more });

/** Joins the connection that is there, or makes it. */
export function start() {
  Object.assign(store, { heard: null, state: "connecting", why: null });
  touch("state");
  const here = async () => { const hub = await import("./hub.js"), { port1, port2 } = new MessageChannel(); hub.join(port1); connect(port2) };
  if (!globalThis.SharedWorker) return void here();
  try {
    // Pages with other tokens see other things: each token has its own.
    const worker = new SharedWorker("/assets/hub.js", { type: "module", name: "highwater " + (token.value ?? "") });
    worker.onerror = () => { if (port === worker.port) here() };
    connect(worker.port);
    setTimeout(() => { if (port === worker.port && !spoken) here() }, 4000);
  } catch { here() }
}

function connect(next) {
  if (port) { port.onmessage = null; say("bye") }
  port = next; spoken = false; waiting = [];
  port.onmessage = ({ data }) => {
    spoken = true;
    if (data.event) store.heard = performance.now();
    later(() => take(data));
  };
  say("join", { token: token.value });
}

// A page in the background is told nothing after a while, and everything again once it is looked at.
document.addEventListener("visibilitychange", () => {
  clearTimeout(dozing);
  if (document.hidden) dozing = setTimeout(() => { asleep = true; say("doze") }, ASLEEP_MS);
  else if (asleep) { asleep = false; store.heard = null; say("wake") }
});
addEventListener("pagehide", () => say("bye"));
addEventListener("pageshow", event => { if (event.persisted) start() });
setInterval(() => say("ping"), 20_000);

// What has come at once is taken a few ms of it at a time: between them the page draws, and answers who uses it.
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

function take(data) {
  if (data.state) {
    // What was missed while there was no connection is asked for.
    if (data.state.is === "live" && (store.state !== "live" || !past.t.length)) { past.begin(); if (operators.t.length) operators.begin() }
    Object.assign(store, { state: data.state.is, why: data.state });
    if (data.quiet !== null) store.heard = performance.now() - data.quiet;
    touch("state");
  } else if (data.catalog) {
    ranBy(data.run);
    const names = new Set(data.catalog.map(about => about.name));
    for (const name of store.views.keys()) if (!names.has(name)) store.views.delete(name);
    for (const about of data.catalog) { const view = store.views.get(about.name); if (view) view.about(about); else store.views.set(about.name, new View(about)) }
    touch("catalog", "views");
  } else if (data.rows) {
    const view = store.views.get(data.view); if (!view) return;
    if (data.begins) view.clear();
    for (const { row, status, version, n } of data.rows) view.rows.set(view.keyOf(row), { row, status, version, n });
    view.asOf = data.asOf; view.trimmed = data.trimmed; view.known = true;
    if (data.ends && view.info.alert) whole(view, [...view.rows.values()].map(({ row, status }) => ({ op: "insert", row, status })));
    touch("views");
  } else event[data.event]?.(data.text);
}

const event = {
  snapshot(text) {
    const of = apply(store.views, "snapshot", text);
    if (of?.view.info.alert) whole(of.view, of.told.rows.map(({ _status, _version, ...row }) => ({ op: "insert", row, status: _status })));
    touch("views");
  },
  delta(text) {
    const of = apply(store.views, "delta", text); if (!of) return;
    store.changes += of.told.changes.length;
    if (of.view.info.alert) alerting(of.view, of.told.changes, true);
    touch("views");
  },
  progress(text) { apply(store.views, "progress", text); touch("views") },
  reset(text) { ranBy(JSON.parse(text).run); Object.assign(store, { stats: null, flow: null, open: new Map() }); past.begin(); operators.end(); touch("views", "catalog") },
  stats(text) { measure(JSON.parse(text)); touch("stats", "state") },
  sources(text) { store.sources = JSON.parse(text).sources; touch("sources") },
  history(text) { told(JSON.parse(text)) },
  dataflow(text) { flowing(JSON.parse(text)); touch("flow") },
};

// ---- what is measured ----
/** Rows that sources, views and sinks could not take. */
export const refused = stats => (stats?.dead_letters ?? 0) + (stats?.rows_failed ?? 0);

/** How far a source's watermark is behind the clock, in ms; null if that says nothing. */
export function lagOf(source) {
  const ms = Date.parse(source.watermark);
  // When nothing is heard, as it was then.
  return Number.isNaN(ms) ? null : Math.max(0, Date.now() - silence() - ms);
}

function measure(stats) {
  const before = store.stats, seconds = before ? stats.seconds - before.seconds : 0;
  if (seconds > 0) for (const view of store.views.values()) { view.rate = (view.changes - view.seen) / seconds; view.seen = view.changes }
  for (const one of stats.views) { const view = store.views.get(one.name); if (view?.paged) { view.info.rows = one.rows; view.asOf = one.as_of } }
  store.stats = stats; store.finished = stats.finished;
}

/** Rates of nodes, from one answer to the next; the statistics of the same moment have come before it. */
function flowing(flow) {
  const before = store.flow, then = new Map((before?.nodes ?? []).map(node => [node.id, node]));
  flow.at = store.stats?.seconds ?? 0;
  const seconds = before ? flow.at - before.at : 0, many = new Set(flow.nodes.flatMap(node => node.workers.map(share => share.worker))).size;
  for (const node of flow.nodes) {
    const old = then.get(node.id), per = name => old && seconds > 0 ? Math.max(0, (node[name] - old[name]) / seconds) : null;
    node.rate = per("rows_in"); node.rateOut = per("rows_out"); node.busy = per("busy_seconds");
    skewed(node, old, seconds, many);
  }
  store.flow = flow;
  store.open = new Map(flow.nodes.filter(node => node.kind === "view").map(view => {
    const near = [...upstream(flow, view.id, node => Boolean(node.open_windows))].map(id => flow.nodes[id].open_windows?.count ?? 0);
    return [view.name, near.reduce((sum, one) => sum + one, 0)];
  }));
}

/** What each worker did of a node since the last answer, and how far the busiest is above the mean of all (1: even; null: nothing to say). */
function skewed(node, old, seconds, many) {
  node.parts = node.workers.map(share => {
    const then = old?.workers.find(other => other.worker === share.worker), per = name => then && seconds > 0 ? Math.max(0, share[name] - then[name]) / seconds : 0;
    return { worker: share.worker, rate: per("rows_in"), busy: per("busy_seconds"), kept: share.state_rows };
  });
  const all = node.parts.reduce((sum, part) => sum + part.rate, 0), most = node.parts.reduce((most, part) => Math.max(most, part.rate), 0);
  node.skew = many > 1 && all >= 10 ? most * many / all : null;
}

/** The nodes that a node reads, and what those read, up to where `stop` says so. */
export function upstream(flow, id, stop = () => false, seen = new Set()) {
  for (const input of flow.nodes[id].inputs) if (!seen.has(input)) { seen.add(input); if (!stop(flow.nodes[input])) upstream(flow, input, stop, seen) }
  return seen;
}

const answers = new WeakMap();
/** The first rows, in an order, of a view whose rows are not all here, as the server knows them, of those that are `wanted`; null until they
 *  have come. */
function first(view, order, { equal, words }) {
  const asked = new URLSearchParams([["limit", SAMPLE], ["numbers", "exact"], ...(order ? [["order", order]] : []), ...words.map(word => ["search", word]), ...equal.map(([name, value]) => ["where." + name, value])]).toString();
  let all = answers.get(view); if (!all) answers.set(view, all = new Map());
  let one = all.get(asked);
  if (!one) { if (all.size > 8) all.clear(); all.set(asked, one = { entries: null, at: -Infinity, busy: false }) }
  if (!one.busy && performance.now() - one.at > 4000) {
    one.busy = true;
    ask(`/api/v1/views/${encodeURIComponent(view.name)}/rows?${asked}`)
      .then(({ rows }) => { one.entries = rows.map(({ _status: status, _version: version, ...row }) => ({ row, status, version })); view.changes++ }, () => { /* what is here is drawn */ })
      .finally(() => { one.busy = false; one.at = performance.now(); touch("views") });
  }
  return one.entries;
}
/** Those with the highest values of a column. */
export const ranking = (view, column, wanted) => first(view, "-" + column, wanted);
/** Those that are wanted, the newest first. */
export const fitting = (view, wanted) => first(view, view.newest ? "-" + view.newest : "", wanted);

/** The newest rows of a view that is too large to follow: what its chart is drawn from. */
export async function sample(view) {
  const order = view.newest ? "&order=-" + encodeURIComponent(view.newest) : "";
  const { rows, as_of } = await ask(`/api/v1/views/${encodeURIComponent(view.name)}/rows?numbers=exact&limit=${SAMPLE}${order}`);
  view.clear(); view.asOf = as_of; view.take(rows); view.changes++;
  touch("views");
}
