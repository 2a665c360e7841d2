// Drives the page in Chromium: node check.mjs HIGHWATER CHROMIUM [NAME...]. Says what it saw; ends with code 1 at the first thing
// that does not hold. Names choose checks. HIGHWATER_SOAK_MINUTES=10 watches the memory of the busy page for so long instead of for
// half a minute, LANES=4 runs so many checks at a time, TIMES=1 says how long each takes.
import assert from "node:assert/strict";
import { availableParallelism, loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import axe from "axe-core";
import { chromium } from "playwright-core";
import { Line, SECTIONS, Server, WIDTHS, freePort, open, section, stateIs, until, value } from "./harness.mjs";
import * as awkward from "./awkward.mjs";
import * as behind from "./behind.mjs";
import * as cluster from "./cluster.mjs";
import * as edited from "./edited.mjs";
import * as hard from "./hard.mjs";
import * as keyboard from "./keyboard.mjs";
import * as plain from "./plain.mjs";
import * as seenTo from "./seen.mjs";
import * as shown from "./shown.mjs";

const [, , , executablePath, ...chosen] = process.argv;
const TASK_MS = 50;        // a longer task is felt
const WORK_MS = 140;       // of `slower`, two quiet cores
const LANES = Number(process.env.LANES ?? 1);
const SOAK_MINUTES = Number(process.env.HIGHWATER_SOAK_MINUTES ?? 0.5);
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** All that axe finds, but that '#board' leads to no element: it is an address of the page. Its own skip link is held to by keyboard.mjs. */
const found = violations => violations.filter(one => one.id !== "skip-link" || one.nodes.some(node => node.html.includes('class="skip"')));

async function numbersAreThoseOfTheApi(browser) {
  const server = await new Server("bounded.sql", await freePort()).start();
  const { page, seen } = await open(browser, server);
  await stateIs(page, "finished");
  await section(page, "live");
  await page.waitForTimeout(1200);
  const stats = await server.json("/api/v1/stats");
  assert.equal(stats.finished, true);
  assert.ok(stats.rows_received === 20_000 && stats.rows_late > 0 && stats.dead_letters > 0);
  assert.deepEqual([await value(page, "total"), await value(page, "late"), await value(page, "rejected")], [stats.rows_received, stats.rows_late, stats.dead_letters]);
  await section(page, "views/totals");
  const totals = (await server.json("/api/v1/views/totals/rows")).rows;
  const shown = await page.$$eval("#section-views tbody tr", rows => rows.map(row => [...row.children].slice(0, -1).map(cell => cell.textContent)));
  const byName = (a, b) => a[0] < b[0] ? -1 : 1;
  assert.deepEqual(shown.sort(byName), totals.map(row => [row.type, row.rows_seen.toLocaleString("en-US")]).sort(byName));
  await section(page, "alerts");
  const alerts = (await server.json("/api/v1/views/crowded/rows")).rows;
  assert.ok(alerts.length > 0);
  assert.equal(await page.$$eval("#section-alerts .alerts li:not(.struck)", items => items.length), Math.min(100, alerts.length));
  const letters = (await server.json("/api/v1/sources/events/dead-letters?limit=50")).dead_letters;
  assert.deepEqual(await page.$$eval("#section-alerts td.content", cells => cells.map(cell => cell.textContent)), letters.map(letter => letter.content));
  for (const name of SECTIONS) await section(page, name);
  assert.deepEqual(seen.errors, []);
  assert.deepEqual(seen.outside, []);
  assert.equal((await server.json("/api/v1/stats")).sse_clients, 1, "one connection");
  console.log(`numbers: ${stats.rows_received} rows, ${stats.rows_late} late, ${alerts.length} alerts, ${letters.length} dead letters as the API has them`);

  for (const colorScheme of ["light", "dark"]) {
    for (const width of WIDTHS) {
      const { page } = await open(browser, server, { colorScheme, viewport: { width, height: 900 } });
      await page.waitForTimeout(1500);
      for (const name of SECTIONS) {
        await section(page, name);
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => axe.run(document));
        assert.deepEqual(found(violations).map(found => [found.id, found.nodes.slice(0, 3).map(node => node.html + " " + node.failureSummary)]), [], `axe: ${name}, ${colorScheme}, ${width} px`);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${name} is ${over} px wider than a screen of ${width}`);
      }
      await page.context().close();
    }
  }
  console.log("axe: nothing found in any section, light and dark, " + WIDTHS.join(", ") + " px");
  await page.context().close();
  await server.stop();
}

async function aRestartLeavesItRight(browser) {
  const server = await new Server("live.sql", await freePort()).start();
  const { page, seen } = await open(browser, server);
  await stateIs(page, "live");
  await section(page, "live");
  await until(page, () => Number(document.querySelector("[data-value=total]").textContent.replaceAll(",", "")) > 1000, null, "a thousand rows");
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
  const starts = await page.$$eval("#section-views tbody tr", rows => rows.map(row => row.children[1].textContent));
  const least = (await server.json("/api/v1/views/busy/rows?order=window_start&limit=1")).rows[0].window_start;
  assert.ok(starts.length > 0 && starts.every(start => start.replace(" ", "T") >= least.slice(0, 19)), "rows of the run before are gone");
  assert.deepEqual(seen.errors, []);
  assert.deepEqual(seen.outside, []);
  await page.context().close();
  await server.stop();
}

/** Rows as the table of the page has them, in its order, without their status. */
const tableOf = page => page.$$eval("#section-views tbody tr", rows => rows.map(row => [...row.children].slice(0, -1).map(cell => cell.textContent)));
const shownAs = value => typeof value === "number" ? value.toLocaleString("en-US") : value.replace("T", " ").replace(".000Z", "");

async function aDroppedConnectionLeavesItRight(browser) {
  const server = await new Server("pushed.sql", await freePort()).start();
  const line = await new Line(server.port).start();
  const push = async rows => {
    const body = rows.map(([kind, n, second]) => JSON.stringify({ kind, n, ts: `2026-01-01T12:00:${second}Z` })).join("\n");
    const answer = await fetch(`${server.base}/api/v1/sources/events/events`, { method: "POST", headers: { "content-type": "application/x-ndjson" }, body });
    assert.equal(answer.status, 202);
    const { token } = await answer.json();
    for (let tries = 0; !(await server.json("/api/v1/completion/" + token)).complete; tries++) { assert.ok(tries < 500, "never complete"); await sleep(20) }
  };
  await push([["a", 7, "01"], ["b", 60, "04"], ["a", 1, "11"], ["b", 50, "21"]]);
  const { page, seen } = await open(browser, line);
  await stateIs(page, "live");
  const same = async when => {
    for (const view of ["eager", "quiet", "totals"]) {
      await section(page, "views/" + view);
      const rows = (await server.json(`/api/v1/views/${view}/rows?limit=1000`)).rows.map(({ _status, _version, ...row }) => Object.values(row).map(shownAs));
      const byText = list => list.map(row => row.join("\t")).sort();
      for (let tries = 0; ; tries++) {
        const shown = await tableOf(page);
        if (tries > 50 || JSON.stringify(byText(shown)) === JSON.stringify(byText(rows))) { assert.deepEqual(byText(shown), byText(rows), `${view} ${when}`); break }
        await page.waitForTimeout(100);
      }
    }
  };
  await same("at first");
  // The line is cut; meanwhile windows close, late rows amend and are rejected, and an alert is taken back.
  seen.down = true;
  line.cut();
  await stateIs(page, "reconnecting");
  await push([["a", 3, "16"], ["c", 200, "22"], ["b", -20, "22"], ["a", 5, "05"], ["d", 9, "23"]]);
  await page.waitForTimeout(500);
  line.mend();
  await stateIs(page, "live");
  seen.down = false;
  await same("after the line was cut");
  assert.ok(line.resumed.length > 0, "the browser says where it was");
  await section(page, "alerts");
  const alerts = (await server.json("/api/v1/views/high/rows")).rows;
  assert.deepEqual(alerts.map(row => row.kind), ["c"]);
  const listed = struck => page.$$eval("#section-alerts .alerts li", (items, struck) => items.filter(item => item.classList.contains("struck") === struck).map(item => item.querySelector(".what b").textContent), struck);
  assert.deepEqual([await listed(false), await listed(true)], [["c"], ["b"]], "alerts that stand, and those taken back");

  // The picture of event time is what the API says: windows of the view that waits for their end too, and every late row.
  await section(page, "time");
  await page.waitForTimeout(1500);
  const flow = await server.json("/api/v1/dataflow"), [source] = (await server.json("/api/v1/sources")).sources;
  const time = ms => new Date(ms).toISOString().slice(11, 19);
  const windows = flow.nodes.flatMap(node => node.open_windows?.windows.map(({ from_ms, to_ms }) => `${time(from_ms)} to ${time(to_ms)}`) ?? []);
  const titles = await page.$$eval(".timeline .window title", titles => titles.map(title => title.textContent));
  assert.deepEqual(titles.map(title => title.split(": ")[1]).sort(), windows.sort());
  assert.deepEqual(titles.filter(title => title.startsWith("quiet: ")), ["quiet: 12:00:20 to 12:00:30"]);
  assert.equal(titles.filter(title => title.startsWith("eager: ")).length, 2);
  const circles = await page.$$eval(".timeline circle", circles => circles.map(circle => [circle.classList.contains("taken"), circle.textContent.split(" behind")[0]]));
  assert.deepEqual(circles, source.event_time.late_rows.map(row => [row.accepted, `${((row.watermark_ms - row.event_ms) / 1000).toFixed(1)} s`]));
  assert.deepEqual(circles, [[true, "3.0 s"], [false, "15.0 s"]]);
  assert.deepEqual(seen.errors, []);
  assert.deepEqual(seen.outside, []);
  console.log(`a line that was cut: the browser resumed ${line.resumed.length} times, every view as the API has it; ${windows.length} open windows and ${circles.length} late rows in the picture`);
  await page.context().close();
  line.stop();
  await server.stop();
}

/** The tasks of the page's main thread while `act` runs, in ms of processor time: what other processes take does not count. */
async function tasks(browser, page, act) {
  await browser.startTracing(page, { categories: ["devtools.timeline", "disabled-by-default-devtools.timeline", "__metadata"] });
  await act();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  const mains = new Set(traceEvents.filter(one => one.name === "thread_name" && one.args.name === "CrRendererMain").map(one => `${one.pid}/${one.tid}`));
  if (process.env.TRACE) (await import("node:fs")).writeFileSync(process.env.TRACE, JSON.stringify(traceEvents));
  return traceEvents.filter(one => one.name === "RunTask" && one.tdur && mains.has(`${one.pid}/${one.tid}`)).map(one => one.tdur / 1000);
}

/** How many times longer than on the machine that the limits were set on the same work takes here and now: of processor time, and by the clock. */
function slower() {
  const rows = new Map(), then = process.cpuUsage(), began = performance.now();
  for (let n = 0; n < 60_000; n++) { const key = JSON.stringify([`sensor ${n * 7919 % 20_011}`, n]); rows.set(key, { row: JSON.parse(key), n }) }
  const sorted = [...rows.values()].sort(({ row: [a] }, { row: [b] }) => a < b ? -1 : a > b ? 1 : 0);
  assert.equal(sorted.length, 60_000);
  const { user, system } = process.cpuUsage(then);
  return [(user + system) / 1000, performance.now() - began].map(ms => Math.max(1, ms / WORK_MS));
}

async function aBusyViewLeavesItResponsive(browser) {
  const server = await new Server("live.sql", await freePort()).start();
  const { page, seen } = await open(browser, server);
  await stateIs(page, "live");
  await section(page, "views/busy");
  // As many rows as the page keeps: from then on its memory has no reason to grow.
  await until(page, async () => { const { store } = await import("/assets/store.js"); return store.views.get("busy").trimmed > 0 }, null, "as many rows as the page keeps");
  await page.evaluate(() => {
    window.long = [];
    new PerformanceObserver(list => { for (const task of list.getEntries()) window.long.push(Math.round(task.duration)) }).observe({ entryTypes: ["longtask"] });
  });
  const changes = () => page.evaluate(async () => { const { store } = await import("/assets/store.js"); return [store.changes, performance.now()] });
  // How much the server brings, and how long a task takes, depends on what else the machine does: one good stretch of three is
  // enough. A task's processor time is the page's own doing, of a machine as fast as this one is then; for what the server brings, and
  // the time that a task waits besides, a machine that is busy is excused.
  const median = list => list.sort((a, b) => a - b)[list.length >> 1];
  for (let tries = 1; ; tries++) {
    await page.evaluate(() => { window.long.length = 0 });
    const [before, then] = await changes();
    const paces = [slower()];
    const busy = await tasks(browser, page, async () => {
      for (const name of ["views/busy", "board", "live", "time", "dataflow"]) { await section(page, name); await page.waitForTimeout(name === "views/busy" ? 5000 : 1500); paces.push(slower()) }
      await section(page, "views/busy");
    });
    const [after, now] = await changes(), rate = (after - before) / (now - then) * 1000;
    const most = busy.reduce((most, one) => Math.max(most, one), 0);
    const [limit, waits] = [0, 1].map(which => TASK_MS * median(paces.map(pace => pace[which])));
    const long = (await page.evaluate(() => window.long)).filter(ms => ms >= waits);
    console.log(`busy: ${Math.round(rate)} changes/s; ${busy.length} tasks, the longest ${most.toFixed(1)} ms of processor time, the limit ${limit.toFixed(1)}; beyond ${waits.toFixed(1)} by the clock: ${long.length}, the longest ${Math.max(0, ...long)} ms`);
    assert.ok(busy.length > 100, "the tasks are traced");
    const quiet = loadavg()[0] < 1.5 * availableParallelism();
    if (rate >= 10_000 && most < limit && (long.length === 0 || tries === 3 && !quiet)) break;
    assert.ok(tries < 3, `${Math.round(rate)} changes/s, wanted are ten thousand; a task of ${most} ms, wanted are less than ${limit}; by the clock ${long} ms, wanted are none beyond ${waits}`);
  }

  const cdp = await page.context().newCDPSession(page);
  const heap = async () => {
    await cdp.send("HeapProfiler.collectGarbage");
    return (await cdp.send("Runtime.getHeapUsage")).usedSize / 1048576;
  };
  const sizes = [], nodes = [], samples = Math.max(6, Math.round(SOAK_MINUTES * 6));
  await page.evaluate(() => { window.long.length = 0 });
  const [before, then] = await changes();
  for (let at = 0; at < samples; at++) {
    sizes.push(await heap());
    nodes.push(await page.evaluate(() => document.querySelectorAll("*").length));
    await page.waitForTimeout(SOAK_MINUTES * 60_000 / samples);
  }
  const third = Math.floor(samples / 3), least = list => Math.min(...list), most = list => Math.max(...list);
  const long = await page.evaluate(() => window.long), [after, now] = await changes();
  console.log(`memory over ${SOAK_MINUTES} min at ${Math.round((after - before) / (now - then) * 1000)} changes/s: ${sizes.map(size => size.toFixed(1)).join(" ")} MiB; ${least(nodes)} to ${most(nodes)} elements; long tasks ${long.length} (the collections are some), the longest ${Math.max(0, ...long)} ms`);
  assert.ok(after - before > 1000 * (now - then) / 1000, "the view goes on");
  const [first, last] = [sizes.slice(0, third), sizes.slice(-third)];
  assert.ok(least(last) <= most(first) * 1.1 + 1, `memory grows: ${first} then ${last}`);
  assert.ok(most(nodes) - least(nodes) < 200, `elements: ${nodes}`);
  assert.deepEqual(seen.errors, []);
  assert.deepEqual(seen.outside, []);
  await page.context().close();
  await server.stop();
}

async function aThresholdEditedChangesTheAlerts(browser) {
  const server = await new Server("limits.sql", await freePort()).start();
  const { page, seen } = await open(browser, server);
  await stateIs(page, "live");
  const standing = kind => page.$$eval("#section-alerts .alerts li:not(.struck) .what", (items, kind) => items.filter(item => item.textContent.includes(kind)).length, kind);
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
  assert.equal(await page.$$eval("#section-alerts .alerts li.struck", items => items.length) > 0, true, "what was taken back stays, struck");
  assert.deepEqual((await server.json("/api/v1/views/too_high/rows")).rows, []);
  await section(page, "tables");
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => axe.run(document));
  assert.deepEqual(found(violations).map(found => [found.id, found.nodes[0].html]), []);
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

// What waits for ever fails.
setTimeout(() => { console.error("the checks do not come to an end"); process.exit(1) }, 1_500_000 + SOAK_MINUTES * 60_000).unref();
const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
// Most of a check is waiting, so several can run at a time, each with a server and pages of its own. What measures times runs by itself,
// behind them.
const checks = { numbersAreThoseOfTheApi, ...keyboard, aThresholdEditedChangesTheAlerts, aDroppedConnectionLeavesItRight, aRestartLeavesItRight, ...shown, ...seenTo, ...hard, ...cluster, ...edited, ...awkward, ...behind, ...plain };
const alone = { aFrozenServerIsNotLive: hard.aFrozenServerIsNotLive, aStoppedPeerIsNamed: cluster.aStoppedPeerIsNamed, aBusyViewLeavesItResponsive };
const named = ([name]) => !chosen.length || chosen.includes(name);
const waiting = Object.entries(checks).filter(([name]) => !(name in alone)).filter(named);
const lane = async () => {
  for (let next; !process.exitCode && (next = waiting.shift());) {
    const [name, check] = next, began = performance.now();
    try {
      await check(browser);
      if (process.env.TIMES) console.log(`${((performance.now() - began) / 1000).toFixed(1)} s: ${name}`);
    } catch (error) {
      console.error(`${name}:`, error);
      process.exitCode = 1;
    }
  }
};
await Promise.all(Array.from({ length: LANES }, lane));
waiting.push(...Object.entries(alone).filter(named));
await lane();
await browser.close();
process.exit();
