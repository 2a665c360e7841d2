// Drives the page in Chromium: node check.mjs HIGHWATER CHROMIUM. Says what it saw; ends with code 1 at the first thing
// that does not hold.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import axe from "axe-core";
import { chromium } from "playwright-core";

const [, , highwater, executablePath] = process.argv;
const folder = dirname(fileURLToPath(import.meta.url));
const SECTIONS = ["live", "views", "time", "flow", "alerts", "tables"];
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise(done => server.close(done));
  return port;
}

class Server {
  constructor(program, port) { Object.assign(this, { program, port, base: `http://127.0.0.1:${port}` }) }
  async start() {
    this.child = spawn(highwater, ["run", join(folder, this.program), "-w", "1", "--listen", `127.0.0.1:${this.port}`], { stdio: "ignore", cwd: folder });
    for (let tries = 0; tries < 300; tries++) {
      if ((await fetch(this.base + "/readyz").catch(() => null))?.ok) return this;
      await sleep(100);
    }
    throw new Error("the server does not become ready");
  }
  async stop() { const ended = once(this.child, "exit"); this.child.kill("SIGTERM"); await ended }
  async json(path) { const answer = await fetch(this.base + path); assert.equal(answer.status, 200, path); return answer.json() }
}

/** A page of which every error, and every request that goes elsewhere, is kept. */
async function open(browser, server, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage(), seen = { errors: [], outside: [], streams: [] };
  page.on("console", message => { if (message.type() === "error" && !seen.down) seen.errors.push(message.text() + " " + message.location().url) });
  page.on("pageerror", error => seen.errors.push(error.stack));
  page.on("request", request => {
    if (!request.url().startsWith(server.base + "/")) seen.outside.push(request.url());
    if (request.url().includes("/stream")) seen.streams.push(request.url());
  });
  await page.goto(server.base + "/");
  return { page, seen };
}

const until = (page, act, argument, what) => page.waitForFunction(act, argument, { timeout: 60_000, polling: 100 }).catch(() => { throw new Error("never: " + what) });
const stateIs = (page, word) => until(page, word => document.querySelector("#state").textContent.trim() === word, word, `the page says '${word}'`);
const value = async (page, name) => Number((await page.textContent(`[data-value=${name}]`)).replaceAll(",", ""));
const section = async (page, name) => { await page.evaluate(name => { location.hash = name }, name); await page.waitForTimeout(600) };

