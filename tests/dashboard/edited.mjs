// The Tables section with numbers that the page's own do not hold: rows stay apart, cells that were not edited stay as they are.
import assert from "node:assert/strict";
import { Server, freePort, open, section, stateIs } from "./harness.mjs";

export async function onlyWhatIsEditedIsSaved(browser) {
  const server = await new Server("exact.sql", await freePort()).start();
  const rows = server.base + "/api/v1/tables/amounts/rows";
  const send = async (method, body) => assert.equal((await fetch(rows, { method, headers: { "content-type": "application/json" }, body })).status, 200);
  // As text: what reads numbers would round them.
  const held = async () => /"rows":(\[.*\]),"next"/.exec(await (await fetch(rows)).text())[1];
  // What was said of the change before may still stand: that it has come is seen in the table.
  const holds = async wanted => {
    for (let tries = 0; tries < 100 && await held() !== wanted; tries++) await page.waitForTimeout(100);
    assert.equal(await held(), wanted);
  };
  const even = '{"k":9007199254740992,"d":1234567890123456.7891,"x":0.1,"note":"even"}';
  await send("POST", `[${even},{"k":9007199254740993,"d":98765432109876.5432,"x":"NaN","note":"odd"}]`);
  const { page, seen } = await open(browser, server);
  await stateIs(page, "live");
  await section(page, "tables");
  const note = page.getByLabel("note of 9007199254740993");
  await note.waitFor();
  assert.equal(await page.getByLabel("d of 9007199254740992").inputValue(), "1234567890123456.7891");
  assert.equal(await page.getByLabel("x of 9007199254740993").inputValue(), "NaN");
  await note.fill(" mine ");
  // Meanwhile somebody else changes another cell of the row: it is not undone.
  await send("PATCH", '{"k":9007199254740993,"x":2}');
  await page.getByRole("button", { name: "Save" }).nth(1).click();
  await page.getByText("Saved.").first().waitFor();
  await holds(`[${even},{"k":9007199254740993,"d":98765432109876.5432,"x":2.0,"note":" mine "}]`);
  await page.getByLabel("d of 9007199254740993").fill("0.10009");
  await page.getByRole("button", { name: "Save" }).nth(1).click();
  await page.locator(".fine, .wrong").first().waitFor();
  await page.getByRole("button", { name: "Delete 9007199254740993" }).click();
  await page.getByText("Deleted.").first().waitFor();
  await holds(`[${even}]`);
  for (const [name, text] of [["k", "-9007199254740993"], ["d", "9999999999999999.9999"]]) await page.getByLabel(`${name} of a new row`).fill(text);
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByText("Added.").first().waitFor();
  await holds(`[{"k":-9007199254740993,"d":9999999999999999.9999,"x":null,"note":null},${even}]`);
  // A row that is there is not replaced without a word.
  for (const [name, text] of [["k", "-9007199254740993"], ["x", "-0.0"]]) await page.getByLabel(`${name} of a new row`).fill(text);
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByText("There is a row with this key").first().waitFor();
  assert.match(await held(), /"d":9999999999999999.9999,"x":null/);
  // The empty text is none of NULL.
  await page.getByLabel("note of a new row").focus();
  await page.getByRole("button", { name: "note: make it the empty text" }).first().click();
  assert.equal(await page.getByLabel("note of a new row").getAttribute("placeholder"), "empty text");
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByText("Added.").first().waitFor();
  await holds(`[{"k":-9007199254740993,"d":null,"x":-0.0,"note":""},${even}]`);
  const kept = page.getByLabel("note of -9007199254740993");
  await page.waitForFunction(label => document.querySelector(`[aria-label="${label}"]`)?.placeholder === "empty text", "note of -9007199254740993");
  assert.equal(await page.getByLabel("x of -9007199254740993").inputValue(), "-0.0");
  await kept.focus();
  await page.getByRole("button", { name: "note: make it NULL" }).click();
  await page.getByRole("button", { name: "Save" }).first().click();
  await page.getByText("Saved.").first().waitFor();
  await holds(`[{"k":-9007199254740993,"d":null,"x":-0.0,"note":null},${even}]`);
  assert.deepEqual(seen.errors, []);
  console.log("tables: numbers beyond the page's own stay as they are, and only what is edited is saved");
  await page.context().close();
  await server.stop();
}
