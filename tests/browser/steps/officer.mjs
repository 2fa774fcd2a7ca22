// The bank's officer: queue, one application with its score and reasons, the decision.
import assert from "node:assert/strict";

import { Person } from "../browser.mjs";

const FEATURES = 13;

const figure = (text) => Number(text.replaceAll(",", ""));

/** The reasons add up to the score, and say what was read. */
async function explains(officer) {
  const rows = await officer.page.locator("#reasons tbody tr").evaluateAll((all) =>
    all.map((row) => [...row.cells].map((cell) => cell.textContent.trim())));
  const read = rows.filter((row) => !["基准分", "舍入"].includes(row[0]));
  assert.equal(read.length, FEATURES, "every feature that was read");
  assert.ok(read.every(([label, value, points, , item]) => label && value && points && item), JSON.stringify(read));
  for (const [label, , points, words] of read) assert.equal(words !== "—", figure(points) < 0, `${label} costs points, or needs no words`);
  const hundredths = (text) => Math.round(figure(text) * 100);
  const sum = rows.reduce((all, row) => all + hundredths(row[2]), 0);
  const total = await officer.text("#reasons tfoot td:nth-child(3)");
  assert.equal(sum, hundredths(total), "base and points sum to the score");
  await officer.has("#score", total);
}

export async function returns(world) {
  const officer = await Person.signedIn(world, "officer");
  await officer.looks("officer's home");
  await officer.goes("/lending/queue");
  await officer.has("#counts .stat", "待受理 1");
  await officer.has("#queue tbody", "上海云杉智能装备有限公司");
  await officer.looks("queue");
  await officer.picture("queue");
  await officer.page.selectOption("#queue-status", { label: "已拒绝" });
  await officer.presses("查询", "#queue");
  await officer.has("#queue .nothing", "没有符合条件的申请");
  await officer.looks("queue, empty");
  await officer.presses("重置", "#queue");
  await officer.presses("办理", "#queue");
  assert.equal(new URL(officer.page.url()).pathname, world.application);
  await explains(officer);
  await officer.has("#score", "评分证书");
  await officer.looks("bank's application");
  await officer.picture("detail");

  await officer.presses("受理", ".page-head");
  await officer.has(".page-title", "审批中");
  await officer.presses("退回补充", ".tabs");
  await officer.page.fill("#f-return-reason", "不");
  assert.equal(await officer.sends("return"), 422, "a reason says what to do");
  assert.equal(await officer.page.inputValue("#f-return-reason"), "不");
  await officer.looks("return refused");
  await officer.page.fill("#f-return-reason", "请补充近三个月银行流水");
  assert.equal(await officer.sends("return"), 200);
  await officer.has(".page-title", "待补充");
  assert.equal(await officer.page.locator("#f-approve").count(), 0, "nothing to decide while the enterprise completes");
  world.officer = officer;

  const other = await Person.signedIn(world, "officer2");
  assert.equal(await other.goes(world.application), 404, "another bank's is not there");
  await other.goes("/lending/queue");
  await other.has("#queue .nothing", "没有符合条件的申请");
  await other.close();
}

export async function approves({ officer, application }) {
  await officer.goes(application);
  await officer.has(".page-title", "待受理");
  await explains(officer);
  await officer.page.fill("#f-approve-amount", "150");
  await officer.page.fill("#f-approve-rate", "3.65");
  await officer.page.fill("#f-approve-reason", "经营稳定，同意授信");
  assert.equal(await officer.sends("approve"), 422, "not more than was asked for");
  await officer.has(".fault-sum", "100");
  assert.equal(await officer.page.inputValue("#f-approve-amount"), "150");
  assert.equal(await officer.page.inputValue("#f-approve-rate"), "3.65");
  assert.equal(await officer.page.inputValue("#f-approve-reason"), "经营稳定，同意授信");
  await officer.looks("approval refused");
  await officer.page.fill("#f-approve-amount", "80");
  assert.equal(await officer.sends("approve"), 200);
  await officer.has(".page-title", "已通过");
  await officer.has("#decision", "80");
  await officer.has("#decision", "3.65");
  await officer.looks("bank's application, decided");
  await officer.goes("/market/shelf");
  await officer.looks("shelf");
  await officer.close();
}
