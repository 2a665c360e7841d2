// Names and addresses that are hard: of views, columns and keys, pinned, shared, typed by hand, damaged, of things that are gone.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { Server, freePort, open, push, section, stateIs, until } from "./harness.mjs";

const KEYS = ["a,b", "c;d", "e/f", "50%", "x=y", "it's \"k\"", "ключ", "", "NULL"];
const ts = "2026-01-01T12:00:00Z";
const started = async () => {
  const server = await new Server("awkward.sql", await freePort()).start();
  await push(server, "events", KEYS.map((key, at) => ({ key, "a;b=c,d/e": 1000 + at, n: at + 1, ts })));
  return server;
};
const cards = page => page.$$eval("#section-board .tile-card", cards => cards.map(card => card.querySelector("h2 a").textContent));
const are = async (page, wanted, what) => { for (let tries = 0; JSON.stringify(await cards(page)) !== JSON.stringify(wanted); tries++) { assert.ok(tries < 100, `${what}: ${JSON.stringify(await cards(page))}, wanted ${JSON.stringify(wanted)}`); await page.waitForTimeout(100) } };
/** What the last card says, once it says so. */
const says = (page, pattern) => until(page, ([source, flags]) => new RegExp(source, flags).test([...document.querySelectorAll("#section-board .tile-card")].at(-1)?.querySelector(".foot").textContent), [pattern.source, pattern.flags], `the card says ${pattern}`);

export async function anyNameCanBePinned(browser) {
  const server = await started();
  const views = (await server.json("/api/v1/views")).views.map(view => view.name), drawn = views.filter(name => name !== "nothing_drawn");
  assert.equal(views.length, 11);
  const { page, seen } = await open(browser, server, { hash: "#views" });
  await stateIs(page, "live");
  await page.evaluate(() => { navigator.clipboard.writeText = async text => { window.copied = text } });
  const copied = async name => { await page.getByRole("button", { name }).click(); return page.evaluate(() => window.copied) };
  // Begin with an empty board, so that what is on it was pinned.
  await page.evaluate(() => localStorage.setItem("board", ""));
  for (const name of drawn) {
    await page.locator("#section-views .picks a", { has: page.getByText(name, { exact: true }) }).click();
    await until(page, name => document.querySelector("#section-views .one .one h1").textContent === name, name, "the view " + name);
    await until(page, many => document.querySelectorAll("#section-views tbody tr").length === many, KEYS.length, "the rows of " + name);
    // Its address leads to it, also from nothing.
    await page.reload();
    await until(page, name => document.querySelector("#section-views .one .one h1")?.textContent === name, name, "the view by its address: " + name);
    await page.evaluate(() => { navigator.clipboard.writeText = async text => { window.copied = text } });
    const rows = JSON.parse(execFileSync("bash", ["-c", await copied("Copy as curl")]).toString());
    assert.deepEqual([rows.view, rows.rows.length], [name, KEYS.length], "curl for " + name);
    await until(page, () => !document.querySelector("#section-views .menu").hidden, null, "keys to choose");
    await page.locator("#section-views .menu summary").click();
    for (const key of KEYS.slice(0, 7)) await page.locator("#section-views .checks label", { has: page.getByText(key, { exact: true }) }).locator("input").check();
    await page.keyboard.press("Escape");
    if (name === "two words") await page.getByLabel("Value of the chart").selectOption("a;b=c,d/e");
    await page.getByRole("button", { name: "Pin to the board" }).click();
  }
  await section(page, "board");
  await are(page, drawn, "all are pinned");
  const shown = of => of.$$eval("#section-board .tile-card", cards => cards.map(card => [card.querySelector("h2 .note").textContent, card.querySelectorAll(".bars li").length]));
  const all = drawn.map(name => [name === "two words" ? "highest a;b=c,d/e" : "highest n", 7]);
  const drawnAre = async (of, what) => { for (let tries = 0; JSON.stringify(await shown(of)) !== JSON.stringify(all); tries++) { assert.ok(tries < 150, `${what}: ${JSON.stringify(await shown(of))}`); await of.waitForTimeout(100) } };
  await drawnAre(page, "the value and the keys that were chosen");
  await page.reload();
  await are(page, drawn, "kept by the browser"); await drawnAre(page, "with what was chosen");
  await page.evaluate(() => { navigator.clipboard.writeText = async text => { window.copied = text } });
  const address = await copied("Copy address");
  const other = await open(browser, server, { hash: address.slice(address.indexOf("#")) });
  await are(other.page, drawn, "by the address"); await drawnAre(other.page, "by the address");
  await other.page.getByRole("button", { name: "Arrange" }).click();
  await other.page.getByRole("button", { name: "Move it's \"so\" & <b> before" }).click();
  await other.page.reload();
  const at = drawn.indexOf("it's \"so\" & <b>"), moved = [...drawn];
  [moved[at - 1], moved[at]] = [moved[at], moved[at - 1]];
  await are(other.page, moved, "arranged, by its new address");
  assert.deepEqual([...seen.errors, ...other.seen.errors], []);
  const followed = async () => (await server.json("/api/v1/stats")).sse_clients;
  for (let tries = 0; await followed() !== 2; tries++) { assert.ok(tries < 100, "each follows all of them"); await page.waitForTimeout(100) }
  console.log(`names: ${drawn.length} views and 7 keys of any letters are opened, copied, pinned, shared, moved`);
  await page.context().close(); await other.page.context().close();
  await server.stop();
}

