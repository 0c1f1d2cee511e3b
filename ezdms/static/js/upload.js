// Files on their way out. Each is sealed under a key of its own, once; the sealed bytes stay in IndexedDB until the
// server has their message, and are carried to it in parts, by one tab at a time, from wherever it is. Nothing that the
// server says changes a byte: at most it does not get the file.

import * as crypto from "./crypto.js";
import { ofPlace } from "./first.js";
import { attempt, loadOutbox, run, updateOutbox } from "./keystore.js";
import { carry, isId, isPassing, postForm } from "./server.js";
import { maySay, say, sentenceOf } from "./words.js";

const PART = 1024 * 1024; // bytes that are kept together, and the most that a server takes in one request
const FIRST = 256 * 1024; // bytes of the first request,
const LEAST = 32 * 1024; // and of any: more as long as they arrive quickly, fewer if they do not
const QUICK = 1000; // ms
const SLOW = 8000; // ms
const LONGEST = 90000; // ms that one request may take
const MOST_JUMPS = 20; // times in a row that a server may be elsewhere than expected
const MOST_BEGUN = 3; // times in a row that it may have lost an upload
const AGAIN = 3000; // ms until it is tried again
const ENDED = ["refused", "paused"]; // later messages do not wait for these

// Encrypt a file. Resolves to what its message says of it, and the parts of its sealed bytes. `shown`: {name, type,
// thumb, w, h}. Throws if it changes meanwhile or cannot be read.
export async function sealUp(blob, shown) {
  const [key, { size }] = [crypto.newFileKey(), blob];
  const sealed = new Uint8Array(crypto.sealedSize(size));
  let at = 0;
  const read = async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer());
  for await (const chunk of crypto.sealFile(key, size, read)) {
    sealed.set(chunk, at);
    at += chunk.length;
  }
  const parts = [];
  for (let start = 0; start < sealed.length; start += PART) parts.push(sealed.slice(start, start + PART));
  return { about: { key, size, hash: await crypto.fileHash(sealed), ...shown }, parts, bytes: sealed.length };
}

// What is kept of a file beside its message: [kept, number] → a part of its sealed bytes, [kept, "id"] → that of the
// upload, [kept, "paused"]. A message and its file are kept as a whole, or not at all.
async function keep(item, parts) {
  const { kept } = item.file;
  const all = attempt(["outbox", "files"], "readwrite", (outbox, files) =>
    [outbox.add(item), ...parts.map((part, i) => files.put(part, [kept, i]))]);
  [item.key] = await all.catch(() => { throw new Error(say("file-no-room")); });
}
const load = ({ file: { kept } }, ...names) => run("files", "readonly", (store) =>
  names.map((name) => store.get([kept, name])));
const note = ({ file: { kept } }, name, value) => run("files", "readwrite", (store) => store.put(value, [kept, name]));

// True for a file that the server does not have yet.
export const isUnfinished = ({ kind, text }) => kind === "file" && !text;

class Stopped extends Error {}

export class Uploads {
  #running = new Map(); // message_id → AbortController
  #ended = new Map(); // message_id → "refused" or "paused"
  #until = new Map(); // message_id → when it is tried again (ms)
  #lost = new Map(); // message_id → how often the server has lost it
  #step = FIRST; // bytes
  #timer;
  #isOver = false;
  chosen = null; // until these files are sealed (attach.js)

  constructor(outbox) {
    Object.assign(this, { outbox, conversation: outbox.thread.conversation });
  }

  // Send a sealed file (sealUp) as the next message. Throws, and shows nothing, if it cannot be stored.
  async add({ about, parts, bytes }) {
    const { conversation } = this;
    const message_id = crypto.newId();
    const file = { about, bytes, kept: message_id };
    const item = { conversation, message_id, kind: "file", text: "", reference: null, x: 0, ts: Date.now(), file };
    await this.outbox.thread.contact.answer();
    await keep(item, parts);
    this.outbox.unsent.show(item);
    this.#say(item, "queued", say("unsent-queued"));
    this.outbox.flush();
  }

