// People and their accounts: registering, being certified, a second factor in between, a forgotten
// password, a certificate, leaving.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Person } from "../browser.mjs";

const PASSWORD = "Nine9lamps%over";
const ENTERPRISE = ["上海澄湖食品有限公司", "91310104MA90090245"];

/** A person's authenticator application (RFC 6238), which gives each code once. */
class Authenticator {
  #key;
  #last = 0;

  constructor(spelled) {
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const bits = [...spelled.replaceAll(" ", "")].map((c) => letters.indexOf(c).toString(2).padStart(5, "0")).join("");
    this.#key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  }

  code() {
    // The code of before is good still, unless its time ends while it is on its way.
    const step = Math.max(this.#last + 1, Math.floor((Date.now() + 5_000) / 30_000) - 1);
    this.#last = step;
    const message = Buffer.alloc(8);
    message.writeBigUInt64BE(BigInt(step));
    const hash = createHmac("sha1", this.#key).update(message).digest();
    const number = hash.readUInt32BE(hash[19] & 15) & 0x7fff_ffff;
    return String(number % 1_000_000).padStart(6, "0");
  }
}

/** A key in software: what a device's program does, with openssl. */
class SoftwareKey {
  #folder = mkdtempSync(join(tmpdir(), "rongqiao-key-"));

  #openssl(...args) {
    return execFileSync("openssl", args, { cwd: this.#folder, stdio: ["ignore", "pipe", "pipe"] });
  }

  /** The public key in PEM, of a key that is made now. */
  makes() {
    this.#openssl("genpkey", "-algorithm", "SM2", "-out", "own.key");
    return this.#openssl("pkey", "-in", "own.key", "-pubout").toString();
  }

  signs(text) {
    writeFileSync(join(this.#folder, "text"), text);
    this.#openssl("dgst", "-sm3", "-sign", "own.key", "-sigopt", "distid:1234567812345678", "-out", "signature", "text");
    return readFileSync(join(this.#folder, "signature")).toString("base64");
  }

  gone() {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export async function registers(world) {
  const person = await Person.open(world, "newcomer");
  await person.goes("/login");
  await person.presses("注册", ".login-card");
  await person.looks("register");
  await person.picture("register");
  const fill = (name, text) => person.page.fill(`#f-register-${name}`, text);
  await fill("login", "linzhiyuan");
  await fill("name", "林知远");
  await fill("phone", "13800001234");
  await fill("password", PASSWORD);
  await fill("again", "something else");
  await person.page.check("#f-register-agree");
  assert.equal(await person.sends("register"), 422);
  assert.equal(await person.page.inputValue("#f-register-phone"), "13800001234", "an error loses nothing");
  assert.equal(await person.page.inputValue("#f-register-password"), "", "but no password is put back");
  await fill("password", PASSWORD);
  await fill("again", PASSWORD);
  assert.equal(await person.sends("register"), 200);
  const login = new URL(person.page.url()).searchParams.get("login");
  assert.match(login, /^linzhiyuan-\d{4}$/);
  await person.has("main", login);
  await person.looks("registered");
  await person.picture("registered");
  world.server.logins[login] = PASSWORD;
  person.login = login;
  await person.presses("去登录");
  await person.signIn();
  world.newcomer = person;
}

export async function isCertified(world) {
  const { newcomer } = world;
  await newcomer.goes("/platform/claim");
  await newcomer.looks("claim");
  await newcomer.picture("claim");
  const fill = (name, text) => newcomer.page.fill(`#f-claim-${name}`, text);
  await fill("name", "上海澄湖贸易有限公司");
  await fill("code", ENTERPRISE[1]);
  await newcomer.picks("f-claim-capacity", "授权经办人");
  const evidence = { name: "letter.txt", mimeType: "text/plain", buffer: Buffer.from("授权林知远办理") };
  await newcomer.page.setInputFiles("#f-claim-evidence", evidence);
  assert.equal(await newcomer.sends("claim"), 422);
  await newcomer.has("main", "名称与这个代码的登记信息不一致");
  await fill("name", ENTERPRISE[0]);
  await newcomer.page.setInputFiles("#f-claim-evidence", evidence);
  assert.equal(await newcomer.sends("claim"), 200);
  await newcomer.has("#claims", "待审核");

  const operator = await Person.signedIn(world, "operator");
  await operator.goes("/platform/claims");
  await operator.looks("claims");
  await operator.does(() => operator.page.locator("#claims a.row-link").first().click());
  await operator.has("#facts", "letter.txt");
  await operator.has("#facts", "登记状态正常");
  await operator.looks("claim to decide");
  await operator.picture("claim-decide");
  assert.equal(await operator.answers("通过", "授权书与执照相符"), 200);
  await operator.has("#facts", "已认证");
  await operator.close();

  await newcomer.goes("/enterprise/me");
  await newcomer.has("main", ENTERPRISE[1]);
  await newcomer.close();
}

export async function comesFromElsewhere(world) {
  const person = await Person.open(world, "linyun");
  await person.goes("/login?next=/market/products");
  await person.looks("login with providers");
  await person.picture("login-providers");
  await person.presses("用随申办登录");
  await person.has("h1", "随申办（模拟）");
  await person.presses("林知远（已实名）");
  await person.has("main", "随申办已确认您是 林知远");
  await person.looks("arrival");
  await person.picture("arrival");
  const fill = (name, text) => person.page.fill(`#f-arrival-register-${name}`, text);
  await fill("login", "linyun");
  await fill("phone", "13800001234");
  await fill("password", PASSWORD);
  await fill("again", PASSWORD);
  await person.page.check("#f-arrival-register-agree");
  assert.equal(await person.sends("arrival-register"), 200);
  await person.presses("去登录");
  await person.presses("用随申办登录");
  await person.presses("林知远（已实名）");
  assert.equal((await person.asks("/api/v1/session")).name, "林知远");
  await person.goes("/platform/account");
  await person.has("#bindings", "随申办");
  await person.looks("account with a binding");
  await person.picture("account-binding");

  // The same person at the office: one account, and what the register says of the firm.
  const office = await Person.open(world, "linyun at the office");
  await office.goes("/login");
  await office.presses("用企业云登录");
  await office.presses("乔月 · 上海柏舟济汽车零部件有限公司（已注销）");
  await office.has(".login-card", "登记状态为“注销”，不能登录");
  await office.looks("a firm that is gone");
  await office.presses("用企业云登录");
  await office.presses("林知远 · 上海云杉智能装备有限公司（经办人）");
  await office.has("#party", "登记状态正常");
  await office.looks("arrival for a firm");
  await office.picture("arrival-firm");
  await office.presses("代表该主体办理业务");
  await office.has("#claims", "待审核");
  await office.close();
  await person.close();
}

export async function stepsUp(world) {
  const admin = await Person.signedIn(world, "bankadmin");
  const elsewhere = await Person.signedIn(world, "bankadmin");
  await elsewhere.goes("/platform/account");
  await elsewhere.page.fill("#f-factor-begin-current", world.server.logins.bankadmin);
  assert.equal(await elsewhere.sends("factor-begin"), 200);
  const spelled = (await elsewhere.words("#factor dd")).find((text) => /^([A-Z2-7]{4} ?){8}/.test(text));
  const phone = new Authenticator(spelled.match(/^(?:[A-Z2-7]{4} ?){8}/)[0]);
  await elsewhere.page.fill("#f-factor-confirm-code", phone.code());
  assert.equal(await elsewhere.sends("factor-confirm"), 200);
  await elsewhere.looks("account with one-time codes");

  await admin.goes("/platform/posts?q=程见山");
  await admin.does(() => admin.page.locator("#posts a.row-link").first().click());
  await admin.goes(`${new URL(admin.page.url()).pathname}?tab=f-grant`);
  const there = admin.page.url();
  if ((await admin.page.locator("#f-grant").count()) === 0) await admin.presses("授予角色", ".tabs, .page-tabs, main");
  await admin.picks("f-grant-role", "模型验证");
  await admin.page.fill("#f-grant-reason", "评审轮岗");
  assert.equal(await admin.sends("grant"), 403);
  await admin.has("h1", "请确认是您本人");
  await admin.looks("step-up");
  await admin.picture("step-up");
  await admin.page.fill("#code", "000000");
  assert.equal(await admin.does(() => admin.page.click(".login-card button[type=submit]")), 401);
  await admin.has("#login-message", "口令不正确或已用过");
  await admin.page.fill("#code", phone.code());
  assert.equal(await admin.does(() => admin.page.click(".login-card button[type=submit]")), 200);
  await admin.has(".toast", "角色已授予");
  assert.equal(new URL(admin.page.url()).pathname, new URL(there).pathname, "and goes on from there");
  await elsewhere.close();
  world.bankadmin = admin;
}

export async function forgets(world) {
  const { bankadmin } = world;
  const person = await Person.open(world, "validator");
  await person.goes("/login");
  await person.presses("忘记密码", ".login-card");
  await person.looks("forgotten password");
  await person.page.fill("#f-forgotten-login", "validator");
  assert.equal(await person.sends("forgotten"), 200);
  await person.has(".toast", "如果有这个账号");

  await bankadmin.goes("/platform/resets");
  await bankadmin.has("#resets", "沈若溪");
  await bankadmin.looks("password resets");
  assert.equal(await bankadmin.answers("签发链接", "当面核对工作证"), 200);
  await bankadmin.picture("resets");
  const link = (await bankadmin.text("#resets")).match(/\/platform\/reset\?token=\S+/)[0];
  await person.goes(link);
  await person.looks("new password");
  await person.page.fill("#f-reset-password", PASSWORD);
  await person.page.fill("#f-reset-again", PASSWORD);
  assert.equal(await person.sends("reset"), 200);
  world.server.logins.validator = PASSWORD;
  await person.signIn();
  world.validator = person;
}

export async function signsWithACertificate(world) {
  const { validator } = world;
  const key = new SoftwareKey();
  try {
    await validator.goes("/platform/account");
    await validator.page.fill("#f-certificate-begin-label", "办公室 UKey");
    await validator.page.fill("#f-certificate-begin-key", key.makes());
    await validator.page.fill("#f-certificate-begin-current", PASSWORD);
    assert.equal(await validator.sends("certificate-begin"), 200);
    await validator.looks("a certificate to confirm");
    await validator.picture("certificate");
    const facts = await validator.page.locator("#certificate dd").allInnerTexts();
    const text = facts.map((fact) => fact.match(/rongqiao\.possession\.1\n(?:.*\n){3}\S+/)?.[0]).find(Boolean);
    await validator.page.fill("#f-certificate-confirm-signature", key.signs(text));
    assert.equal(await validator.sends("certificate-confirm"), 200);
    await validator.has("#certificates", "已启用");
    await validator.close();

    const again = await Person.open(world, "validator");
    await again.goes("/login");
    await again.page.fill("#username", "validator");
    await again.page.fill("#password", PASSWORD);
    await again.does(() => again.page.click(".login-card button[type=submit]"));
    await again.looks("sign-in with a certificate");
    await again.picture("sign-in-certificate");
    const challenge = await again.page.inputValue("#challenge");
    assert.equal(challenge.split("\n")[1], world.server.url, "a person can see whom they sign for");
    await again.page.fill("#signature", key.signs(challenge));
    assert.equal(await again.does(() => again.page.click(".login-card button[type=submit]")), 200);
    assert.equal((await again.asks("/api/v1/session")).name, "沈若溪");
    await again.close();
  } finally {
    key.gone();
  }
}

export async function signsWithASecurityKey(world) {
  // A key knows a site by its name, and an address of numbers is none.
  const named = { ...world, server: { url: world.server.url.replace("127.0.0.1", "localhost"), logins: world.server.logins } };
  const person = await Person.signedIn(named, "enterprise");
  const device = await person.context.newCDPSession(person.page);
  await device.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "usb", hasResidentKey: false, hasUserVerification: true, isUserVerified: true };
  const { authenticatorId } = await device.send("WebAuthn.addVirtualAuthenticator", { options });
  const fills = async (password) => {
    await person.page.fill("#f-key-add-label", "办公室电脑");
    await person.page.fill("#f-key-add-current", password);
  };
  await person.goes("/platform/account");
  await fills("something else");
  assert.equal(await person.sends("key-add"), 422);
  await person.has("#f-key-add", "当前密码不正确");
  await fills(world.server.logins.enterprise);
  assert.equal(await person.sends("key-add"), 200);
  await person.has("#keys", "办公室电脑");
  await person.looks("account with a security key");
  await person.picture("security-key");
  const { credentials } = await device.send("WebAuthn.getCredentials", { authenticatorId });
  assert.equal(credentials.at(-1).rpId, "localhost");

  // Signed out, in the same browser with the same key.
  await person.context.clearCookies();
  await person.goes("/login");
  await person.page.fill("#username", "enterprise");
  await person.page.fill("#password", world.server.logins.enterprise);
  await person.does(() => person.page.click(".login-card button[type=submit]"));
  await person.looks("sign-in with a security key");
  await person.picture("sign-in-security-key");
  assert.equal(await person.presses("使用安全密钥"), 200);
  assert.equal((await person.asks("/api/v1/session")).name, "林知远");

  // A person who says no: told on the page, nothing sent.
  await person.context.clearCookies();
  await person.goes("/login");
  await person.page.fill("#username", "enterprise");
  await person.page.fill("#password", world.server.logins.enterprise);
  await person.does(() => person.page.click(".login-card button[type=submit]"));
  await person.page.evaluate(() => {
    navigator.credentials.get = () => Promise.reject(new DOMException("", "NotAllowedError"));
  });
  await person.page.getByRole("button", { name: "使用安全密钥" }).click();
  await person.page.locator(".key-failed").waitFor();
  await person.close();
}

export async function leaves(world) {
  const { bankadmin } = world;
  await bankadmin.goes("/platform/users?q=顾明舟");
  await bankadmin.looks("accounts");
  await bankadmin.picture("accounts");
  await bankadmin.does(() => bankadmin.page.locator("#users a.row-link").first().click());
  await bankadmin.looks("account of somebody");
  assert.equal(await bankadmin.answers("办理离职", "合同到期"), 200);
  await bankadmin.has("#facts", "已离职");
  await bankadmin.looks("account of somebody who left");
  await bankadmin.picture("account-left");
  const gone = await Person.open(world, "developer");
  await gone.goes("/login");
  await gone.page.fill("#username", "developer");
  await gone.page.fill("#password", world.server.logins.developer);
  assert.equal(await gone.does(() => gone.page.click(".login-card button[type=submit]")), 401);
  await gone.close();
}
