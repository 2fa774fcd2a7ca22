// The main job, step by step on one server: a bank's model goes live, an enterprise applies, a
// person decides, the operator switches an edition and sees what happened.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { launch, Watch } from "./browser.mjs";
import { missing, Server } from "./server.mjs";
import * as access from "./steps/access.mjs";
import * as design from "./steps/design.mjs";
import * as disputes from "./steps/disputes.mjs";
import * as enterprise from "./steps/enterprise.mjs";
import * as keyboard from "./steps/keyboard.mjs";
import * as model from "./steps/model.mjs";
import * as officer from "./steps/officer.mjs";
import * as operator from "./steps/operator.mjs";
import * as people from "./steps/people.mjs";
import * as plain from "./steps/plain.mjs";
import * as readings from "./steps/readings.mjs";
import * as sealed from "./steps/sealed.mjs";
import * as transfer from "./steps/transfer.mjs";
import * as wrong from "./steps/wrong.mjs";

const skip = missing();
const world = { watch: new Watch() };
let broken = null;

before(async () => {
  if (skip) return;
  world.server = await Server.start();
  world.browser = await launch();
});

after(async () => {
  await world.browser?.close();
  await world.server?.stop();
});

/** A picture of every open window, to see where a step failed. */
async function pictures(name) {
  const folder = process.env.RONGQIAO_SHOTS;
  if (!folder) return;
  const pages = world.browser.contexts().flatMap((context) => context.pages());
  for (const [i, page] of pages.entries()) {
    await page.screenshot({ path: join(folder, `failed-${name.replaceAll(/\W+/g, "-")}-${i}.png`), fullPage: true }).catch(() => {});
  }
}

/** A step; once one failed, those after it have nothing to stand on. */
function step(name, run) {
  test(name, { skip }, async (t) => {
    if (broken) return t.skip(`“${broken}” failed`);
    try {
      await run(world);
    } catch (error) {
      broken = name;
      await pictures(name);
      throw error;
    }
  });
}

step("components that import anything are refused, naming each import", model.refused);
step("a developer uploads a model and reads its examination", model.uploaded);
step("a validator of the bank approves it", model.approved);
step("a batch trial shows progress, AUC, KS and the curve", model.tried);
step("an enterprise signs in and finds its home", enterprise.arrives);
step("it authorises the bank and gets an estimate", enterprise.authorises);
step("the form is prefilled, and an error keeps what was typed", enterprise.applies);
step("a session that ends loses nothing, and two presses make one application", enterprise.comesBack);
step("the officer sees score, reasons and what was read, and returns it", officer.returns);
step("the enterprise completes it", enterprise.completes);
step("the officer approves", officer.approves);
step("the enterprise learns of it", enterprise.learns);
step("the operator switches an edition on and off for a district", operator.switches);
step("the auditor sees the calls and the trail", operator.audits);
step("who reads more than usual is looked into by the auditor", readings.areSettled);
step("a table is designed, approved by another and in use at once", design.isMade);
step("a file is imported, and the row that is wrong comes back", transfer.comesIn);
step("the list is exported as it is narrowed, and says whose it is", transfer.goesOut);
step("everybody else finds a page that works", operator.others);
step("the market and the form work without scripts", plain.works);
step("DJ-03: no password leaves the browser in clear, and what was sent is no use again", sealed.works);
step("without scripts no password leaves the browser at all", sealed.needsScripts);
step("A11Y: the keyboard alone is enough, and shows where it is", keyboard.works);
step("hostile models and files that are none are refused with the reason", wrong.files);
step("nobody approves a model of his own, or of another bank", wrong.models);
step("an expired letter is told as expired, and signing leads back", wrong.expired);
step("two tabs make one application", wrong.tabs);
step("a decision is taken once", wrong.decides);
step("a party disputes its data, and its source corrects it", disputes.areSettled);
step("a person registers, and a mistake loses nothing", people.registers);
step("the operator certifies them for an enterprise", people.isCertified);
step("a role is given after a second factor in between", people.stepsUp);
step("a forgotten password is set anew with a link", people.forgets);
step("a certificate of a software key signs in", people.signsWithACertificate);
step("somebody comes from 随申办, registers, and comes back from 企业云 to act for a firm", people.comesFromElsewhere);
step("a security key is added and signs in", people.signsWithASecurityKey);
step("who leaves cannot sign in any more", people.leaves);
step("a lost second factor is lifted when another agrees", access.losesTheFactor);
step("an administrator confirms who still needs a post", access.reviews);

test("no page broke its policy, ran into an error, or made the server log one", { skip }, () => {
  assert.deepEqual(world.watch.faults, []);
  assert.deepEqual(world.server.errors(), []);
});
