// Reference tables, edited in place: the cells that were edited are saved, as the text that stands in them, at one epoch, and
// the views follow. Cells that were not touched are not sent: nothing is rounded, and nobody else's change undone.

import { list, make, mark, say, set } from "./dom.js";
import { ask, store, touch } from "./store.js";
import { count, isNumber } from "./text.js";

export const title = "Tables";
const SHOWN = 500;
let cards = null, none = null, tables = null, asked = -Infinity, loading = false;

export function mount(root) {
  cards = make("div", { class: "stack" }); none = make("p", { class: "empty" }, "Asking the server …");
  root.append(make("h1", { class: "unseen" }, "Reference tables"), cards, none);
}

export function draw() { if (performance.now() - asked > 2000) load() }

async function load() {
  if (loading) return;
  loading = true; asked = performance.now();
  try {
    const found = await ask("/api/v1/tables");
    tables = await Promise.all(found.tables.map(async table => ({ ...table, list: (await ask(`${path(table)}?numbers=exact&limit=${SHOWN}`)).rows })));
  } catch { /* the connection's state says it */ }
  loading = false;
  set(none, tables ? "This dataflow has no reference table: CREATE TABLE name (key VARCHAR PRIMARY KEY, …) without a connector makes one." : "The server does not answer; the tables are here when it does.");
  if (!tables) return;
  none.hidden = tables.length > 0;
  list(cards, tables, table => table.name, card, show);
}

