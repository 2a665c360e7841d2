// How the engine is: what comes in, how late answers are, what it uses, who is there, what was refused, and each source, sink,
// worker and process with its state. Lines are of the server's history: a quarter of an hour by the second, or a day by the minute.

import { Lines } from "./chart.js";
import { list, make, mark, set } from "./dom.js";
import { Past, past } from "./past.js";
import { ask, lagOf, refused, store, touch } from "./store.js";
import { compact, count, percent, rate, size, some, span, watermark } from "./text.js";

export const title = "Health";
const AGAIN_MS = 2000, DAY_AGAIN_MS = 60_000;
const part = {};
let vitals = null, before = null, asked = -Infinity, synced = null, day = null, dayAsked = -Infinity;

function tile(name, label, ...more) {
  const value = make("b", { class: "big", "data-value": name }), note = make("small", { class: "note" });
  part[name] = value; part[name + "Note"] = note;
  return make("section", { class: "tile", "aria-label": label }, make("h2", {}, label), value, note, ...more);
}

export function mount(root) {
  const meter = name => part[name] = make("span", { class: "meter", "aria-hidden": "true" }, make("i"));
  const totals = make("dl", { class: "totals" });
  for (const [name, label] of [["total", "received"], ["late", "late"], ["rejected", "rejected"]]) totals.append(make("div", {}, make("dt", {}, label), part[name] = make("dd", { "data-value": name })));
  part.range = make("select", { "aria-label": "Time of the lines", onchange: () => { dayAsked = -Infinity; touch("stats") } }, make("option", { value: "" }, "the last 15 minutes"), make("option", { value: "day" }, "the last 24 hours"));
  part.says = make("p", { class: "note" }); part.state = make("span", { class: "badge" });
  const tiles = make("div", { class: "tiles" },
    tile("rate", "Events per second"), tile("latency", "Latency p50 · p99"), tile("lag", "Watermark lag"), tile("memory", "Memory"), tile("processor", "Processor"), tile("queue", "Queue", meter("meter")), part.kept = tile("disk", "Data directory"),
    make("section", { class: "tile", "aria-label": "Rows" }, make("h2", {}, "Rows"), totals, part.mark = make("small", { class: "note" })));
  root.append(make("h1", { class: "unseen" }, "Health"), make("div", { class: "head" }, make("div", { class: "tools" }, part.state, part.says), part.range), tiles);
  const spark = (at, label) => new Lines(tiles.children[at], { spark: true, zero: true, least: 60, height: 34, label });
  part.sparks = [["rows_per_second", "Events per second"], ["latency_p99", "Latency, p99"], ["lag", "Watermark lag"], ["memory", "Memory"], ["processor", "Processor"]].map(([name, label], at) => [name, spark(at, label + " over time")]);

  const grid = root.appendChild(make("div", { class: "halves" }));
  const card = (label, options) => new Lines(grid.appendChild(make("section", { class: "card" }, make("h2", {}, label))), { height: 190, label, zero: true, least: 60, ...options });
  part.rates = card("Events per second, by source", { format: rate, grain: 0.1 });
  part.lags = card("Watermark lag, by source", { format: span, grain: 0.1 });
  part.bySource = grid;

  const table = (into, label, heads, caption) => {
    const body = make("tbody");
    body.card = into.appendChild(make("section", { class: "card", "aria-label": label }, make("h2", {}, label),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label + " as a table" }, make("table", {}, make("caption", { class: "unseen" }, caption),
        make("thead", {}, make("tr", {}, ...heads.map(([text, cls]) => make("th", { scope: "col", class: cls }, text)))), body))));
    return body;
  };
  part.sources = table(root, "Sources", [["source"], ["state"], ["rows/s", "n"], ["rows", "n"], ["late", "n"], ["rejected", "n"], ["queue"], ["watermark", "n"], ["lag", "n"], ["why it waits"]], "The sources and what each of them brought");
  part.sinks = table(root, "Sinks", [["sink"], ["connector"], ["state"], ["rows", "n"], ["waiting", "n"], ["retries", "n"], ["why it waits"]], "The sinks and what each of them wrote");
  part.views = table(root, "Views", [["view"], ["rows", "n"], ["changes/s", "n"], ["open windows", "n"], ["as of", "n"]], "The published views");
  const more = root.appendChild(make("div", { class: "halves tables" }));
  part.workers = table(more, "Workers", [["worker"], ["busy"], ["processor time", "n"]], "What the workers' threads do");
  part.processes = table(more, "Processes", [["process"], ["address"], ["state"]], "The processes of the cluster");
  part.clients = table(more, "Clients and limits", [["what"], ["now", "n"], ["limit", "n"], ["share"]], "Who is there, and how many may be");
  part.refusals = table(more, "Refusals", [["kind"], ["count", "n"]], "What was refused since the start");
  // Nothing stands here until it is known.
  for (const name of ["sinks", "workers", "processes", "clients", "refusals"]) part[name].card.hidden = true;
  part.none = part.refusals.card.appendChild(make("p", { class: "note" }));
}

