// What the pages can do a little better with a script. Nothing needs it: every form is a form and
// every link a link without it.
import "htmx.org";
import "./security-key.js";

document.documentElement.classList.add("scripted");

// --- Send once -------------------------------------------------------------------------------
// Those that stand outside and name it included.
const buttonsOf = (form) => [...form.elements].filter((e) => e instanceof HTMLButtonElement && !e.hasAttribute("data-cancel"));

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  // After the browser has gathered the fields, a pressed button's name included.
  setTimeout(() => {
    for (const button of buttonsOf(form)) {
      button.disabled = true;
      button.classList.add("is-busy");
    }
  });
});
// The back button brings a page back as it was left: make it pressable again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of buttonsOf(form)) {
      if (!button.classList.contains("is-busy")) continue;
      button.disabled = false;
      button.classList.remove("is-busy");
    }
  }
});

// --- Drafts ------------------------------------------------------------------------------------
// What was typed stays in this tab until the form is sent, so a lost session loses no work.
const kept = (form) => `draft:${form.dataset.draft}`;
const draftable = (field) =>
  field.name && !field.name.startsWith("_") && !field.readOnly &&
  !["hidden", "password", "file", "submit"].includes(field.type);

function keepDraft(form) {
  const values = [...form.elements].filter(draftable).map((field) =>
    ["checkbox", "radio"].includes(field.type)
      ? [field.name, field.value, field.checked]
      : [field.name, field.value, null]);
  try {
    sessionStorage.setItem(kept(form), JSON.stringify(values));
  } catch {
    // Storage is full or forbidden: the form still works.
  }
}

function restoreDraft(form) {
  // Values the server put back after an error are newer than the draft.
  if (form.dataset.restored) return;
  let values;
  try {
    values = JSON.parse(sessionStorage.getItem(kept(form)) ?? "[]");
  } catch {
    return;
  }
  let changed = false;
  for (const [name, value, checked] of values) {
    for (const field of form.elements) {
      if (field.name !== name || !draftable(field)) continue;
      if (checked === null) {
        changed ||= field.value !== value;
        field.value = value;
      } else if (field.value === value) {
        changed ||= field.checked !== checked;
        field.checked = checked;
      }
    }
  }
  const note = form.querySelector("[data-draft-note]");
  if (changed && note) note.hidden = false;
}

// --- Fields that depend on others ------------------------------------------------------------------
function valuesOf(form, name) {
  return [...form.elements]
    .filter((field) => field.name === name && !field.disabled)
    .filter((field) => !["checkbox", "radio"].includes(field.type) || field.checked)
    .map((field) => field.value)
    .filter((value) => value !== "");
}

const tests = {
  filled: (values) => values.length > 0,
  equal: (values, to) => values.some((value) => to.includes(value)),
  "not-equal": (values, to) => !values.some((value) => to.includes(value)),
};

function showByConditions(form) {
  for (const box of form.querySelectorAll("[data-when]")) {
    const shown = JSON.parse(box.dataset.when).every(({ field, test, to }) =>
      tests[test]?.(valuesOf(form, field), to ?? []) ?? true);
    box.hidden = !shown;
    for (const field of box.querySelectorAll("input, select, textarea")) field.disabled = !shown;
  }
}

function prepare(root) {
  for (const form of root.querySelectorAll("form[data-draft]")) restoreDraft(form);
  for (const form of root.querySelectorAll("form.page-form")) showByConditions(form);
  for (const button of root.querySelectorAll("[data-print], [data-back]")) button.hidden = false;
  for (const box of root.querySelectorAll("[data-tick-all]")) box.hidden = false;
}

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form) return;
  if (form.dataset.draft) keepDraft(form);
  if (form.matches(".page-form")) showByConditions(form);
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset?.draft) return;
  keepDraft(form);
  sessionStorage.setItem("draft-sent", form.dataset.draft);
});

// --- Files ---------------------------------------------------------------------------------------
// A file that would be refused for its size is told before it is sent.
document.addEventListener("change", ({ target }) => {
  if (!target.matches("input[type=file][data-most]")) return;
  const large = [...target.files].some((file) => file.size > Number(target.dataset.most));
  target.setCustomValidity(large ? target.dataset.tooLarge : "");
  target.reportValidity();
});

// --- Small presses -----------------------------------------------------------------------------
document.addEventListener("click", (event) => {
  const target = event.target;
  if (target.closest("[data-print]")) window.print();
  if (target.closest("[data-back]")) history.back();
  const forget = target.closest("[data-draft-forget]");
  if (forget) {
    sessionStorage.removeItem(kept(forget.form));
    location.reload();
  }
  const cancel = target.closest("[data-cancel]");
  if (cancel) cancel.closest("details").open = false;
  // A menu closes when something else is pressed; a question only by its own buttons.
  for (const menu of document.querySelectorAll("details.drop[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.ask[open], details.drop[open]")) {
    open.open = false;
    open.querySelector("summary")?.focus();
  }
});
document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details.ask[open]")) {
    event.target.querySelector(".ask-sheet textarea, .ask-sheet button")?.focus();
  }
}, true);
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-tick-all]")) return;
  const table = event.target.closest("table");
  for (const box of table.querySelectorAll("input[name=_row]")) box.checked = event.target.checked;
});

// A draft that was sent is forgotten when the page that answers neither shows the form again with
// faults nor is an error or sign-in page. Only that page tells: what is visited later does not.
const sent = sessionStorage.getItem("draft-sent");
if (sent) {
  const again = document.querySelector("form[data-draft][data-restored]");
  const accepted = !document.body.dataset.keepDrafts && again?.dataset.draft !== sent;
  if (accepted) sessionStorage.removeItem(`draft:${sent}`);
  sessionStorage.removeItem("draft-sent");
}

prepare(document);
document.addEventListener("htmx:afterSwap", (event) => prepare(event.target.parentElement ?? document));
// Long work that has ended no longer refreshes itself; what it brought stands elsewhere on the page.
document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.matches?.(".block") && target.querySelector(".job") && !target.hasAttribute("hx-get")) location.reload();
});
