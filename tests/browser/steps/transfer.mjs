// Rows into a designed table from a file, one of them wrong, and the list out again.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { Person } from "../browser.mjs";

const ROWS = "企业名称*,员工数,备注\r\n上海澄湖食品,31,=1+1\r\n浦东造船配件,很多,\r\n";

/** The file behind the link whose name ends so, as text. */
async function fetches(person, within, ending) {
  const arrives = person.page.waitForEvent("download");
  await person.page.locator(`${within} a`, { hasText: ending }).click();
  return readFile(await (await arrives).path(), "utf8");
}

export async function comesIn(world) {
  const person = await Person.signedIn(world, "security");
  await person.goes("/data/park-tenants");
  await person.looks("a list to import into");
  await person.presses("导入", "main");
  await person.looks("an import");
  await person.picture("import");
  const file = (text) => ({ name: "tenants.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
  await person.page.setInputFiles("#f-import-file", file("企业名称,颜色\r\n甲,红\r\n"));
  assert.equal(await person.sends("import"), 422);
  await person.has("main", "不认识的列：颜色");
  await person.page.setInputFiles("#f-import-file", file(ROWS));
  assert.equal(await person.sends("import"), 200);
  // The page follows the job by itself.
  await person.page.locator("#state", { hasText: "1 / 2，退回 1 条" }).waitFor();
  await person.page.reload();
  await person.has("#refused", "员工数");
  await person.looks("an import that is over");
  await person.picture("import-over");
  const refused = (await fetches(person, "#facts", "退回")).split("\r\n");
  assert.equal(refused[1].split(",").slice(0, 6).join(), "浦东造船配件,很多,,3,员工数,not-an-integer");
  world.importer = person;
}

export async function goesOut(world) {
  const { importer } = world;
  await importer.goes("/data/park-tenants?q=澄湖");
  await importer.presses("导出", "main");
  await importer.has("#range", "搜索：澄湖");
  await importer.looks("an export");
  await importer.picture("export");
  await importer.page.fill("#f-export-reason", "月度核对");
  assert.equal(await importer.sends("export"), 200);
  await importer.page.locator("#state", { hasText: "1 / 1 条" }).waitFor();
  await importer.page.reload();
  await importer.looks("an export that is over");
  await importer.picture("export-over");
  const [first, head, row, end] = (await fetches(importer, "#facts", "导出")).split("\r\n");
  assert.match(first, /月度核对.*追溯码：[0-9a-f]{32}/);
  assert.ok(head.includes("企业名称"), head);
  assert.ok(row.includes("上海澄湖食品") && row.includes("'=1+1"), row);
  assert.equal(end, "");
  await importer.goes("/console/jobs");
  await importer.looks("imports and exports");
  await importer.picture("jobs");
  await importer.close();
}
