// Alerts and dead letters: what stands since when, who has seen to it, what was not taken and why. Charts of things that are not
// the same: units, names.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { Server, freePort, open, push, section, stateIs, until } from "./harness.mjs";

const ts = "2026-01-01T12:00:00Z";
/** The alerts as they are listed: of which view, which key, and in which state. */
const listed = page => page.$$eval("#section-alerts .alerts li", items => items.map(item => [item.children[1].textContent, item.querySelector(".what b").textContent, item.className]));
async function are(page, wanted, what) {
  for (let tries = 0; ; tries++) {
    const now = await listed(page);
    if (JSON.stringify(now) === JSON.stringify(wanted)) return;
    assert.ok(tries < 100, `${what}: ${JSON.stringify(now)}, wanted ${JSON.stringify(wanted)}`);
    await page.waitForTimeout(100);
  }
}
const since = page => page.$$eval("#section-alerts .since .note", notes => notes.map(note => note.textContent));

export async function alertsAreSeenTo(browser) {
  const server = await new Server("seen.sql", await freePort()).start();
  await push(server, "events", [{ kind: "a", n: 101, ts }]);
  await new Promise(done => setTimeout(done, 2500));
  const { page, seen } = await open(browser, server, { hash: "#alerts" });
  await are(page, [["high", "a", ""]], "one stands");
  // The page was not there when it came; the server was.
  await until(page, () => /^for (\d+) s$/.test(document.querySelector("#section-alerts .since .note")?.textContent), null, "since when");
  assert.ok(Number(/\d+/.exec((await since(page))[0])[0]) >= 2, "it stood before the page was opened: " + await since(page));
  await push(server, "events", [{ kind: "b", n: 500, ts }]);
  await push(server, "events", [{ kind: "c", n: -1, ts }]);
  await are(page, [["below", "c", ""], ["high", "b", ""], ["high", "a", ""]], "newest first");
  // Other values of the same key are the same alert: it keeps its place, and its time.
  await push(server, "events", [{ kind: "a", n: 1, ts }]);
  await until(page, () => [...document.querySelectorAll("#section-alerts .alerts li")].some(item => item.textContent.includes("total 102")), null, "its new value");
  await are(page, [["below", "c", ""], ["high", "b", ""], ["high", "a", ""]], "in its place");

  await page.getByRole("button", { name: "Acknowledge: high [\"b\"]" }).click();
  await are(page, [["below", "c", ""], ["high", "b", "seen"], ["high", "a", ""]], "acknowledged");
  assert.match(await page.textContent("#section-alerts .note"), /3 stand, 2 of the newest 3 not acknowledged: high \(high\), below \(low\)\./);
  await page.getByLabel("only new ones").check();
  await are(page, [["below", "c", ""], ["high", "a", ""]], "only new ones");
  await page.getByLabel("only new ones").uncheck();
  // All pages of the browser know of it, and it outlives them.
  const other = await page.context().newPage();
  await other.goto(server.base + "/#alerts");
  await until(other, () => document.querySelectorAll("#section-alerts .alerts li.seen").length === 1, null, "on another page of the browser");
  await other.getByRole("button", { name: "Acknowledge: high [\"a\"]" }).click();
  await are(page, [["below", "c", ""], ["high", "b", "seen"], ["high", "a", "seen"]], "acknowledged on another page");
  await other.close();

  await page.getByLabel("Together by").selectOption("view");
  const heads = (wanted, what) => until(page, wanted => JSON.stringify([...document.querySelectorAll("#section-alerts .groups h3")].filter(head => head.checkVisibility()).map(head => head.textContent)) === JSON.stringify(wanted), wanted, what);
  await heads(["below: 1 stands", "high: 2 stand"], "the group with the newest first");
  await page.getByLabel("Together by").selectOption("severity");
  await heads(["high: 2 stand", "low: 1 stands"], "the gravest first");
  await page.getByLabel("Together by").selectOption("");

  // What is taken back is struck, with from when to when; if it comes again it is new.
  await push(server, "events", [{ kind: "b", n: -450, ts }]);
  await are(page, [["below", "c", ""], ["high", "b", "struck"], ["high", "a", "seen"]], "taken back");
  assert.match((await since(page))[1], /^\d\d:\d\d:\d\d to \d\d:\d\d:\d\d$/);
  await push(server, "events", [{ kind: "b", n: 450, ts }]);
  await are(page, [["high", "b", ""], ["below", "c", ""], ["high", "b", "struck"], ["high", "a", "seen"]], "it is new");
  await page.getByRole("button", { name: "Acknowledge all" }).click();
  await are(page, [["high", "b", "seen"], ["below", "c", "seen"], ["high", "b", "struck"], ["high", "a", "seen"]], "all");
  assert.ok(await page.getByRole("button", { name: "Acknowledge all" }).isDisabled());
  assert.deepEqual(seen.errors, []);
  console.log("alerts: newest first, since when, acknowledged in all pages, together by view and severity, new if they come again");
  await page.context().close();
  await server.stop();
}

