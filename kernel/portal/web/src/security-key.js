// Security keys (Web Authentication): the browser asks one when a form that takes its answer is sent,
// and sends the form with it.
//
// A form that proves a factor has what to ask with in `data-security-key`; a form that adds a key has
// a field called `security_key`, and what to ask with comes from the platform.

const ADD = "/api/v1/session/security-key";

const unpack = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const pack = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const listed = (all) => (all ?? []).map((one) => ({ ...one, id: unpack(one.id) }));

/** The platform gave no challenge. */
class Refused extends Error {}

/** AuthenticationResponseJSON */
async function proves(options) {
  const publicKey = {
    ...options, challenge: unpack(options.challenge), allowCredentials: listed(options.allowCredentials),
  };
  const { id, response } = await navigator.credentials.get({ publicKey });
  return {
    id, type: "public-key",
    response: {
      clientDataJSON: pack(response.clientDataJSON),
      authenticatorData: pack(response.authenticatorData),
      signature: pack(response.signature),
    },
  };
}

/** RegistrationResponseJSON, with the token of the challenge beside it. */
async function makes() {
  const answer = await fetch(ADD, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Refused(`${answer.status} for ${ADD}`);
  const { challenge, options } = await answer.json();
  const publicKey = {
    ...options, challenge: unpack(options.challenge),
    user: { ...options.user, id: unpack(options.user.id) },
    excludeCredentials: listed(options.excludeCredentials),
  };
  const { id, response } = await navigator.credentials.create({ publicKey });
  return {
    id, type: "public-key", challenge,
    response: {
      clientDataJSON: pack(response.clientDataJSON),
      authenticatorData: pack(response.getAuthenticatorData()),
      publicKey: pack(response.getPublicKey()),
      publicKeyAlgorithm: response.getPublicKeyAlgorithm(),
    },
  };
}

// Before anybody else hears of it: the form is not sent yet.
document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  if (!(form instanceof HTMLFormElement)) return;
  const options = form.dataset.securityKey;
  const field = form.elements[options ? "_security_key" : "security_key"];
  if (!field || field.value) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  // The device waits for a touch meanwhile; a second press would only end that.
  if (form.dataset.asking) return;
  form.dataset.asking = "true";
  try {
    field.value = JSON.stringify(options ? await proves(JSON.parse(options)) : await makes());
    form.requestSubmit(submitter);
  } catch (error) {
    // The person said no, there is no key, or the session has ended: nothing was sent, nothing typed
    // is lost.
    failed(form, error instanceof Refused);
  } finally {
    delete form.dataset.asking;
  }
}, { capture: true });

function failed(form, refused) {
  const note = form.querySelector(".key-failed") ?? document.createElement("p");
  note.className = "notice tone-danger key-failed";
  note.setAttribute("role", "alert");
  const [zh, en] = refused
    ? ["登录可能已失效，请刷新页面后再试", "You may be signed out. Reload the page and try again"]
    : ["安全密钥没有应答，请再试一次或换一种方式", "The security key did not answer. Try again, or another way"];
  note.textContent = document.documentElement.lang.startsWith("en") ? en : zh;
  form.prepend(note);
}

// What the browser fills in is nothing to type into; what was refused is asked for anew.
for (const field of document.querySelectorAll("textarea[name=security_key]")) {
  const box = field.closest(".field");
  if (box) box.hidden = true;
  if (field.getAttribute("aria-invalid") === "true") field.value = "";
}