async function numbersAreThoseOfTheApi(browser) {
  const server = await new Server("bounded.sql", await freePort()).start();
  const { page, seen } = await open(browser, server);
  await stateIs(page, "finished");
  await page.waitForTimeout(1200);
  const stats = await server.json("/api/v1/stats");
  assert.equal(stats.finished, true);
  assert.ok(stats.rows_received === 20_000 && stats.rows_late > 0 && stats.dead_letters > 0);
  assert.deepEqual([await value(page, "total"), await value(page, "late"), await value(page, "rejected")], [stats.rows_received, stats.rows_late, stats.dead_letters]);
  await section(page, "views/totals");
  const totals = (await server.json("/api/v1/views/totals/rows")).rows;
  const shown = await page.$$eval("#section-views tbody tr", rows => rows.map(row => [...row.children].slice(1).map(cell => cell.textContent)));
  const byName = (a, b) => a[0] < b[0] ? -1 : 1;
  assert.deepEqual(shown.sort(byName), totals.map(row => [row.type, row.rows_seen.toLocaleString("en-US")]).sort(byName));
  await section(page, "alerts");
  const alerts = (await server.json("/api/v1/views/crowded/rows")).rows;
  assert.ok(alerts.length > 0);
  assert.equal(await page.$$eval(".alerts li:not(.struck)", items => items.length), Math.min(100, alerts.length));
  const letters = (await server.json("/api/v1/sources/events/dead-letters?limit=50")).dead_letters;
  assert.deepEqual(await page.$$eval("#section-alerts td.content", cells => cells.map(cell => cell.textContent)), letters.map(letter => letter.content));
  for (const name of SECTIONS) await section(page, name);
  assert.deepEqual(seen.errors, []);
  assert.deepEqual(seen.outside, []);
  assert.equal(seen.streams.length, 1, "one connection: " + seen.streams);
  console.log(`numbers: ${stats.rows_received} rows, ${stats.rows_late} late, ${alerts.length} alerts, ${letters.length} dead letters as the API has them`);

  for (const colorScheme of ["light", "dark"]) {
    for (const width of [390, 1280]) {
      const { page } = await open(browser, server, { colorScheme, viewport: { width, height: 900 } });
      await page.waitForTimeout(1500);
      for (const name of SECTIONS) {
        await section(page, name);
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => axe.run(document));
        const serious = violations.filter(found => ["serious", "critical"].includes(found.impact));
        assert.deepEqual(serious.map(found => [found.id, found.nodes.slice(0, 3).map(node => node.html + " " + node.failureSummary)]), [], `axe: ${name}, ${colorScheme}, ${width} px`);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${name} is ${over} px wider than a screen of ${width}`);
      }
      await page.context().close();
    }
  }
  console.log("axe: no serious finding in any section, light and dark, 390 and 1280 px");
  await page.context().close();
  await server.stop();
}

async function aRestartLeavesItRight(browser) {
  const server = await new Server("live.sql", await freePort()).start();
  const { page, seen } = await open(browser, server);
  await stateIs(page, "live");
  await section(page, "views/busy");
  await page.evaluate(() => {
    window.long = [];
    new PerformanceObserver(list => { for (const task of list.getEntries()) window.long.push(Math.round(task.duration)) }).observe({ entryTypes: ["longtask"] });
  });
  await page.waitForTimeout(8000);
  const long = await page.evaluate(() => window.long);
  console.log(`long tasks in 8 s: ${long.length}, the longest ${Math.max(0, ...long)} ms; ${await page.textContent("#section-views .head .note")}`);
  const before = (await server.json("/api/v1/stats")).rows_received;
  assert.ok(before > 1000);
  seen.down = true;
  await server.stop();
  await stateIs(page, "reconnecting");
  await server.start();
  await stateIs(page, "live");
  seen.down = false;
  await section(page, "live");
  // The page's number lies between two of the server's.
  for (let tries = 0; ; tries++) {
    const low = (await server.json("/api/v1/stats")).rows_received;
    await page.waitForTimeout(2100);
    const shown = await value(page, "total"), high = (await server.json("/api/v1/stats")).rows_received;
    if (low <= shown && shown <= high) { console.log(`restart: ${before} rows before; then the page says ${shown}, the server ${low} to ${high}`); break }
    assert.ok(tries < 10, `after a restart the page says ${shown}, the server ${low} to ${high}`);
  }
  await section(page, "views/busy");
  await page.waitForTimeout(1000);
  const starts = await page.$$eval("#section-views tbody tr", rows => rows.map(row => row.children[2].textContent));
  const least = (await server.json("/api/v1/views/busy/rows?order=window_start&limit=1")).rows[0].window_start;
  assert.ok(starts.length > 0 && starts.every(start => start.replace(" ", "T") >= least.slice(0, 19)), "rows of the run before are gone");
  assert.deepEqual(seen.errors, []);
  assert.deepEqual(seen.outside, []);
  await page.context().close();
  await server.stop();
}

async function aThresholdEditedChangesTheAlerts(browser) {
  const server = await new Server("limits.sql", await freePort()).start();
  const { page, seen } = await open(browser, server);
  await stateIs(page, "live");
  const standing = kind => page.$$eval(".alerts li:not(.struck) .what", (items, kind) => items.filter(item => item.textContent.includes(kind)).length, kind);
  const stands = async (kind, wanted) => {
    await section(page, "alerts");
    for (let tries = 0; await standing(kind) !== wanted; tries++) { assert.ok(tries < 100, `${kind}: ${wanted} alerts are wanted`); await page.waitForTimeout(100) }
  };
  await stands("pressure", 0);
  await section(page, "tables");
  await page.getByLabel("kind of a new row").fill("pressure");
  await page.getByLabel("most of a new row").fill("1");
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByLabel("most of pressure").waitFor();
  assert.deepEqual((await server.json("/api/v1/tables/limits/rows")).rows.map(row => [row.kind, row.most]), [["pressure", 1]]);
  await stands("pressure", 1);
  await section(page, "tables");
  await page.getByLabel("most of pressure").fill("1000000");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").first().waitFor();
  await stands("pressure", 0);
  assert.equal(await page.$$eval(".alerts li.struck", items => items.length) > 0, true, "what was taken back stays, struck");
  assert.deepEqual((await server.json("/api/v1/views/too_high/rows")).rows, []);
  await section(page, "tables");
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => axe.run(document));
  assert.deepEqual(violations.filter(found => ["serious", "critical"].includes(found.impact)).map(found => [found.id, found.nodes[0].html]), []);
  await page.getByLabel("most of pressure").fill("high");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".wrong").first().waitFor();
  await page.getByRole("button", { name: "Delete pressure" }).click();
  await page.getByText("Deleted.").first().waitFor();
  assert.deepEqual((await server.json("/api/v1/tables/limits/rows")).rows, []);
  // The value that was refused on purpose is told in the console too.
  assert.deepEqual(seen.errors.filter(error => !error.includes("400")), []);
  assert.deepEqual(seen.outside, []);
  console.log("tables: a row added, changed, refused, deleted; the alerts followed");
  await page.context().close();
  await server.stop();
}

const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
try {
  await numbersAreThoseOfTheApi(browser);
  await aThresholdEditedChangesTheAlerts(browser);
  await aRestartLeavesItRight(browser);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
await browser.close();
process.exit();
