// The partner of a conversation: identified by their signed key statement, or by the known key of a deleted account.
// Also shows in a conversation whom it is with.

import { isCurrent, personOf, setCurrent, showNameIn, tagOf } from "./conversation-list.js";
import * as crypto from "./crypto.js";
import { drawQr, focusLater, onPress, showAlert } from "./dom.js";
import { accept } from "./meeting.js";
import { prefsOf } from "./organizing.js";
import { maySay, say, sentenceOf } from "./words.js";

// Avatars: the first letter of a name, in a color that depends on the person's key, so that two people with one name
// rarely look the same. It proves nothing: there are twelve colors.

const HUES = 12; // in session.css

// `ik`: the identity key of someone whose name was verified, as b64u; otherwise undefined, and the avatar is gray.
export function showAvatar(element, name, ik) {
  element.textContent = name?.match(/[\p{L}\p{N}]/u)?.[0] ?? "–";
  if (ik) element.dataset.hue = crypto.b64uDecode(ik, 32)[0] % HUES;
  else delete element.dataset.hue;
}

// What looks alike in a name, however it is written.
export const looksOf = (name) => name.toLowerCase().replace(/[i1|]/g, "l").replaceAll("0", "o").replaceAll("-", "_");

export const SHORTEST_TAG = 4; // hexadecimal digits

