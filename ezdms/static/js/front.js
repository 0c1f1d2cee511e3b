// The front page, shown at every address to anyone who is not logged in.

import * as crypto from "./crypto.js";
import { askOnce, focusLater, onPress, onSubmit, replacePage, showAlert } from "./dom.js";
import { PLACE, PLACES } from "./first.js";
import { accounts, choosePlace, forgetPlace, remembered, saveAccount } from "./keystore.js";
import { isPinShaped } from "./keyboard.js";
import { showAvatar } from "./partner.js";
import { addedPin, keepNewPin } from "./start-conversation.js";
import { askForPasskey, hasPasskeys } from "./passkeys.js";
import { drawable } from "./sealed-text.js";
import { deploymentId, isB64u, isId, isNumber, isText, postForm } from "./server.js";
import { comeBack, endSession, whyEnded, whyLeft } from "./session.js";
import { HOST, instantiate } from "./shell.js";
import { readCode } from "./two-step.js";
import { isOpened, syncVault } from "./vault.js";
import { retention, say, sentenceOf } from "./words.js";

// The reasons with which the server closed the socket, or what this page did; and those after which nothing is kept.
const REASONS = ["logged_out", "deleted_here", "elsewhere", "host", "pin_changed", "deleted", "expired", "ended"];
const ERASED = ["logged_out", "deleted_here", "deleted"];
export function reasonOf(name) {
  if (!name) return "";
  const reason = REASONS.includes(name) ? name : "ended";
  const why = say(`left-${reason.replaceAll("_", "-")}`);
  return ERASED.includes(reason) ? why : `${why} ${say("left-kept")}`;
}

// The server no longer knows the session.
export async function showEnded() {
  await endSession(whyEnded()).catch(() => {});
  showFront(reasonOf(whyLeft()));
}

export function showFront(why = "") {
  const front = instantiate("front");
  const find = (selector) => front.querySelector(selector);
  find("[data-host-name]").textContent = HOST.name;
  const notice = isOpened ? say("opened-front", { server: HOST.server }) : HOST.notice;
  find("[data-host-notice]").textContent = notice;
  find("[data-host-notice]").hidden = !notice;
  find(".retention").textContent = retention();
  find(".retention").hidden = !HOST.retention;
  find("[data-why]").textContent = why;
  find("[data-why]").hidden = !why;
  find("[data-added]").hidden = addedPin() === null;
  find("[data-runs-on]").hidden = HOST.name === "EZ-DMS";
  find("[data-closed]").hidden = HOST.registration !== "closed";
  if (HOST.registration === "closed") find("create-account").remove();
  else if (HOST.registration !== "invite") find(".invited").remove();
  if (why || remembered("used")) find("create-account")?.before(find("log-in")); // they have an account
  drawable(HOST.name + HOST.notice);
  document.title = HOST.name;
  document.body.className = "front";
  replacePage(front);
}

// <account-list>: the accounts in this browser, each with a link that shows it in this tab. On the front page, only the
// others.

customElements.define("account-list", class extends HTMLElement {
  connectedCallback() {
    this.#show();
    addEventListener("storage", () => this.#show()); // another tab has logged in or out
  }

  #show() {
    const all = accounts();
    const [list, add] = [this.querySelector("[role=list]"), this.querySelector("[data-do=add]")];
    const shown = add ? all : all.filter(({ place }) => place !== PLACE);
    list.replaceChildren(...shown.map((one) => this.#line(one)));
    this.hidden = !add && !shown.length;
    if (!add) return;
    const free = Array.from({ length: PLACES }, (_, place) => place)
      .find((place) => place !== PLACE && !all.some((one) => one.place === place));
    [add.hidden, this.querySelector(".full").hidden] = [free === undefined, free !== undefined];
    add.href = `/#account=${free}`;
  }

  #line({ place, ik, name }) {
    const line = instantiate("place").firstElementChild;
    const [link, who, here] = ["a", ".name", ".badge"].map((selector) => line.querySelector(selector));
    showAvatar(line.querySelector(".avatar"), name, name && ik);
    if (name) who.textContent = name;
    here.hidden = place !== PLACE;
    if (place === PLACE) link.ariaCurrent = "true";
    else link.href = `/#account=${place}`;
    onPress(link, () => choosePlace(place));
    if (!name && this.querySelector("[data-do=add]")) this.#offerToForget(line, place);
    return line;
  }

  // What someone left here who was logged out, and may never come back.
  #offerToForget(line, place) {
    const element = line.querySelector(".forgetting");
    element.hidden = false;
    onPress(askOnce(element), async () => {
      const focus = focusLater();
      await forgetPlace(place);
      this.#show();
      focus(this.querySelector("[data-do=add]"));
    });
  }
});

// <log-in>: derives login_id and auth_key from the Login PIN, and decrypts the keys. The PIN stays here. With two-step
// login, the server asks for a code in between: it gets what has the form of one, and nothing else.

export const KEYS = { statement: isText, salt: isB64u, iterations: isNumber, wrapped_sig: isB64u, wrapped_enc: isB64u };
const STORED = { user_id: isId, search_salt: isB64u, ...KEYS };