const path = table => `/api/v1/tables/${encodeURIComponent(table.name)}/rows`;
const json = (method, body) => ({ method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
const keyOf = (table, row) => JSON.stringify(table.key.map(name => row[name]));

function card(table) {
  const element = make("section", { class: "card", "aria-label": "Table " + table.name });
  element.note = make("p", { class: "note" }); element.body = make("tbody"); element.foot = make("tbody"); element.wrong = make("p", { role: "alert" });
  const heads = table.columns.map(c => make("th", { scope: "col", class: isNumber(c.type) ? "n" : "", title: c.type }, c.name + (table.key.includes(c.name) ? " (key)" : "")));
  element.append(make("div", { class: "head" }, make("h1", {}, table.name), element.note), element.wrong,
    make("div", { class: "scroll rows", tabindex: "0", role: "region", "aria-label": "Rows of " + table.name }, make("table", { class: "edit" }, make("thead", {}, make("tr", {}, ...heads, make("th", { scope: "col" }, make("span", { class: "unseen" }, "change")))), element.foot, element.body)));
  element.foot.append(line(element, table, null));
  return element;
}

/** A row of inputs; without a row, the one that adds. */
function line(element, table, row) {
  const tr = make("tr"), inputs = new Map();
  tr.row = row; tr.inputs = inputs;
  const edited = event => touched(event.target, false);
  const touched = (input, isNull) => { input.edited = tr.touched = true; empty(input, isNull); save.disabled = false };
  const send = async () => {
    const key = row ? Object.fromEntries(table.key.map(name => [name, tr.row[name]])) : {};
    let cells;
    try { cells = read(table, inputs) } catch (error) { return wrong(element, error) }
    if (!row && await taken(table, cells, tr)) return wrong(element, new Error("There is a row with this key: change it where it stands, or press Add again to put this one in its place."));
    if (await change(element, table, json(row ? "PATCH" : "POST", [{ ...cells, ...key }]), row ? "Saved." : "Added.")) {
      tr.touched = false;
      tr.sure = null;
      for (const input of inputs.values()) { input.edited = false; if (!row) { input.value = ""; empty(input, true, input.name) } }
      if (row) save.disabled = true;
    }
  };
  const save = make("button", { type: "button", class: row ? null : "main", disabled: Boolean(row), onclick: send }, row ? "Save" : "Add");
  for (const c of table.columns) {
    const key = table.key.includes(c.name);
    const input = make("input", { class: isNumber(c.type) ? "n" : "", inputmode: isNumber(c.type) ? "decimal" : null, size: Math.max(8, row ? 0 : c.name.length + 1), "aria-label": `${c.name}${row ? " of " + table.key.map(name => row[name]).join(", ") : " of a new row"}`, name: c.name, readonly: key && Boolean(row), placeholder: row ? "NULL" : c.name, oninput: edited, onkeydown: event => { if (event.key === "Enter") send() } });
    inputs.set(c.name, input);
    const nothing = c.type !== "VARCHAR" || (key && row) ? null : make("button", { type: "button", class: "small nothing", onclick: () => { const none = input.value !== "" || input.isText; input.value = ""; touched(input, none); input.focus() } });
    if (nothing) input.nothing = nothing;
    empty(input, true, row ? "NULL" : c.name);
    tr.append(make("td", { class: isNumber(c.type) ? "n" : "", "data-label": c.name }, input, nothing));
  }
  const remove = row && make("button", { type: "button", "aria-label": "Delete " + table.key.map(name => row[name]).join(", "), onclick: () => change(element, table, json("DELETE", [Object.fromEntries(table.key.map(name => [name, tr.row[name]]))]), "Deleted.") }, "Delete");
  tr.append(make("td", {}, make("div", { class: "tools" }, save, remove)));
  return tr;
}

/** Whether a cell without letters is NULL or, of text, the empty text; what it says then. */
function empty(input, isNull, says = "NULL") {
  input.isText = !isNull && Boolean(input.nothing); mark(input, "placeholder", input.isText ? "empty text" : says);
  if (!input.nothing) return;
  const toNull = input.value !== "" || input.isText;
  set(input.nothing, toNull ? "NULL" : "''"); mark(input.nothing, "aria-label", `${input.name}: ${toNull ? "make it NULL" : "make it the empty text"}`);
}

/** Whether a row with the key is there that the user has not been told of. */
async function taken(table, cells, tr) {
  const key = JSON.stringify(table.key.map(name => cells[name] ?? null));
  if (tr.sure === key) return false;
  const asked = table.key.map(name => `where.${encodeURIComponent(name)}=${encodeURIComponent(cells[name] ?? "null")}`);
  const found = await ask(`${path(table)}?limit=1&${asked.join("&")}`).catch(() => ({ rows: [] }));
  if (found.rows.length) tr.sure = key;
  return found.rows.length > 0;
}

/** The edited cells. Text says what a number is more exactly than a number of the page would; the server reads its digits. */
function read(table, inputs) {
  const row = {};
  for (const c of table.columns) {
    const input = inputs.get(c.name);
    if (!input.edited) continue;
    const nested = /^(ROW|ARRAY)/.test(c.type), text = c.type === "VARCHAR" ? input.value : input.value.trim();
    try { row[c.name] = text === "" ? (input.isText ? "" : null) : nested ? JSON.parse(text) : text } catch { throw new Error(`${c.name}: write JSON for ${c.type}`) }
  }
  return row;
}

/** A value as it is edited. */
const shown = value => value === null || value === undefined ? "" : Object.is(value, -0) ? "-0.0" : typeof value === "object" ? JSON.stringify(value) : String(value).replace("e+", "e");

function wrong(element, error) {
  set(element.wrong, error.message); mark(element.wrong, "class", "wrong");
  return false;
}

async function change(element, table, init, done) {
  try {
    await ask(path(table), init);
    set(element.wrong, done); mark(element.wrong, "class", "fine"); say(done);
    asked = -Infinity; touch("tables"); await load();
    return true;
  } catch (error) {
    return wrong(element, error);
  }
}

function show(element, table) {
  set(element.note, `${count(table.rows)} ${table.rows === 1 ? "row" : "rows"}` + (table.rows > SHOWN ? `, the first ${SHOWN} shown` : ""));
  list(element.body, table.list, row => keyOf(table, row), row => line(element, table, row), (tr, row) => {
    tr.row = row;
    if (tr.touched) return;
    for (const [name, input] of tr.inputs) {
      const text = shown(row[name]);
      if (input === document.activeElement) continue;
      if (input.value !== text) { input.value = text; mark(input, "title", text); input.size = Math.min(28, Math.max(8, text.length + 1)) }
      empty(input, row[name] === null || row[name] === undefined);
    }
  });
}
