// The rows of a view as a table. A view that is all here is filtered and sorted here, and follows every change. Of one that is
// not, the server filters, sorts and pages: what is not loaded is found all the same.

import { list, make, mark, set } from "./dom.js";
import { ask, store, touch } from "./store.js";
import { blank, cell, count, isNumber, some } from "./text.js";

const SHOWN = 100;         // rows drawn
const SHORT = [16, 24];    // letters that no cell cuts: of the first column, of others
const GLOWING = 500;       // changes a second, beyond which nothing glows
const AGAIN_MS = 2000;     // so often the server is asked for the first page anew
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** What a filter says: words that rows must have in them, and `column=value`. A value goes on to the next `column=`, unless it is in
 *  quotes; so may names be, and words with = in them. `unknown` is a name before = that is no column's. */
export function wanted(text, view) {
  const names = new Set(view.columns.map(c => c.name)), equal = [], words = [];
  let rest = text.trim(), unknown = null;
  const take = pattern => { const found = pattern.exec(rest); if (found) rest = rest.slice(found[0].length); return found };
  const plain = quoted => quoted.replaceAll('""', '"');
  while (rest) {
    const quoted = take(/^"((?:[^"]|"")*)"/), name = quoted ? plain(quoted[1]) : take(/^=\S*|^[^\s=]+/)[0];
    if (!take(/^=/)) words.push(...name.toLowerCase().split(/\s+/).filter(Boolean));
    else if (!names.has(name)) { unknown ??= name; take(/^\S*/) }
    else {
      const value = take(/^"((?:[^"]|"")*)"(?=\s|$)/);
      if (value) equal.push([name, plain(value[1])]);
      else {
        const next = [...rest.matchAll(/\s+(?:"((?:[^"]|"")*)"|([^\s="]+))=/g)].find(found => names.has(found[2] ?? plain(found[1])));
        equal.push([name, rest.slice(0, next?.index).trimEnd()]);
        rest = next ? rest.slice(next.index) : "";
      }
    }
    rest = rest.trimStart();
  }
  return { equal, words, unknown };
}
const searched = c => !c.time && !/^(FLOAT|DOUBLE|DECIMAL)/.test(c.type);

export class Rows {
  constructor(parent) {
    this.head = make("tr"); this.body = make("tbody");
    this.scroll = make("div", { class: "scroll rows", tabindex: "0", role: "region", "aria-label": "Rows" }, make("table", { class: "wide" }, make("thead", {}, this.head), this.body));
    this.empty = make("p", { class: "empty" }); this.total = make("p", { class: "note" });
    const turn = (text, act) => make("button", { type: "button", onclick: act }, text);
    this.back = turn("‹ Before", () => this.turn(-1)); this.on = turn("Next ›", () => this.turn(1));
    this.foot = make("div", { class: "head foot" }, this.total, make("div", { class: "tools" }, this.back, this.on));
    this.card = parent.appendChild(make("section", { class: "card", "aria-label": "Rows" }, this.empty, this.scroll, this.foot));
    this.view = null;
    const fits = new ResizeObserver(() => this.scroll.classList.toggle("fits", this.scroll.scrollWidth <= this.scroll.clientWidth));
    fits.observe(this.scroll); fits.observe(this.scroll.firstChild);
  }

  choose(view) {
    this.view = view; this.order = null; this.text = ""; this.fresh = true; this.page = null; this.wrong = null;
    this.body.replaceChildren(); this.body.held = new Map(); this.head.replaceChildren();
    this.forget();
    view.columns.forEach(c => this.head.append(make("th", { scope: "col", class: isNumber(c.type) ? "n" : "", "data-column": c.name }, make("button", { type: "button", title: c.name.length > 24 ? `${c.name}, ${c.type}` : c.type, onclick: () => this.sort(c.name) }, c.name))));
    this.head.append(make("th", { scope: "col" }, "status"));
    mark(this.scroll, "aria-label", "Rows of " + view.name);
  }

  filter(text) { this.text = text; this.fresh = true; this.forget(); touch("views") }
  sort(name) {
    const { order } = this, first = isNumber(this.view.columns.find(c => c.name === name).type) ? -1 : 1;
    this.order = order?.by !== name ? { by: name, sign: first } : order.sign === first ? { by: name, sign: -first } : null;
    for (const th of this.head.children) mark(th, "aria-sort", this.order && th.dataset.column === this.order.by ? (this.order.sign > 0 ? "ascending" : "descending") : null);
    this.fresh = true; this.forget(); touch("views");
  }
  turn(by) {
    if (by > 0) this.pages.push(this.page.next); else this.pages.pop();
    this.scroll.scrollTop = 0; this.anew(); touch("views");
  }
  /** Asks for the first page anew; what is shown stays until the answer is there. */
  forget() { this.pages = [""]; this.anew() }
  /** What is on its way is of another page, and what is shown leads nowhere: its cursor is of another order. */
  anew() { this.asked = -Infinity; this.asking = (this.asking ?? 0) + 1; this.on.disabled = true }

  /** Whether a row is wanted, of those that are here. */
  fits() {
    const { equal, words, unknown } = wanted(this.text, this.view);
    this.unknown = unknown;
    if (unknown !== null) return () => false;
    if (!equal.length && !words.length) return null;
    const names = this.view.columns.filter(searched).map(c => c.name), same = (value, text) => value === null ? text === "null" : String(value) === text || typeof value === "number" && text !== "" && Number(text) === value || typeof value === "string" && text === "null" && value === "null";
    return row => equal.every(([name, text]) => same(row[name], text)) && words.every(word => names.some(name => row[name] !== null && String(row[name]).toLowerCase().includes(word)));
  }

