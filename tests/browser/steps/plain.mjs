// Scripts switched off: the market filters, the form applies once, and an application is taken back.
import assert from "node:assert/strict";

import { Person } from "../browser.mjs";

export async function works(world) {
  const person = await Person.signedIn(world, "enterprise2", { scripts: false });
  const { page } = person;
  await person.goes("/market/products");
  await page.fill(".chip-search input[type=search]", "科创");
  await person.presses("查询", ".chip-search");
  assert.deepEqual(await person.words(".product-title"), ["科创助力贷"]);
  await person.presses("立即申请", ".product");

  await page.fill("#f-apply-amount", "5");
  await person.picks("f-apply-purpose", "研发投入");
  await page.fill("#f-apply-note", "用于新产线");
  await page.check("#f-apply-agree");
  assert.equal(await person.sends("apply"), 422);
  await person.has(".fault-sum", "50");
  assert.equal(await page.inputValue("#f-apply-amount"), "5");
  assert.equal(await page.inputValue("#f-apply-note"), "用于新产线");
  await page.fill("#f-apply-amount", "200");

  // Nothing stops two presses here but the form's key: both get the same answer.
  const form = await page.locator("#f-apply").evaluate((f) => ({ to: f.action, fields: [...new FormData(f)] }));
  const send = () => person.context.request.post(form.to, { form: Object.fromEntries(form.fields), maxRedirects: 0 });
  const [first, second] = await Promise.all([send(), send()]);
  assert.deepEqual([first.status(), second.status()], [303, 303]);
  const to = first.headers().location;
  assert.equal(second.headers().location, to, "both lead to one application");
  const all = await person.asks("/api/v1/lending/applications");
  assert.equal(all.total, 1, "and there is one");
  assert.ok(to.endsWith(all.items[0].id));

  // A question before the deed, without a script.
  await person.goes(to);
  await page.locator("details.ask summary").click();
  await page.fill(".ask-sheet textarea[name=reason]", "改用其他产品");
  assert.equal(await person.presses("撤回", ".ask-sheet"), 200);
  await person.has(".page-title", "已撤回");
  await person.close();
}