/** How urgent a share of a queue is. */
const tone = share => share >= 0.9 ? "bad" : share >= 0.6 ? "warn" : "good";
const metered = () => make("td", { class: "queue" }, make("span", { class: "meter", "aria-hidden": "true" }, make("i")), make("span", { class: "num" }));
const fill = (meter, share) => { meter.firstChild.style.width = (100 * Math.min(1, share)).toFixed(1) + "%"; mark(meter.firstChild, "class", tone(share)) };
const line = (...cells) => make("tr", {}, make("th", { scope: "row" }), ...cells.map(cls => cls === "queue" ? metered() : cls === "badge" ? make("td", {}, make("span", { class: "badge" })) : make("td", { class: cls })));
const badge = (cell, text, bad) => { set(cell.firstChild, text); mark(cell.firstChild, "class", "badge " + (bad ? "bad" : text === "live" || text === "running" || text === "connected" || text === "here" ? "live" : text)) };

/** What of a source waits in the log, and for how long: "12 MiB wait in the log, 8 s at 1.5 MiB/s". */
const behind = ({ bytes, seconds, came_bytes_per_second: came, taken_bytes_per_second: taken }) =>
  `${size(bytes)} wait in the log` + (seconds !== null ? `, ${span(1000 * seconds)} at ${size(taken - came)}/s` : taken > 0 ? `; ${size(came)}/s come, ${size(taken)}/s are taken` : "");

/** Why a source or a sink does not go on, when it tries again, and how many of its splits do not. */
const why = one => one?.reason ? one.reason + (one.retry_in_ms === null ? "" : `; again in ${span(one.retry_in_ms)}`) + (one.splits.length > 1 ? `; ${one.splits.length} splits wait` : "") : "";

async function look() {
  if (performance.now() - asked < AGAIN_MS) return;
  asked = performance.now();
  try { const told = await ask("/api/v1/health"); before = vitals; vitals = told; vitals.at = performance.now(); touch("vitals") } catch { /* the connection's state says it */ }
}
async function lookBack() {
  if (part.range.value !== "day" || performance.now() - dayAsked < DAY_AGAIN_MS) return;
  dayAsked = performance.now();
  day ??= new Past(["engine", "source"]);
  await day.begin("minute");
}

export function draw(changed) {
  const stats = store.stats; if (!stats) return;
  look(); lookBack();
  if (changed.has("stats")) figures(stats);
  if (changed.has("stats") || changed.has("sources")) sources(stats);
  if (changed.has("stats") || changed.has("views") || changed.has("flow")) views();
  if (changed.has("vitals") || changed.has("catalog")) health();
}

