// A bank's model people: a developer uploads, a validator of the same bank decides.
import assert from "node:assert/strict";

import { Person } from "../browser.mjs";
import * as samples from "../samples.mjs";
import { model, plugin } from "../server.mjs";

const ROWS = 12_000;

/** Uploads as a developer; gives the status of the answer. */
async function upload(developer, file, remark) {
  await developer.goes("/console/models/upload");
  await developer.page.setInputFiles("#f-upload-file", file);
  await developer.page.fill("#f-upload-remark", remark);
  return developer.sends("upload");
}

const wasm = (name, buffer) => ({ name, mimeType: "application/wasm", buffer });

export async function refused(world) {
  const developer = await Person.signedIn(world, "developer");
  await developer.goes("/console/models");
  await developer.looks("models, none yet");
  await developer.presses("上传模型", ".page-head");
  await developer.looks("model upload");

  const wasi = ["wasi:cli/environment@0.2.0", "wasi:sockets/tcp@0.2.0"];
  assert.equal(await upload(developer, wasm("sneaky.wasm", samples.componentImporting(wasi)), "联网查询"), 422);
  for (const name of wasi) await developer.has(".fault-sum", name);
  await developer.has(".fault-sum", "不得导入任何接口");
  assert.equal(await developer.page.inputValue("#f-upload-remark"), "联网查询", "the remark is kept");
  await developer.looks("model upload refused");

  assert.equal(await upload(developer, plugin("market"), "误传"), 422);
  await developer.has(".fault-sum", "rongqiao:plugin/");
  assert.equal(await upload(developer, wasm("core.wasm", samples.coreModule()), ""), 422);
  await developer.has(".fault-sum", "核心模块");
  assert.equal(await upload(developer, wasm("text.wasm", Buffer.from("不是组件")), ""), 422);
  await developer.has(".fault-sum", "不是有效的 WebAssembly 组件文件");
  assert.equal((await developer.asks("/api/v1/console/models")).total, 0, "nothing refused is kept");
  await developer.close();
}

export async function uploaded(world) {
  const developer = await Person.signedIn(world, "developer");
  assert.equal(await upload(developer, model("tax-loan"), "首次上线"), 200);
  const stats = Object.fromEntries(await developer.page.locator("#examination .stat").evaluateAll((all) =>
    all.map((s) => [s.querySelector(".stat-label").textContent.trim(), s.querySelector(".stat-value").textContent.trim()])));
  assert.equal(stats["外部导入"], "0");
  const [held, all] = stats["金样例"].split("/").map(Number);
  assert.ok(all > 0 && held === all, `golden cases hold: ${stats["金样例"]}`);
  assert.ok(parseInt(stats["单笔计算量"].replaceAll(",", ""), 10) > 0, `fuel: ${stats["单笔计算量"]}`);
  assert.match(stats["单笔用时"], /^[\d,]+\s*微秒$/);
  await developer.has("#golden tbody", "一致");
  await developer.has("#features tbody", "纳税信用等级");
  await developer.has(".page-title", "待验证");
  assert.equal(await developer.page.locator("#f-approve").count(), 0, "a developer approves nothing");
  await developer.looks("model report");
  world.model = new URL(developer.page.url()).pathname;
  await developer.close();
}

export async function approved(world) {
  const officer = await Person.signedIn(world, "officer");
  assert.equal(await officer.goes(world.model), 403, "models are for model people");
  await officer.close();
  const other = await Person.signedIn(world, "officer2");
  assert.ok([403, 404].includes(await other.goes(world.model)), "another bank sees nothing of it");
  await other.close();

  const validator = await Person.signedIn(world, "validator");
  await validator.goes("/console/models");
  await validator.does(() => validator.page.click("#models a.row-link"));
  await validator.page.fill("#f-approve-reason", "样例一致，留出集指标达标");
  assert.equal(await validator.sends("approve"), 422, "nobody has validated it");
  await validator.page.fill("#f-validate-data", "金样例与脱敏样本，尚无还款结果");
  await validator.page.fill("#f-validate-findings", "复算一致，入模变量合规");
  await validator.picks("f-validate-conclusion", "有条件通过");
  const until = new Date(Date.now() + 180 * 24 * 3600 * 1000).toISOString().slice(0, 10);
  await validator.page.fill("#f-validate-valid_until", until);
  assert.equal(await validator.sends("validate"), 200);
  await validator.has("#validations", "有条件通过");
  await validator.looks("model validated");
  await validator.page.fill("#f-approve-reason", "样例一致，留出集指标达标");
  assert.equal(await validator.sends("approve"), 200);
  await validator.has(".page-title", "已上线");
  await validator.has(".toast", "模型已上线");
  await validator.has("#facts", "样例一致，留出集指标达标");
  await validator.goes("/console/models");
  await validator.has("#models tbody", "已上线");
  await validator.looks("models");
  await validator.picture("models");
  await validator.goes(world.model);
  await validator.picture("model");
  await validator.close();
}

/** Scores a whole file, with progress, and shows how well the model tells bad from good. */
export async function tried(world) {
  const developer = await Person.signedIn(world, "developer");
  await developer.goes(world.model);
  await developer.presses("批量试算", ".page-head");
  const csv = (name, buffer) => ({ name, mimeType: "text/csv", buffer });
  await developer.page.setInputFiles("#f-trial-file", csv("other.csv", Buffer.from("a,b\n1,2\n")));
  assert.equal(await developer.sends("trial"), 422);
  await developer.has(".fault-sum", "表头中没有模型所需的列");
  await developer.looks("trial form refused");

  await developer.page.setInputFiles("#f-trial-file", csv("sample.csv", samples.enterprises(ROWS)));
  assert.equal(await developer.sends("trial"), 200);
  // The bar moves by itself, and the result appears without anybody reloading.
  await developer.page.locator("#progress progress").waitFor();
  await developer.page.locator("#quality").waitFor();
  assert.equal(await developer.page.getAttribute("#progress progress", "value"), "100");
  await developer.has("#progress .badge", "已完成");
  await developer.has("#progress", `${ROWS}/${ROWS} 行`);
  const [auc, ks] = (await developer.words("#quality .stat-value")).map(Number);
  assert.ok(auc > 0.6 && auc <= 1, `the model finds the bad: AUC ${auc}`);
  assert.ok(ks > 0.1 && ks <= 1, `KS ${ks}`);
  assert.ok(await developer.page.locator("#roc svg path").count() > 0, "the curve is drawn");
  await developer.has("#roc .chart-summary", `AUC ${auc.toFixed(4)}`);
  await developer.looks("trial");
  await developer.picture("trial");
  await developer.close();
}
