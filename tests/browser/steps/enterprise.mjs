// An enterprise: authorises, estimates, chooses, applies, waits, completes.
import assert from "node:assert/strict";

import { Person } from "../browser.mjs";

const NOTE = "订单来自三家长期客户，回款周期 60 天";

/** Ends the session on the server; the browser still holds its cookie, as after a long break. */
async function sessionEnds(person) {
  const url = person.server.url;
  const cookie = (await person.context.cookies()).map((c) => `${c.name}=${c.value}`).join("; ");
  const { csrf } = await person.asks("/api/v1/session");
  const ended = await fetch(`${url}/api/v1/session`, { method: "DELETE", headers: { cookie, "x-csrf-token": csrf } });
  assert.equal(ended.status, 204);
}

async function fills(person, amount) {
  await person.page.fill("#f-apply-amount", amount);
  await person.page.fill("#f-apply-term_months", "9");
  await person.picks("f-apply-purpose", "购置设备");
  await person.page.fill("#f-apply-note", NOTE);
  await person.page.check("#f-apply-agree");
}

async function kept(person, amount, why) {
  const page = person.page;
  assert.equal(await page.inputValue("#f-apply-amount"), amount, why);
  assert.equal(await page.inputValue("#f-apply-term_months"), "9", why);
  assert.equal(await page.inputValue("#f-apply-note"), NOTE, why);
  const purpose = await page.locator("#f-apply-purpose input:checked + label").textContent();
  assert.equal(purpose.trim(), "购置设备", why);
  assert.ok(await page.isChecked("#f-apply-agree"), why);
}

export async function arrives(world) {
  const anybody = await Person.open(world, "enterprise");
  assert.equal(await anybody.goes("/lending/applications"), 200);
  assert.equal(new URL(anybody.page.url()).pathname, "/login", "a page of mine asks who I am");
  await anybody.looks("sign-in");
  await anybody.page.fill("#username", "enterprise");
  await anybody.page.fill("#password", "wrong");
  assert.equal(await anybody.does(() => anybody.page.click(".login-card button[type=submit]")), 401);
  await anybody.has("#login-message", "用户名或密码不正确");
  assert.equal(await anybody.page.inputValue("#username"), "enterprise");
  await anybody.looks("sign-in refused");
  await anybody.signIn();
  assert.equal(new URL(anybody.page.url()).pathname, "/lending/applications", "and leads on");
  await anybody.looks("applications, none yet");
  assert.equal(await anybody.goes("/no/such/page"), 404);
  await anybody.looks("not found");

  await anybody.goes("/");
  await anybody.has("main", "上海云杉智能装备有限公司");
  await anybody.has("main", "91310115MA90090168");
  for (const service of ["一键测额", "产品超市", "进度查询", "数据授权"]) await anybody.has(".menu", service);
  await anybody.looks("home");
  await anybody.goes("/?care=1");
  await anybody.looks("home in large type");
  await anybody.goes("/?care=0");
  for (const [path, name] of [["/enterprise/me", "my enterprise"], ["/credit/data", "my data"]]) {
    assert.equal(await anybody.goes(path), 200);
    await anybody.looks(name);
  }
  world.enterprise = anybody;
}

export async function authorises({ enterprise }) {
  await enterprise.goes("/");
  await enterprise.presses("一键测额", ".menu");
  assert.ok(await enterprise.page.getByRole("button", { name: /开始测额/ }).isDisabled(), "nothing without a letter");
  await enterprise.looks("estimate without a letter");
  const own = enterprise.page.locator(".notice", { hasText: "沪江银行" }).getByRole("link", { name: "去签署" });
  await enterprise.does(() => own.click());
  await enterprise.has("#f-sign-recipient input:checked + label", "沪江银行");
  await enterprise.looks("sign a letter");
  await enterprise.does(() => enterprise.page.getByRole("link", { name: "授权书样本" }).first().click());
  await enterprise.looks("sample letter");
  await enterprise.does(() => enterprise.page.goBack());
  await enterprise.page.check("#f-sign-agree");
  assert.equal(await enterprise.sends("sign"), 422, "sensitive items need a consent of their own");
  await enterprise.has("#f-sign", "单独同意");
  await enterprise.page.check("#f-sign-separate");
  assert.equal(await enterprise.sends("sign"), 200);
  assert.equal(new URL(enterprise.page.url()).pathname, "/lending/quota", "back to what it was for");
  await enterprise.has(".toast", "已授权沪江银行");

  await enterprise.presses("开始测额", ".page-head");
  await enterprise.has("#estimates .product", "云税贷");
  await enterprise.looks("estimate");
  await enterprise.picture("estimate");

  await enterprise.goes("/consent/letters");
  await enterprise.has("#letters tbody", "沪江银行");
  await enterprise.looks("letters");
  await enterprise.does(() => enterprise.page.click("#letters a.row-link"));
  await enterprise.has("#text", "沪江银行");
  await enterprise.looks("letter");
}