// "key 3F9A": the start of a fingerprint.
export function keyTag(fp, length = SHORTEST_TAG) {
  const hex = Array.from(fp, (byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join("");
  return say("key-tag", { start: hex.slice(0, length) });
}

// {ik, fp, name} and, unless the account was deleted, {spki, pin, …} of their statement. `facts`: the server's
// claims. Checks that the conversation belongs to these two keys. `contact`: what this browser knows, if anything.
export async function identify(me, conversation, facts, contact) {
  const partner = facts.left === undefined ? await byStatement(facts.statement) : await byMemory(contact);
  const theirs = await crypto.conversationId(me.fp, partner.fp);
  if (theirs !== conversation || facts.conversationId !== conversation) throw new Error(say("partner-other-key"));
  return partner;
}

async function byStatement(statement) {
  const partner = await crypto.verifyStatement(statement);
  return { ...partner, pin: await crypto.pinOf(partner) };
}

// A deleted account has no statement: their messages are verified with the pinned key.
async function byMemory(contact) {
  if (!contact) throw new Error(say("partner-unknown-key"));
  const ik = crypto.b64uDecode(contact.ik, 32);
  return asDeleted({ ik, fp: await crypto.fingerprint(ik), name: contact.name });
}

const asDeleted = (partner) => ({ ...partner, name: say("deleted-account", { name: partner.name }) });

// Show whose conversation this is, above it and in the title.
export function showHead(thread) {
  const { conversation } = thread;
  const name = thread.called?.(prefsOf(conversation).nick);
  const tag = tagOf(conversation);
  const head = `${name}${tag && ` (${tag})`} · EZ-DMS`;
  if (name === undefined || thread.pageTitle === head) return;
  Object.assign(thread, { partnerName: name, pageTitle: head });
  showAvatar(thread.querySelector(".avatar"), name, personOf(conversation)?.ik);
  showNameIn(thread.querySelector("h1"), name, conversation);
  thread.querySelector("request-card").show();
  if (isCurrent(conversation)) setCurrent(conversation, head);
}

// Show the name that they signed, or the user's nickname for them, whatever the server calls them.
export function showPartner(thread, { name }, hasLeft) {
  thread.called = (nick) => (!nick ? name : hasLeft ? asDeleted({ name: nick }).name : nick);
  showHead(thread);
  thread.querySelector(".left").hidden = !hasLeft;
  thread.querySelector(".trust").hidden = hasLeft;
  thread.querySelector("message-composer").close(hasLeft);
  showEmpty(thread);
}

// What stands there until something is said. The same again would be news to a screen reader.
export function showEmpty(thread) {
  const { partnerName: name, contact } = thread;
  if (!name) return;
  const isVerified = !thread.isAlarmed && !["", "link"].includes(contact.known?.verified ?? "");
  const empty = thread.querySelector(".empty");
  const sentence = say(isVerified ? "empty-verified" : "empty-unverified", { name });
  if (empty.textContent !== sentence) empty.textContent = sentence;
  empty.hidden = false;
}

// The list says that the other person has deleted their account.
export async function showLeft(thread) {
  const { partner } = await thread.ready;
  if (thread.querySelector(".left").hidden) showPartner(thread, asDeleted(partner), true);
}

// <who-is-this>: how the contact was verified, and three ways to verify them: their Search PIN, the safety number, its
// QR code.

const WAYS = ["search-pin", "safety-number", "link"];

customElements.define("who-is-this", class extends HTMLElement {
  connectedCallback() {
    if (this.thread) return;
    this.thread = this.closest("message-thread");
    this.button = this.thread.querySelector(".trust");
    onPress(this.button, () => this.#toggle(this.hidden));
    this.addEventListener("keydown", (event) => event.key === "Escape" && this.#toggle(false));
    const byPin = this.querySelector("start-conversation");
    byPin.expected = this.thread.conversation;
    byPin.onVerified = (how, focus) => this.#done(how, focus);
    this.#on("close", () => this.#toggle(false));
    this.#on("gave", () => this.#done("search-pin"));
    this.#on("same", () => this.#done("safety-number"));
    this.#on("differ", async () => {
      await this.thread.contact.numbersDiffer();
      this.#toggle(false);
    });
    this.#on("scan", () => this.#scan().catch((error) => showAlert(this.lastElementChild, sentenceOf(error))));
    this.thread.onContact(() => this.#show());
    this.thread.ready.then(() => this.#show(), () => this.button.remove());
  }

  #on(name, work) {
    onPress(this.querySelector(`[data-do=${name}]`), work);
  }

  #show() {
    const { verified, name } = this.thread.contact.known;
    this.querySelector(".signed-as strong").textContent = name;
    const way = WAYS.includes(verified) ? verified : "none";
    const trust = way === "link" ? "none" : way;
    this.button.disabled = false;
    this.button.dataset.trust = trust;
    const said = document.createElement("span");
    const short = say(trust === "none" ? "trust-unverified" : "trust-verified");
    const how = (maySay(`trust-by-${way}`) ?? "").replace(short, "");
    said.append(short, Object.assign(document.createElement("span"), { className: "how", textContent: how }));
    this.button.replaceChildren(said); // phones show only the words
    this.querySelector(".explained").textContent = say(`trust-about-${way}`);
    this.querySelector(".by-link").hidden = verified !== "link";
  }

  async #toggle(isOpen, focus = focusLater()) {
    this.hidden = !isOpen;
    this.button.ariaExpanded = String(isOpen);
    if (!isOpen) {
      this.#stopCamera();
      return focus(this.button);
    }
    focus(this.querySelector("h2"));
    const { me, partner } = await this.thread.ready;
    this.querySelector("output").textContent = await crypto.safetyNumber(me.fp, partner.fp);
    const canScan = "BarcodeDetector" in window && !!navigator.mediaDevices;
    this.querySelector("[data-do=scan]").hidden = !canScan;
    this.querySelector("[data-no-camera]").hidden = canScan;
    drawQr(this.querySelector("canvas"), crypto.safetyQr(me.fp, partner.fp));
  }

  async #done(how, focus = focusLater()) {
    const isRequest = this.thread.contact.state === "request"; // verifying accepts, too
    await this.thread.contact.verify(how);
    if (isRequest) await accept(this.thread);
    if (focus() || !this.contains(document.activeElement)) this.#toggle(false, focus); // or they are typing here
  }

  // Scan until the camera sees a code, or the panel is closed.
  async #scan() {
    const video = this.querySelector("video");
    const { me, partner } = await this.thread.ready;
    const expected = crypto.safetyQr(me.fp, partner.fp);
    showAlert(this.lastElementChild);
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      throw new Error(say("no-camera"));
    }
    video.hidden = false;
    await video.play();
    const detector = new window.BarcodeDetector({ formats: ["qr_code"] });
    while (video.srcObject) {
      const [code] = await detector.detect(video);
      if (code?.rawValue === expected) return this.#done("safety-number");
      if (code) {
        this.#stopCamera();
        throw new Error(say(code.rawValue.startsWith("ezdms1:") ? "other-code" : "no-code"));
      }
      await new Promise((resolve) => { setTimeout(resolve, 200); });
    }
  }

  #stopCamera() {
    const video = this.querySelector("video");
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    video.hidden = true;
  }
});
