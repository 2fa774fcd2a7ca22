// Passwords are sealed here before they are sent: encrypted with SM2 for the platform, together with a
// nonce that is good once and with what they are for. Their fields have no names, so that nothing goes
// out in clear, whatever sends the form.
//
// The nonce is asked for when the form is sent and not when the page is drawn: a page may stand open
// for hours before somebody types.
import { sm2 } from "sm-crypto-v2";

const ASK = "/api/v1/session/seal?for=";
/** C1 C3 C2. */
const ORDER = 1;
/** Bytes of a key's uncompressed point, the last of its SubjectPublicKeyInfo. */
const POINT = 65;

const secretsOf = (form) => [...form.elements].filter((field) => field.dataset.secret && !field.disabled);

/** The uncompressed point of a public key in PEM, in hex. */
function point(pem) {
  const der = atob(pem.replace(/-----[^-]+-----|\s/g, ""));
  return [...der.slice(-POINT)].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}

/** The base64 of an SM2Cipher in DER. */
async function seals(form) {
  const to = form.dataset.seal;
  const answer = await fetch(ASK + encodeURIComponent(to), { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${answer.status} for ${ASK}`);
  const { key, nonce } = await answer.json();
  const fields = Object.fromEntries(secretsOf(form).map((field) => [field.dataset.secret, field.value]));
  const content = new TextEncoder().encode(JSON.stringify({ for: to, nonce, fields }));
  const sealed = sm2.doEncrypt(content, point(key), ORDER, { asn1: true });
  return btoa(String.fromCharCode(...sealed.match(/../g).map((byte) => parseInt(byte, 16))));
}

// Before anybody else hears of it: the form is not sent yet.
document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  if (!(form instanceof HTMLFormElement) || !form.dataset.seal) return;
  const field = form.elements._sealed;
  if (field.value) {
    // After the browser has gathered the fields: what was sealed is good once.
    setTimeout(() => { field.value = ""; });
    return;
  }
  event.preventDefault();
  event.stopImmediatePropagation();
  if (form.dataset.sealing) return;
  form.dataset.sealing = "true";
  try {
    field.value = await seals(form);
    form.querySelector(".seal-failed")?.remove();
    // Safari before 16 has no other way than the one that nobody hears of.
    if (form.requestSubmit) form.requestSubmit(submitter);
    else form.submit();
  } catch {
    // Nothing was sent, nothing typed is lost.
    failed(form);
  } finally {
    delete form.dataset.sealing;
  }
}, { capture: true });

function failed(form) {
  const note = form.querySelector(".seal-failed") ?? document.createElement("p");
  note.className = "notice tone-danger seal-failed";
  note.setAttribute("role", "alert");
  note.textContent = document.documentElement.lang.startsWith("en")
    ? "The password could not be sealed, and nothing was sent. Check your network and try again"
    : "密码没有加密成功，尚未发送；请检查网络后再试";
  form.prepend(note);
}