export async function applies(world) {
  const { enterprise } = world;
  await enterprise.presses("产品超市", ".site-nav");
  await enterprise.looks("market");
  await enterprise.picture("market");
  await enterprise.does(() => enterprise.page.locator(".chips .chip", { hasText: "沪江银行" }).click());
  assert.ok(enterprise.page.url().includes("?"), "filters are addresses");
  await enterprise.page.fill(".chip-search input[type=search]", "云税贷");
  await enterprise.presses("查询", ".chip-search");
  assert.deepEqual(await enterprise.words(".product-title"), ["云税贷"]);
  await enterprise.presses("查看详情", ".product");
  await enterprise.looks("product");
  await enterprise.presses("试算", "#f-calculator");
  await enterprise.has("#schedule", "剩余本金");
  await enterprise.looks("product with a schedule");
  await enterprise.presses("立即申请", ".page-head");

  assert.equal(await enterprise.page.inputValue("#f-apply-contact"), "林知远");
  assert.equal(await enterprise.page.inputValue("#f-apply-phone"), "13800001001");
  await enterprise.has("#f-apply-contact-help", "已预填，来源：企业信息");
  await enterprise.has("#applicant", "91310115MA90090168");
  await enterprise.looks("apply");
  await enterprise.picture("apply");

  await fills(enterprise, "9999");
  assert.equal(await enterprise.sends("apply"), 422);
  await enterprise.has(".fault-sum", "300");
  assert.equal(await enterprise.page.getAttribute("#f-apply-amount", "aria-invalid"), "true");
  await kept(enterprise, "9999", "an error loses nothing");
  await enterprise.looks("apply refused");
  await enterprise.picture("apply-refused");
}

export async function comesBack(world) {
  const { enterprise } = world;
  await fills(enterprise, "120");
  await sessionEnds(enterprise);
  assert.equal(await enterprise.sends("apply"), 401);
  await enterprise.has("#login-message", "您填写的内容已为您保留");
  await enterprise.looks("sign-in after the session ended");
  await enterprise.signIn();
  await kept(enterprise, "120", "a session that ends loses nothing");

  // The same with the cookie gone: signed out in another tab, or cleared by the browser.
  const apply = new URL(enterprise.page.url());
  apply.searchParams.delete("_parked");
  await fills(enterprise, "130");
  await enterprise.context.clearCookies({ name: "rq_session" });
  assert.equal(await enterprise.sends("apply"), 401);
  await enterprise.has("#login-message", "您填写的内容已为您保留");
  await enterprise.signIn();
  await kept(enterprise, "130", "a lost cookie loses nothing");
  assert.equal((await enterprise.asks("/api/v1/lending/applications")).total, 0, "and nothing was sent meanwhile");

  // Pressed twice, as people do.
  await enterprise.page.fill("#f-apply-amount", "100");
  await enterprise.does(() => enterprise.page.dblclick("#f-apply .form-go button[type=submit]"));
  await enterprise.page.waitForURL(/\/lending\/applications\/[0-9a-f-]{36}$/);
  const all = await enterprise.asks("/api/v1/lending/applications");
  assert.equal(all.total, 1, "one application");
  assert.equal(all.items[0].amount, "1000000.00");
  assert.ok(enterprise.page.url().endsWith(all.items[0].id));
  await enterprise.has("#progress .moment.done", "提交申请");
  await enterprise.has("#progress .moment.current", "银行受理");
  await enterprise.has("#facts", NOTE);
  await enterprise.looks("application");
  await enterprise.picture("application");
  world.application = new URL(enterprise.page.url()).pathname;

  await enterprise.goes("/");
  await enterprise.has(".stat", "在途融资申请 1");
  await enterprise.has("#lending-progress", "云税贷");
  await enterprise.looks("home with an application");
  await enterprise.picture("home");
  await enterprise.goes(apply.href);
  await enterprise.has("main", "您已有一笔该产品的在途申请");
  await enterprise.looks("apply, stopped");
  await enterprise.goes("/lending/applications");
  await enterprise.looks("applications");

  const stranger = await Person.signedIn(world, "enterprise2");
  assert.equal(await stranger.goes(world.application), 404, "another enterprise's is not there");
  await stranger.close();
}

export async function completes({ enterprise, application }) {
  await enterprise.goes("/");
  await enterprise.has(".stat", "待我补充 1");
  await enterprise.has(".notice", "申请需要补充");
  await enterprise.goes(application);
  await enterprise.has("#outcome", "请补充近三个月银行流水");
  await enterprise.has("#progress .moment.done", "退回补充");
  await enterprise.looks("application returned");
  await enterprise.picture("returned");
  await enterprise.page.fill("#f-resubmit-note", `${NOTE}；流水已补充`);
  assert.equal(await enterprise.sends("resubmit"), 200);
  await enterprise.has(".toast", "已重新提交");
  await enterprise.has("#progress .moment.done", "重新提交");
}

export async function learns({ enterprise, application }) {
  await enterprise.goes("/");
  await enterprise.has(".notice", "申请已通过");
  await enterprise.presses("查看结果", ".notice");
  assert.equal(new URL(enterprise.page.url()).pathname, application);
  await enterprise.has(".page-title", "已通过");
  await enterprise.has("#outcome", "批准 80 万元，年化利率 3.65%");
  await enterprise.has("#progress .moment.done", "审批通过");
  await enterprise.looks("application approved");
  await enterprise.picture("approved");
  await enterprise.presses("知道了", "#outcome");
  await enterprise.goes("/");
  await enterprise.has(".stat", "已通过 1");
  assert.equal(await enterprise.page.locator(".notice", { hasText: "申请已通过" }).count(), 0, "told once");
}
