// A party disputes an item of its data: the platform marks it, its source corrects it, the party reads why.
import assert from "node:assert/strict";

import { Person } from "../browser.mjs";

const paper = { name: "通知书.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7\nnotice\n%%EOF\n") };
const program = { name: "notice.pdf", mimeType: "application/pdf", buffer: Buffer.from("MZ\u0090\u0000\u0003\u0000") };
const STATEMENT = "本年已连续申报三十个月，记录少计六个月";

export async function areSettled(world) {
  const owner = await Person.signedIn(world, "enterprise");
  await owner.goes("/credit/data");
  await owner.looks("own data");
  await owner.presses("提出异议", ".page-head");
  await owner.looks("items to dispute");
  await owner.goes("/exchange/disputes/new?item=tax.months_declared");
  await owner.looks("dispute");
  await owner.page.fill("#f-submit-claimed", "99");
  await owner.page.fill("#f-submit-statement", STATEMENT);
  assert.equal(await owner.sends("submit"), 422, "at most 36 months");
  assert.equal(await owner.page.inputValue("#f-submit-statement"), STATEMENT);
  await owner.page.fill("#f-submit-claimed", "30");
  await owner.page.setInputFiles("#f-submit-evidence", program);
  assert.equal(await owner.sends("submit"), 422, "a program is no paper");
  assert.equal(await owner.page.inputValue("#f-submit-statement"), STATEMENT);
  assert.equal(await owner.page.inputValue("#f-submit-claimed"), "30");
  await owner.looks("dispute refused");
  await owner.page.setInputFiles("#f-submit-evidence", paper);
  assert.equal(await owner.sends("submit"), 200);
  await owner.has(".page-title", "待标注");
  await owner.has("#content", STATEMENT);
  await owner.has("#evidence", "通知书.pdf");
  await owner.looks("own dispute");
  await owner.picture("dispute");
  const dispute = new URL(owner.page.url()).pathname;

  const operator = await Person.signedIn(world, "operator");
  await operator.goes("/exchange/desk");
  await operator.has("#desk tbody", "连续申报月数");
  await operator.looks("desk of disputes");
  await operator.picture("disputes");
  await operator.goes(dispute);
  await operator.has("#content", "内容不显示");
  assert.equal(await operator.presses("标注", ".page-head"), 200);
  await operator.has(".page-title", "已标注");
  assert.equal(await operator.presses("转来源单位", ".page-head"), 200);
  await operator.has(".page-title", "待核查");
  await operator.goes("/exchange/calendar");
  await operator.looks("calendar");
  await operator.close();

  await owner.goes("/credit/data");
  await owner.has("#tax", "异议处理中");

  const source = await Person.signedIn(world, "source");
  await source.goes(dispute);
  assert.equal(await source.presses("受理核查", ".page-head"), 200);
  await source.has("#content", STATEMENT);
  await source.looks("dispute in check");
  await source.presses("打开数据记录更正");
  await source.looks("record to correct");
  await source.page.fill("#f-correct-value", "40");
  assert.equal(await source.sends("correct"), 422, "at most 36 months");
  assert.equal(await source.page.inputValue("#f-correct-value"), "40");
  await source.page.fill("#f-correct-value", "30");
  assert.equal(await source.sends("correct"), 200);
  assert.equal(new URL(source.page.url()).pathname, dispute, "back to the dispute");
  await source.page.fill("#f-correct-reply", "经核对申报记录，已更正为 30 个月");
  assert.equal(await source.sends("correct"), 200);
  await source.has(".page-title", "已更正");
  await source.looks("dispute answered");
  await source.close();

  await owner.goes(dispute);
  await owner.has("#content", "已更正为 30 个月");
  await owner.has("#facts", "第 2 版");
  await owner.looks("own dispute, answered");
  await owner.goes("/credit/data");
  await owner.has("#tax", "30");
  await owner.goes("/exchange/disputes");
  await owner.looks("own disputes");
  await owner.close();
}
