// What the user makes of someone: accept a request, block, unblock. The vault decides what holds on the user's devices
// (remembered.js); what the server says of requests and blocks is not even read.

import { showNameIn, tagOf } from "./conversation-list.js";
import { focusLater, onPress, showAlert } from "./dom.js";
import { inOutbox, loadContacts, loadOutbox, removeFromOutbox } from "./keystore.js";
import { ORGANIZING } from "./organizing.js";
import { keyTag, showAvatar } from "./partner.js";
import { blockedFrom, blockedUntil, isBlocked, meet } from "./remembered.js";
import { postForm } from "./server.js";
import { instantiate } from "./shell.js";
import { changeContact, onVault } from "./vault.js";
import { LOCALE, say, sentenceOf } from "./words.js";

const DECISIONS = ["block", "accept"]; // kinds of what the outbox tells the server
const DAY = 86400000; // ms
const LOOK_AGAIN = 2000; // ms

// Why the server has not been told of something yet, or "".
async function waits(conversation) {
  const items = await loadOutbox(conversation);
  const kind = DECISIONS.find((each) => items.some((item) => item.kind === each));
  if (kind === "block") return say("later-block");
  return kind ? say("later-accept") : "";
}

// Tell the server, now or later. Resolves to a sentence if it could not be reached, otherwise to "".
async function tell(thread, kind) {
  const { outbox } = thread.querySelector("message-composer");
  await outbox.tell(kind);
  await outbox.flush();
  return waits(thread.conversation);
}

export async function accept(thread) {
  await thread.contact.meet({ accepted: true });
  return tell(thread, "accept");
}

// First in the vault: from then on nothing of theirs is shown, whatever the server does.
export async function block(thread) {
  const now = Date.now();
  await thread.contact.meet({ blocked: true }, ({ blocks }) => ({ blocks: blockedFrom(blocks, now) }));
  return tell(thread, "block");
}

// First at the server: nothing may seem to have been held back that it did not keep. `change(changed, more)` as in
// Contact.meet. Throws an error whose words say that they are still blocked.
async function unblock(conversation, change) {
  const until = Date.now();
  try {
    await inOutbox(conversation, async () => {
      await postForm(`/conversations/${conversation}/unblock`);
      const items = await loadOutbox(conversation);
      for (const { kind, key } of items) if (kind === "block") await removeFromOutbox(key);
    });
    await change({ blocked: false }, ({ blocks }) => ({ blocks: blockedUntil(blocks, until) }));
  } catch (error) {
    throw new Error(say("still-blocked", { why: sentenceOf(error) }));
  }
}

// What the menu of a conversation offers (conversation-options.js).
const cardOf = (thread) => thread.querySelector("request-card");
export const MEETING = {
  block: { isOffered: (thread) => !cardOf(thread).isBlocked, run: (thread) => cardOf(thread).block() },
  unblock: { isOffered: (thread) => cardOf(thread).isBlocked, run: (thread) => cardOf(thread).unblock() },
  report: { run: (thread) => thread.querySelector("report-messages").open() },
};

// <request-card>: whom a request is from, below what they wrote; and that someone is blocked.

// `ms`: when the Search PIN was made, as the server says.
function ageOf(ms) {
  const days = Math.floor((Date.now() - ms) / DAY);
  if (!(ms > 0) || days < -1) return "";
  return new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto" }).format(-Math.max(days, 0), "day");
}

