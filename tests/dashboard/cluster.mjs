// Two processes of a cluster, one of which has not started yet, or stops: the page names it.
import assert from "node:assert/strict";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import { Server, freePort, open, section, stateIs, until } from "./harness.mjs";

async function two() {
  const hosts = join(await mkdtemp(join(tmpdir(), "highwater-page-")), "hosts");
  await writeFile(hosts, `127.0.0.1:${await freePort()}\n127.0.0.1:${await freePort()}\n`);
  const server = async process => new Server("pushed.sql", await freePort(), ["-w", "1", "-n", "2", "-p", String(process), "--hostfile", hosts, "--peer-timeout", "60 s"]);
  return [await server(0), await server(1)];
}

export async function whoWaitsForPeersSaysSo(browser) {
  const [one, other] = await two();
  one.launch();
  for (let tries = 0; !await fetch(one.base + "/livez").catch(() => null); tries++) { assert.ok(tries < 300, "it listens"); await new Promise(done => setTimeout(done, 100)) }
  const { page, seen } = await open(browser, one, { hash: "#health" });
  // That it is not ready is told in the console too.
  const wrong = () => seen.errors.filter(error => !error.includes("503"));
  await until(page, () => /^the engine is starting: it waits for process 1 \(127\.0\.0\.1:\d+\)$/.test(document.querySelector("#doing")?.textContent), null, "whom it waits for");
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => axe.run(document));
  assert.deepEqual(violations.map(one => [one.id, one.nodes[0].html]), []);
  // Programs are told as ever.
  const told = await fetch(one.base + "/api/v1/views", { headers: { accept: "text/html" } });
  assert.deepEqual([told.status, told.headers.get("content-type"), told.headers.get("retry-after")], [503, "application/problem+json", "1"]);
  assert.match((await told.json()).detail, /waits for process 1/);
  await other.start();
  await page.waitForSelector("#state");
  await stateIs(page, "live");
  assert.deepEqual(await page.$$eval(".section:not([hidden])", boxes => boxes.map(box => box.id)), ["section-health"], "where the address leads");
  await page.waitForTimeout(1500);
  assert.deepEqual([wrong(), seen.outside], [[], []]);
  console.log("start: a page says whom the process waits for, and becomes the dashboard");
  await page.context().close();
  await one.stop().catch(() => {}); await other.stop().catch(() => {});
}

export async function aStoppedPeerIsNamed(browser) {
  const [one, other] = await two();
  await Promise.all([one.start(), other.start()]);
  const { page, seen } = await open(browser, one, { hash: "#health" });
  await stateIs(page, "live");
  const processes = () => page.$$eval("#section-health section[aria-label='Processes'] tbody tr", rows => rows.map(row => [row.cells[0].textContent, row.cells[2].textContent]));
  const are = async (wanted, what) => { for (let tries = 0; JSON.stringify(await processes()) !== JSON.stringify(wanted); tries++) { assert.ok(tries < 300, `${what}: ${JSON.stringify(await processes())}`); await page.waitForTimeout(100) } };
  await are([["0", "here"], ["1", "connected"]], "both are there");
  other.freeze();
  // The head says whom it waits for, and why, wherever one is.
  await stateIs(page, "waits for process 1");
  assert.match(await page.getAttribute("#state", "title"), /process 1/);
  assert.equal(await page.getAttribute("#state", "class"), "state held", "and not as if all were well");
  for (let tries = 0; !(await page.$$eval("#section-health section[aria-label='Processes'] .badge.bad", all => all.map(one => one.textContent))).includes("stalled"); tries++) { assert.ok(tries < 100, "the process is marked"); await page.waitForTimeout(100) }
  await section(page, "board");
  assert.equal((await page.textContent("#state")).trim(), "waits for process 1");
  assert.equal((await fetch(one.base + "/readyz")).status, 503);
  assert.equal(await page.evaluate(() => document.documentElement.classList.contains("stale")), false, "the server itself is not silent");
  other.thaw();
  await stateIs(page, "live");
  assert.equal(await page.getAttribute("#state", "title"), "");
  assert.deepEqual(seen.errors.filter(error => !error.includes("503")), []);
  console.log("cluster: a process that is stopped is named on the page, and forgotten when it goes on");
  await page.context().close();
  await one.stop().catch(() => {}); await other.stop().catch(() => {});
}
