// Passwords: what leaves the browser of a person who signs in and changes theirs.
import assert from "node:assert/strict";

import { Person } from "../browser.mjs";

const LOGIN = "enterprise2";
const NEW = "Seven+lamps%on the 桥";

/** Everything that a page sends from now on, as text. */
function listens(person) {
  const sent = [];
  person.page.on("request", (request) => {
    sent.push({ method: request.method(), url: request.url(), headers: request.headers(), body: request.postData() ?? "" });
  });
  return sent;
}

/** Nothing that was sent has any of these in it, spelled in whatever way. */
function hides(sent, secrets) {
  const spelled = (text) => [text, encodeURIComponent(text), btoa(unescape(encodeURIComponent(text))), JSON.stringify(text).slice(1, -1)];
  for (const { url, headers, body } of sent) {
    const plain = new URLSearchParams(body).toString();
    const all = [url, JSON.stringify(headers), body, plain, decodeURIComponent(plain.replaceAll("+", " "))].join("\n");
    for (const secret of secrets.flatMap(spelled)) assert.ok(!all.includes(secret), `a password is in ${url}`);
  }
}

const posted = (sent) => {
  const all = sent.filter(({ method }) => method === "POST");
  assert.equal(all.length, 1, JSON.stringify(all.map(({ url }) => url)));
  assert.match(all[0].body, /_sealed=MI[^&]{200,}/, "it is sealed");
  return all[0];
};

/** The same body again, some of its fields changed. */
const again = (context, { url, body }, changes = {}) => {
  const fields = { ...Object.fromEntries(new URLSearchParams(body)), ...changes };
  return context.request.post(url, { form: fields, maxRedirects: 0 });
};

export async function works(world) {
  const old = world.server.logins[LOGIN];
  const person = await Person.open(world, LOGIN);
  const { page } = person;
  await person.goes("/login");
  await person.looks("sign-in");
  let sent = listens(person);
  await person.signIn();
  hides(sent, [old]);
  const signIn = posted(sent);
  // Whoever caught it, with the same browser's marks, does not get in.
  const thief = await Person.open(world, LOGIN);
  const marks = (await person.context.cookies()).filter(({ name }) => name !== "rq_session");
  await thief.context.addCookies(marks);
  const replayed = await again(thief.context, signIn);
  assert.equal(replayed.status(), 422);
  assert.match(await replayed.text(), /只能使用一次/);
  assert.ok(!(await thief.context.cookies()).some(({ name }) => name === "rq_session"));
  await thief.close();

  await person.goes("/platform/account");
  const fill = (name, text) => page.fill(`#f-password-${name}`, text);
  sent = listens(person);
  await fill("current", old);
  await fill("new", NEW);
  await fill("again", "another");
  assert.equal(await person.sends("password"), 422);
  assert.equal(await page.inputValue("#f-password-new"), "", "no password is put back");
  // Something in between answers instead: nothing is sent, and nothing typed is lost.
  await fill("current", old);
  await fill("new", NEW);
  await fill("again", NEW);
  const asked = "**/api/v1/session/seal?*";
  await page.route(asked, (route) => route.fulfill({ body: "out of order" }));
  await page.click("#f-password .form-go button[type=submit]");
  await page.waitForSelector("#f-password .seal-failed");
  await page.unroute(asked);
  await person.looks("a password that is not sealed");
  assert.equal(await page.inputValue("#f-password-new"), NEW);
  hides(sent, [old, NEW, "another"]);
  sent.length = 0;
  assert.equal(await person.sends("password"), 200);
  hides(sent, [old, NEW]);
  world.server.logins[LOGIN] = NEW;
  const change = posted(sent);
  const twice = await again(person.context, change, { _key: "another-key" });
  assert.equal(twice.status(), 422);
  assert.match(await twice.text(), /只能使用一次/);
  // In a form for something else it is no use, either.
  const elsewhere = await again(person.context, change, { _form: "factor-begin", _action: "factor.begin", _key: "a-third-key" });
  assert.equal(elsewhere.status(), 422);
  assert.match(await elsewhere.text(), /密码没有正确加密/);
  await person.close();
  await (await Person.signedIn(world, LOGIN)).close();
}

export async function needsScripts(world) {
  const person = await Person.open(world, LOGIN, { scripts: false });
  const { page } = person;
  await person.goes("/login");
  await person.has("form .notice", "请启用脚本");
  await person.picture("sign-in-without-scripts");
  const sent = listens(person);
  await page.fill("#username", LOGIN);
  await page.fill("#password", world.server.logins[LOGIN]);
  assert.equal(await person.does(() => page.click(".login-card button[type=submit]")), 422);
  hides(sent, [world.server.logins[LOGIN]]);
  await person.has("#login-message", "请启用浏览器脚本");
  assert.equal(await page.inputValue("#username"), LOGIN, "the name is kept");
  await person.close();
}