function figures(stats) {
  const live = !stats.finished, now = name => past.newest("engine", null, name), speed = live ? now("rows_per_second") ?? stats.rows_per_second : 0;
  set(part.rate, rate(speed)); set(part.rateNote, live ? `${rate(stats.rows_per_second)} over 5 s` : "all sources have ended");
  set(part.total, count(stats.rows_received)); set(part.late, count(stats.rows_late)); set(part.rejected, count(refused(stats)));
  mark(part.rejected, "class", refused(stats) > 0 ? "warn" : null);
  const share = now("queue") ?? 0, waiting = stats.sources.reduce((sum, one) => sum + one.buffer_rows, 0);
  const logged = stats.sources.reduce((sum, one) => sum + (one.behind?.bytes ?? 0), 0);
  set(part.queue, percent(share)); set(part.queueNote, (waiting < 1e4 ? some(waiting, "row waits", "rows wait") : `${compact(waiting)} rows wait`) + (logged ? `, and ${size(logged)} in the log` : "")); fill(part.meter, share);
  mark(part.queue, "class", "big " + (share >= 0.6 ? tone(share) : ""));
  const log = stats.log; part.kept.hidden = !log;
  if (log) {
    const syncs = log.syncs - (synced?.syncs ?? 0), each = syncs > 0 ? (log.sync_seconds - (synced?.sync_seconds ?? 0)) / syncs : null;
    if (syncs > 0) synced = log;
    if (each !== null) part.each = each;
    set(part.disk, size(log.disk_bytes)); mark(part.disk, "class", "big " + (log.disk_full ? "bad" : ""));
    set(part.diskNote, log.disk_full ? "the disk is full: rows are refused" : [log.waiting_frames ? some(log.waiting_frames, "frame is not durable yet", "frames are not durable yet") : "all is durable", part.each === undefined ? "" : `a sync takes ${span(1000 * part.each)}`].filter(Boolean).join(" · "));
  }
  const p99 = now("latency_p99");
  set(part.latency, p99 === null ? "–" : `${span(now("latency_p50"))} · ${span(p99)}`); set(part.latencyNote, "decoded to visible");
  const lags = stats.sources.map(lagOf).filter(lag => lag !== null), worst = Math.max(...lags);
  set(part.lag, live && lags.length ? span(worst) : "–");
  set(part.lagNote, stats.finished ? "every window is closed" : lags.length === 0 ? "waiting for event time" : worst > 864e5 ? "event time of another day" : stats.sources.length > 1 ? "of the slowest source" : "behind the clock");
  const cores = now("processor"), memory = now("memory");
  set(part.memory, memory === null ? "–" : size(memory)); set(part.memoryNote, "resident");
  set(part.processor, cores === null ? "–" : percent(cores)); set(part.processorNote, vitals ? `of a core; there ${vitals.process.cores === 1 ? "is 1" : "are " + vitals.process.cores}` : "of a core");
  set(part.mark, store.views.size ? `views as of ${watermark(stats.as_of)}` : "");

  const from = part.range.value === "day" && day?.t.length ? day : past, t = from.t, named = stats.sources.slice(0, 8).map(one => one.name);
  const worstLag = () => { const all = named.map(name => from.values("source", name, "lag")); return t.map((_, at) => all.reduce((most, one) => one[at] === null ? most : Math.max(most ?? 0, one[at]), null)) };
  for (const [name, spark] of part.sparks) spark.show(t, [{ label: name, colour: "accent", values: name === "lag" ? worstLag() : from.values("engine", null, name), fill: true, width: 1.5 }]);
  const lines = measure => named.map((name, at) => ({ label: name, colour: "hue-" + (at + 1), fill: named.length === 1, values: from.values("source", name, measure) }));
  part.bySource.hidden = named.length === 0;
  part.rates.show(t, lines("rows_per_second")); part.lags.show(t, lines("lag"));
  part.rates.label(`Events per second by source: ${named.map(name => `${name} ${rate(past.newest("source", name, "rows_per_second") ?? 0)}`).join(", ")}`);
}

function sources(stats) {
  part.sources.card.hidden = stats.sources.length === 0;
  list(part.sources, stats.sources, one => one.name, one => {
    const row = line("badge", "n", "n", "n", "n", "queue", "n", "n", "");
    row.firstChild.append(make("a", { href: "#time", title: one.name }, one.name));
    return row;
  }, (row, one) => {
    const about = store.sources.find(source => source.name === one.name), state = vitals?.sources.find(source => source.name === one.name), cells = row.children;
    const share = one.buffer_capacity_rows ? one.buffer_rows / one.buffer_capacity_rows : 0, lag = lagOf(one);
    const stuck = state?.state === "retrying" || state?.state === "failed";
    badge(cells[1], stuck || state?.state === "connecting" ? state.state : about?.status ?? "", stuck);
    set(cells[9], why(state) || (one.behind ? behind(one.behind) : "")); mark(cells[9], "title", state?.splits.map(split => `${split.name}: ${split.reason}`).join("\n") || null);
    set(cells[2], rate(past.newest("source", one.name, "rows_per_second") ?? 0)); set(cells[3], count(one.rows_received));
    set(cells[4], about ? count(about.rows.accepted_late + about.rows.rejected_late) : "–");
    set(cells[5], about ? count(about.rows.received - about.rows.accepted) : "–");
    fill(cells[6].firstChild, share); set(cells[6].lastChild, percent(share));
    set(cells[7], watermark(one)); set(cells[8], lag === null ? "–" : span(lag));
  });
}

