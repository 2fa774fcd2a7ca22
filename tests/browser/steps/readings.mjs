// Who reads more than usual: found, looked into by the auditor, and settled with a reason.
import assert from "node:assert/strict";

import { Person } from "../browser.mjs";

const PATH = "/console/readings";

export async function areSettled(world) {
  const auditor = await Person.signedIn(world, "auditor");
  await auditor.goes(PATH);
  assert.equal(await auditor.presses("立即统计", "main"), 200);
  await auditor.has(".toast", "已开始统计");
  // The officer has decided about an enterprise before.
  await auditor.page.waitForFunction(async (path) => (await (await fetch(`${path}?status=open`)).text()).includes("待核实"), PATH, { polling: 200 });
  await auditor.goes("/");
  await auditor.has("#console-readings", "待核实的异常查询");
  await auditor.does(() => auditor.page.locator("#console-readings a", { hasText: "待核实" }).first().click());
  await auditor.looks("who read more than usual");
  await auditor.picture("readings");
  // The auditor has read, too, and cannot settle that.
  const row = auditor.page.locator("#readings tbody tr", { hasText: "沪江银行" }).first();
  const reader = (await row.locator("td").first().innerText()).trim();
  await auditor.does(() => row.locator("a").first().click());
  await auditor.has("#facts", reader);
  await auditor.has("#counts", "涉及他方主体");
  await auditor.looks("what somebody read in a day");
  await auditor.picture("reading");
  // Without a reason nothing is settled, and the question says what is missing.
  assert.equal(await auditor.answers("有正当理由", ""), 422);
  assert.ok((await auditor.words("p.fault")).length > 0, "a reason is asked for");
  await auditor.has("#facts", "待核实");
  await auditor.goes(new URL(auditor.page.url()).pathname);
  await auditor.answers("有正当理由", "经办授信申请");
  await auditor.has("#facts", "经办授信申请");
  await auditor.presses("当天的审计日志", "main");
  await auditor.has("#audit tbody", reader);
  await auditor.close();
}
