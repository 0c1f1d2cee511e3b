// <two-step>: two-step login in the settings. The server decides whether it asks for a code, so the page only reports
// what it says. Turning it on takes PIN and key, so that nobody else can lock the user out.

import * as crypto from "./crypto.js";
import { copyFrom, drawQr, focusLater, offerAgain, offerDownload, onPress, onSubmit } from "./dom.js";
import { proveSaved } from "./start-conversation.js";
import { deploymentId, getJson, isFlag, isNumber, matches, postForm } from "./server.js";
import { account } from "./session.js";
import { HOST, instantiate } from "./shell.js";
import { say, sentenceOf } from "./words.js";

const CODE = /^(\d{6}|[0-9A-HJKMNP-TV-Z]{10})$/;

// A code or recovery code as it is sent. Throws for anything else, such as a Login PIN typed into the wrong field.
export function readCode(typed) {
  const code = typed.toUpperCase().replace(/[\s-]/g, "").replaceAll("O", "0").replace(/[IL]/g, "1");
  if (!CODE.test(code)) throw new Error(say("error-malformed-code"));
  return code;
}

// For a request that may need a code: shows `second`, where one is typed, and leads the focus there (dom.js).
export const askForCode = (second) => (error) => {
  if (error.code === "second_step") [second.hidden, error.field] = [false, second.querySelector("input")];
  throw error;
};

const isRecoveryCode = matches(/^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/);
const STANDING = { is_on: isFlag, recovery_codes: isNumber, trusted_devices: isNumber };
const SECRET = { secret: matches(/^[A-Z2-7]{32}$/) };
const CODES = {
  recovery_codes: (value) => Array.isArray(value) && value.length === 10 && value.every(isRecoveryCode),
};
function describe({ recovery_codes: codes, trusted_devices: devices }) {
  const said = say("two-step-is-on", { count: codes });
  return devices ? `${said} ${say("two-step-trusted", { count: devices })}` : said;
}

// The fields that prove who asks: from the Login PIN in this form, its code, and an act of the user's key.
async function prove(form, act) {
  const pin = crypto.normaliseLoginPin(form.querySelector(".login-pin").value);
  const code = form.querySelector(".code");
  const fields = code && { code: readCode(code.value) };
  const deployment = await deploymentId();
  const login = await crypto.loginKeys(pin, deployment);
  return { ...login, ...fields, ...(act && { act: await sign(deployment, act, "") }) };
}
const sign = async (deployment, act, purpose) =>
  crypto.signAct(await account, deployment, act, purpose, Date.now());

customElements.define("two-step", class extends HTMLElement {
  connectedCallback() {
    this.parts = ["off", "setup", "codes", "on", "renew", "quit"].map((name) => this.querySelector(`.${name}`));
    const [off, setup, codes, on, renew, quit] = this.parts;
    let secret = "";
    onSubmit(off, say("checking"), async (_, focus) => {
      ({ secret } = await postForm("/second_step", await prove(off), SECRET));
      await this.#showSecret(secret);
      this.#show(setup);
      focus(setup.querySelector(".code"));
    });
    const copySecret = setup.querySelector("[data-do=copy]");
    onPress(copySecret, () => copyFrom(copySecret, secret));
    onPress(setup.querySelector("[data-do=cancel]"), () => this.#show(off));
    onSubmit(setup, say("checking"), async (_, focus) => {
      const fields = { code: readCode(setup.querySelector(".code").value) };
      fields.act = await sign(await deploymentId(), "second_step_on", secret);
      const made = await postForm("/second_step_on", fields, CODES).catch((error) => {
        if (error.code !== "second_step_is_on") throw error; // otherwise an earlier try has worked
        return null;
      });
      if (made) return this.#showCodes(made.recovery_codes, focus, true);
      return this.#load(say("two-step-lost"));
    });
    for (const part of [renew, quit]) {
      onPress(on.querySelector(`[data-do=${part.className}]`), () => {
        this.#show(on, part);
        focusLater()(part.querySelector(".login-pin"));
      });
    }
    onSubmit(renew, say("checking"), async (_, focus) => {
      const made = await postForm("/recovery_codes", await prove(renew, "recovery_codes"), CODES);
      this.#showCodes(made.recovery_codes, focus, false);
    });
    onSubmit(quit, say("turning-off"), async () => {
      await postForm("/second_step_off", await prove(quit, "second_step_off"));
      this.querySelector(".staying").hidden = true;
      await this.#load();
    });
    const copyCodes = codes.querySelector("[data-do=copy]");
    onPress(copyCodes, () => copyFrom(copyCodes, this.made.join("\n")));
    onPress(codes.querySelector("[data-do=print]"), () => print());
    onSubmit(codes, say("checking"), async () => {
      proveSaved(codes, this.made.at(-1), say("two-step-unproven"));
      codes.querySelector("output").textContent = "";
      this.made = [];
      await this.#load();
      if (this.isNew) this.#showDevices();
    });
    this.#load();
  }

  // Show one of the parts, or two; what was typed into the others is deleted.
  #show(...shown) {
    for (const part of this.parts) {
      part.hidden = !shown.includes(part);
      if (part.hidden) for (const field of part.querySelectorAll("input[id]")) field.value = "";
    }
  }

  async #load(sentence = "") {
    const state = this.querySelector(".state");
    const [off, , , on] = this.parts;
    try {
      const standing = await getJson("/second_step", STANDING);
      this.#show(standing.is_on ? on : off);
      state.textContent = sentence || (standing.is_on ? describe(standing) : say("two-step-is-off"));
    } catch (error) {
      offerAgain(state, sentenceOf(error), () => this.#load());
    }
    state.hidden = false;
  }

  async #showSecret(secret) {
    const { username } = await account;
    const issuer = encodeURIComponent(`EZ-DMS ${new URL(HOST.server).hostname}`);
    drawQr(this.querySelector("canvas"), `otpauth://totp/${issuer}:${username}?secret=${secret}&issuer=${issuer}`);
    this.querySelector("[data-testid=totp-secret]").textContent = secret.match(/.{4}/g).join(" ");
  }

  #showCodes(made, focus, isNew) {
    const [, , codes] = this.parts;
    [this.made, this.isNew] = [made, isNew];
    codes.querySelector("output").textContent = made.join("\n");
    const text = `${say("file-host", { host: HOST.server })}\n${say("file-codes")}\n${made.join("\n")}\n`;
    const today = new Date().toISOString().slice(0, 10);
    offerDownload(codes.querySelector("[data-do=download]"), `ezdms-recovery-codes-${today}.txt`, text);
    this.#show(codes);
    this.querySelector(".state").hidden = true;
    focus(codes.querySelector(".proof"));
  }

  // Nothing was ended by turning it on.
  #showDevices() {
    const staying = this.querySelector(".staying");
    staying.append(instantiate("sessions").querySelector("device-list"));
    staying.hidden = false;
  }
});