function views() {
  part.views.card.hidden = store.views.size === 0;
  list(part.views, [...store.views.values()], view => view.name, view => { const row = line("n", "n", "n", "n"); row.firstChild.append(make("a", { href: "#views/" + encodeURIComponent(view.name), title: view.name }, view.name)); return row }, (row, view) => {
    const cells = row.children, open = store.open.get(view.name);
    set(cells[1], count(view.total)); set(cells[2], view.paged ? "–" : rate(view.rate)); set(cells[3], open === undefined ? "–" : count(open)); set(cells[4], watermark(view.asOf));
  });
}

function health() {
  if (!vitals) return;
  const { process: of, clients } = vitals, seconds = before ? vitals.uptime_seconds - before.uptime_seconds : 0;
  set(part.state, vitals.status); mark(part.state, "class", "badge " + (vitals.status === "ok" ? "live" : "bad"));
  set(part.says, [`Highwater ${vitals.version}` + (vitals.commit === "unknown" ? "" : ` (${vitals.commit.slice(0, 9)})`), `up for ${span(1000 * vitals.uptime_seconds)}`, `the engine is ${vitals.engine}`, vitals.error ? "" : vitals.not_ready, of.threads ? some(of.threads, "thread", "threads") : "", vitals.error].filter(Boolean).join(" · "));
  part.sinks.card.hidden = vitals.sinks.length === 0; part.processes.card.hidden = part.clients.card.hidden = part.refusals.card.hidden = false;
  list(part.sinks, vitals.sinks, one => one.name, () => line("", "badge", "n", "n", "n", ""), (row, one) => {
    const [name, connector, state, rows, waiting, retries, reason] = row.children;
    set(name, one.name); mark(name, "title", one.name); set(connector, one.connector); badge(state, one.state, one.state === "retrying" || one.state === "failed"); set(rows, count(one.rows)); set(waiting, count(one.waiting)); set(retries, count(one.retries));
    set(reason, why(one));
  });
  part.workers.card.hidden = vitals.workers.length === 0;
  list(part.workers, vitals.workers, one => one.worker, () => line("queue", "n"), (row, one) => {
    const then = before?.workers.find(other => other.worker === one.worker), busy = then && seconds > 0 ? Math.max(0, one.cpu_seconds - then.cpu_seconds) / seconds : 0;
    set(row.children[0], String(one.worker)); fill(row.children[1].firstChild, busy); set(row.children[1].lastChild, percent(busy)); set(row.children[2], span(1000 * one.cpu_seconds));
  });
  list(part.processes, vitals.processes, one => one.process, () => line("", "badge"), (row, one) => { set(row.children[0], String(one.process)); set(row.children[1], one.address || "alone"); badge(row.children[2], one.state, ["gone", "left", "stalled"].includes(one.state)) });
  const limits = [["connections", clients.connections, clients.connections_limit], ["streams", clients.sse + clients.websocket, clients.streams_limit], ["sockets that bring rows", clients.ingest_websocket, null], ["descriptors", of.open_descriptors, of.descriptors_limit],
    ...vitals.buffers.map(one => ["bytes of " + one.name, one.bytes, one.capacity_bytes])];
  list(part.clients, limits, one => one[0], () => line("n", "n", "queue"), (row, [name, now, limit]) => {
    const share = limit > 0 ? now / limit : 0, show = name.startsWith("bytes") ? size : count;
    set(row.children[0], name); set(row.children[1], now === null ? "–" : show(now)); set(row.children[2], limit === null || limit <= 0 ? "–" : show(limit)); row.children[3].firstChild.hidden = !(limit > 0); fill(row.children[3].firstChild, share); set(row.children[3].lastChild, limit > 0 ? percent(share) : "");
  });
  const named = list => list.map(one => one.kind.replaceAll("_", " ")).join(", "), refusals = vitals.refusals.filter(one => one.count > 0).sort((a, b) => b.count - a.count);
  part.refusals.parentElement.parentElement.hidden = refusals.length === 0;
  set(part.none, (refusals.length ? "Nothing else: " : "Nothing was refused: ") + named(vitals.refusals.filter(one => one.count === 0)) + ".");
  list(part.refusals, refusals, one => one.kind, () => line("n warn"), (row, one) => { set(row.children[0], one.kind.replaceAll("_", " ")); set(row.children[1], count(one.count)); });
}
