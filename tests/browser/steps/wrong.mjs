// What goes wrong for people, and what they are told: every refusal says why, offers the way on, and
// keeps what was typed.
import assert from "node:assert/strict";
import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Person } from "../browser.mjs";
import { hostile, model } from "../server.mjs";

const REMARK = "本次更新了分箱";
const BANK = "01930000-0000-7000-8000-000000000101";
const MOST = 24 * 1024 * 1024;

const wasm = (name, buffer) => ({ name, mimeType: "application/wasm", buffer });

/** Uploads what must be refused; gives the reason. */
async function refuses(developer, file) {
  await developer.goes("/console/models/upload");
  await developer.page.setInputFiles("#f-upload-file", file);
  await developer.page.fill("#f-upload-remark", REMARK);
  assert.equal(await developer.sends("upload"), 422);
  assert.equal(await developer.page.inputValue("#f-upload-remark"), REMARK, "the remark is kept");
  return developer.text(".fault-sum");
}

export async function files(world) {
  const developer = await Person.signedIn(world, "developer");
  const before = (await developer.asks("/api/v1/console/models")).total;
  const reasons = new Map();
  for (const name of ["loops", "recurses", "traps", "grows", "large", "floods"]) {
    const why = await refuses(developer, hostile(name));
    assert.ok(why.length > 0, name);
    reasons.set(name, why);
  }
  await developer.looks("model refused for what it does");
  const kinds = ["loops", "recurses", "traps", "grows"].map((name) => reasons.get(name));
  assert.equal(new Set(kinds).size, kinds.length, `each limit has its words: ${JSON.stringify([...reasons])}`);

  const whole = await readFile(model("tax-loan"));
  await refuses(developer, wasm("half.wasm", whole.subarray(0, whole.length / 2)));
  await refuses(developer, wasm("empty.wasm", Buffer.alloc(0)));

  // Too large: told before anything is sent, where there are scripts.
  const large = join(tmpdir(), `rongqiao-large-${process.pid}.wasm`);
  await writeFile(large, "");
  await truncate(large, MOST + 1);
  try {
    await developer.goes("/console/models/upload");
    await developer.page.fill("#f-upload-remark", REMARK);
    await developer.page.setInputFiles("#f-upload-file", large);
    const told = await developer.page.locator("#f-upload-file").evaluate((field) => field.validationMessage);
    assert.match(told, /24 MB/);
    assert.equal(await developer.page.inputValue("#f-upload-remark"), REMARK);

    const plain = await Person.signedIn(world, "developer", { scripts: false });
    await plain.goes("/console/models/upload");
    await plain.page.fill("#f-upload-remark", REMARK);
    await plain.page.setInputFiles("#f-upload-file", large);
    assert.equal(await plain.sends("upload"), 413);
    await plain.has(".fault-sum", "24 MB");
    assert.equal(await plain.page.inputValue("#f-upload-remark"), REMARK);
    await plain.close();
  } finally {
    await rm(large, { force: true });
  }
  assert.equal((await developer.asks("/api/v1/console/models")).total, before, "nothing refused is kept");
  await developer.close();
}

/** Nobody approves a model of his own making, whatever his roles; nor one of another bank. */
export async function models(world) {
  const modeler = await Person.signedIn(world, "modeler2");
  assert.equal(await modeler.goes(world.model), 404, "another bank's model is not there");
  await modeler.goes("/console/models/upload");
  await modeler.page.setInputFiles("#f-upload-file", model("tax-loan"));
  assert.equal(await modeler.sends("upload"), 200);
  const approve = modeler.page.locator("#f-approve-reason");
  if (await approve.count() > 0) {
    await approve.fill("样例一致，留出集指标达标");
    // The button is off; pressed all the same, it does nothing.
    assert.equal(await modeler.sends("approve"), 409);
    assert.equal(await modeler.page.inputValue("#f-approve-reason"), "样例一致，留出集指标达标");
  }
  const own = (await modeler.asks("/api/v1/console/models")).items;
  assert.deepEqual(own.map((m) => m.status), ["submitted"]);
  await modeler.close();
}

