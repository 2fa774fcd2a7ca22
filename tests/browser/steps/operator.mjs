// Who looks after the platform: the operator and an edition for one district, the auditor and the calls and the trail.
import assert from "node:assert/strict";

import { Person } from "../browser.mjs";

const PARK = "特色园区";

/** What an enterprise sees of the park edition: home block, menu entry, pages. */
async function sees(person, shown) {
  assert.equal(await person.goes("/"), 200);
  assert.equal(await person.page.locator("#park-parks").count(), shown ? 1 : 0, "home block");
  assert.equal((await person.words(".site-nav li")).includes(PARK), shown, "menu entry");
  assert.equal(await person.goes("/park/home"), shown ? 200 : 404, "pages");
}

/** Picks a district that is on and answers the question. */
async function disables(operator, district) {
  await operator.picks("f-disable-park-district", district);
  await operator.page.locator("#f-disable-park details.ask summary").click();
  assert.equal(await operator.presses("停用", "#f-disable-park .ask-sheet"), 200);
}

export async function switches(world) {
  const { enterprise } = world;
  await sees(enterprise, false);
  const operator = await Person.signedIn(world, "operator");
  await operator.goes("/console/plugins");
  await operator.has("#plugins tbody", PARK);
  await operator.looks("plugins");
  await operator.picture("plugins");
  await operator.page.selectOption("#f-enable-park-district", { label: "浦东新区" });
  assert.equal(await operator.sends("enable-park"), 200);
  await operator.has("#plugins tbody", "启用于浦东新区");
  await operator.has(".toast", "已在浦东新区启用");
  // A second district beside the first, and off again.
  await operator.page.selectOption("#f-enable-park-district", { label: "黄浦区" });
  assert.equal(await operator.sends("enable-park"), 200);
  await operator.has("#scope-park", "黄浦区 浦东新区");
  await operator.looks("plugins with an edition on");
  await operator.picture("plugins-on");
  await disables(operator, "黄浦区");
  await operator.has("#plugins tbody", "启用于浦东新区");

  await sees(enterprise, true);
  await enterprise.has("#parks", "东海科技园");
  await enterprise.looks("parks");
  await enterprise.does(() => enterprise.page.locator("#parks .tile", { hasText: "东海科技园" }).getByRole("link", { name: "进入园区" }).click());
  await enterprise.has("#products .product", "园区专享信用贷");
  await enterprise.looks("park");
  await enterprise.picture("park");
  await enterprise.presses("立即申请", "#products");
  await enterprise.has(".page-sub", "园区专享信用贷");
  const stranger = await Person.signedIn(world, "enterprise2");
  await sees(stranger, false);
  await stranger.close();

  await operator.goes("/console/plugins");
  await disables(operator, "浦东新区");
  await operator.has("#plugins tbody", "未启用");
  await sees(enterprise, false);
  assert.equal(await enterprise.goes("/market/products"), 200, "the rest is served");
  world.operator = operator;
}

export async function audits(world) {
  const id = world.application.split("/").pop();
  await world.operator.close();
  const auditor = await Person.signedIn(world, "auditor");
  await auditor.goes("/console/certificates");
  const { number } = await auditor.asks(`/api/v1/lending/applications/${id}`);
  for (const name of ["上海云杉智能装备有限公司", "沪江银行", number]) await auditor.has("#calls tbody", name);
  await auditor.looks("calls");
  await auditor.picture("calls");
  await auditor.does(() => auditor.page.locator("#calls tr", { hasText: number }).first().locator("a.row-link").click());
  await auditor.has("#signature", "签名有效");
  await auditor.has("#certificate", "tax.grade");
  await auditor.has("#result", "评分结果不显示");
  await auditor.looks("certificate");
  await auditor.picture("certificate");

  await auditor.goes("/console/audit");
  await auditor.page.fill("#audit-object", number);
  await auditor.presses("查询", "#audit");
  for (const action of ["提交申请", "退回补充", "重新提交", "同意"]) await auditor.has("#audit tbody", `贷款申请 · ${action}`);
  await auditor.looks("audit");
  await auditor.picture("audit");
  await auditor.does(() => auditor.page.locator("#audit tr", { hasText: "同意" }).locator("a.row-link").click());
  await auditor.has("#chain", "内容与摘要一致");
  await auditor.has("#changes tbody", "已通过");
  await auditor.looks("audit record");
  await auditor.picture("audit-record");
  await auditor.close();
}

/** Who else signs in finds a page that works. */
export async function others(world) {
  for (const login of ["government", "auditor", "developer"]) {
    const person = await Person.signedIn(world, login);
    await person.looks(`${login}'s home`);
    await person.picture(`home-${login}`);
    if (login !== "government") {
      assert.equal(await person.presses("工作台", ".site-nav"), 200, "the way to the workbench");
      await person.has(".bench-org", login === "auditor" ? "融桥平台运营中心" : "沪江银行");
    }
    await person.close();
  }
}
