// Alerts: rows of views that declare themselves so (`WITH ('alert' = 'high')`), newest first, since when, together by view or by
// severity, and whether somebody has seen to them; one that is taken back is struck through. Beside them the dead letters: rows
// that were not taken, and why.

import { acknowledge, acknowledged } from "./acknowledged.js";
import { list, make, mark, say, set } from "./dom.js";
import { ask, refused, standing, store, touch, upstream } from "./store.js";
import { blank, cell, clock, count, day, span } from "./text.js";

export const title = "Alerts";
const SHOWN = 100, SHOWN_OF_GROUP = 30;
const SEVERITIES = ["critical", "high", "medium", "low", "info"];
const part = {};
let letters = [], owners = [], asked = -Infinity, last = "", together = "", unseen = false, whose = "";

export function mount(root) {
  part.by = make("select", { "aria-label": "Together by", onchange: () => { together = part.by.value; touch("alerts") } }, ...[["", "one list"], ["view", "together by view"], ["severity", "together by severity"]].map(([value, text]) => make("option", { value }, text)));
  part.unseen = make("input", { type: "checkbox", onchange: () => { unseen = part.unseen.checked; touch("alerts") } });
  part.all = make("button", { type: "button", onclick: () => { const these = store.alerts.filter(alert => !alert.struck && !acknowledged(alert)); acknowledge(these, true); say(`${these.length} acknowledged`); touch("alerts") } }, "Acknowledge all");
  part.groups = make("div", { class: "groups" }); part.none = make("p", { class: "empty" }); part.says = make("p", { class: "note" }); part.rules = make("p", { class: "note" });
  part.body = make("tbody"); part.no = make("p", { class: "empty" }, "Every row was taken.");
  part.total = make("p", { class: "note" });
  part.whose = make("select", { "aria-label": "Dead letters of", onchange: () => { whose = part.whose.value; touch("letters") } });
  part.scroll = make("div", { class: "scroll rows", tabindex: "0", role: "region", "aria-label": "Dead letters as a table" }, make("table", { class: "letters" }, make("thead", {}, make("tr", {}, ...["of", "reason", "detail", "position", "content"].map(text => make("th", { scope: "col" }, text)))), part.body));
  root.append(make("h1", { class: "unseen" }, "Alerts"),
    make("section", { class: "card", "aria-label": "Alerts" }, make("div", { class: "head" }, make("h2", {}, "Alerts"), make("div", { class: "tools" }, make("label", { class: "check" }, part.unseen, "only new ones"), part.by, part.all)), part.says, part.rules, part.none, part.groups),
    make("section", { class: "card", "aria-label": "Dead letters" }, make("div", { class: "head" }, make("h2", {}, "Dead letters"), make("div", { class: "tools" }, part.whose)), part.total, part.no, part.scroll));
}

