// The page by the keyboard alone: Tab reaches everything and leaves it again, what has the focus can be seen, what opens closes
// with Escape and gives the focus back.
import assert from "node:assert/strict";
import { SECTIONS, Server, freePort, open, section, stateIs, until } from "./harness.mjs";

/** What has the focus: a name for it, whether it is seen, and whether one sees that it has it. */
const focused = page => page.evaluate(() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect(), style = getComputedStyle(one), inner = one.querySelector?.(":scope > .body");
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 || inner && parseFloat(getComputedStyle(inner).strokeWidth) >= 2;
  const at = document.elementFromPoint(Math.min(innerWidth - 1, Math.max(0, box.left + Math.min(box.width, 20) / 2)), Math.min(innerHeight - 1, Math.max(0, box.top + Math.min(box.height, 20) / 2)));
  return {
    name: `${one.tagName} ${one.getAttribute("aria-label") ?? one.textContent.trim().slice(0, 40)} ${one.getAttribute("href") ?? ""}`, id: (one.tabbed ??= Math.random()),
    seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth, covered: Boolean(at && !one.contains(at) && !at.contains(one) && at.closest(".top") && !one.closest(".top")), ring,
  };
});

/** Tab from the beginning until the page is left: all that was reached. */
async function walk(page, key, most = 400) {
  const reached = [];
  for (let steps = 0; steps < most; steps++) {
    await page.keyboard.press(key);
    const one = await focused(page);
    if (!one || reached.some(other => other.id === one.id)) return reached;
    reached.push(one);
  }
  throw new Error(`${key} does not leave the page: ${reached.slice(-3).map(one => one.name)}`);
}

const USABLE = "a[href], button:not(:disabled), select, input:not(:disabled), summary, [tabindex='0']";

/** All that can be used has been drawn: for a second nothing is added. */
async function settled(page) {
  for (let [before, same, looks] = [-1, 0, 0]; same < 4 && looks < 80; looks++, await page.waitForTimeout(250)) {
    const now = await page.evaluate(usable => document.querySelectorAll(usable).length, USABLE);
    [before, same] = [now, now === before ? same + 1 : 0];
  }
}

export async function theKeyboardReachesAll(browser) {
  const server = await new Server("bounded.sql", await freePort()).start();
  let steps = 0;
  for (const width of [390, 1280]) {
    const { page, seen } = await open(browser, server, { viewport: { width, height: 900 } });
    await stateIs(page, "finished");
    for (const name of SECTIONS) {
      await section(page, name);
      await settled(page);
      await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); getSelection().removeAllRanges() });
      // From the very beginning, wherever the focus was.
      await page.evaluate(() => { const before = document.createElement("span"); before.tabIndex = -1; document.body.prepend(before); before.focus(); before.remove() });
      const on = await walk(page, "Tab");
      assert.ok(on.length > 15, `${name}: ${on.length} places`);
      for (const one of on) {
        assert.ok(one.ring, `${name}, ${width} px: no ring around ${one.name}`);
        assert.ok(one.seen && !one.covered, `${name}, ${width} px: out of sight: ${JSON.stringify(one)}`);
      }
      // All that can be used is among it.
      const usable = await page.evaluate(usable => [...document.querySelectorAll(usable)].filter(one => one.checkVisibility({ visibilityProperty: true }) && !one.closest("details:not([open]) > :not(summary)") && one.tabbed === undefined).map(one => one.outerHTML.slice(0, 120)), USABLE);
      assert.deepEqual(usable, [], `${name}, ${width} px: what Tab does not reach`);
      const back = await walk(page, "Shift+Tab");
      assert.ok(back.length >= on.length - 1, `${name}, ${width} px: ${back.length} of ${on.length} back`);
      steps += on.length;
    }
    assert.deepEqual(seen.errors, []);
    await page.context().close();
  }
  console.log(`keyboard: ${steps} places in ${SECTIONS.length} sections at two widths, each seen, with its ring, there and back`);
  await server.stop();
}

