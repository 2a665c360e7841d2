// What the page shows, and how: cells that are hard to show, the board and its address, views that are too large to be loaded.
import assert from "node:assert/strict";
import { Server, freePort, open, push, section, stateIs, until } from "./harness.mjs";

export async function cellsAreTold(browser) {
  const server = await new Server("cells.sql", await freePort()).start();
  const ts = "2026-01-01T12:00:00Z", long = "x".repeat(300), arabic = "\u0645\u0631\u062d\u0628\u0627 (1)", turned = "abc\u202edef";
  await push(server, "events", [
    { id: 1, name: "far", x: 1e308, note: long, ts }, { id: 2, name: "", x: 1e-9, note: "", ts }, { id: 3, name: null, x: null, note: null, ts },
    { id: 4, name: "NULL", x: -0.5, note: "NULL", ts }, { id: 5, name: arabic, x: 2, note: turned, ts },
    `{"id":9007199254740992,"name":"a","x":1,"note":"b","ts":"${ts}"}`, `{"id":9007199254740993,"name":"a","x":2,"note":"c","ts":"${ts}"}`,
  ]);
  const { page, seen } = await open(browser, server, { hash: "#views/cells", viewport: { width: 660, height: 900 } });
  await until(page, () => document.querySelectorAll("#section-views tbody tr").length === 7, null, "seven rows: two keys that differ in the last digit are two");
  const rows = Object.fromEntries(await page.$$eval("#section-views tbody tr", rows => rows.map(row => [row.children[0].textContent, [...row.children].slice(1, 4).map(cell => [cell.textContent, cell.classList.contains("null")])])));
  assert.deepEqual(rows["1"][1], ["1e308", false]);
  assert.deepEqual(rows["2"], [["“”", true], ["1e-9", false], ["“”", true]], "an empty text");
  assert.deepEqual(rows["3"], [["NULL", true], ["NULL", true], ["NULL", true]], "nothing");
  assert.deepEqual([rows["4"][0], rows["4"][2]], [["NULL", false], ["NULL", false]], "the text NULL is a text");
  assert.ok(rows["9007199254740992"] && rows["9007199254740993"], "whole numbers by their digits: " + Object.keys(rows));
  const shape = await page.evaluate(() => {
    const row = [...document.querySelectorAll("#section-views tbody tr")].find(row => row.children[0].textContent === "1"), note = row.children[3], first = row.children[0], box = document.querySelector("#section-views .scroll");
    const before = first.getBoundingClientRect().left; box.scrollLeft = 200;
    return { wide: note.offsetWidth, over: note.scrollWidth > note.offsetWidth, dots: getComputedStyle(note).textOverflow, title: note.title.length, isolated: getComputedStyle(note).unicodeBidi, stays: Math.abs(first.getBoundingClientRect().left - before), scrolled: box.scrollLeft };
  });
  assert.ok(shape.wide <= 330 && shape.over && shape.dots === "ellipsis" && shape.title === 300, "a long text ends in dots and is whole in its title: " + JSON.stringify(shape));
  assert.match(shape.isolated, /isolate|plaintext/);
  assert.ok(shape.scrolled > 50 && shape.stays < 60, "the first column stays: " + JSON.stringify(shape));
  // Beside others a text from the right keeps its place, and what turns the direction ends with it.
  await until(page, () => document.querySelectorAll("#section-views .bars .name").length > 0, null, "the bars are drawn");
  const names = await page.$$eval("#section-views .bars .name", names => names.map(name => name.textContent));
  assert.ok(names.includes("\u2068" + arabic + "\u2069") && names.includes("“”") && names.includes("“NULL”"), JSON.stringify(names));
  // Numbers that name something are no values, whatever their type; the chart that the view asks for is drawn.
  assert.deepEqual(await page.$$eval("[aria-label='Value of the chart'] option", options => options.map(option => option.value)), ["x"]);
  assert.deepEqual((await server.json("/api/v1/views/cells")).chart, { kind: "bars", value: "x", by: "name" });
  await section(page, "board");
  await until(page, () => document.querySelectorAll(".tile-card").length === 1, null, "one card: a view with the chart 'none' has no place");
  assert.deepEqual(seen.errors, []);
  console.log("cells: 1e308, empty, NULL, right to left, long texts and digits beyond doubles");
  await page.context().close();
  await server.stop();
}

