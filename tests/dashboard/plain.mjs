// What is easily misread: ids, texts that look like NULL, names without end, pictures of nothing, advice from too little.
import assert from "node:assert/strict";
import { Server, WIDTHS, freePort, open, push, section, stateIs, until } from "./harness.mjs";

const ts = "2026-01-01T12:00:00Z", LONG = "a_view_with_a_very_long_name_that_a_program_made_of_the_names_of_many_other_programs";
const rowsOf = page => page.$$eval("#section-views tbody tr", rows => rows.map(row => [...row.cells].slice(0, -1).map(cell => cell.textContent)));
const visible = (page, selector) => page.$$eval(selector, all => all.filter(one => one.checkVisibility()).length);

async function started() {
  const server = await new Server("plain.sql", await freePort()).start();
  await push(server, "events", [
    { order_id: 1000001, customer_id: 41001, name: null, n: 12345, ts }, { order_id: "9007199254740993", customer_id: 7, name: "NULL", n: 23456, ts },
    { order_id: 1000002, customer_id: 41002, name: "", n: 34567, ts }, { order_id: 1000003, customer_id: 41003, name: "“”", n: 1000, ts },
  ]);
  return server;
}

export async function idsAreToldDigitByDigit(browser) {
  const server = await started();
  const { page, seen } = await open(browser, server, { hash: "#views/orders" });
  await stateIs(page, "live");
  await until(page, () => document.querySelectorAll("#section-views tbody tr").length === 4, null, "four orders");
  assert.deepEqual((await rowsOf(page)).sort(), [["1000001", "41001", "12,345"], ["1000002", "41002", "34,567"], ["1000003", "41003", "1,000"], ["9007199254740993", "7", "23,456"]].sort());
  // What keys a view names a row of it, whatever it is called.
  await section(page, "views/by_amount");
  assert.deepEqual((await rowsOf(page)).map(([n]) => n).sort(), ["1000", "12345", "23456", "34567"]);
  await section(page, "alerts");
  await until(page, () => document.querySelectorAll("#section-alerts .alerts li").length === 2, null, "two alerts");
  assert.deepEqual((await page.$$eval("#section-alerts .what", all => all.map(one => [...one.querySelectorAll("b")].map(b => b.textContent)))).sort(), [["1000002", "“”", "34,567"], ["9007199254740993", "NULL", "23,456"]]);
  assert.deepEqual((await page.$$eval("#section-alerts .what b.null", all => all.map(b => b.textContent))), ["“”"], "the text NULL is no NULL");
  assert.match(await page.textContent("#section-alerts .note"), /^2 stand, not acknowledged: /);
  // Labels of one axis have the same digits, and none that are not told.
  const told = await page.evaluate(async () => { const { number } = await import("/assets/text.js"); return [[0, 0.25, 0.5, 1].map(one => number(one, 0.25)), [0, 500, 1000].map(one => number(one, 500)), [2.5, 5].map(one => number(one, 2.5)), number(1e308, 1e307)] });
  assert.deepEqual(told, [["0", "0.25", "0.50", "1.00"], ["0", "500", "1,000"], ["2.5", "5.0"], "1e308"]);
  assert.deepEqual(seen.errors, []);
  console.log("ids: digit by digit in tables and alerts, counts in groups of three");
  await page.context().close();
  await server.stop();
}

