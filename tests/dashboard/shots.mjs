// Pictures of the page, to look at: node shots.mjs URL CHROMIUM FOLDER [SECTION...]. Every section, light and dark, as a phone, a
// tablet and a wide screen show it: FOLDER/section-scheme-width.png.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [, , url, executablePath, folder, ...wanted] = process.argv;
const SECTIONS = wanted.length ? wanted : ["board", "views", "alerts", "time", "dataflow", "tables", "health"];
const SIZES = [[390, 844], [820, 1180], [1600, 1000]];

await mkdir(folder, { recursive: true });
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
for (const colorScheme of ["light", "dark"]) {
  for (const [width, height] of SIZES) {
    const page = await (await browser.newContext({ viewport: { width, height }, colorScheme })).newPage();
    page.on("pageerror", error => console.error(error.stack));
    await page.goto(url);
    await page.waitForTimeout(6000);
    for (const section of SECTIONS) {
      await page.evaluate(section => { location.hash = section }, section);
      await page.waitForTimeout(2500);
      await page.screenshot({ path: join(folder, `${section.replaceAll("/", "-")}-${colorScheme}-${width}.png`), fullPage: true });
    }
    await page.context().close();
  }
}
await browser.close();
