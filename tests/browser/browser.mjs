// A person at a browser: signs in, presses things, and watches that no page misbehaves.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import axe from "axe-core";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
/** Longest one press may take on a busy machine. */
const PATIENCE_MS = 60_000;

export const launch = () => chromium.launch({
  executablePath: process.env.RONGQIAO_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: FLAGS,
});

/** What pages did wrong, over the whole run. */
export class Watch {
  faults = [];

  on(page, who) {
    const note = (what) => this.faults.push(`${who} at ${page.url()}: ${what}`);
    page.on("pageerror", (error) => note(`script error: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      // A refused form is an answer with a status of 4xx, and the browser logs it.
      if (/the server responded with a status of 4\d\d/.test(message.text()) && message.location().url === page.url()) return;
      note(`console: ${message.text()}`);
    });
    page.on("response", (answer) => {
      const part = !answer.request().isNavigationRequest();
      if (answer.status() >= 500 || (part && answer.status() >= 400)) note(`${answer.status()} for ${answer.url()}`);
    });
  }
}

export class Person {
  /** Opens a browser window of this person's own. `scripts: false` switches scripts off. */
  static async open({ browser, server, watch }, login, { scripts = true } = {}) {
    const context = await browser.newContext({
      baseURL: server.url, viewport: DESKTOP, javaScriptEnabled: scripts, locale: "zh-CN", timezoneId: "Asia/Shanghai",
    });
    context.setDefaultTimeout(PATIENCE_MS);
    const person = new Person();
    Object.assign(person, { context, server, login, scripts, page: await context.newPage() });
    watch.on(person.page, login);
    return person;
  }

  static async signedIn(world, login, options) {
    const person = await Person.open(world, login, options);
    if (!person.scripts) {
      // A password is sealed by a script, so somebody else's browser signs in.
      const other = await Person.signedIn(world, login);
      await person.context.addCookies(await other.context.cookies());
      await other.close();
      return person;
    }
    await person.page.goto("/login");
    await person.signIn();
    return person;
  }

  /** Fills in the sign-in form that is on the screen. */
  async signIn() {
    await this.page.fill("#username", this.login);
    await this.page.fill("#password", this.server.logins[this.login]);
    await this.does(() => this.page.click(".login-card button[type=submit]"));
    assert.equal(await this.page.locator("#username").count(), 0, `${this.login} is signed in`);
  }

  async close() {
    await this.context.close();
  }

  /** Goes to an address; gives the status of the answer. */
  async goes(path) {
    return (await this.page.goto(path, { waitUntil: "load" })).status();
  }

  /** Does something that leads to another page; gives the last answer's status. */
  async does(action) {
    let status = 0;
    const see = (answer) => {
      if (answer.request().isNavigationRequest() && answer.frame() === this.page.mainFrame()) status = answer.status();
    };
    this.page.on("response", see);
    await Promise.all([this.page.waitForEvent("load"), action()]);
    this.page.off("response", see);
    return status;
  }

  /** Presses a link or button, by its words, somewhere in the page; gives the status. */
  async presses(words, within = "body") {
    const place = this.page.locator(within);
    const exact = (role) => place.getByRole(role, { name: words, exact: true });
    return this.does(() => exact("link").or(exact("button")).first().click());
  }

  /** Answers the question of a button with a reason; gives the status. */
  async answers(words, reason) {
    const ask = this.page.locator("details.ask", { has: this.page.getByText(words, { exact: true }) }).first();
    await ask.locator("summary").click();
    await ask.locator("[name=reason]").fill(reason);
    return this.does(() => ask.locator(".ask-sheet button[type=submit]").click());
  }

  /** Sends a form by its name; gives the status of the answer. */
  async sends(form) {
    return this.does(() => this.page.click(`#f-${form} .form-go button[type=submit]`));
  }

  /** Chooses one of choices that stand side by side. */
  async picks(field, words) {
    await this.page.locator(`fieldset#${field} label`, { hasText: words }).first().click();
  }

  /** Words of everything that matches, tidied. */
  async words(selector) {
    const all = await this.page.locator(selector).allInnerTexts();
    return all.map((text) => text.replace(/\s+/g, " ").trim());
  }

  /** All words of the first match. */
  async text(selector) {
    return (await this.words(selector))[0] ?? "";
  }

  async has(selector, words) {
    const found = await this.words(selector);
    assert.ok(found.some((text) => text.includes(words)), `“${words}” in ${selector} of ${this.page.url()}: ${JSON.stringify(found)}`);
  }

  /** A read of the API with this person's session. */
  async asks(path) {
    const answer = await this.context.request.get(path);
    assert.equal(answer.status(), 200, `${path}: ${await answer.text()}`);
    return answer.json();
  }

  /** The page as it stands: accessible and without sideways scrolling, on a desktop and a phone. */
  async looks(name) {
    for (const size of [DESKTOP, PHONE]) {
      await this.page.setViewportSize(size);
      const at = `${name} at ${size.width}`;
      const wide = await this.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wide <= 0, `${at} scrolls sideways by ${wide} px`);
      await this.page.evaluate(axe.source);
      const found = await this.page.evaluate((values) => globalThis.axe.run({ runOnly: { type: "tag", values } }), RULES);
      const broken = found.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target} — ${n.any[0]?.message ?? v.help}`));
      assert.deepEqual(broken, [], `${at} (${this.page.url()})`);
    }
    await this.page.setViewportSize(DESKTOP);
  }

  /** Two pictures of the page for people to look at, where somebody asked for pictures. */
  async picture(name) {
    const folder = process.env.RONGQIAO_SHOTS;
    if (!folder) return;
    await mkdir(folder, { recursive: true });
    for (const size of [DESKTOP, PHONE]) {
      await this.page.setViewportSize(size);
      await this.page.screenshot({ path: join(folder, `${name}-${size.width}.png`), fullPage: true, animations: "disabled" });
    }
    await this.page.setViewportSize(DESKTOP);
  }
}
