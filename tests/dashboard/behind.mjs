// What waits in the log because the workers have no room for it: how much, and for how long it will take.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, freePort, open, section, stateIs } from "./harness.mjs";

const MOST = 400, ROWS = 200;

export async function whatWaitsInTheLogIsTold(browser) {
  const data = await mkdtemp(join(tmpdir(), "behind-"));
  const server = await new Server("behind.sql", await freePort(), ["--data-dir", data]).start();
  const { page, seen } = await open(browser, server);
  await stateIs(page, "live");
  await section(page, "health");
  const body = Array.from({ length: ROWS }, (_, n) => JSON.stringify({ kind: "k" + n % 3, n })).join("\n");
  const behind = async () => (await server.json("/api/v1/stats")).sources.map(source => source.behind);
  assert.deepEqual(await behind(), [null, null]);
  let sent = 0, most = 0;
  for (; most < 40_000 && sent < MOST * ROWS; sent += ROWS) {
    const answer = await fetch(server.base + "/api/v1/sources/events/events?ack=received", { method: "POST", headers: { "content-type": "application/x-ndjson" }, body });
    assert.equal(answer.status, 202, await answer.clone().text());
    most = Math.max(most, (await behind())[0]?.bytes ?? 0);
  }
  assert.ok(most >= 40_000, `the worker keeps up with ${sent} rows`);
  // Nothing comes any more, so what waits is taken in the time that is told.
  const why = () => page.locator("#section-health section[aria-label=Sources] tbody tr", { hasText: "events" }).locator("td").last().textContent();
  const says = async wanted => {
    for (let tries = 0; ; tries++) {
      const told = await why();
      if (wanted.test(told)) return told;
      assert.ok(tries < 600, `never ${wanted}, but '${told}'`);
      await page.waitForTimeout(100);
    }
  };
  const told = await says(/^[\d.]+ [KM]?i?B wait in the log, [\d.]+ (ms|s|min) at [\d.]+ [KM]?i?B\/s$/);
  const [one, other] = await behind();
  assert.ok(other === null && (one === null || one.bytes > 0 && one.frames > 0 && one.limit_bytes === 2 ** 30 && one.taken_bytes_per_second > 0), JSON.stringify([one, other]));
  await says(/^$/);
  assert.deepEqual(await behind(), [null, null]);
  const many = async () => (await server.json("/api/v1/views/slow/rows")).rows.reduce((sum, row) => sum + row.many, 0);
  for (let tries = 0; await many() !== sent; tries++) { assert.ok(tries < 600, `${await many()} of ${sent} rows show`); await page.waitForTimeout(100) }
  assert.deepEqual(seen.errors, []);
  assert.deepEqual(seen.outside, []);
  console.log(`behind: ${sent} rows, of which ${most} bytes waited at most; the page said '${told}'`);
  await page.context().close();
  await server.stop();
  await rm(data, { recursive: true });
}