export async function aRestartTakesNoAlertBack(browser) {
  const server = await new Server("seen.sql", await freePort()).start();
  const { page, seen } = await open(browser, server, { hash: "#alerts" });
  await push(server, "events", [{ kind: "a", n: 101, ts }]);
  await are(page, [["high", "a", ""]], "one stands");
  // A server that is soon there again: the page takes up its stream, which is of another run.
  seen.down = true;
  await server.stop(); await server.start();
  await stateIs(page, "live");
  await are(page, [], "the alerts of the run before are not of this one");
  await push(server, "events", [{ kind: "b", n: 101, ts }, { kind: "a", n: 7, ts }]);
  await are(page, [["high", "b", ""]], "those of this one are");
  // One that is not ready for a while: the page begins anew, and others that come then see the same.
  await server.stop();
  let asked = 0;
  const closed = createServer((_, answer) => { asked++; answer.writeHead(503, { "content-type": "application/problem+json" }).end('{"detail":"the engine is starting"}') }).listen(server.port, "127.0.0.1");
  await once(closed, "listening");
  for (let tries = 0; asked < 3; tries++) { assert.ok(tries < 300, "the page asks"); await page.waitForTimeout(100) }
  closed.closeAllConnections(); await new Promise(done => closed.close(done));
  await server.start();
  await stateIs(page, "live");
  await are(page, [], "nor are those of the second run");
  await push(server, "events", [{ kind: "c", n: 101, ts }]);
  await are(page, [["high", "c", ""]], "one of the third");
  await push(server, "events", [{ kind: "c", n: -101, ts }]);
  await are(page, [["high", "c", "struck"]], "what this run takes back is taken back");
  assert.deepEqual(seen.errors, []);
  console.log("restart: the alerts of the run before are gone with it, and none is said to be taken back");
  await page.context().close();
  await server.stop();
}

