// The page when things are not as they should be: addresses of nothing, a server that says nothing, many pages at once, tokens.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, freePort, open, section, stateIs, until } from "./harness.mjs";

export async function anyAddressIsAnswered(browser) {
  const server = await new Server("pushed.sql", await freePort()).start();
  const cases = [
    ["#views/%", "There is no view “%”."], ["#views/%zz%C3", "There is no view “%zz%C3”."], ["#views/nothing", "There is no view “nothing”."], ["#tables/nope", "“nope” is no place of its own."], ["#alerts/x", "“x” is no place of its own."], ["#views/__proto__", "There is no view “__proto__”."],
    ["#__proto__", "There is no section “__proto__”."], ["#constructor", "There is no section “constructor”."], ["#toString/x", "There is no section “toString”."], ["#nothing/here", "There is no section “nothing”."], ["#%", "There is no section “%”."],
  ];
  for (const [hash, message] of cases) {
    const { page, seen } = await open(browser, server, { hash });
    await stateIs(page, "live");
    await until(page, message => [...document.querySelectorAll("h1")].some(head => head.checkVisibility() && head.textContent === message), message, `${hash}: '${message}'`);
    // From there every section can be reached.
    await section(page, "views/totals");
    await until(page, () => document.querySelector(".lost").hidden && document.querySelector("#section-views .one .one h1").checkVisibility(), null, "a view after " + hash);
    assert.deepEqual(seen.errors, [], hash);
    await page.context().close();
  }
  for (const [hash, name] of [["#dataflow", "dataflow"], ["#flow", "dataflow"], ["", "board"], ["#board", "board"], ["#wall", "board"], ["#views/quiet", "views"], ["#board/%;;=/%zz;keys=%", "board"]]) {
    const { page, seen } = await open(browser, server, { hash });
    await stateIs(page, "live");
    assert.deepEqual(await page.$$eval(".section:not([hidden])", boxes => boxes.map(box => box.id)), ["section-" + name], hash);
    assert.deepEqual(seen.errors, [], hash);
    await page.context().close();
  }
  console.log(`addresses: ${cases.length} of nothing are told, and the page connects`);
  await server.stop();
}

export async function aFrozenServerIsNotLive(browser) {
  const server = await new Server("live.sql", await freePort()).start();
  const { page, seen } = await open(browser, server);
  await stateIs(page, "live");
  await page.waitForTimeout(3000);
  server.freeze();
  const frozen = Date.now();
  await until(page, () => /^no news for \d+ s$/.test(document.querySelector("#state").textContent.trim()), null, "the page says that nothing comes");
  const seconds = (Date.now() - frozen) / 1000;
  // Three seconds after the last event, which may have come up to a second before the freeze.
  assert.ok(seconds < 4, `said after ${seconds} s`);
  const grey = await page.evaluate(() => getComputedStyle(document.querySelector("main")).filter);
  assert.match(grey, /grayscale\(1\)/);
  await page.waitForTimeout(3000);
  const said = Number(/\d+/.exec(await page.textContent("#state"))[0]);
  assert.ok(said >= 5, `then it says ${said} s`);
  server.thaw();
  await stateIs(page, "live");
  await until(page, () => !document.documentElement.classList.contains("stale"), null, "figures have their colours again");
  await page.waitForTimeout(2500);
  // Where nothing was measured the lines have a gap.
  const gap = await page.evaluate(async () => {
    const { past } = await import("/assets/past.js"), rates = past.values("engine", null, "rows_per_second");
    // A machine that is busy may leave others, shorter ones.
    return Math.max(...rates.map((rate, at) => at > 1 && rate === null && past.t[at + 1] ? past.t[at + 1] - past.t[at - 1] : 0));
  });
  assert.ok(gap >= 5, `a gap of ${gap} s`);
  assert.deepEqual(seen.errors, []);
  console.log(`frozen: told ${seconds.toFixed(1)} s after; a gap of ${gap.toFixed(1)} s in the lines`);
  await page.context().close();
  await server.stop();
}

