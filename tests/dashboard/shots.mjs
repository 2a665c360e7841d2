// Pictures of the page, to look at: node shots.mjs URL CHROMIUM FOLDER [NAME...]. Every section, and what opens in one, light and
// dark, as a phone, a tablet and a wide screen show it: FOLDER/name-scheme-width.png. A NAME may be any address behind '#'.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { SECTIONS } from "./harness.mjs";

const [, , url, executablePath, folder, ...wanted] = process.argv;
const SIZES = [[390, 844], [820, 1180], [1600, 1000]];
const first = selector => page => page.locator(selector).first().click({ timeout: 5000 });
/** What is seen after something was done: an address, and what is done there. */
const OPENED = {
  "board-arranged": ["board", first("#section-board button:has-text('Arrange')")],
  "views-keys": ["views", first("#section-views summary:has-text('key')")],
  "views-sql": ["views", first("#section-views summary:has-text('SQL')")],
  "dataflow-chosen": ["dataflow", async page => { await page.locator("#section-dataflow .node").nth(8).focus(); await page.keyboard.press("Enter") }],
  "alerts-together": ["alerts", page => page.getByLabel("Together by").selectOption("view")],
  "tables-refused": ["tables", page => page.locator("#section-tables button.main").first().click()],
  wall: ["wall"], lost: ["nowhere"],
};

await mkdir(folder, { recursive: true });
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const page = await (await browser.newContext()).newPage();
page.on("pageerror", error => console.error(error.stack));
await page.goto(url);
await page.waitForTimeout(6000);
for (const name of wanted.length ? wanted : [...SECTIONS, ...Object.keys(OPENED)]) {
  const [hash, act] = Object.hasOwn(OPENED, name) ? OPENED[name] : [name];
  await page.evaluate(hash => { location.hash = hash }, hash);
  await page.waitForTimeout(2500);
  await act?.(page);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      await page.waitForTimeout(900);
      await page.screenshot({ path: join(folder, `${name.replaceAll("/", "-")}-${colorScheme}-${width}.png`), fullPage: true });
    }
  }
  await page.reload();
}
await browser.close();
