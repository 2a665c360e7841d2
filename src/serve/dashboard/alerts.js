// Alerts: rows of views that declare themselves so (`WITH ('alert' = 'high')`), newest first; one that is taken back is
// struck through. Beside them the dead letters: rows that were not taken, and why.

import { list, make, mark, set } from "./dom.js";
import { ask, standing, store, touch, upstream } from "./store.js";
import { cell, count, span } from "./text.js";

export const title = "Alerts";
const SHOWN = 100;
const part = {};
let letters = [], asked = -Infinity, last = "";

export function mount(root) {
  part.list = make("ol", { class: "alerts" }); part.none = make("p", { class: "empty" }); part.says = make("p", { class: "note" }); part.rules = make("p", { class: "note" });
  part.body = make("tbody"); part.no = make("p", { class: "empty" }, "Every row was taken.");
  part.total = make("p", { class: "note" });
  part.scroll = make("div", { class: "scroll rows", tabindex: "0", role: "region", "aria-label": "Dead letters" }, make("table", { class: "letters" }, make("thead", {}, make("tr", {}, ...["source", "reason", "detail", "position", "content"].map(text => make("th", { scope: "col" }, text)))), part.body));
  root.append(make("h1", { class: "unseen" }, "Alerts"),
    make("section", { class: "card", "aria-label": "Alerts" }, make("h2", {}, "Alerts"), part.says, part.rules, part.none, part.list),
    make("section", { class: "card", "aria-label": "Dead letters" }, make("h2", {}, "Dead letters"), part.total, part.no, part.scroll));
}

/** The newest dead letters, asked for when their number changes. */
async function bury() {
  const total = store.stats?.dead_letters ?? 0, sign = store.sources.map(source => source.rows.received - source.rows.accepted).join() + "/" + total;
  if (sign === last || performance.now() - asked < 2000) return;
  asked = performance.now(); last = sign;
  const all = await Promise.all(store.sources.map(source => ask(`/api/v1/sources/${encodeURIComponent(source.name)}/dead-letters?limit=50`).catch(() => null)));
  letters = all.filter(Boolean).flatMap(one => one.dead_letters.map((letter, at) => ({ ...letter, source: one.source, key: one.source + "\n" + (one.total - at) })));
  touch("letters");
}

/** The tables that alerts are judged by, where they are edited. */
function rules(declared) {
  const flow = store.flow, names = new Set(); if (!flow) return;
  for (const node of flow.nodes) {
    if (node.kind !== "view" || !declared.some(view => view.name === node.name)) continue;
    for (const id of upstream(flow, node.id)) if (flow.nodes[id].kind === "table") names.add(flow.nodes[id].does.split(/[ (:]/)[1]);
  }
  const text = [...names].join(", ");
  if (part.rules.text === text) return;
  part.rules.text = text;
  part.rules.replaceChildren(...(text ? ["Thresholds: ", ...[...names].flatMap((name, at) => [at ? ", " : "", make("a", { href: "#tables" }, name)]), ", edited in place."] : []));
}

export function draw(changed) {
  bury();
  const declared = [...store.views.values()].filter(view => view.info.alert);
  if (changed.has("flow")) rules(declared);
  if (changed.has("alerts") || changed.has("catalog")) {
    const there = standing();
    set(part.says, declared.length ? `${count(there)} ${there === 1 ? "stands" : "stand"} of ${declared.map(view => `${view.name} (${view.info.alert})`).join(", ")}.` : "");
    part.none.hidden = store.alerts.length > 0;
    set(part.none, declared.length ? "No alert." : "No view declares itself an alert: CREATE MATERIALIZED VIEW name WITH ('alert' = 'high') AS SELECT …");
    list(part.list, store.alerts.slice(0, SHOWN), alert => alert.id, alert => make("li", {}, make("span", { class: "severity " + alert.severity }, alert.severity), make("a", { href: "#views/" + encodeURIComponent(alert.view) }, alert.view), make("span", { class: "what" }), make("span", { class: "badge" })), (item, alert) => {
      if (item.row !== alert.row) {
        item.row = alert.row;
        const view = store.views.get(alert.view); if (!view) return;
        item.children[2].replaceChildren(...view.columns.flatMap(c => [make("span", { class: "pair" }, make("small", {}, c.name + " "), make("b", {}, cell(alert.row[c.name], c)))]));
      }
      const said = alert.struck ? "taken back" : alert.updates ? `${alert.status}, ${count(alert.updates)}×` : alert.status;
      mark(item, "class", alert.struck ? "struck" : null); set(item.lastChild, said); mark(item.lastChild, "class", "badge " + (alert.struck ? "" : alert.status));
    });
  }
  const total = store.stats?.dead_letters ?? 0;
  part.no.hidden = total > 0; part.scroll.hidden = letters.length === 0;
  set(part.total, total ? `${count(total)} in all, the newest ${count(letters.length)}:` : "");
  list(part.body, letters, letter => letter.key, letter => make("tr", {}, ...[letter.source, letter.reason, letter.reason === "late" && /^\d+$/.test(letter.detail) ? `by ${span(Number(letter.detail))}` : letter.detail, letter.position].map(text => make("td", {}, text)), make("td", { class: "content" }, make("code", {}, letter.content))));
}
