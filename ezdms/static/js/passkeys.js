// Passkeys: “Log in with a passkey” on the front page, and <pass-keys> in the settings. A passkey's PRF output, which
// never leaves this browser, encrypts the Login PIN. Of what the server says, only a challenge is used.

import * as crypto from "./crypto.js";
import { focusLater, offerAgain, onPress, onSubmit, showAlert } from "./dom.js";
import { deploymentId, getJson, isNumber, isText, matches, postForm } from "./server.js";
import { account } from "./session.js";
import { instantiate } from "./shell.js";
import { askForCode, readCode } from "./two-step.js";
import { say, sentenceOf } from "./words.js";

const ALGORITHMS = [-8, -7, -257]; // Ed25519, ES256, RS256 (IANA COSE)
const LONGEST_NAME = 64; // characters of a name, as below

const isCredentialId = matches(/^[\w-]{1,1400}$/);
const isOptions = (value) => matches(/^[\w-]{40,400}$/)(value?.challenge);
// What the user called it, so the server says: one line, as they can type it.
const isName = matches(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,64}$/u);
const isPasskey = (one) => isCredentialId(one?.credential_id) && isName(one.name) && isNumber(one.created_at)
  && (one.used_at === null || isNumber(one.used_at));
const LIST = { passkeys: (value) => Array.isArray(value) && value.every(isPasskey) };
const WRAPPED = { wrapped: matches(/^[\w-]{59}$/), credential_id: isCredentialId };

export const hasPasskeys = () => Boolean(globalThis.PublicKeyCredential) && !/^[\d.]+$|:/.test(location.hostname);

const b64u = (buffer) => crypto.b64uEncode(new Uint8Array(buffer));

async function ask(method, publicKey) {
  try {
    return await navigator.credentials[method]({ publicKey });
  } catch ({ name }) {
    const why = { InvalidStateError: "passkey-known", SecurityError: "passkey-no-name" };
    throw new Error(say(Object.hasOwn(why, name) ? why[name] : "passkey-canceled"));
  }
}

const prf = async (deployment) => ({ prf: { eval: { first: await crypto.prfInput(deployment) } } });
const outputOf = (credential) => {
  const first = credential.getClientExtensionResults().prf?.results?.first;
  return first && new Uint8Array(first);
};
const getOptions = async (deployment, challenge, ids = []) => ({
  challenge, rpId: location.hostname, userVerification: "required", extensions: await prf(deployment),
  allowCredentials: ids.map((id) => ({ type: "public-key", id })),
});

// What the server gets: written member by member, since toJSON() contains the PRF output.
function plain({ rawId, response }, members) {
  const given = Object.fromEntries(members.map((name) => [name, b64u(response[name])]));
  const id = b64u(rawId);
  return JSON.stringify({ id, rawId: id, type: "public-key", response: given, clientExtensionResults: {} });
}

// Ask for a passkey. Resolves to what then logs in: it resolves to the answer of the server, and what opens the Login
// PIN. `stored`: the shape of an answer to a login.
export async function askForPasskey(stored) {
  const { options: { challenge } } = await postForm("/login_passkey/options", {}, { options: isOptions });
  const credential = await ask("get", await getOptions(await deploymentId(), crypto.b64uDecode(challenge)));
  const output = outputOf(credential);
  if (!output) throw new Error(say("passkey-no-output"));
  const answer = plain(credential, ["clientDataJSON", "authenticatorData", "signature"]);
  return async () => {
    const given = await postForm("/login_passkey", { credential: answer }, { ...stored, ...WRAPPED });
    return [given, async () => {
      const { ik } = await crypto.verifyStatement(given.statement);
      return crypto.unwrapPin(output, given.wrapped, new Uint8Array(credential.rawId), ik);
    }];
  };
}

