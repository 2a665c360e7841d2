// Boards: which charts, in which order. One's own is kept by the browser; one that is shared is its address, and changes nothing
// of one's own until it is kept. A card in an address is `view;kind=lines;value=mean;keys=a,b;wide`, cards have '/' between them.

import { say } from "./dom.js";
import { best, kinds, measures } from "./picture.js";
import { store } from "./store.js";

const MOST = 24;            // cards of a board
const FIRST = 10;           // cards that a board has before anybody chose
export const ALERTS = "!alerts";

const KEY = "board";
const kept = () => { try { return localStorage.getItem(KEY) } catch { return null } };
const keep = text => { try { if (text === null) localStorage.removeItem(KEY); else localStorage.setItem(KEY, text) } catch { /* not kept */ } };

// Commas, semicolons and slashes of names are data, so they are written as %xx before the whole is.
const write = text => encodeURIComponent(String(text));
const unwrite = text => { try { return decodeURIComponent(text) } catch { return text } };

export function written(cards) {
  return cards.map(card => [write(card.view), ...["kind", "value", "by", "facet"].filter(name => card[name]).map(name => name + "=" + write(card[name])),
    ...(card.keys?.length ? ["keys=" + card.keys.map(write).join(",")] : []), ...["closed", "wide"].filter(name => card[name])].join(";")).join("/");
}

/** Cards of a text; what is none is left out. */
export function readBoard(text) {
  const cards = [];
  for (const piece of text.split("/").filter(Boolean).slice(0, MOST)) {
    const [view, ...more] = piece.split(";"), card = { view: unwrite(view), kind: "", value: "", by: "", facet: "", keys: null, closed: false, wide: false };
    for (const one of more) {
      const cut = one.indexOf("="), name = cut < 0 ? one : one.slice(0, cut), rest = one.slice(cut + 1);
      if (cut < 0 && (name === "wide" || name === "closed")) card[name] = true;
      else if (name === "keys") card.keys = rest.split(",").filter(Boolean).map(unwrite);
      else if (["kind", "value", "by", "facet"].includes(name)) card[name] = unwrite(rest);
    }
    if (card.view) cards.push(card);
  }
  return cards;
}

/** What a program is about: its alerts, then a chart of each view, as the view says or as fits. */
export function usual() {
  const all = [...store.views.values()], cards = [];
  if (all.some(view => view.info.alert)) cards.push({ view: ALERTS });
  for (const view of all) {
    if (view.info.alert || view.info.chart?.kind === "none" || measures(view).length === 0) continue;
    cards.push({ view: view.name, ...best(view) });
  }
  // Where there is room, the keys that stand out of what is drawn over time.
  for (const view of all) if (cards.length < 9 && !view.info.alert && !view.info.chart && view.info.closes && kinds(view).includes("bars") && view.info.key?.length > 1) cards.push({ view: view.name, ...best(view), kind: "bars" });
  return cards.slice(0, FIRST);
}

/** One's own board, or null if it is still the usual one. */
export const own = () => { const text = kept(); return text === null ? null : readBoard(text) };
/** A name of any length, as a sentence has it. */
export const short = name => name.length > 80 ? name.slice(0, 80) + "…" : name;
export const keepOwn = cards => keep(cards === null ? null : written(cards));

/** Puts a chart on one's own board. */
export function pin(card) {
  const cards = own() ?? usual(), same = cards.findIndex(one => written([one]) === written([card]));
  if (same < 0) cards.push({ ...card });
  keepOwn(cards.slice(-MOST));
  say(`${card.view} is on the board`);
}
