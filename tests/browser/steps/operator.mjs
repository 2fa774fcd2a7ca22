// The platform's operator: an edition for one district, the calls, the trail.
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

export async function switches(world) {
  const { enterprise } = world;
  await sees(enterprise, false);
  const operator = await Person.signedIn(world, "operator");
  await operator.goes("/console/plugins");
  await operator.has("#plugins tbody", PARK);
  await operator.looks("plugins");
  await operator.picture("plugins");
  await operator.page.fill("#f-enable-park-district", "310115");
  assert.equal(await operator.sends("enable-park"), 200);
  await operator.has("#plugins tbody", "启用于 310115");

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
  await operator.page.fill("#f-disable-park-district", "310115");
  assert.equal(await operator.sends("disable-park"), 200);
  await operator.has("#plugins tbody", "未启用");
  await sees(enterprise, false);
  assert.equal(await enterprise.goes("/market/products"), 200, "the rest is served");
  world.operator = operator;
}

export async function audits({ operator, application }) {
  const id = application.split("/").pop();
  await operator.goes("/console/certificates");
  await operator.has("#calls tbody", id);
  await operator.looks("calls");
  await operator.picture("calls");
  await operator.does(() => operator.page.locator("#calls tr", { hasText: id }).first().locator("a.row-link").click());
  await operator.has("#signature", "签名有效");
  await operator.has("#certificate", "tax.grade");
  await operator.looks("certificate");
  await operator.picture("certificate");

  await operator.goes("/console/audit");
  await operator.page.fill("#audit-object", id);
  await operator.presses("查询", "#audit");
  for (const action of ["application.apply", "application.return", "application.resubmit", "application.approve"]) {
    await operator.has("#audit tbody", `lending.${action}`);
  }
  await operator.looks("audit");
  await operator.picture("audit");
  await operator.close();
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
