// What was measured: the server's history, asked for once and then told point by point (the stream's event `history`), so that
// there is something to see as soon as the page is. Where nothing was measured there is nothing: a row of nulls stands in a gap.

import { ask, touch } from "./store.js";

const MOST = 1500;          // points kept; the server keeps a quarter of an hour by the second, a day by the minute

const LATELY = 10;          // points that a figure may be old: not every second has a latency
const key = (kind, of, name) => `${kind}/${of ?? ""}/${name}`;

/** The history of some kinds of things (`engine`, `source`, `view`, `operator`). */
export class Past {
  constructor(kinds) { this.kinds = kinds; this.asking = false; this.early = []; this.end() }
  end() { this.t = []; this.series = []; this.columns = new Map(); this.last = 0 }
  /** Of one measure as many values as there are times. */
  values(kind, of, name) { return this.columns.get(key(kind, of, name)) ?? this.t.map(() => null) }
  /** The newest value of the last seconds; null if it is not known. */
  newest(kind, of, name) { return this.columns.get(key(kind, of, name))?.slice(-LATELY).findLast(value => value !== null) ?? null }

  /** Asks for all of it; what is told meanwhile is added behind. */
  async begin(step = "second") {
    if (this.asking) return;
    this.asking = true; this.early = [];
    try {
      const told = await ask(`/api/v1/history?step=${step}&of=${this.kinds.join()}`);
      this.end();
      this.series = told.series; this.gap = 2.6 * told.step_ms;
      for (const one of told.series) this.columns.set(key(one.kind, one.of, one.name), []);
      told.times_ms.forEach((ms, at) => this.push(ms, one => one.values[at]));
    } catch { /* the connection's state says it */ }
    this.asking = false;
    for (const point of this.early) this.add(point);
    touch("stats", "flow");
  }

  /** Takes the newest point. */
  add(point) {
    if (this.asking) { this.early.push(point); return }
    if (point.time_ms > this.last && this.series.length) this.push(point.time_ms, one => point.values[one.index]);
  }

  push(ms, valueOf) {
    const row = (t, value) => {
      this.t.push(t);
      for (const one of this.series) this.columns.get(key(one.kind, one.of, one.name)).push(value(one) ?? null);
    };
    if (this.last && ms - this.last > this.gap) row((this.last + ms) / 2000, () => null);
    row(ms / 1000, valueOf);
    this.last = ms;
    if (this.t.length > MOST) { this.t.shift(); for (const column of this.columns.values()) column.shift() }
  }
}

/** Of the engine, its sources and views: always there. Of the operators: once somebody asked (`begin`). */
export const past = new Past(["engine", "source", "view"]);
export const operators = new Past(["operator"]);
export const told = point => { past.add(point); operators.add(point) };