  // Carry on with this file, unless it is paused or was refused. Resolves to whether later messages wait for it.
  async resume(item) {
    const id = item.message_id;
    const [isPaused] = await load(item, "paused");
    if (isPaused && !this.#running.has(id)) this.#end(item, "paused", say("upload-paused"));
    else if (this.#ended.get(id) === "paused") this.#ended.delete(id);
    const isReady = !isPaused && !this.#ended.has(id) && !(this.#until.get(id) > Date.now());
    if (isReady && !this.#running.has(id)) this.#start(item);
    return !ENDED.includes(this.#ended.get(id));
  }

  async pause(item) {
    await note(item, "paused", true);
    this.stop(item);
    return this.outbox.flush();
  }

  // Go on with what is paused, or try again.
  async goOn(item) {
    for (const state of [this.#ended, this.#until, this.#lost]) state.delete(item.message_id);
    await note(item, "paused", false);
    return this.outbox.flush();
  }

  // It is taken back, or waits. What is under way is aborted.
  stop({ message_id }) { this.#running.get(message_id)?.abort(); }

  // This thread is removed from the page. Another one may go on.
  end() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    for (const running of this.#running.values()) running.abort();
  }

  #say(item, state, sentence) { this.outbox.unsent.say(item.message_id, sentence, state); }

  #end(item, state, sentence) {
    this.#ended.set(item.message_id, state);
    this.#say(item, state, sentence);
  }

  // One tab at a time, and one file of a conversation after the other.
  #start(item) {
    const running = new AbortController();
    const { signal } = running;
    this.#running.set(item.message_id, running);
    this.#say(item, "queued", say("unsent-queued"));
    const carry = () => this.#carry(item, signal);
    const work = navigator.locks.request(ofPlace(`ezdms-upload ${this.conversation}`), { signal }, carry);
    work.catch((error) => this.#failed(item, error, signal)).finally(() => {
      this.#running.delete(item.message_id);
      if (!this.#isOver) this.outbox.flush();
    });
  }

  // Bring all of it to the server, then let its message be sent.
  async #carry(item, signal) {
    this.#show(item, 0);
    for (let begun = 0; ; begun += 1) {
      try {
        const { id, isNew } = await this.#begin(item);
        await this.#upload(item, id, isNew, signal);
        return await this.#finish(item, id);
      } catch (error) {
        if (error.status !== 404 || error.code === "no_conversation" || begun === MOST_BEGUN) throw error;
        await note(item, "id", ""); // the server has lost it, or it waited too long: begin again with the same bytes
      }
    }
  }

  // The upload: its id, and whether it has only begun.
  async #begin(item) {
    const [known, kept, isPaused] = await load(item, "id", 0, "paused");
    if (!kept || isPaused) throw new Stopped(); // by another tab, which was faster
    if (known) return { id: known, isNew: false };
    const asked = { conversation_id: this.conversation, size: item.file.bytes };
    const { file_id: id } = await postForm("/files", asked, { file_id: isId });
    await note(item, "id", id);
    return { id, isNew: true };
  }

  async #upload(item, id, isNew, signal) {
    const { bytes } = item.file;
    let [at, jumps] = [isNew ? 0 : await this.#ask(id, bytes, signal), 0];
    while (at < bytes) {
      this.#show(item, at);
      const part = await this.#next(item, at);
      const began = Date.now();
      try {
        const next = await this.#send(id, { offset: at, body: part, signal });
        if (next !== at + part.length) throw new Error(say("upload-odd"));
        [at, jumps] = [next, 0];
        const took = Date.now() - began;
        if (took < QUICK) this.#step = Math.min(this.#step * 2, PART);
        if (took > SLOW) this.#step = Math.max(this.#step / 2, LEAST);
      } catch (error) {
        if (error.status === 0) this.#step = Math.max(this.#step / 2, LEAST);
        if (error.status !== 409) throw error;
        at = await this.#ask(id, bytes, signal);
        jumps += 1;
        if (jumps > MOST_JUMPS) throw new Error(say("upload-odd"), { cause: error });
      }
    }
  }

  // Where the upload continues.
  async #ask(id, bytes, signal) {
    const at = await this.#send(id, { signal });
    if (at > bytes) throw new Error(say("upload-odd"));
    return at;
  }

  #send(fileId, { signal, ...part }) {
    return carry(`/files/${fileId}`, { ...part, signal: AbortSignal.any([signal, AbortSignal.timeout(LONGEST)]) });
  }

  // The next bytes, as they were kept. Another tab may have paused it or taken it back.
  async #next(item, at) {
    const [kept, isPaused] = await load(item, Math.floor(at / PART), "paused");
    if (!kept || isPaused) throw new Stopped();
    return kept.subarray(at % PART, Math.min(at % PART + this.#step, kept.length));
  }

  // Its message can be sealed, unless another tab has done that, or took it back.
  async #finish(item, id) {
    this.#show(item, item.file.bytes);
    const text = crypto.describeFile({ id, ...item.file.about });
    await this.outbox.inTurn(async () => {
      const now = (await loadOutbox(this.conversation)).find(({ key }) => key === item.key);
      if (now && isUnfinished(now)) await updateOutbox({ ...now, text });
    });
  }

  // The server refuses a message because it does not have the file any more: upload it again. False if
  // that is pointless.
  async beginAgain(item) {
    const times = (this.#lost.get(item.message_id) ?? 0) + 1;
    this.#lost.set(item.message_id, times);
    if (times > MOST_BEGUN) return false;
    await note(item, "id", "");
    await updateOutbox({ ...item, text: "", sealed: null });
    this.outbox.flush();
    return true;
  }

  #show(item, at) {
    this.#say(item, "uploading", say("upload-sending"));
    this.outbox.unsent.progress(item.message_id, at / item.file.bytes);
  }

  #failed(item, error, { aborted }) {
    if (aborted || error instanceof Stopped) return;
    const words = maySay(`upload-${(error.code ?? "").replaceAll("_", "-")}`) ?? sentenceOf(error);
    const isOver = error.status === undefined || error.status === 507 || !isPassing(error);
    if (isOver) return this.#end(item, "refused", say("unsent-refused", { why: words }));
    const why = navigator.onLine ? say("upload-unreached") : say("upload-offline");
    const pause = error.retryAfter === null ? AGAIN : 1000 * Math.max(error.retryAfter, 1);
    this.#until.set(item.message_id, Date.now() + pause);
    this.#timer = setTimeout(() => this.outbox.flush(), pause + 1);
    this.#say(item, "waiting", error.status ? say("unsent-failed", { why: words }) : why);
  }
}
