// A table of a city's own: the operator designs it, another person approves, and it is there.
import assert from "node:assert/strict";

import { Person } from "../browser.mjs";

const TABLE = "园区租户";

async function saves(person) {
  return person.does(() => person.page.locator("main form button[type=submit]").last().click());
}

async function adds(operator, name, label, kind) {
  await operator.presses("新增字段", "main");
  await operator.page.fill("[name=name]", name);
  await operator.page.fill("main [name=label]", label);
  await operator.page.selectOption("[name=kind]", kind);
  await operator.page.check("[name=list]");
  assert.equal(await saves(operator), 200);
}

export async function isMade(world) {
  const operator = await Person.signedIn(world, "operator");
  const security = await Person.signedIn(world, "security");
  await operator.goes("/data/structures/new");
  const { page } = operator;
  await page.fill("[name=name]", "Bad Name");
  await page.fill("main [name=label]", TABLE);
  await page.check("[name=readers][value='platform.auditor']", { force: true });
  await page.check("[name=writers][value='platform.security']", { force: true });
  await page.check("[name=scope] >> nth=0", { force: true });
  await page.fill("[name=title_name]", "name");
  await page.fill("[name=title_label]", "企业名称");
  assert.equal(await saves(operator), 422);
  await operator.has("main", "表名为小写英文字母开头");
  assert.equal(await page.inputValue("main [name=label]"), TABLE, "what was typed is kept");
  await page.fill("[name=name]", "park-tenants");
  assert.equal(await saves(operator), 200);
  await operator.looks("a design");
  await operator.picture("design");
  const design = page.url();
  await adds(operator, "staff", "员工数", "integer");
  assert.equal(await operator.answers("提交复核", "业务需要"), 200);

  await security.goes("/platform/requests");
  await security.picture("requests");
  assert.equal(await security.answers("同意", "已核对"), 200);
  assert.equal(await security.goes("/data/park-tenants/new"), 200);
  await security.page.fill("[name=name]", "融桥科技");
  await security.page.fill("[name=staff]", "abc");
  assert.equal(await saves(security), 422);
  await security.page.fill("[name=staff]", "12");
  assert.equal(await saves(security), 200);

  // A field more, while the table is in use.
  await page.goto(design);
  await adds(operator, "note", "备注", "text");
  assert.equal(await operator.answers("提交复核", "需要备注"), 200);
  await security.goes("/platform/requests");
  assert.equal(await security.answers("同意", "已核对"), 200);
  await security.goes("/data/park-tenants");
  await security.has("main thead", "备注");
  await security.looks("a designed table");
  const { items } = await security.asks("/api/v1/data/park-tenants");
  assert.deepEqual([items[0].staff, items[0].note], [12, null]);
  await operator.close();
  await security.close();
}