export async function nothingIsNotDrawn(browser) {
  const server = await started();
  const { page, seen } = await open(browser, server, { hash: "#views/named" });
  await stateIs(page, "live");
  await until(page, () => document.querySelectorAll("#section-views .bars li").length === 4, null, "a bar a key");
  const bars = await page.$$eval("#section-views .bars li", bars => bars.map(bar => [bar.children[0].textContent, bar.children[2].textContent]));
  assert.deepEqual(bars, [["“”", "34,567"], ["“NULL”", "23,456"], ["NULL", "12,345"], ["““””", "1,000"]]);
  await section(page, "views/never");
  await until(page, () => document.querySelector("#section-views .says").textContent === "No rows yet.", null, "that there are none");
  assert.equal(await visible(page, "#section-views .chart, #section-views .bars, #section-views .bins"), 0, "no axes of nothing");
  await section(page, "views/named");
  await page.getByLabel("Filter rows").fill("nobody at all");
  await until(page, () => document.querySelector("#section-views .says").textContent === "No row fits.", null, "that none fits");
  assert.equal(await visible(page, "#section-views .chart, #section-views .bars, #section-views .bins"), 0);
  await page.getByLabel("Filter rows").fill("n=1000");
  await until(page, () => document.querySelector("#section-views .foot .note").textContent === "1 row that fits, of 4", null, "one row in the singular");
  await section(page, "board");
  await until(page, () => [...document.querySelectorAll("#section-board .tile-card")].some(card => card.textContent.startsWith("never") && card.textContent.endsWith("No rows yet.")), null, "on the board too");

  // Four rows are too few for a bound.
  await section(page, "time");
  await until(page, () => document.querySelector("#section-time .advice").textContent === "With 1.0 s all rows are on time. 4 rows are too few to say what would do.", null, "no advice from four rows");
  assert.equal(await visible(page, "#section-time .codeline"), 0);
  // Of many rows one that is years behind is no reason for a bound of years.
  const row = (second, n) => ({ order_id: 1, customer_id: 1, name: "x", n, ts: `2026-01-01T12:${String(Math.floor(second / 60)).padStart(2, "0")}:${String(second % 60).padStart(2, "0")}Z` });
  for (let at = 0; at < 4; at++) await push(server, "events", Array.from({ length: 100 }, (_, n) => row(100 * at + n, n)));
  const late = await fetch(`${server.base}/api/v1/sources/events/events`, { method: "POST", headers: { "content-type": "application/x-ndjson" }, body: JSON.stringify({ ...row(0, 1), ts: "2019-01-01T00:00:00Z" }) });
  assert.equal((await late.json()).rejected, 1);
  await until(page, () => /^With 1\.0 s, 99\.75 % of the rows are on time\. A bound of .* would do for 99 %\./.test(document.querySelector("#section-time .advice").textContent) && /INTERVAL '[01](\.\d+)?' SECOND$/.test(document.querySelector("#section-time .codeline code").textContent), null, "advice from 405 rows");
  assert.match(await page.textContent("#section-time .card > .note"), /No window is open|windows? (is|are) open/);
  assert.match(await page.textContent("#section-time .card > .note"), /The one late row was rejected\.$/);
  // An address below a section that has none is told above it.
  await section(page, "tables/x");
  const [message, below] = await page.evaluate(() => [document.querySelector(".lost"), document.querySelector("#section-tables")].map(one => one.checkVisibility() && one.getBoundingClientRect().top));
  assert.ok(message !== false && message < below, `${message} above ${below}`);
  assert.deepEqual(seen.errors, []);
  console.log("nothing: no axes without rows, no advice without enough, each key its own bar");
  await page.context().close();
  await server.stop();
}

export async function theMouseIsToldTheTime(browser) {
  const server = await started();
  for (const [at, n] of [["12:10:00", 5], ["13:10:00", 6], ["14:10:00", 7]]) await push(server, "events", [{ order_id: 1, customer_id: 1, name: "nobody", n, ts: `2026-01-01T${at}Z` }]);
  const { page, seen } = await open(browser, server, { hash: "#views/never" });
  await stateIs(page, "live");
  await until(page, () => document.querySelector("#section-views .legend li"), null, "two windows as a line");
  const legend = () => page.$$eval("#section-views .legend li", items => items.map(item => [item.className, item.textContent]));
  assert.deepEqual(await legend(), [["", "nobody6"]], "the newest value");
  const chart = await page.locator("#section-views .chart").boundingBox(), edge = at => page.mouse.move(chart.x + at * chart.width, chart.y + 60);
  await edge(0.15);
  await until(page, () => document.querySelector("#section-views .legend .when")?.textContent === "13:00:00", null, "the end of the first window");
  assert.equal((await legend())[0][1], "nobody5");
  await edge(0.9);
  await until(page, () => document.querySelector("#section-views .legend .when")?.textContent === "14:00:00", null, "the end of the second");
  await page.mouse.move(0, 0);
  await until(page, () => !document.querySelector("#section-views .legend .when"), null, "no time, as it is the newest");
  // A picture follows the window's width, whether or not anything comes.
  await section(page, "time");
  await until(page, () => document.querySelector("#section-time .timeline")?.hasAttribute("viewBox"), null, "the picture");
  await page.setViewportSize({ width: 700, height: 900 });
  await until(page, () => { const picture = document.querySelector("#section-time .timeline"); return Math.abs(picture.viewBox.baseVal.width - picture.clientWidth) < 2 }, null, "the picture is as wide as its place");
  assert.deepEqual(seen.errors, []);
  console.log("charts: the time under the mouse, and the width of the window");
  await page.context().close();
  await server.stop();
}