export async function deadLettersAreTold(browser) {
  const server = await new Server("seen.sql", await freePort()).start();
  await push(server, "events", [{ kind: "a", n: 1, text: "7", ts }]);
  const { page, seen } = await open(browser, server, { hash: "#alerts" });
  await until(page, () => [...document.querySelectorAll("#section-alerts .empty")].some(line => line.checkVisibility() && line.textContent === "Every row was taken."), null, "every row was taken");
  const letters = () => page.$$eval("#section-alerts .letters tbody tr", rows => rows.map(row => [...row.cells].map(cell => cell.textContent)));
  const some = async (fits, what) => { for (let tries = 0; !(await letters()).some(fits); tries++) { assert.ok(tries < 100, `${what}: ${JSON.stringify(await letters())}`); await page.waitForTimeout(100) } };
  // Of a view: the expression, why it failed, and the row.
  await push(server, "events", [{ kind: "b", n: 1, text: "seven", ts }]);
  await some(([of, , detail, , content]) => of === "parsed" && /CAST\(.*text.*\)/i.test(detail) && detail.includes("seven") && content.includes("seven"), "a dead letter of a view");
  // Of a sink: the same, of what it has not written.
  await some(([of, , detail, , content]) => of === "kept" && detail.includes("seven") && content.includes("seven"), "a dead letter of a sink");
  // Of a source: the text as it came.
  const body = '{"kind":"c","n":"many","ts":"2026-01-01T12:00:00Z"}';
  await fetch(`${server.base}/api/v1/sources/events/events`, { method: "POST", headers: { "content-type": "application/x-ndjson" }, body });
  await some(([of, , , , content]) => of === "events" && content === body, "a dead letter of a source");
  assert.match(await page.textContent("#section-alerts section[aria-label='Dead letters'] .note"), /^2 rows in all; the newest 3 letters:$/);
  // Those of one can be looked at alone, and of each the newest comes first of all.
  await page.getByLabel("Dead letters of").selectOption("view parsed");
  await until(page, () => document.querySelectorAll("#section-alerts .letters tbody tr").length === 1, null, "those of one view");
  assert.equal((await letters())[0][0], "parsed");
  await page.getByLabel("Dead letters of").selectOption("");
  for (let n = 0; n < 5; n++) await fetch(`${server.base}/api/v1/sources/events/events`, { method: "POST", headers: { "content-type": "application/x-ndjson" }, body: `{"kind":"${"long ".repeat(80)}","n":"${n}x"}` });
  await until(page, () => document.querySelectorAll("#section-alerts .letters tbody tr").length === 8, null, "eight letters");
  assert.deepEqual(new Set((await letters()).slice(0, 3).map(([of]) => of)), new Set(["events", "parsed", "kept"]), "nobody's many stand before all others");
  // At any width their text is in view, and no letter takes more than a few lines.
  for (const width of [1600, 820, 390]) {
    await page.setViewportSize({ width, height: 900 });
    const boxes = await page.$$eval("#section-alerts .letters td.content code", codes => codes.map(code => [code.getBoundingClientRect().right, code.getBoundingClientRect().height, code.closest("section").getBoundingClientRect().right]));
    assert.ok(boxes.length === 8 && boxes.every(([right, height, edge]) => right > 0 && right <= edge && height < 70), `${width}: ${JSON.stringify(boxes)}`);
  }
  await page.setViewportSize({ width: 1280, height: 720 });
  assert.deepEqual(seen.errors, []);
  console.log("dead letters: of a source, a view and a sink, with the expression, the reason and the row");
  await page.context().close();
  await server.stop();
}

export async function unitsAreNotMixed(browser) {
  const server = await new Server("units.sql", await freePort()).start();
  const row = (sensor_id, unit, x, second) => ({ sensor_id, unit, room_id: 7, x, ts: `2026-01-01T12:00:${second}Z` });
  await push(server, "readings", [row("s1", "celsius", 20, "01"), row("s1", "pascal", 101_325, "02"), row("s2", "celsius", 21, "03"), row("s1", "celsius", 22, "11"), row("s1", "pascal", 101_300, "12"), row("s1", "celsius", 0, "45")]);
  const { page, seen } = await open(browser, server, { hash: "#views/measured" });
  const lines = () => page.$$eval("#section-views .legend li", items => items.map(item => [item.children[1].textContent, item.children[2].textContent]).sort());
  const are = async (wanted, what) => { for (let tries = 0; JSON.stringify(await lines()) !== JSON.stringify(wanted); tries++) { assert.ok(tries < 100, `${what}: ${JSON.stringify(await lines())}`); await page.waitForTimeout(100) } };
  await are([["s1", "22"], ["s2", "21"]], "of one unit, the sensors");
  assert.match(await page.textContent("#section-views .says"), /^unit: celsius/);
  await page.getByLabel("What is measured").selectOption("pascal");
  await are([["s1", "101,300"]], "of the other");
  assert.match(await page.textContent("#section-views .says"), /^unit: pascal/);
  // An id is no value: there is nothing else to choose.
  assert.deepEqual(await page.$$eval("[aria-label='Value of the chart'] option", options => options.map(option => option.value)), ["x"]);
  assert.deepEqual(seen.errors, []);
  console.log("charts: one unit at a time, ids are no values");
  await page.context().close();
  await server.stop();
}