export async function whatOpensGivesTheFocusBack(browser) {
  const server = await new Server("bounded.sql", await freePort()).start();
  const { page, seen } = await open(browser, server);
  await stateIs(page, "finished");
  const has = text => until(page, text => (document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "").includes(text), text, `'${text}' has the focus`);
  // Past the head at once.
  await page.evaluate(() => { const before = document.createElement("span"); before.tabIndex = -1; document.body.prepend(before); before.focus(); before.remove() });
  await page.keyboard.press("Tab"); await has("Skip to the content");
  await page.keyboard.press("Enter");
  await until(page, () => document.activeElement.id === "main", null, "the content has the focus");
  // A section by its link; the focus stays where it was.
  const views = page.getByRole("link", { name: /^Views/ }).first();
  await views.focus(); await page.keyboard.press("Enter");
  await until(page, () => !document.querySelector("#section-views").hidden, null, "the section of the link");
  await section(page, "views/by_site");
  // The keys of a chart: opened, one chosen with the space bar, closed with Escape.
  const keys = page.locator("#section-views summary", { hasText: "keys" });
  await keys.focus(); await page.keyboard.press("Enter");
  await page.getByLabel("Find a key").waitFor();
  await page.keyboard.press("Tab"); await has("Find a key");
  await until(page, () => document.querySelectorAll("#section-views .checks input").length > 3, null, "the keys");
  await page.keyboard.press("Tab"); await page.keyboard.press("Space");
  await until(page, () => /^1 of/.test(document.querySelector("#section-views .menu summary").textContent), null, "one key is chosen");
  await page.keyboard.press("Escape");
  await until(page, () => !document.querySelector("#section-views .menu").open, null, "Escape closes it");
  await has("1 of");
  // A choice by the arrows.
  await page.getByLabel("Chart", { exact: true }).and(page.locator("select")).focus();
  await page.keyboard.press("ArrowDown"); await page.keyboard.press("ArrowDown");
  await until(page, () => document.querySelector("#section-views .bars").checkVisibility(), null, "the second kind of chart: bars");
  // A column sorts by its head; a table scrolls by the arrows.
  await page.locator("#section-views thead button").nth(3).focus(); await page.keyboard.press("Enter");
  await until(page, () => document.querySelector("#section-views th[aria-sort=descending]"), null, "sorted");
  const rows = page.getByRole("region", { name: "Rows of by_site" });
  await rows.focus(); await page.keyboard.press("ArrowDown"); await page.keyboard.press("ArrowDown");
  await until(page, () => document.querySelector("#section-views .scroll.rows").scrollTop > 0, null, "scrolled");
  // An operator of the graph; the detail follows it, and the focus stays.
  await section(page, "dataflow");
  await until(page, () => document.querySelectorAll("#section-dataflow .node").length > 3, null, "the graph");
  await page.locator("#section-dataflow .node").nth(1).focus(); await page.keyboard.press("Enter");
  await until(page, () => document.querySelector("#section-dataflow .detail h3"), null, "the operator's detail");
  assert.ok(await page.evaluate(() => document.activeElement.classList.contains("node")), "the operator keeps the focus");
  await page.keyboard.press("Escape");
  await until(page, () => !document.querySelector("#section-dataflow .detail h3"), null, "Escape closes the detail");
  assert.ok(await page.evaluate(() => document.activeElement.classList.contains("node")), "and the operator has the focus");
  // The whole screen and back, to the button that led there.
  await section(page, "board");
  await page.getByRole("button", { name: "Full screen" }).focus(); await page.keyboard.press("Enter");
  await until(page, () => document.documentElement.classList.contains("wall") && document.fullscreenElement, null, "the board alone, on the whole screen");
  await page.evaluate(() => document.exitFullscreen());
  await until(page, () => !document.documentElement.classList.contains("wall"), null, "back");
  await has("Full screen");
  assert.deepEqual(seen.errors, []);
  console.log("keyboard: the menu of keys, choices, sorting, scrolling, the graph, the whole screen; each gives the focus back");
  await page.context().close();
  await server.stop();
}
