// Everything at a glance: what comes in, how full the queues are, how late answers are, and where event time stands.

import { Lines } from "./chart.js";
import { list, make, mark, set } from "./dom.js";
import { lagOf, store } from "./store.js";
import { compact, count, percent, rate, some, span, watermark } from "./text.js";

export const title = "Live";
const part = {};

function tile(name, label, ...more) {
  const value = make("b", { class: "big", "data-value": name }), note = make("small", { class: "note" });
  part[name] = value; part[name + "Note"] = note;
  return make("section", { class: "tile", "aria-label": label }, make("h2", {}, label), value, note, ...more);
}

export function mount(root) {
  const meter = name => part[name] = make("span", { class: "meter", "aria-hidden": "true" }, make("i"));
  const totals = make("dl", { class: "totals" });
  for (const [name, label] of [["total", "received"], ["late", "late"], ["rejected", "rejected"]]) {
    totals.append(make("div", {}, make("dt", {}, label), part[name] = make("dd", { "data-value": name })));
  }
  const tiles = make("div", { class: "tiles" },
    tile("rate", "Events per second"), tile("latency", "Latency p50 · p99"), tile("lag", "Watermark lag"), tile("queue", "Queue", meter("meter")),
    make("section", { class: "tile", "aria-label": "Rows" }, make("h2", {}, "Rows"), totals, part.mark = make("small", { class: "note" })));
  root.append(make("h1", { class: "unseen" }, "Live"), tiles);
  const spark = (at, label) => new Lines(tiles.children[at], { spark: true, zero: true, least: 60, height: 34, label });
  part.spark = spark(0, "Events per second over the last five minutes");
  part.latencies = spark(1, "Latency, p99, over the last five minutes"); part.worst = spark(2, "Watermark lag over the last five minutes");

  const grid = root.appendChild(make("div", { class: "halves" }));
  const card = (label, options) => {
    const box = grid.appendChild(make("section", { class: "card" }, make("h2", {}, label)));
    return new Lines(box, { height: 190, label, zero: true, least: 60, ...options });
  };
  part.rates = card("Events per second, by source", { format: rate });
  part.lags = card("Watermark lag, by source", { format: span });

  const table = (label, heads, caption) => {
    const body = make("tbody");
    root.append(make("section", { class: "card", "aria-label": label }, make("h2", {}, label),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, make("table", {}, make("caption", { class: "unseen" }, caption),
        make("thead", {}, make("tr", {}, ...heads.map(([text, cls]) => make("th", { scope: "col", class: cls }, text)))), body))));
    return body;
  };
  part.sources = table("Sources", [["source"], ["state"], ["rows/s", "n"], ["rows", "n"], ["late", "n"], ["rejected", "n"], ["queue"], ["watermark", "n"], ["lag", "n"]], "The sources and what each of them brought");
  part.views = table("Views", [["view"], ["rows", "n"], ["changes/s", "n"], ["open windows", "n"], ["as of", "n"]], "The published views");
}

/** How urgent a share of a queue is. */
const tone = share => share >= 0.9 ? "bad" : share >= 0.6 ? "warn" : "good";
const fill = (meter, share) => { meter.firstChild.style.width = (100 * share).toFixed(1) + "%"; mark(meter.firstChild, "class", tone(share)) };

