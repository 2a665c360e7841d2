// Which alerts somebody has seen to. Kept by the browser, for all its pages; one that comes again is new.

const KEY = "acknowledged", MOST = 1000;
let seen = new Map();
function load() { try { seen = new Map(JSON.parse(localStorage.getItem(KEY) ?? "[]")) } catch { seen = new Map() } }
function keep() { try { localStorage.setItem(KEY, JSON.stringify([...seen].slice(-MOST))) } catch { /* not kept */ } }
load();
addEventListener("storage", event => { if (event.key === KEY) load() });

const of = alert => alert.view + "\n" + alert.name;
/** When, in ms since 1970; undefined if not. */
export const acknowledged = alert => alert.struck ? undefined : seen.get(of(alert));
export function acknowledge(alerts, yes) { for (const alert of alerts) { if (yes) seen.set(of(alert), Date.now()); else seen.delete(of(alert)) } keep() }
/** What was taken back is new if it comes again. */
export function forget(alert) { if (seen.delete(of(alert))) keep() }