customElements.define("request-card", class extends HTMLElement {
  #timer;
  found = {}; // what the server says of how they found the user

  connectedCallback() {
    if (this.thread) return; // put away and shown again (navigate.js)
    this.thread = this.closest("message-thread");
    this.composer = this.thread.querySelector("message-composer");
    const on = (name, work) => onPress(this.querySelector(`[data-do=${name}]`), () => this.#try(work));
    on("accept", () => accept(this.thread));
    on("block", () => block(this.thread));
    on("unblock", () => this.#unblock());
    const options = this.thread.querySelector("conversation-options");
    onPress(this.querySelector("[data-do=report]"), () => MEETING.report.run(this.thread));
    onPress(this.querySelector("[data-do=delete]"), () => ORGANIZING["delete-conversation"].run(this.thread, options));
    this.thread.onContact(() => this.show());
    this.thread.onJudged(() => this.show());
  }

  get isBlocked() { return this.thread.contact.state === "blocked"; }

  get #isRequest() {
    const { contact, judge, facts } = this.thread;
    const isTheirs = ({ side, isCleared }) => side === "theirs" && !isCleared;
    return contact.state === "request" && !judge?.seen.own && facts.some(isTheirs);
  }

  // Also from the conversation's options.
  block() { return this.#try(() => block(this.thread)); }
  unblock() { return this.#try(() => this.#unblock()); }

  #unblock() {
    const { conversation, contact } = this.thread;
    return unblock(conversation, (...change) => contact.meet(...change));
  }

  async #try(work) {
    if (this.ariaBusy === "true") return;
    this.ariaBusy = "true";
    const focus = focusLater();
    const [said, isWaiting] = await work().then((later) => [later ?? "", later], (error) => [sentenceOf(error), ""]);
    this.ariaBusy = "false";
    this.#say(said, isWaiting);
    if (this.contains(document.activeElement) || document.activeElement === document.body) {
      focus(this.hidden ? this.composer.field : [...this.querySelectorAll("button")].find((button) => !button.hidden));
    }
  }

  // What waits is said until the server was told.
  #say(sentence, isWaiting = false) {
    showAlert(this, sentence);
    this.show();
    clearTimeout(this.#timer);
    const look = () => waits(this.thread.conversation).then((said) => this.#say(said, said), () => {});
    if (isWaiting) this.#timer = setTimeout(look, LOOK_AGAIN);
  }

  show() {
    const { thread, isBlocked: blocked } = this;
    const { known } = thread.contact;
    const said = this.querySelector("[role=alert]").textContent;
    this.hidden = !(known && (blocked || this.#isRequest || said));
    this.composer.close(blocked || !thread.querySelector(".left").hidden);
    if (this.hidden) return;
    const mode = blocked ? "blocked" : this.#isRequest ? "request" : "said";
    for (const element of this.querySelectorAll("[data-when]")) element.hidden = !element.dataset.when.includes(mode);
    this.#draw(known).catch(() => {});
  }

  async #draw({ name, ik }) {
    showAvatar(this.querySelector(".avatar"), name, ik);
    const { conversation, ready } = this.thread;
    const { foundBy, pinAt } = this.found;
    const ago = ageOf(Number(pinAt));
    const byPin = ago ? say("found-by-pin-made", { ago }) : say("found-by-pin");
    this.querySelector(".how").textContent = foundBy ? byPin : say("found-not-said");
    this.querySelector(".twin").textContent = tagOf(conversation) ? say("namesake") : "";
    const { partner } = await ready;
    showNameIn(this.querySelector("h2 span"), name, conversation, tagOf(conversation) || keyTag(partner.fp));
  }
});

// <blocked-people>: in the settings, everyone who is blocked.
customElements.define("blocked-people", class extends HTMLElement {
  connectedCallback() {
    onVault(() => this.#show().catch(() => {}));
    this.#show().catch((error) => showAlert(this, sentenceOf(error)));
  }

  async #show() {
    const found = Object.entries(await loadContacts()).filter(([, contact]) => isBlocked(contact));
    this.querySelector(".none").hidden = found.length > 0;
    this.querySelector(".people").replaceChildren(...found.map((one) => this.#line(...one)));
  }

  #line(conversation, { name, ik }) {
    const line = instantiate("blocked-person").firstElementChild;
    const button = line.querySelector("button");
    showAvatar(line.querySelector(".avatar"), name, ik);
    showNameIn(line.querySelector(".who"), name, conversation);
    button.ariaLabel = say("unblock-name", { name });
    onPress(button, async () => {
      const focus = focusLater();
      const change = (changed, more) => changeContact(conversation, (known) =>
        ({ met: meet(known, changed, Date.now()), ...more(known) }));
      const said = await unblock(conversation, change).catch(sentenceOf);
      showAlert(this, said);
      await this.#show();
      if (!said) focus(this.querySelector("button, h2"));
    });
    return line;
  }
});
