// What looks after access: a second factor that was lost, and posts that are looked at again.
import assert from "node:assert/strict";

import { Person } from "../browser.mjs";

export async function losesTheFactor(world) {
  const { server } = world;
  const person = await Person.open(world, "bankadmin");
  await person.goes("/login");
  await person.page.fill("#username", "bankadmin");
  await person.page.fill("#password", server.logins.bankadmin);
  await person.does(() => person.page.click(".login-card button[type=submit]"));
  await person.presses("丢失了第二重验证？", ".login-card");
  await person.looks("lost second factor");
  await person.picture("lost-factor");
  await person.page.fill("#f-lost-login", "bankadmin");
  await person.page.fill("#f-lost-password", "not it");
  await person.page.fill("#f-lost-reason", "手机遗失，恢复码也找不到了");
  assert.equal(await person.sends("lost"), 422);
  await person.has("#f-lost", "登录名或密码不正确");
  assert.match(await person.page.inputValue("#f-lost-reason"), /手机遗失/, "nothing else is typed twice");
  await person.page.fill("#f-lost-password", server.logins.bankadmin);
  assert.equal(await person.sends("lost"), 200);
  await person.has(".toast", "已提交");

  const security = await Person.signedIn(world, "security");
  await security.goes("/platform/requests");
  await security.has("#requests", "解除罗清和");
  await security.looks("a factor to be lifted");
  assert.equal(await security.answers("同意", "当面核对工作证"), 200);
  await security.has("#decided", "已同意");
  world.security = security;

  await person.goes("/login");
  await person.signIn();
  await person.goes("/");
  await person.has("main", "您的第二重验证已解除");
  await person.looks("home of whose factor was lifted");
  await person.picture("factor-lifted");
  world.bankadmin = person;
}

export async function reviews(world) {
  const { bankadmin, security } = world;
  await bankadmin.goes("/platform/reviews?state=all&q=officer");
  await bankadmin.has("#reviews", "任职后尚未核查");
  await bankadmin.looks("reviews of access");
  await bankadmin.picture("reviews");
  assert.equal(await bankadmin.presses("确认保留", "#reviews"), 200);
  await bankadmin.has(".toast", "已确认保留");
  await bankadmin.close();
  await security.goes("/platform/reviews?state=all");
  await security.has("#reviews", "已核查");
  await security.close();
}