export async function anyBoardIsAnswered(browser) {
  const server = await started();
  const long = "x".repeat(10_000), one = encodeURIComponent("one, two");
  const cases = [
    // Of things that are not there, or not any more.
    ["gone", ["gone"], /^There is no view “gone” in this program\.$/],
    [`${one};value=gone`, ["one, two"], /^There is no column “gone” to draw/],
    [`${one};by=gone`, ["one, two"], /^There is no column “gone”/],
    [`${one};kind=pie`, ["one, two"], /^There is no chart “pie”/],
    [`${one};keys=gone,away`, ["one, two"], /^None of its keys is there/],
    ["nothing_drawn", ["nothing_drawn"], /^No column of this view can be drawn\.$/],
    [`${one};value=__proto__;kind=constructor`, ["one, two"], /^There is no/],
    // Damaged.
    ["%", ["%"], /^There is no view “%”/], ["%zz%C3", ["%zz%C3"], /^There is no view/], ["__proto__", ["__proto__"], /^There is no view/],
    [";;;", [], null], ["///", [], null], [";wide", [], null],
    [long, ["x".repeat(80) + "…"], /^There is no view “x+…” in this program\.$/],
    [`${one};value=${long}`, ["one, two"], /^There is no column “x+…”/],
    ["a/".repeat(5_000), Array(24).fill("a"), /^There is no view “a”/],
    [`${one};keys=${"k,".repeat(5_000)}`, ["one, two"], /^None of its keys is there/],
  ];
  for (const [text, wanted, pattern] of cases) {
    const { page, seen } = await open(browser, server, { hash: "#board/" + text });
    await stateIs(page, "live");
    await are(page, wanted, text.slice(0, 40));
    if (pattern) await says(page, pattern);
    else await until(page, () => [...document.querySelectorAll("#section-board .controls .note")].some(note => /^A shared board: .*Nothing in its address is a chart\./.test(note.textContent)), null, `'${text}' is told`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "no wider than the screen: " + text.slice(0, 40));
    // From there everything can be reached.
    await section(page, "views/" + one);
    await until(page, () => document.querySelectorAll("#section-views tbody tr").length > 3, null, "a view after " + text.slice(0, 40));
    await section(page, "board");
    await until(page, () => document.querySelectorAll("#section-board .bars li").length > 3, null, "one's own board after " + text.slice(0, 40));
    assert.deepEqual(seen.errors, [], text.slice(0, 40));
    await page.context().close();
  }
  // What the browser keeps may be damaged too.
  const { page, seen } = await open(browser, server);
  for (const kept of [";;;", "%/%zz", "gone;keys=%", long]) {
    await page.evaluate(kept => localStorage.setItem("board", kept), kept);
    await page.reload();
    await stateIs(page, "live");
    await page.getByRole("button", { name: "Arrange" }).click();
    await page.getByRole("button", { name: "Start over" }).click();
    await until(page, () => document.querySelectorAll("#section-board .bars li").length > 3, null, "the usual board after " + kept.slice(0, 40));
  }
  assert.deepEqual(seen.errors, []);
  console.log(`boards: ${cases.length} addresses of what is gone or damaged are told`);
  await page.context().close();
  await server.stop();
}