  draw(label) {
    const { view } = this;
    const here = view.whole, fits = this.fits();
    if (this.unknown !== null) {
      this.table([]);
      this.empty.hidden = false; this.scroll.hidden = this.back.hidden = this.on.hidden = true; set(this.total, "");
      set(this.empty, `There is no column “${this.unknown.slice(0, 80)}”. There are: ${view.columns.map(c => c.name).join(", ")}. A word with = in it is written in quotes.`);
    } else if (here) {
      const { rows, fitting } = view.top(SHOWN, fits, this.order);
      this.table(rows);
      const total = view.total;
      this.empty.hidden = rows.length > 0; this.scroll.hidden = rows.length === 0;
      set(this.empty, total > 0 ? "No row fits the filter." : store.finished ? "No rows." : "No rows yet.");
      set(this.total, fitting === 0 ? "" : (fitting > rows.length ? `${count(rows.length)} of ` : "") + this.many(fits, fitting, total));
      this.back.hidden = this.on.hidden = true;
    } else {
      this.fetch();
      const { page } = this, at = (this.pages.length - 1) * SHOWN;
      if (page) this.table(page.rows);
      const none = !page || page.rows.length === 0;
      this.empty.hidden = !none; this.scroll.hidden = none;
      set(this.empty, this.wrong ?? (!page ? "Asking the server …" : fits ? "No row fits the filter." : "No rows."));
      set(this.total, none ? "" : (page.total > page.rows.length ? `${count(at + 1)} to ${count(at + page.rows.length)} of ` : "") + this.many(fits, page.total, view.total));
      this.back.hidden = this.on.hidden = none && this.pages.length === 1;
      this.back.disabled = this.pages.length === 1; this.on.disabled = !page?.next || page.of !== this.asking;
    }
    this.fresh = false;
    return fits;
  }

  /** How many rows, or how many fit, and in which order they stand. */
  many(fits, fitting, total) { return some(fitting, "row", "rows") + (fits ? ` that ${fitting === 1 ? "fits" : "fit"}, of ${count(total)}` : "") + (this.order || !this.view.newest || fitting < 2 ? "" : ", newest first") }

  /** Asks the server for the page at hand; a page further on stays as it was found. */
  fetch() {
    const again = this.pages.length > 1 ? Infinity : AGAIN_MS;
    if (performance.now() - this.asked < again || this.busy === this.asking) return;
    this.asked = performance.now();
    const { view } = this, mine = this.busy = this.asking, { equal, words } = wanted(this.text, view), by = this.order;
    const asked = new URLSearchParams([["limit", SHOWN], ["numbers", "exact"], ...words.map(word => ["search", word]), ...equal.map(([name, value]) => ["where." + name, value])]);
    const order = by ? (by.sign < 0 ? "-" : "") + by.by : view.newest ? "-" + view.newest : "";
    if (order) asked.set("order", order);
    const cursor = this.pages.at(-1); if (cursor) asked.set("cursor", cursor);
    ask(`/api/v1/views/${encodeURIComponent(view.name)}/rows?${asked}`).then(told => {
      if (mine !== this.asking) return;
      this.wrong = null;
      this.page = { of: mine, next: told.next, total: told.total, rows: told.rows.map(({ _status: status, _version: version, ...row }) => [view.keyOf(row), { row, status, version }]) };
    }, error => { if (mine === this.asking) { this.page = null; this.wrong = error.message } }).finally(() => { if (this.busy === mine) this.busy = null; touch("views") });
  }

  table(rows) {
    const { view } = this;
    // Where everything changes all the time a glow says nothing, and costs.
    const flash = !this.fresh && !still.matches && view.whole && !(view.rate > GLOWING);
    const glow = element => element.animate([{ backgroundColor: "var(--flash)" }, { backgroundColor: "transparent" }], { duration: 700, easing: "ease-out" });
    const line = () => make("tr", {}, ...view.columns.map((c, at) => make(at ? "td" : "th", { class: isNumber(c.type) ? "n" : "", scope: at ? null : "row" })), make("td", {}, make("span", { class: "badge" })));
    list(this.body, rows, ([key]) => key, line, (tr, [, entry]) => {
      const old = tr.entry; if (old === entry) return;
      tr.entry = entry;
      const badge = tr.lastChild.firstChild;
      set(badge, entry.status); mark(badge, "class", "badge " + entry.status); mark(badge, "title", entry.version > 1 ? "version " + entry.version : null);
      view.columns.forEach((c, at) => {
        const value = entry.row[c.name], td = tr.children[at], text = cell(value, c);
        if (td.shown === text && td.blank === blank(value)) return;
        set(td, text); td.blank = blank(value); td.classList.toggle("null", td.blank);
        mark(td, "title", text.length > SHORT[Math.min(at, 1)] ? (typeof value === "number" ? String(value) : text) : null);
        if (flash && old && td.glow?.playState !== "running") td.glow = glow(td);
      });
      // The first column has a ground of its own.
      if (flash && !old) { glow(tr); tr.firstChild.animate([{ backgroundColor: "var(--flash)" }, { backgroundColor: "var(--surface)" }], { duration: 700, easing: "ease-out" }) }
    });
  }
}