/** The newest dead letters, asked for when their number changes. */
async function bury() {
  const missing = list => (list ?? []).filter(one => one.dead_letters > 0), views = missing(store.stats?.views), sinks = missing(store.stats?.sinks);
  const sign = [...store.sources.map(source => source.rows.received - source.rows.accepted), ...[...views, ...sinks].map(one => one.name + one.dead_letters), store.stats?.dead_letters ?? 0].join();
  if (sign === last || performance.now() - asked < 2000) return;
  asked = performance.now(); last = sign;
  const of = (kind, name) => ask(`/api/v1/${kind}/${encodeURIComponent(name)}/dead-letters?limit=50`).catch(() => null);
  const all = await Promise.all([...store.sources.map(source => of("sources", source.name)), ...views.map(view => of("views", view.name)), ...sinks.map(sink => of("sinks", sink.name))]);
  const kindOf = one => one.source !== undefined ? "source" : one.view !== undefined ? "view" : "sink";
  owners = all.filter(one => one?.dead_letters.length).map(one => ({ key: kindOf(one) + " " + one[kindOf(one)], total: one.total }));
  // Newest first of each; who has many does not stand before all others.
  letters = all.filter(Boolean).flatMap(one => one.dead_letters.map((letter, at) => ({ ...letter, at, of: kindOf(one) + " " + one[kindOf(one)], source: one[kindOf(one)], detail: letter.expression ? `${letter.expression}: ${letter.detail}` : letter.detail, key: kindOf(one) + " " + one[kindOf(one)] + "\n" + (one.total - at) }))).sort((a, b) => a.at - b.at);
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

/** The columns of an alert, each with its value; `times` or not. */
export function pairs(alert, times = true) {
  const view = store.views.get(alert.view);
  return view ? view.columns.filter(c => times || !c.time).map(c => make("span", { class: "pair" }, make("small", {}, c.name + " "), make("b", { class: blank(alert.row[c.name]) ? "null" : null, title: cell(alert.row[c.name], c) }, cell(alert.row[c.name], c)))) : [];
}

/** Since when: by the clock; if the server does not know it (it keeps the newest ten thousand of a view), the row's own time. */
export function when(alert) {
  const now = Date.now();
  if (alert.since) return alert.struck && alert.ended ? `${clock(alert.since)} to ${clock(alert.ended)}` : `for ${span(Math.max(1000, 1000 * Math.floor((now - alert.since) / 1000))).replace(".0 ", " ")}`;
  const view = store.views.get(alert.view), ms = view?.newest ? Date.parse(alert.row[view.newest]) : NaN;
  return Number.isNaN(ms) ? "since long" : `of ${now - ms > 864e5 ? day(ms) + " " : ""}${clock(ms)}`;
}
const whenFully = alert => alert.since ? `came at ${day(alert.since)} ${clock(alert.since)} UTC` : "longer than the server remembers; the time is that of the row";

function item(alert) {
  const button = make("button", { type: "button", class: "small", onclick: () => { const done = !acknowledged(store.alerts.find(one => one.id === alert.id) ?? alert); acknowledge([alert], done); say(done ? "Acknowledged" : "New again"); touch("alerts") } });
  return make("li", {}, make("span", { class: "severity " + alert.severity }, alert.severity), make("a", { href: "#views/" + encodeURIComponent(alert.view) }, alert.view), make("span", { class: "what" }), make("span", { class: "since" }, make("small", { class: "note" }), make("span", { class: "badge" }), button));
}
function update(element, alert) {
  const [, , what, since] = element.children, [at, badge, button] = since.children;
  if (element.row !== alert.row) { element.row = alert.row; what.replaceChildren(...pairs(alert)) }
  const seen = acknowledged(alert);
  mark(element, "class", alert.struck ? "struck" : seen ? "seen" : null);
  set(at, when(alert)); mark(at, "title", whenFully(alert));
  set(badge, alert.struck ? "taken back" : alert.updates ? `${alert.status}, ${count(alert.updates)}×` : alert.status); mark(badge, "class", "badge " + (alert.struck ? "" : alert.status));
  button.hidden = alert.struck; set(button, seen ? `Seen ${clock(seen).slice(0, 5)}` : "Acknowledge"); mark(button, "aria-pressed", Boolean(seen)); mark(button, "aria-label", `${seen ? "Acknowledged" : "Acknowledge"}: ${alert.view} ${alert.name}`);
}

/** The alerts in their groups, the group with the newest first; of each those that are shown. */
function grouped(alerts) {
  if (!together) return [{ key: "", alerts, shown: alerts.slice(0, SHOWN) }];
  const groups = new Map();
  for (const alert of alerts) { const key = alert[together]; if (!groups.has(key)) groups.set(key, { key, alerts: [] }); groups.get(key).alerts.push(alert) }
  const all = [...groups.values()];
  for (const group of all) group.shown = group.alerts.slice(0, SHOWN_OF_GROUP);
  return together === "severity" ? all.sort((a, b) => SEVERITIES.indexOf(a.key) - SEVERITIES.indexOf(b.key)) : all;
}

export function draw(changed) {
  bury();
  const declared = [...store.views.values()].filter(view => view.info.alert);
  if (changed.has("flow")) rules(declared);
  if (changed.has("alerts") || changed.has("catalog") || changed.has("stats") || changed.has("state")) {
    const there = standing(), fresh = store.alerts.filter(alert => !alert.struck && !acknowledged(alert)).length, known = store.alerts.filter(alert => !alert.struck).length;
    set(part.says, declared.length ? `${count(there)} ${there === 1 ? "stands" : "stand"}` + (there ? (fresh === known ? ", not acknowledged" : `, ${count(fresh)} of the newest ${count(known)} not acknowledged`) : "") + `: ${declared.map(view => `${view.name} (${view.info.alert})`).join(", ")}.` : "");
    const shown = unseen ? store.alerts.filter(alert => !alert.struck && !acknowledged(alert)) : store.alerts;
    part.none.hidden = shown.length > 0; part.all.disabled = fresh === 0;
    set(part.none, store.heard === null ? "Not connected: what stands is not known." : declared.length ? (unseen && store.alerts.length ? "No alert that is not acknowledged." : "No alert.") : "No view declares itself an alert: CREATE MATERIALIZED VIEW name WITH ('alert' = 'high') AS SELECT …");
    list(part.groups, grouped(shown), group => together + "/" + group.key, () => make("section", {}, make("h3", {}), make("ol", { class: "alerts" })), (section, group) => {
      const [head, items] = section.children, stand = group.alerts.filter(alert => !alert.struck).length;
      head.hidden = !together; set(head, `${group.key}: ${count(stand)} ${stand === 1 ? "stands" : "stand"}` + (group.alerts.length > stand ? `, ${count(group.alerts.length - stand)} taken back` : "") + (group.alerts.length > group.shown.length ? `; the newest ${group.shown.length} here` : ""));
      list(items, group.shown, alert => alert.id, item, update);
    });
  }
  const total = refused(store.stats);
  part.no.hidden = total > 0; part.scroll.hidden = letters.length === 0;
  if (!owners.some(one => one.key === whose)) whose = "";
  part.whose.hidden = owners.length < 2;
  list(part.whose, [{ key: "", total: 0 }, ...owners], one => one.key, one => make("option", { value: one.key }), (option, one) => set(option, one.key ? `${one.key}: ${count(one.total)}` : "of all"));
  part.whose.value = whose;
  const shown = whose ? letters.filter(letter => letter.of === whose) : letters;
  // A row that a view and a sink miss is one row, and has a letter of each.
  set(part.total, total ? `${count(total)} ${total === 1 ? "row" : "rows"} in all` + (shown.length ? `; the newest ${shown.length === 1 ? "letter" : count(shown.length) + " letters"}:` : ".") : "");
  list(part.body, shown, letter => letter.key, letter => make("tr", {}, ...[letter.source, letter.reason, letter.detail.replace(/^(\d+) ms behind the watermark/, (_, ms) => `by ${span(Number(ms))}`), letter.position].map(text => make("td", {}, text)), make("td", { class: "content" }, make("code", { dir: "auto", title: letter.content }, letter.content))));
}