export async function aServerThatIsGoneIsToldInWords(browser) {
  const server = await started();
  await push(server, "events", [{ order_id: 1, customer_id: 1, name: "now", n: 1, ts: new Date().toISOString() }]);
  const told = await fetch(`${server.base}/api/v1/tables/prices/rows`, { method: "POST", headers: { "content-type": "application/json" }, body: '[{"sku":1,"most":2}]' });
  assert.equal(told.status, 200);
  const { page, seen } = await open(browser, server, { hash: "#tables" });
  await until(page, () => document.querySelectorAll("#section-tables tbody tr").length === 2, null, "the row");
  const other = await page.context().newPage();
  await other.goto(server.base + "/#board");
  await stateIs(other, "live");
  seen.down = true;
  await server.stop();
  await page.getByLabel("most of 1", { exact: true }).fill("3");
  await page.getByRole("button", { name: "Save" }).click();
  await until(page, () => document.querySelector("#section-tables [role=alert]").textContent === "The server does not answer; whether this was done is not known.", null, "that it is not there");
  assert.equal(await page.getByLabel("most of 1", { exact: true }).inputValue(), "3", "what was typed stays");
  // Sections that were never looked at say why there is nothing, and have no heads of tables.
  await section(other, "tables");
  await until(other, () => [...document.querySelectorAll("#section-tables .empty")].some(one => one.checkVisibility() && one.textContent === "The server does not answer; the tables are here when it does."), null, "why there are no tables");
  await section(other, "health");
  assert.deepEqual(await other.$$eval("#section-health table", tables => tables.filter(table => table.checkVisibility() && table.tBodies[0].rows.length === 0).map(table => table.caption.textContent)), []);
  await until(other, () => document.documentElement.classList.contains("stale"), null, "grey figures");
  await other.waitForTimeout(600);
  const lag = () => other.textContent("[data-value=lag]"), before = await lag();
  assert.match(before, /^\d+\.\d s$/);
  await other.waitForTimeout(2500);
  assert.equal(await lag(), before, "the lag stands still");
  assert.deepEqual(seen.errors, []);
  console.log("a server that is gone: told in words, nothing is lost or made up");
  await page.context().close();
}

export async function aProgramThatDoesNothingIsShown(browser) {
  const server = await new Server("empty.sql", await freePort()).start();
  const { page, seen } = await open(browser, server);
  await stateIs(page, "finished");
  const says = (name, text) => until(page, ([name, text]) => [...document.querySelectorAll(`#section-${name} .note, #section-${name} .empty`)].some(one => one.checkVisibility() && one.textContent === text), [name, text], `${name}: ${text}`);
  await says("board", "This dataflow publishes no view: CREATE MATERIALIZED VIEW makes one.");
  await section(page, "time"); await says("time", "No source of this dataflow has a watermark.");
  await section(page, "dataflow"); await says("dataflow", "This dataflow has no operators.");
  await section(page, "health");
  await until(page, () => document.querySelector("#section-health section[aria-label=Processes] tbody tr"), null, "its health");
  assert.deepEqual(await page.$$eval("#section-health table", tables => tables.filter(table => table.checkVisibility() && table.tBodies[0].rows.length === 0 && table.closest("section").getAttribute("aria-label") !== "Refusals").map(table => table.closest("section").getAttribute("aria-label"))), [], "no tables of nothing");
  assert.equal(await visible(page, "#section-health .chart"), 0);
  assert.deepEqual(seen.errors, []);
  console.log("an empty program: every section says what there is not");
  await page.context().close();
  await server.stop();
}