export async function eightPagesAreAllLive(browser) {
  const server = await new Server("live.sql", await freePort()).start();
  const context = await browser.newContext(), pages = [];
  for (let at = 0; at < 8; at++) { const page = await context.newPage(); await page.goto(server.base + "/#live"); pages.push(page) }
  for (const page of pages) await stateIs(page, "live");
  const total = page => page.$eval("[data-value=total]", value => Number(value.textContent.replaceAll(",", "")));
  for (const page of pages) await until(page, () => Number(document.querySelector("[data-value=total]")?.textContent.replaceAll(",", "")) > 0, null, "rows on every page");
  const before = await Promise.all(pages.map(total));
  await pages[0].waitForTimeout(3000);
  const after = await Promise.all(pages.map(total));
  assert.ok(after.every((rows, at) => rows > before[at]), `all go on: ${before} then ${after}`);
  // A page that comes late has all rows, and those that it asks for besides come too.
  for (const page of pages) await section(page, "tables");
  await section(pages[7], "views/busy");
  await until(pages[7], async () => { const { store } = await import("/assets/store.js"); return store.views.get("busy").rows.size > 100 }, null, "the rows of a view on the last page");
  assert.equal((await server.json("/api/v1/stats")).sse_clients, 1, "all share one stream");
  // Whoever is left goes on; the stream ends with the last.
  for (const page of pages.splice(0, 7)) await page.close();
  const left = await total(pages[0]);
  await section(pages[0], "live");
  await until(pages[0], left => Number(document.querySelector("[data-value=total]").textContent.replaceAll(",", "")) > left, left, "the last page goes on");
  await context.close();
  for (let tries = 0; (await server.json("/api/v1/stats")).sse_clients > 0; tries++) { assert.ok(tries < 100, "the stream is given back"); await new Promise(done => setTimeout(done, 100)) }
  console.log("eight pages: all live over one stream");
  await server.stop();
}

export async function aTokenIsAskedFor(browser) {
  const folder = await mkdtemp(join(tmpdir(), "highwater-page-")), file = join(folder, "tokens");
  await writeFile(file, "reader read the-token-that-reads-0001\nold read the-token-that-was-0001 2020-01-01\nwriter ingest the-token-that-writes-0001\n");
  const server = await new Server("pushed.sql", await freePort(), ["--tokens", file]).start();
  const { page, seen } = await open(browser, server, { hash: "#views/totals" });
  seen.down = true; // Refusals are told in the console too.
  const gate = page.getByLabel("Token", { exact: true }).and(page.locator("input"));
  await gate.waitFor();
  const head = text => until(page, text => document.querySelector(".gate h1")?.textContent === text, text, text);
  await head("This server asks for a token.");
  for (const [token, text] of [["no-such-token-at-all-00", "That token is wrong."], ["the-token-that-was-0001", "That token has expired."], ["the-token-that-writes-0001", "That token may not read."]]) {
    await gate.fill(token); await page.keyboard.press("Enter");
    await head(text);
  }
  assert.match(await page.textContent("#token-why"), /writer.*role/, "which token, and what it lacks");
  await gate.fill("the-token-that-reads-0001"); await page.keyboard.press("Enter");
  await stateIs(page, "live");
  assert.equal(await page.locator(".gate").count(), 0);
  assert.ok(!page.url().includes("token"), "the token is in no address: " + page.url());
  await page.reload();
  await stateIs(page, "live");
  // What is copied for a shell works there, and has the token's place and not the token.
  await page.evaluate(() => { navigator.clipboard.writeText = async text => { window.copied = text } });
  await page.getByRole("button", { name: "Copy as curl" }).click();
  const command = await page.evaluate(() => window.copied);
  assert.ok(command.startsWith('curl -s -H "Authorization: Bearer $TOKEN" \'http') && !command.includes("the-token"), command);
  const ran = TOKEN => JSON.parse(execFileSync("bash", ["-c", command], { env: { ...process.env, TOKEN } }).toString());
  assert.deepEqual([ran("the-token-that-reads-0001").view, ran("wrong").status], ["totals", 401]);
  // By the address, as a wall screen has it.
  const other = await (await browser.newContext()).newPage();
  await other.goto(server.base + "/?access_token=the-token-that-reads-0001#board");
  await stateIs(other, "live");
  console.log("tokens: missing, wrong, expired and of another role are told apart");
  await page.context().close(); await other.context().close();
  await server.stop();
}
