// What goes wrong for people, and what they are told: every refusal says why, offers the way on, and
// keeps what was typed.
import assert from "node:assert/strict";
import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Person } from "../browser.mjs";
import { hostile, model } from "../server.mjs";

const REMARK = "本次更新了分箱";
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