/** The bank's product that its model scores. */
async function scored(person) {
  const { items } = await person.asks("/api/v1/market/products?model=tax-loan&size=50");
  return items.find((product) => product.organisation === BANK && !product.park);
}

async function fills(page) {
  await page.fill("#f-apply-amount", "60");
  await page.locator("fieldset#f-apply-purpose label", { hasText: "购置设备" }).first().click();
  await page.fill("#f-apply-note", "用于新产线");
  await page.check("#f-apply-agree");
}

/** The second enterprise's letter for the bank has expired; it is told so, signs, and comes back. */
export async function expired(world) {
  const person = await Person.signedIn(world, "enterprise2");
  const { page } = person;
  const product = await scored(person);
  await person.goes(`/lending/apply?product=${product.id}`);
  await fills(page);
  await person.has("main", "您的数据授权书已于 2026-08-31 到期");
  assert.equal(await person.sends("apply"), 403);
  await person.has("body", "已过有效期");
  assert.equal(await page.inputValue("#f-apply-note"), "用于新产线");
  assert.equal(await page.inputValue("#f-apply-amount"), "60");
  await person.looks("apply with an expired letter");
  await person.does(() => page.getByRole("link", { name: "去签署" }).click());
  await person.has("#f-sign-recipient input:checked + label", "沪江银行");
  await page.check("#f-sign-separate");
  await page.check("#f-sign-agree");
  assert.equal(await person.sends("sign"), 200);
  assert.equal(new URL(page.url()).pathname, "/lending/apply", "back to the form");
  assert.equal(await page.inputValue("#f-apply-note"), "用于新产线", "and nothing typed is lost");
  world.late = { person, product };
}

/** The same form in two tabs: the second is led to what the first has made. */
export async function tabs(world) {
  const { person, product } = world.late;
  const second = await person.context.newPage();
  world.watch.on(second, "enterprise2");
  await second.goto(`/lending/apply?product=${product.id}`);
  await fills(person.page);
  assert.equal(await person.sends("apply"), 200);
  world.late.path = new URL(person.page.url()).pathname;
  await fills(second);
  const answer = second.waitForResponse((r) => r.request().method() === "POST");
  await Promise.all([second.waitForEvent("load"), second.click("#f-apply .form-go button[type=submit]")]);
  assert.equal((await answer).status(), 409);
  const way = second.getByRole("link", { name: "查看进度" });
  assert.equal(await way.getAttribute("href"), world.late.path, "the way to the first");
  const own = await person.asks(`/api/v1/lending/applications?product=${product.id}`);
  assert.equal(own.items.filter((a) => a.status === "submitted").length, 1);
  await second.close();
}

/** Two windows of one officer: the second decision comes too late, and says so. */
export async function decides(world) {
  const { person, path } = world.late;
  const officer = await Person.signedIn(world, "officer");
  await officer.goes(path);
  const second = await officer.context.newPage();
  world.watch.on(second, "officer");
  await second.goto(path);
  await second.locator(".tabs").getByRole("link", { name: "拒绝", exact: true }).click();
  await second.fill("#f-refuse-reason", "现有负债过高");
  await officer.page.fill("#f-approve-amount", "60");
  await officer.page.fill("#f-approve-rate", "3.65");
  await officer.page.fill("#f-approve-reason", "经营稳定，同意授信");
  assert.equal(await officer.sends("approve"), 200);
  const answer = second.waitForResponse((r) => r.request().method() === "POST");
  await second.locator("#f-refuse").evaluate((form) => {
    const refusal = form.querySelector("[name=refusal]");
    if (refusal instanceof HTMLSelectElement) refusal.selectedIndex = refusal.options.length - 1;
    else refusal.checked = true;
  });
  await Promise.all([second.waitForEvent("load"), second.click("#f-refuse .form-go button[type=submit]")]);
  assert.equal((await answer).status(), 409);
  assert.match(await second.locator("main").innerText(), /已通过/, "the page shows how it stands now");
  await officer.close();
  await person.goes(path);
  await person.has(".page-title", "已通过");
  await person.close();
}
