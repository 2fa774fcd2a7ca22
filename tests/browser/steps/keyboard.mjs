// Somebody without a mouse: skips the menu, signs in and looks for a product, with keys alone.
import assert from "node:assert/strict";

import { Person } from "../browser.mjs";

/** Most stops on one page. */
const STOPS = 150;

/** Goes from stop to stop until one that matches has the focus; every stop must show that it has it. */
async function reaches(page, wanted) {
  for (let stop = 0; stop < STOPS; stop += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate((wanted) => {
      const here = document.activeElement;
      const drawn = [here, here.labels?.[0], here.closest("label"), here.parentElement].filter(Boolean).some((e) => {
        const style = getComputedStyle(e);
        return (style.outlineStyle !== "none" && style.outlineWidth !== "0px") || style.boxShadow !== "none";
      });
      return { found: here.matches(wanted), drawn, outside: here === document.body, words: here.outerHTML.slice(0, 120) };
    }, wanted);
    // After the last stop the browser's own controls come, and then the first again.
    assert.ok(at.drawn || at.outside, `the focus is not seen at ${at.words} of ${page.url()}`);
    if (at.found) return;
  }
  assert.fail(`no key leads to ${wanted} of ${page.url()}`);
}

export async function works(world) {
  const person = await Person.open(world, "enterprise");
  const { page } = person;
  await person.goes("/login?next=/market/products");
  await reaches(page, "a.skip");
  await page.keyboard.press("Enter");
  await reaches(page, "#username");
  await page.keyboard.type("enterprise");
  await reaches(page, "#password");
  await page.keyboard.type(world.server.logins.enterprise);
  assert.equal(await person.does(() => page.keyboard.press("Enter")), 200);
  assert.equal(new URL(page.url()).pathname, "/market/products");
  await reaches(page, ".chip-search input[type=search]");
  await page.keyboard.type("科创");
  await person.does(() => page.keyboard.press("Enter"));
  assert.deepEqual(await person.words(".product-title"), ["科创助力贷"]);
  await reaches(page, ".product a.btn, .product a[href*='/lending/apply']");
  await person.does(() => page.keyboard.press("Enter"));
  for (const field of ["amount", "term_months", "purpose", "note", "agree"]) {
    await reaches(page, `#f-apply-${field}, #f-apply-${field} input`);
  }
  await reaches(page, "#f-apply .form-go button[type=submit]");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.id === "f-apply-amount", null, { timeout: 10_000 });
  await person.close();
}