export async function aBoardIsArrangedAndShared(browser) {
  const server = await new Server("bounded.sql", await freePort()).start();
  const { page, seen } = await open(browser, server);
  const names = of => of.$$eval("#section-board .tile-card h2 a", links => links.map(link => link.textContent));
  const are = async (of, wanted, what) => { for (let tries = 0; JSON.stringify(await names(of)) !== JSON.stringify(wanted); tries++) { assert.ok(tries < 100, `${what}: ${await names(of)}, wanted ${wanted}`); await of.waitForTimeout(100) } };
  await are(page, ["Alerts", "by_site", "totals", "by_site"], "the usual board: alerts, each view, the highest keys");
  await until(page, () => document.querySelectorAll("#section-board canvas").length > 0 && document.querySelectorAll("#section-board .bars li").length > 0, null, "charts are drawn");
  // By the keyboard alone.
  await page.getByRole("button", { name: "Arrange" }).focus(); await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Move totals before" }).focus(); await page.keyboard.press("Enter");
  await are(page, ["Alerts", "totals", "by_site", "by_site"], "moved");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Move totals before", "who moves a card can go on");
  await page.getByRole("button", { name: "Take by_site off the board" }).last().click();
  await are(page, ["Alerts", "totals", "by_site"], "taken off");
  await page.reload();
  await are(page, ["Alerts", "totals", "by_site"], "kept by the browser");
  await section(page, "views/by_site");
  await page.getByLabel("Chart", { exact: true }).and(page.locator("select")).selectOption("distribution");
  await page.getByLabel("Value of the chart").selectOption("high");
  await page.getByRole("button", { name: "Pin to the board" }).click();
  await section(page, "board");
  await are(page, ["Alerts", "totals", "by_site", "by_site"], "pinned");
  await page.evaluate(() => { navigator.clipboard.writeText = async text => { window.copied = text } });
  await page.getByRole("button", { name: "Copy address" }).click();
  const address = await page.evaluate(() => window.copied);
  assert.match(address, /#board\/!alerts\/totals.*\/by_site;kind=distribution;value=high$/);
  // Somebody else opens it: they see it, and their own board stays.
  const other = await open(browser, server);
  await are(other.page, ["Alerts", "by_site", "totals", "by_site"], "another browser");
  await other.page.goto(address);
  await are(other.page, ["Alerts", "totals", "by_site", "by_site"], "by its address");
  await until(other.page, () => document.querySelectorAll("#section-board .bins > div").length > 3, null, "the distribution is drawn");
  await other.page.goto(server.base + "/#board");
  await are(other.page, ["Alerts", "by_site", "totals", "by_site"], "one's own is as it was");
  // On a wall there is nothing but the board.
  await other.page.goto(address.replace("#board", "#wall"));
  await are(other.page, ["Alerts", "totals", "by_site", "by_site"], "on a wall");
  assert.deepEqual(await other.page.evaluate(() => [".top", ".links", ".controls"].map(part => document.querySelector(part).checkVisibility())), [false, false, false]);
  assert.ok(await other.page.evaluate(() => [...document.querySelectorAll("#section-board .bars i")].filter(bar => bar.checkVisibility() && bar.getBoundingClientRect().width > 20).length > 2), "the bars are there");
  await other.page.keyboard.press("Escape");
  await until(other.page, () => document.querySelector(".top").checkVisibility(), null, "Escape leads back");
  assert.deepEqual([...seen.errors, ...other.seen.errors], []);
  console.log("board: arranged by the keyboard, kept, pinned to, shared as " + address.slice(address.indexOf("#")));
  await page.context().close(); await other.page.context().close();
  await server.stop();
}

export async function chartsCanBeChosen(browser) {
  const server = await new Server("pushed.sql", await freePort()).start();
  const row = (kind, n, second) => ({ kind, n, ts: `2026-01-01T12:00:${second}Z` });
  await push(server, "events", [row("a", 7, "01"), row("b", 60, "04"), row("c", 5, "04"), row("a", 1, "11"), row("b", 50, "21")]);
  const { page, seen } = await open(browser, server, { hash: "#views/eager" });
  const lines = () => page.$$eval("#section-views .legend li span", names => names.map(name => name.textContent).sort());
  const are = async wanted => { for (let tries = 0; JSON.stringify(await lines()) !== JSON.stringify(wanted); tries++) { assert.ok(tries < 100, `${await lines()}, wanted ${wanted}`); await page.waitForTimeout(100) } };
  await are(["a", "b", "c"]);
  const open_ = () => page.evaluate(async () => (await import("/assets/store.js")).store.views.get("eager").rows.size);
  assert.ok(await open_() > 5);
  await page.getByText("keys: 3").click();
  await page.getByLabel("a", { exact: true }).check();
  await are(["a"]);
  await page.getByLabel("b", { exact: true }).check();
  await are(["a", "b"]);
  await page.keyboard.press("Escape");
  // Without what is open there is nothing behind the watermark.
  const words = () => page.textContent("#section-views .says");
  assert.match(await words(), /hollow: \d+ open/);
  await page.getByLabel("open windows").uncheck();
  for (let tries = 0; /open/.test(await words()); tries++) { assert.ok(tries < 50, await words()); await page.waitForTimeout(100) }
  await page.getByText("2 of").click();
  await page.getByRole("button", { name: "All keys" }).click();
  assert.deepEqual(seen.errors, []);
  console.log("charts: keys are chosen, open windows are left out");
  await page.context().close();
  await server.stop();
}

export async function barsBeginAtZero(browser) {
  const server = await new Server("seen.sql", await freePort()).start();
  const ts = "2026-01-01T12:00:00Z";
  await push(server, "events", [{ kind: "up", n: 300, ts }, { kind: "down", n: -100, ts }, { kind: "none", n: 0, ts }]);
  const shapes = page => page.$$eval("#section-views .bars li", items => Object.fromEntries(items.map(item => { const track = item.children[1].getBoundingClientRect(), bar = item.children[1].firstChild.getBoundingClientRect(); return [item.children[0].textContent, [(bar.left - track.left) / track.width, (bar.right - track.left) / track.width].map(share => Math.round(20 * share) / 20)] })));
  const { page, seen } = await open(browser, server, { hash: "#views/sums" });
  await until(page, () => document.querySelectorAll("#section-views .bars li").length === 3, null, "three bars");
  const { up, down, none } = await shapes(page);
  assert.deepEqual([down, up, none[0]], [[0, 0.25], [0.25, 1], 0.25], "what is below zero goes the other way, in the same measure");
  await page.context().close();
  // All below: the longest is the lowest.
  await push(server, "events", [{ kind: "up", n: -500, ts }, { kind: "none", n: -50, ts }]);
  const other = await open(browser, server, { hash: "#views/sums" });
  await until(other.page, () => [...document.querySelectorAll("#section-views .bars li b")].some(text => text.textContent === "-200"), null, "its new value");
  assert.deepEqual(await shapes(other.page), { up: [0, 1], down: [0.5, 1], none: [0.75, 1] });
  assert.deepEqual([...seen.errors, ...other.seen.errors], []);
  console.log("bars: they begin at zero, on its two sides");
  await other.page.context().close();
  await server.stop();
}

export async function oneRowOfManyIsFound(browser) {
  const server = await new Server("large.sql", await freePort()).start();
  const MANY = 60_000, ts = "2026-01-01T12:00:00Z";
  for (let from = 0; from < MANY; from += 10_000) await push(server, "events", Array.from({ length: 10_000 }, (_, at) => ({ name: from + at === 34_567 ? "The Needle" : "straw-" + String(from + at).padStart(5, "0"), n: from + at, x: 0.5, ts })));
  const { page, seen } = await open(browser, server, { hash: "#views/many" });
  const rows = () => page.$$eval("#section-views tbody tr", rows => rows.map(row => row.children[0].textContent));
  const are = async (wanted, what) => { for (let tries = 0; JSON.stringify(await rows()) !== JSON.stringify(wanted); tries++) { assert.ok(tries < 100, `${what}: ${(await rows()).slice(0, 3)} ...`); await page.waitForTimeout(100) } };
  const hundred = from => Array.from({ length: 100 }, (_, at) => "straw-" + String(from + at).padStart(5, "0"));
  const says = text => until(page, text => document.querySelector("#section-views .foot .note").textContent === text, text, text);
  for (const filter of ["needle", "THE need", "n=34567", "34567 needle"]) {
    await page.getByLabel("Filter rows").fill(filter);
    await are(["The Needle"], filter);
    await says("1 row that fits, of 60,000");
    await page.getByLabel("Filter rows").fill("straw");
    await says("1 to 100 of 59,999 rows that fit, of 60,000");
  }
  // A value may have blanks in it: it goes on to the next column, or to its quote.
  for (const filter of ["name=The Needle", "n=34567 name=The Needle", "name=The Needle n=34567", 'name="The Needle" needle', '"needle" x=0.5 n=34567']) {
    await page.getByLabel("Filter rows").fill(filter);
    await are(["The Needle"], filter);
    await page.getByLabel("Filter rows").fill("");
    await says("1 to 100 of 60,000 rows");
  }
  await page.getByLabel("Filter rows").fill("needle nope=1");
  await until(page, () => [...document.querySelectorAll("#section-views .empty")].some(line => line.checkVisibility() && line.textContent.startsWith("There is no column “nope”. There are: name, pushes, n, x.")), null, "which columns there are");
  await until(page, () => document.querySelector("#section-views .says").textContent === "No row fits." && !document.querySelector("#section-views .bars").checkVisibility(), null, "and the chart is of none");
  // The chart is of the rows that fit, also of those that were never loaded.
  await page.getByLabel("Value of the chart").selectOption("n");
  await page.getByLabel("Chart", { exact: true }).and(page.locator("select")).selectOption("distribution");
  await page.getByLabel("Filter rows").fill("straw-500");
  await until(page, () => document.querySelector("#section-views .says").textContent === "median 50,050 · p99 50,099 · max 50,099", null, "the distribution of those that fit");
  await page.getByLabel("Filter rows").fill("straw-5");
  await until(page, () => document.querySelector("#section-views .says").textContent.endsWith("max 50,999 · of the first 1,000 rows that fit"), null, "of which of them it is");
  await page.getByLabel("Filter rows").fill("haystack");
  await until(page, () => [...document.querySelectorAll("#section-views .empty")].some(line => line.checkVisibility() && line.textContent === "No row fits the filter."), null, "none fits");
  await page.getByLabel("Filter rows").fill("straw");
  // In one go: what is shown until the answer is there leads nowhere, its cursor is of another order.
  await says("1 to 100 of 59,999 rows that fit, of 60,000");
  await page.evaluate(() => {
    const press = (where, text) => [...document.querySelectorAll("#section-views " + where)].find(button => button.textContent === text).click();
    press("th button", "n"); press("th button", "n"); press(".foot button", "Next ›");
  });
  await are(hundred(0), "by n, from the least");
  await says("1 to 100 of 59,999 rows that fit, of 60,000");
  await page.getByRole("button", { name: "Next" }).click();
  await are(hundred(100), "the next page");
  await page.getByRole("button", { name: "Next" }).click();
  await are(hundred(200), "the third page");
  await page.getByRole("button", { name: "Before" }).click();
  await are(hundred(100), "back");
  await says("101 to 200 of 59,999 rows that fit, of 60,000");
  // The highest are those of all rows, wherever the chart stands, and of those that fit the filter.
  const bars = of => page.$$eval(of + " .bars li", items => items.filter(item => item.checkVisibility()).map(item => item.lastChild.textContent));
  const highest = async (of, from, many, what) => { const wanted = Array.from({ length: many }, (_, at) => (from - at).toLocaleString("en-US")); for (let tries = 0; JSON.stringify(await bars(of)) !== JSON.stringify(wanted); tries++) { assert.ok(tries < 150, `${what}: ${await bars(of)}`); await page.waitForTimeout(100) } };
  await section(page, "views/ranked");
  await highest("#section-views", 59_999, 12, "in the view");
  assert.equal(await page.textContent("#section-views .says"), "the 12 highest of 60,000 rows");
  await page.getByLabel("Filter rows").fill("straw-0");
  await highest("#section-views", 9_999, 12, "of those that fit");
  // A name may have a comma in it.
  await page.getByLabel("Filter rows").fill("");
  await page.locator("#section-views th button", { hasText: "most, so far" }).click();
  await until(page, () => document.querySelector("#section-views tbody tr").children[0].textContent === "straw-59999", null, "the highest of a column whose name has a comma");
  await page.evaluate(() => localStorage.setItem("board", "ranked;kind=bars;value=most/ranked;kind=bars;value=about"));
  await section(page, "board");
  await highest("#section-board .tile-card:first-child", 59_999, 8, "on the board");
  await highest("#section-board .tile-card:last-child", 29_999, 8, "of another column");
  assert.deepEqual(seen.errors, []);
  console.log("60,000 rows: one is found by its text and by a value; sorted and paged by the server");
  await page.context().close();
  await server.stop();
}

export async function farValuesHaveTheirAxis(browser) {
  const server = await new Server("far.sql", await freePort()).start();
  const long = "k".repeat(300), row = (name, x, second) => ({ name, x, ts: `2026-01-01T12:00:${second}Z` });
  await push(server, "events", [row(long, 1e306, "01"), row("low", -1.5e308, "01"), row(long, 3e306, "11"), row("low", 1.5e308, "11"), row("end", 0, "31")]);
  const { page, seen } = await open(browser, server, { hash: "#views/high" });
  // What is written on canvases since it was last forgotten; a width that differs from the one before has the chart written anew.
  await page.evaluate(() => { window.written = []; const write = CanvasRenderingContext2D.prototype.fillText; CanvasRenderingContext2D.prototype.fillText = function (text, ...more) { window.written.push(text); return write.call(this, text, ...more) } });
  let width = 1100;
  const labels = async (hash, ...wanted) => {
    await page.evaluate(() => { window.written = [] });
    await section(page, hash);
    await until(page, () => [...document.querySelectorAll("#section-views .legend li")].some(item => item.checkVisibility()), null, "lines are drawn");
    await page.setViewportSize({ width: width += 20, height: 900 });
    await until(page, wanted => wanted.every(one => window.written.includes(one)), wanted, `the axis of ${hash} has ${wanted}`).catch(async failed => { throw new Error(`${failed.message}, only ${await page.evaluate(() => [...new Set(window.written)].join(" "))}`) });
  };
  await labels("views/high", "1e306", "2e306");
  await labels("views/both", "0", "1e308", "-1e308");
  const key = await page.evaluate(() => { const name = [...document.querySelectorAll("#section-views .legend span")].find(one => one.textContent.length === 300), style = getComputedStyle(name); return { wide: name.offsetWidth, high: name.offsetHeight, over: name.scrollWidth > name.offsetWidth, dots: style.textOverflow, title: name.title.length } });
  assert.ok(key.wide < 260 && key.high < 30 && key.over && key.dots === "ellipsis" && key.title === 300, "a long key ends in dots and is whole in its title: " + JSON.stringify(key));
  assert.deepEqual(seen.errors, []);
  console.log("far values: their axis has numbers; a key of 300 letters is cut");
  await page.context().close();
  await server.stop();
}

export async function whatWasIsThereAtOnce(browser) {
  const server = await new Server("live.sql", await freePort()).start();
  await new Promise(done => setTimeout(done, 8000));
  const { page, seen } = await open(browser, server, { hash: "#health" });
  await stateIs(page, "live");
  await until(page, async () => (await import("/assets/past.js")).past.t.length >= 7, null, "what was measured before the page was opened");
  const past = await page.evaluate(async () => { const { past } = await import("/assets/past.js"); return Object.fromEntries(["rows_per_second", "latency_p99", "memory", "processor", "queue"].map(name => [name, past.values("engine", null, name)])) });
  const known = name => past[name].filter(value => value !== null);
  assert.ok(known("rows_per_second").some(rate => rate > 1000) && known("latency_p99").some(ms => ms > 0) && known("memory").every(bytes => bytes > 1e6) && known("processor").some(cores => cores > 0), JSON.stringify(past));
  const told = await server.json("/api/v1/history?of=engine,source");
  assert.equal(told.step_ms, 1000);
  assert.ok(told.series.every(one => one.values.length === told.times_ms.length && ["engine", "source"].includes(one.kind)));
  assert.ok(told.series.some(one => one.kind === "source" && one.of === "events" && one.name === "lag" && one.values.some(value => value !== null)));
  assert.equal((await server.json("/api/v1/history?step=minute")).step_ms, 60_000);
  for (const wrong of ["step=hour", "of=everything", "since=1"]) assert.equal((await fetch(`${server.base}/api/v1/history?${wrong}`)).status, 400, wrong);
  // The lines are drawn at once; the day can be chosen.
  await until(page, () => document.querySelectorAll("#section-health canvas").length >= 5, null, "lines are drawn");
  await page.getByLabel("Time of the lines").selectOption("day");
  await page.waitForTimeout(500);
  assert.deepEqual(seen.errors, []);
  console.log(`history: ${known("rows_per_second").length} seconds of rates were there when the page was opened`);
  await page.context().close();
  await server.stop();
}

export async function healthIsTold(browser) {
  const server = await new Server("everything.sql", await freePort()).start();
  const { page, seen } = await open(browser, server, { hash: "#health" });
  await stateIs(page, "live");
  const card = name => page.$eval(`#section-health section[aria-label='${name}'] tbody`, body => [...body.rows].map(row => [...row.cells].map(cell => cell.textContent))).catch(() => []);
  const some = async (name, fits, what) => { for (let tries = 0; !(await card(name)).some(fits); tries++) { assert.ok(tries < 100, `${what}: ${JSON.stringify(await card(name))}`); await page.waitForTimeout(100) } };
  await some("Sinks", row => row[0] === "archive" && row[1] === "blackhole" && row[2] === "running", "the sink and its state");
  await some("Workers", row => row[0] === "0" && row[1].endsWith("%"), "the worker");
  await some("Processes", row => row[0] === "0" && row[2] === "here", "the process");
  await some("Clients and limits", row => row[0] === "streams" && row[1] === "1", "this page's stream");
  await some("Sources", row => row[0] === "probes" && row[1] === "live", "a source");
  // What is refused is counted, by kind.
  await fetch(server.base + "/api/v1/views/nothing");
  await some("Refusals", row => row[0] === "unknown" && row[1] === "1", "what is refused is counted");
  assert.match(await page.textContent("#section-health section[aria-label='Refusals'] .note"), /^Nothing else: connections, .*failed\.$/, "and what is not is named");
  const vitals = await server.json("/api/v1/health");
  assert.match(await page.textContent("#section-health .head .note"), new RegExp(`Highwater ${vitals.version.replaceAll(".", "\\.")}.* · up for .* · the engine is running · \\d+ threads`));
  // Each is kept by the second: on a machine as fast as this page there is none yet.
  for (const [name, shape] of [["memory", /^[\d.,]+ MiB$/], ["processor", /%$/]]) {
    const told = () => page.textContent(`[data-value=${name}]`);
    for (let tries = 0; !shape.test(await told()); tries++) { assert.ok(tries < 100, `${name}: ${await told()}`); await page.waitForTimeout(100) }
  }
  assert.deepEqual(seen.errors, []);
  console.log("health: memory, processor, threads, workers, processes, clients, refusals, sinks and sources with their states");
  await page.context().close();
  await server.stop();
}

export async function theDataflowSpeaksSql(browser) {
  const server = await new Server("everything.sql", await freePort(), ["-w", "2"]).start();
  const { nodes } = await server.json("/api/v1/dataflow");
  const place = (of, sql) => nodes.flatMap(node => node.origins.filter(origin => origin.of === of && origin.sql.startsWith(sql)).map(origin => [node.kind, origin.line, origin.column]));
  const lines = (await server.text("everything.sql")).split("\n"), line = lines.findIndex(text => text.includes("GROUP BY host")) + 1, column = lines[line - 1].indexOf("GROUP BY") + 1;
  assert.deepEqual(place("hosts", "GROUP BY host"), [["reduce", line, column]]);
  assert.deepEqual(place("too_high", "JOIN limits").map(([, line, column]) => lines[line - 1].slice(column - 1, column + 10)), ["JOIN limits"], "the join alone");
  assert.ok(nodes.filter(node => !["view", "sink"].includes(node.kind)).every(node => node.origins.length > 0 && node.serves.length > 0));
  const { page, seen } = await open(browser, server, { hash: "#dataflow" });
  await until(page, () => document.querySelectorAll("#section-dataflow .node").length > 10, null, "the graph");
  const words = await page.$$eval("#section-dataflow .node .kind", kinds => kinds.map(kind => kind.textContent));
  for (const word of ["SOURCE", "VIEW", "SINK", "TABLE", "GROUP BY · hosts"]) assert.ok(words.includes(word), `${word} of ${words}`);
  // Texts end within their node, and none runs into another.
  const crossed = await page.$$eval("#section-dataflow .node", nodes => nodes.flatMap(node => {
    const body = node.querySelector(".body").getBoundingClientRect(), box = of => of.getBoundingClientRect(), [kind, name] = [node.querySelector(".kind"), node.querySelector(".name")];
    const busy = [...node.querySelectorAll(".value")].find(value => value.textContent && box(value).top < box(name).top - 4 && box(value).left > box(kind).left + 20);
    return box(name).right > body.right || box(kind).right > (busy ? box(busy).left : body.right) ? [node.textContent] : [];
  }));
  assert.deepEqual(crossed, [], "texts that do not fit");
  // What filters is called by its condition, also that of a view that is read within.
  assert.ok((await page.$$eval("#section-dataflow .node .name", names => names.map(name => name.textContent))).includes("type = 'user'"), "the condition of steps");
  await page.locator("#section-dataflow .node", { hasText: "GROUP BY · hosts" }).focus();
  await page.keyboard.press("Enter");
  const detail = page.locator("#section-dataflow .detail");
  await detail.getByText(`everything.sql:${line}:${column}`).waitFor();
  assert.match(await detail.locator("code").first().textContent(), /^GROUP BY host, window_start, window_end$/);
  await until(page, () => document.querySelectorAll("#section-dataflow .detail canvas").length === 2, null, "what it kept over time");
  await until(page, () => document.querySelectorAll("#section-dataflow .detail .bars li").length === 2, null, "both workers");
  assert.ok((await page.$$eval("#section-dataflow tbody tr", rows => rows.map(row => [row.cells[1].textContent, row.cells[11].textContent]))).some(([of, place]) => of === "hosts" && place === `everything.sql:${line}:${column}`));
  // A view has its place, and nothing by worker.
  await page.keyboard.press("Escape");
  await page.locator("#section-dataflow .node.view", { hasText: "hosts" }).first().focus();
  await page.keyboard.press("Enter");
  await detail.getByText(/hosts, .*everything\.sql:\d+:\d+$/).waitFor();
  assert.equal(await detail.getByText("By worker").count(), 0);
  assert.ok(nodes.filter(node => ["view", "sink"].includes(node.kind)).every(node => node.origins.length === 1), "all have a place");
  // A table has taken in what it was given, and none of what the sources bring.
  const now = (await server.json("/api/v1/dataflow")).nodes, table = now.find(node => node.kind === "table");
  assert.equal(table.rows_in, (await server.json("/api/v1/tables/limits/rows")).rows.length);
  assert.ok(now.find(node => node.kind === "source").rows_in > table.rows_in && table.workers.every(share => share.rows_in === 0));
  const tide = /^highwater_operator_rows_total\{operator="Tide[^"]*",direction="in"\} (\d+)/gm, told = await (await fetch(server.base + "/metrics")).text();
  assert.ok([...told.matchAll(tide)].length > 0 && [...told.matchAll(tide)].every(([, rows]) => rows === "0"), "nor do its metrics");
  assert.ok(now.every(node => /^[a-z]+$/.test(node.kind)), now.map(node => node.kind).join());
  assert.deepEqual(seen.errors, []);
  console.log("dataflow: operators by their clause, view and place, with both workers");
  await page.context().close();
  await server.stop();
}