export async function whatIsLongIsWholeOrCut(browser) {
  const server = await started();
  const told = await fetch(`${server.base}/api/v1/tables/prices/rows`, { method: "POST", headers: { "content-type": "application/json" }, body: `[{"sku":9007199254740993,"price":1234567890123456.7891,"most":1e308,"since":"2026-01-31"},{"sku":9007199254740992}]` });
  assert.equal(told.status, 200);
  for (const width of WIDTHS) {
    const { page, seen } = await open(browser, server, { hash: "#views/" + LONG, viewport: { width, height: 900 } });
    await stateIs(page, "live");
    const fits = async what => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what} is wider than ${width} px`);
    await page.waitForTimeout(800);
    await fits("a view with a long name");
    assert.ok(await page.$$eval("#section-views .picks .count", counts => counts.every(count => count.getClientRects().length === 1)), "a count is on one line");
    // Columns become wider as rows come: what is asked is where they come to. A table without rows is not shown.
    await until(page, () => [...document.querySelectorAll("#section-views thead th")].every(head => { const button = head.querySelector("button"); return !button || button.scrollWidth <= button.clientWidth || getComputedStyle(button).textOverflow === "ellipsis" }), null, "heads that end in dots");
    await until(page, () => [...document.querySelectorAll("#section-views thead th.n button")].filter(button => button.checkVisibility()).every(button => { const head = button.parentElement; return Math.abs(button.getBoundingClientRect().right + parseFloat(getComputedStyle(head).paddingRight) - head.getBoundingClientRect().right) < 2 }), null, "heads of numbers above them");
    // A state is said as it is, pressed or not.
    await section(page, "board");
    const arrange = page.getByRole("button", { name: "Arrange" });
    assert.equal(await arrange.getAttribute("aria-pressed"), "false");
    await arrange.click();
    assert.equal(await page.getByRole("button", { name: "Done" }).getAttribute("aria-pressed"), "true");
    await fits("a board that is arranged");
    assert.ok(await page.$$eval("#section-board .arrange button", buttons => buttons.length > 0 && buttons.every(button => button.offsetWidth >= 24 && button.getBoundingClientRect().right <= button.closest(".card").getBoundingClientRect().right)), "the buttons of each card are whole and within it");
    // The figures stay beside long names.
    await section(page, "health");
    await page.waitForTimeout(800);
    await fits("health");
    const seenIn = await page.$$eval("#section-health section[aria-label=Views] tbody tr", rows => rows.every(row => row.cells[1].getBoundingClientRect().right <= row.closest(".scroll").getBoundingClientRect().right));
    assert.ok(seenIn, "the rows of each view are seen");
    await section(page, "tables");
    await until(page, () => document.querySelectorAll("#section-tables tbody tr").length === 3, null, "the table");
    assert.deepEqual(await page.$$eval("#section-tables input:read-only", keys => keys.map(key => [key.value, key.scrollWidth <= key.clientWidth])), [["9007199254740992", true], ["9007199254740993", true]], `keys are whole, ${width} px`);
    assert.ok((await page.$$eval("#section-tables input[name=most]", cells => cells.map(cell => cell.value))).includes("1e308"));
    assert.deepEqual(seen.errors, []);
    await page.context().close();
  }
  console.log("long names and keys: whole or with dots, nothing wider than " + WIDTHS.join(", ") + " px");
  await server.stop();
}

/** Rows and chart are drawn in turn: a row that comes between the two is drawn too, though nothing comes after it. */
export async function whatComesBetweenTwoFramesIsDrawn(browser) {
  const server = await started();
  const { page, seen } = await open(browser, server, { hash: "#views/orders" });
  await stateIs(page, "live");
  await until(page, () => document.querySelectorAll("#section-views tbody tr").length === 4, null, "four orders");
  await page.waitForTimeout(1000);
  await page.evaluate(async () => {
    const { store, touch } = await import("/assets/store.js"), view = store.views.get("orders");
    const [key, entry] = [...view.rows].find(([, { row }]) => Number(row.n) === 1000);
    const comes = n => { view.rows.set(key, { ...entry, row: { ...entry.row, n } }); touch("views") };
    new MutationObserver((_, watch) => { watch.disconnect(); comes(3000) }).observe(document.querySelector("#section-views tbody"), { subtree: true, characterData: true, childList: true });
    comes(2000);
  });
  await until(page, () => [...document.querySelectorAll("#section-views tbody tr")].some(row => row.textContent.includes("3,000")), null, "the row as it came last");
  await until(page, () => [...document.querySelectorAll("#section-views .bars li, #section-views .chart")].length > 0, null, "a chart");
  assert.deepEqual(seen.errors, []);
  console.log("frames: a row that comes between the table's and the chart's is drawn");
  await page.context().close();
  await server.stop();
}