customElements.define("log-in", class extends HTMLElement {
  connectedCallback() {
    const first = this.querySelector("form");
    const passkey = first.querySelector("[data-do=passkey]");
    const label = passkey.textContent;
    passkey.hidden = isOpened || !hasPasskeys(); // a page at an address without a name has none
    onPress(passkey, async () => {
      [passkey.disabled, passkey.textContent] = [true, say("waiting")];
      showAlert(first);
      try {
        const enter = await askForPasskey(STORED);
        const [stored, openPin] = await orLogOut(enter());
        await unlock(await orLogOut(openPin()), stored, (told) => { passkey.textContent = told; });
      } catch (error) {
        showAlert(first, sentenceOf(error));
      }
      [passkey.disabled, passkey.textContent] = [false, label];
    });
    onSubmit(first, say("checking"), async (progress, focus) => {
      const pin = crypto.normaliseLoginPin(first.querySelector(".pin").value);
      const login = await crypto.loginKeys(pin, await deploymentId());
      let challenge;
      const present = () => postForm("/login", login, STORED).catch((error) => { // null: a code is needed
        if (error.code !== "second_step" || !error.challenge) throw error;
        challenge = error.challenge;
        return null;
      });
      const presentCode = async (code, trust) => {
        const post = () => postForm("/login_second", { challenge, code, ...(trust && { trust: "1" }) }, STORED);
        return post().catch(async (error) => {
          if (error.code !== "challenge") throw error;
          return await present() ?? post(); // the PIN was entered too long ago
        });
      };
      const stored = await orLogOut(present());
      if (stored) return unlock(pin, stored, progress);
      return this.#askForCode(first, focus, async (code, trust, toldAnew) =>
        unlock(pin, await orLogOut(presentCode(code, trust)), toldAnew));
    });
  }

  #askForCode(first, focus, enter) {
    const part = instantiate("code");
    const [second, [byApp, byRecovery]] = [part.querySelector("form"), part.querySelectorAll(".way")];
    const [recover, app, back] = ["recover", "app", "back"].map((name) => part.querySelector(`[data-do=${name}]`));
    const [trust] = part.querySelectorAll("[type=checkbox]");
    trust.closest(".trusting").hidden = isOpened; // “ezdms open” keeps nothing for the next time
    const field = () => (byApp.hidden ? byRecovery : byApp).querySelector("input");
    onSubmit(second, say("checking"), (progress) => enter(readCode(field().value), trust.checked, progress));
    const useRecovery = (isUsed) => {
      [byApp.hidden, byRecovery.hidden, recover.hidden, app.hidden] = [isUsed, !isUsed, isUsed, !isUsed];
      showAlert(second);
      focusLater()(field());
    };
    onPress(recover, () => useRecovery(true));
    onPress(app, () => useRecovery(false));
    onPress(back, () => {
      second.remove();
      first.hidden = false;
      focusLater()(first.querySelector(".pin"));
    });
    first.hidden = true;
    this.append(part);
    focus(field());
  }
});

// If this fails although the server did not refuse, it may have begun a session that cannot be used here.
async function orLogOut(work) {
  try {
    return await work;
  } catch (error) {
    if (!(error.status >= 400)) await postForm("/logout").catch(() => {});
    throw error;
  }
}

async function unlock(pin, stored, progress) {
  progress(say("unlocking"));
  await orLogOut((async () => {
    const statement = await crypto.verifyStatement(stored.statement);
    const keys = await crypto.unwrapKeys(pin, stored, statement);
    const { user_id, search_salt } = stored;
    crypto.b64uDecode(search_salt, 16);
    const me = { ...keys, user_id, username: statement.name, search_salt };
    await saveAccount(me);
    await comeBack(me);
    await syncVault().catch(() => {}); // each conversation retries, and raises the alarm
  })());
  if (location.pathname === "/") location.assign("/");
  else location.reload();
}

// <create-account>: creates keys and PINs in this browser, and registers the public part.

const LOOKS_LIKE_A_SEARCH_PIN = /^[0-9a-tv-z]{25}$/i; // without dashes; O, I and L mean 0 and 1

const TOKEN = /^[\w-]{22}$/; // nothing else may leave this field: a tampered page could ask for a PIN here
function tokenIn(link) {
  const token = link.trim().split("invite=").pop();
  if (!TOKEN.test(token)) throw new Error(say("not-an-invitation"));
  return token;
}

customElements.define("create-account", class extends HTMLElement {
  connectedCallback() {
    const invitation = this.querySelector("#invitation"); // from a link `…/#invite=TOKEN`; missing on an open server
    if (invitation) invitation.value = new URLSearchParams(location.hash.slice(1)).get("invite") ?? "";
    onSubmit(this, say("creating-keys"), async (progress) => {
      const username = this.querySelector("input").value.trim();
      if (!crypto.USERNAME.test(username)) throw new Error(say("username-form"));
      if (isPinShaped(username)) throw new Error(say("username-is-login-pin"));
      if (LOOKS_LIKE_A_SEARCH_PIN.test(username.replaceAll("-", ""))) throw new Error(say("username-is-search-pin"));
      const deployment_id = await deploymentId();
      const pin = crypto.newLoginPin();
      const made = await crypto.generateKeys();
      progress(say("encrypting-keys"));
      const [login, wrapped, statement] = await Promise.all([
        crypto.loginKeys(pin, deployment_id),
        crypto.wrapKeys(pin, made),
        crypto.signStatement(made, username, 1, Date.now()),
      ]);
      const keys = await crypto.unwrapKeys(pin, wrapped, made); // the stored copies are non-extractable
      const search_salt = crypto.b64uEncode(crypto.newSearchSalt());
      progress(say("registering"));
      const invited = invitation && { invitation: tokenIn(invitation.value) };
      const fields = { username, ...login, ...wrapped, statement, search_salt, ...invited };
      const { user_id } = await postForm("/register", fields, { user_id: isId });
      await saveAccount({ ...keys, user_id, username, search_salt });
      keepNewPin(user_id, pin);
      location.assign("/welcome");
    });
  }
});
