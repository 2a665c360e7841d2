// A view as the page keeps it: its rows by key. Used by the one connection (hub.js) and by every page (store.js).

import { isNumber } from "./text.js";

export const KEPT = 20_000;        // rows kept of a view: beyond, closed ones make room, oldest first
export const WHOLE = 50_000;       // views with more rows are not followed: their rows are asked for instead

export const isTime = type => type.startsWith("TIMESTAMP");
/** Numbers that name something: to add or draw them would mean nothing, and their digits are not in groups. */
const NAMES = /(^|_)(id|ids|key|uuid|guid|hash|code|no|nr|zip|plz|port|year|month|day|hour|seq|sequence|offset|partition|lsn)$|[a-z](Id|Key|Code)$|^(auction|bidder|seller|category)$/;

/** A row that changes may stand beside its old form for the length of one event. */
export class View {
  constructor(about) {
    this.rows = new Map(); this.changes = 0; this.trimmed = 0; this.asOf = about.as_of; this.rate = 0; this.seen = 0; this.known = false;
    this.about(about);
  }
  about(about) {
    this.info = about; this.name = about.name;
    this.paged = about.rows > WHOLE && !about.alert;
    this.columns = about.columns.map(c => ({ ...c, time: isTime(c.type), names: NAMES.test(c.name), key: Boolean(about.key?.includes(c.name)) }));
    const times = this.columns.filter(c => c.time).map(c => c.name);
    this.newest = times.find(n => n === "window_end") || times.find(n => /_end$/.test(n)) || times.at(-1);
    this.key = about.key || about.columns.map(c => c.name);
  }
  /** A NULL is no text that looks like it. */
  keyOf(row) { const [only] = this.key; return this.key.length === 1 && row[only] !== null && typeof row[only] !== "object" ? String(row[only]) : JSON.stringify(this.key.map(name => row[name])) }
  clear() { this.rows.clear(); this.trimmed = 0 }
  get total() { return this.paged ? this.info.rows : this.rows.size + this.trimmed }
  /** Whether every row of it is here. */
  get whole() { return !this.paged && this.trimmed === 0 }
  change({ op, row, status, version }) {
    const key = this.keyOf(row), there = this.rows.get(key);
    if (op === "insert") this.rows.set(key, { row, status, version, n: there ? there.n + 1 : 1 });
    else if (there) { if (there.n > 1) there.n--; else this.rows.delete(key) }
  }
  /** Takes rows as they are told in a snapshot or a page. */
  take(rows) { for (const { _status, _version, ...row } of rows) this.change({ op: "insert", row, status: _status, version: _version }) }
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

/** Takes an event of the stream into `views`; returns the view and what was told of it, or null if it is of no view here. */
export function apply(views, name, text) {
  const told = JSON.parse(text);
  const view = views.get(told.view);
  if (name === "progress" && !told.view) { for (const one of views.values()) one.asOf = told.as_of; return null }
  if (!view) return null;
  if (told.as_of) view.asOf = told.as_of;
  if (name === "snapshot") { view.clear(); view.take(told.rows); view.known = true; view.trim() }
  else if (name === "delta") { view.changes += told.changes.length; for (const change of told.changes) view.change(change); view.trim() }
  return { view, told };
}