export function draw(changed) {
  const stats = store.stats; if (!stats) return;
  if (changed.has("stats")) {
    const point = store.history.at(-1), live = !stats.finished;
    const speed = stats.finished ? 0 : point?.rate ?? stats.rows_per_second;
    set(part.rate, rate(speed)); set(part.rateNote, stats.finished ? "all sources have ended" : `${rate(stats.rows_per_second)} over 5 s`);
    set(part.total, count(stats.rows_received)); set(part.late, count(stats.rows_late)); set(part.rejected, count(stats.dead_letters));
    mark(part.rejected, "class", stats.dead_letters > 0 ? "warn" : null);
    const share = point?.queue ?? 0, waiting = stats.sources.reduce((sum, one) => sum + one.buffer_rows, 0);
    set(part.queue, percent(share)); set(part.queueNote, waiting < 1e4 ? some(waiting, "row waits", "rows wait") : `${compact(waiting)} rows wait`); fill(part.meter, share);
    mark(part.queue, "class", "big " + (share >= 0.6 ? tone(share) : ""));
    set(part.latency, point?.p50 === null || point?.p50 === undefined ? "–" : `${span(point.p50)} · ${span(point.p99)}`);
    set(part.latencyNote, "decoded to visible");
    const lags = stats.sources.map(lagOf).filter(lag => lag !== null), worst = Math.max(...lags);
    set(part.lag, live && lags.length ? span(worst) : "–");
    set(part.lagNote, stats.finished ? "every window is closed" : lags.length === 0 ? "waiting for event time" : worst > 864e5 ? "event time of another day" : stats.sources.length > 1 ? "of the slowest source" : "behind the clock");
    set(part.mark, `views as of ${watermark(stats.as_of)}`);

    const t = store.history.map(point => point.t);
    const named = stats.sources.slice(0, 8).map(one => one.name);
    part.spark.show(t, [{ label: "events/s", colour: "accent", values: store.history.map(point => point.rate), fill: true, width: 1.5 }]);
    part.latencies.show(t, [{ label: "p99", colour: "accent", values: store.history.map(point => point.p99), fill: true, width: 1.5 }]);
    part.worst.show(t, [{ label: "lag", colour: "accent", values: store.history.map(point => { const known = point.lag.filter(lag => lag !== null); return known.length ? Math.max(...known) : null }), fill: true, width: 1.5 }]);
    part.rates.show(t, named.map((name, at) => ({ label: name, colour: "hue-" + (at + 1), fill: named.length === 1, values: store.history.map(point => point.sources[name] ?? null) })));
    part.lags.show(t, named.map((name, at) => ({ label: name, colour: "hue-" + (at + 1), fill: named.length === 1, values: store.history.map(point => point.lag[at] ?? null) })));
    part.rates.label(`Events per second by source: ${named.map(name => `${name} ${rate(point?.sources[name] ?? 0)}`).join(", ")}`);
  }
  if (changed.has("stats") || changed.has("sources")) {
    list(part.sources, stats.sources, one => one.name, one => {
      const meter = make("span", { class: "meter", "aria-hidden": "true" }, make("i"));
      return make("tr", {}, make("th", { scope: "row" }, make("a", { href: "#time" }, one.name)), make("td", {}, make("span", { class: "badge" })),
        ...["", "", "", ""].map(() => make("td", { class: "n" })), make("td", { class: "queue" }, meter, make("span", { class: "num" })), make("td", { class: "n" }), make("td", { class: "n" }));
    }, (row, one) => {
      const about = store.sources.find(source => source.name === one.name), cells = row.children;
      const share = one.buffer_capacity_rows ? one.buffer_rows / one.buffer_capacity_rows : 0, lag = lagOf(one);
      set(cells[1].firstChild, about?.status ?? ""); mark(cells[1].firstChild, "class", "badge " + (about?.status ?? ""));
      set(cells[2], rate(store.history.at(-1)?.sources[one.name] ?? 0)); set(cells[3], count(one.rows_received));
      set(cells[4], about ? count(about.rows.accepted_late + about.rows.rejected_late) : "–");
      set(cells[5], about ? count(about.rows.received - about.rows.accepted) : "–");
      fill(cells[6].firstChild, share); set(cells[6].lastChild, percent(share));
      set(cells[7], watermark(one)); set(cells[8], lag === null ? "–" : span(lag));
    });
  }
  if (changed.has("stats") || changed.has("views") || changed.has("flow")) list(part.views, [...store.views.values()], view => view.name, view => make("tr", {}, make("th", { scope: "row" }, make("a", { href: "#views/" + encodeURIComponent(view.name) }, view.name)), ...[1, 2, 3, 4].map(() => make("td", { class: "n" }))), (row, view) => {
    const cells = row.children;
    set(cells[1], count(view.total)); set(cells[2], view.paged ? "–" : rate(view.rate)); const open = store.open.get(view.name); set(cells[3], open === undefined ? "–" : count(open)); set(cells[4], watermark(view.asOf));
  });
}