// `second`: where a code is typed, shown once the server asks for one.
async function make(pin, name, known, second) {
  const [me, deployment] = [await account, await deploymentId()];
  const login = await crypto.loginKeys(pin, deployment);
  const code = second.hidden ? null : { code: readCode(second.querySelector("input").value) };
  const asked = postForm("/passkeys/options", { ...login, ...code }, { options: isOptions });
  const { options: { challenge } } = await asked.catch(askForCode(second));
  const credential = await ask("create", {
    challenge: crypto.b64uDecode(challenge),
    rp: { id: location.hostname, name: "EZ-DMS" },
    user: { id: crypto.b64uDecode(me.user_id, 16), name: me.username, displayName: me.username },
    pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: "public-key", alg })),
    excludeCredentials: known.map((one) => ({ type: "public-key", id: crypto.b64uDecode(one.credential_id) })),
    authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
    attestation: "none",
    extensions: await prf(deployment),
  });
  if (!credential.getClientExtensionResults().prf?.enabled) throw new Error(say("passkey-no-prf"));
  const own = globalThis.crypto.getRandomValues(new Uint8Array(32)); // nobody checks the answer
  const again = async () => ask("get", await getOptions(deployment, own, [credential.rawId]));
  const output = outputOf(credential) ?? outputOf(await again());
  if (!output) throw new Error(say("passkey-no-prf"));
  const wrapped = await crypto.wrapPin(output, pin, new Uint8Array(credential.rawId), me.ik);
  const fields = { ...login, wrapped, name, credential: plain(credential, ["clientDataJSON", "attestationObject"]) };
  return postForm("/passkeys", fields, LIST);
}

customElements.define("pass-keys", class extends HTMLElement {
  #known = [];

  connectedCallback() {
    [this.list, this.form] = [this.querySelector(".passkeys"), this.querySelector("form")];
    if (!hasPasskeys()) return this.remove();
    this.hidden = false;
    onSubmit(this.form, say("adding"), async () => {
      const [pin, second, name] = [".pin", ".second", "#passkey-name"].map((part) => this.form.querySelector(part));
      const title = name.value.trim().slice(0, LONGEST_NAME) || say("passkey-untitled");
      this.#show(await make(crypto.normaliseLoginPin(pin.value), title, this.#known, second));
      for (const field of [pin, second.querySelector("input"), name]) field.value = "";
      second.hidden = true;
    });
    this.#load();
  }

  async #load() {
    await getJson("/passkeys", LIST).then((answer) => this.#show(answer), (error) =>
      offerAgain(this.list, sentenceOf(error), () => this.#load()));
  }

  async #remove({ credential_id: credentialId }) {
    showAlert(this.form);
    await postForm(`/passkeys/${credentialId}/remove`, {}, LIST)
      .then((answer) => this.#show(answer), (error) => showAlert(this.form, sentenceOf(error)));
  }

  async #rename({ credential_id: credentialId }, typed) {
    const name = typed.trim().slice(0, LONGEST_NAME);
    this.#show(await postForm(`/passkeys/${credentialId}/rename`, { name }, LIST));
  }

  #show({ passkeys: known }) {
    this.#known = known;
    this.list.role = "list";
    this.list.replaceChildren(...known.map((one) => {
      const line = instantiate("passkey").firstElementChild;
      line.querySelector(".name").textContent = one.name;
      line.querySelector(".since").show(one.created_at);
      const used = line.querySelector(".used");
      if (one.used_at === null) line.querySelector(".use").remove();
      else used.show(one.used_at);
      const remove = line.querySelector("[data-do=remove]");
      remove.ariaLabel = say("passkey-remove", { name: one.name });
      onPress(remove, () => this.#remove(one));
      const [rename, field] = [line.querySelector("form"), line.querySelector("input")];
      const edit = line.querySelector("[data-do=rename]");
      edit.ariaLabel = say("passkey-rename", { name: one.name });
      onPress(edit, () => {
        [rename.hidden, field.value] = [false, one.name];
        focusLater()(field);
      });
      onSubmit(rename, say("saving"), () => this.#rename(one, field.value));
      return line;
    }));
  }
});
