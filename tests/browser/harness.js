// Runs in the page: tests crypto.js case by case. Each verdict is "" or says what was wrong.

Object.assign(globalThis, {
  async load(address, keys) {
    globalThis.C = await import(address);
    globalThis.people = {};
    for (const [name, { ik, spki, sig, enc }] of Object.entries(keys)) {
      const bytes = [ik, spki, sig, enc].map((text) => C.b64uDecode(text));
      people[name] = {
        ik: bytes[0], spki: bytes[1], fp: await C.fingerprint(bytes[0]),
        sig: await crypto.subtle.importKey("pkcs8", bytes[2], "Ed25519", false, ["sign"]),
        enc: await crypto.subtle.importKey("pkcs8", bytes[3], { name: "RSA-OAEP", hash: "SHA-256" }, false, ["decrypt"]),
      };
    }
  },

  // Returns the kind of refusal, or "" and the result.
  async attempt(work) {
    try {
      return ["", await work()];
    } catch (error) {
      return [error instanceof C.ProtocolError ? error.kind : `${error}`, undefined];
    }
  },

  same: (...pairs) => pairs.filter(([is, should]) => JSON.stringify(is) !== JSON.stringify(should))
    .map(([is, should]) => `${JSON.stringify(is)} instead of ${JSON.stringify(should)}`).join("; "),

  judge: (name, cases) => Promise.all(cases.map((one) => vectors[name](one))),

  vectors: {
    async login_pin({ typed, pin }) {
      const [kind, got] = await attempt(() => C.normaliseLoginPin(typed));
      return same([got ?? null, pin], [kind, pin === null ? "pin" : ""]);
    },
    async login_keys({ pin, deployment_id, login_id, auth_key }) {
      return same([await C.loginKeys(pin, deployment_id), { login_id, auth_key }]);
    },
    async identity_keys({ ik, valid }) {
      return same([(await attempt(() => C.checkIdentityKey(C.b64uDecode(ik))))[0], valid ? "" : "refused"]);
    },
    async encryption_keys({ spki, valid }) {
      return same([(await attempt(() => C.checkEncryptionKey(C.b64uDecode(spki))))[0], valid ? "" : "refused"]);
    },
    async private_keys({ pin, opens, ...stored }) {
      const known = { ik: C.b64uDecode(stored.ik), spki: C.b64uDecode(stored.spki) };
      return same([(await attempt(() => C.unwrapKeys(pin, stored, known)))[0], opens ? "" : "refused"]);
    },
    async statements({ statement, valid, ik, spki, name, seq }) {
      const [kind, got] = await attempt(() => C.verifyStatement(statement));
      if (!valid) return same([kind, "refused"]);
      return kind || same([[C.b64uEncode(got.ik), C.b64uEncode(got.spki), got.name, got.seq], [ik, spki, name, seq]]);
    },
    async search_pins({ typed, ik, salt, search_pin, well_formed, commits }) {
      const [kind, pin] = await attempt(() => C.normaliseSearchPin(typed));
      if (!well_formed) return same([kind, "pin"]);
      const found = await C.searchPinCommits(pin, C.b64uDecode(ik), C.b64uDecode(salt));
      return kind || same([found, commits], ...(commits ? [[pin, search_pin]] : []));
    },
    async conversations({ ik_x, ik_y, fp_x, fp_y, conversation_id, safety_number, qr }) {
      const [x, y] = await Promise.all([ik_x, ik_y].map((ik) => C.fingerprint(C.b64uDecode(ik))));
      return same([[C.b64uEncode(x), C.b64uEncode(y)], [fp_x, fp_y]], [await C.conversationId(x, y), conversation_id],
        [await C.safetyNumber(x, y), safety_number], [C.safetyQr(x, y), qr]);
    },
    async messages({ text, body, jws, jws_hash, padded_bytes }) {
      const { n, p, a, ts, x, k, id, z = "" } = JSON.parse(body);
      const fields = { n, p, a, ts, x, kind: k, text, id: C.b64uDecode(id), z: C.b64uDecode(z) };
      const got = await C.sealMessage(people.alice, people.bob, fields);
      return same([got.jws, jws], [got.hash, jws_hash], [C.b64uDecode(got.jws.split(".")[1]).length, padded_bytes]);
    },
    async envelopes({ to, from, id, n, hash, suite = 1, jwe, verdict, text }) {
      const [reader, sender] = [people[to], people[from]];
      const claimed = { message_id: id, n, hash, suite, encrypted: jwe };
      const conversation = await C.conversationId(reader.fp, sender.fp);
      const [kind, got] = await attempt(() => C.openMessage(reader, sender, reader.fp, conversation, claimed));
      return same([kind, { ok: "", refuse: "refused", unsupported: "unsupported" }[verdict]], ...(verdict === "ok" ? [[got?.text, text]] : []));
    },
    async kinds({ to, from, id, n, hash, jwe, verdict, k, text, x, r }) {
      const [reader, sender] = [people[to], people[from]];
      const claimed = { message_id: id, n, hash, suite: 1, encrypted: jwe };
      const conversation = await C.conversationId(reader.fp, sender.fp);
      const [kind, got] = await attempt(() => C.openMessage(reader, sender, reader.fp, conversation, claimed));
      if (verdict !== "ok") return same([kind, "refused"]);
      return kind || same([[got.kind, got.text, got.x, got.reference], [k, text, x, r]]);
    },
    async changes({ rows, shows }) {
      const facts = rows.map(({ sender, id, n, hash, body, gone, replaces }) => {
        const { k, b = "", r = null, e = null } = body ?? {};
        const kind = ["text", "edit", "delete", "react", "timer", "file"].includes(k) ? k : null;
        const content = { kind, text: b, reference: r, e, x: 0, ts: 0, createdAt: 0 };
        const reason = gone === "replaced" ? "" : gone ?? "";
        return { side: sender, id, n, hash, ...content, isEmpty: body === null, replaces, reason };
      });
      const got = {};
      (await changes.shown(facts, { now: 0 })).forEach((shown, i) => {
        if (!shown) return;
        const { state, text, reactions } = shown;
        got[facts[i].id] = { shows: state, ...(text && { text }), ...(Object.keys(reactions).length && { reactions }) };
      });
      const sorted = (all) => Object.entries(all).sort()
        .map(([id, { reactions = {}, ...more }]) => [id, more, Object.entries(reactions).sort()]);
      return same([sorted(got), sorted(shows)]);
    },
    // In each slot.
    async files({ size, key, padded, sealed_bytes, hash, sealed, cuts, opens, why }) {
      const [whole, of] = [opens ? size : 200001, (i) => (7 * i + 3) % 256];
      const plain = Uint8Array.from({ length: whole }, (_, i) => of(i));
      let chunks = [];
      for await (const chunk of C.sealFile(key, whole, async (start, end) => plain.subarray(start, end))) {
        chunks.push(chunk);
      }
      let bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
      if (!opens) bytes = new Uint8Array(await new Blob(cuts.map(([a, b]) => bytes.slice(a, b))).arrayBuffer());
      const digest = C.b64uEncode(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
      const [kind] = await attempt(async () => {
        chunks = [];
        for await (const chunk of C.openFile({ key, size, hash }, bytes)) chunks.push(chunk);
      });
      if (!opens) return same([kind, "refused"], [digest === hash, why !== "another hash"]);
      const found = new Uint8Array(await new Blob(chunks).arrayBuffer());
      return kind || same([digest, hash], [C.paddedSize(size), padded], [C.sealedSize(size), sealed_bytes],
        [bytes.length, sealed_bytes], [found.length, size], [found.every((byte, i) => byte === of(i)), true],
        [sealed && C.b64uEncode(bytes), sealed]);
    },
    async signals({ mine, jwe, valid, k, m }) {
      const counting = [];
      for (const slot of ["", "delivered", "read"]) {
        const [kind, got] = await attempt(() => C.openSignal(people.bob, people.alice, jwe, slot));
        if (kind && kind !== "refused") return kind;
        if (kind) continue;
        const isTrue = C.isTypingNow(got, 0, got.ts) || C.isReceipt(got, 0, mine[got.m[0] - 1] ?? null);
        if (isTrue) counting.push([slot || "typing", got.kind, got.m]);
      }
      return same([counting, valid ? [[k, k, m]] : []]);
    },
    async marks({ id, hash, mark, valid }) {
      const conversation = await C.conversationId(people.bob.fp, people.alice.fp);
      const [kind] = await attempt(() => C.verifyMark(mark, people.bob, conversation, id, hash));
      const ours = await C.signMark(people.bob, conversation, id, hash);
      return same([kind, valid ? "" : "refused"], ...(valid ? [[ours, mark]] : []));
    },
    async orders({ rows, verdicts }) {
      return same([C.orderVerdicts(rows), verdicts]);
    },
    // Other tests cover what the server must refuse; here, signed acts must match the vectors byte for byte.
    async acts({ jws, act, deployment_id, valid, why, change_pin, ...given }) {
      const signed = JSON.parse(new TextDecoder().decode(C.b64uDecode(jws.split(".")[1])));
      const purpose = change_pin ? await C.changePinPurpose(change_pin) : given.for;
      const ours = await C.signAct(people.alice, deployment_id, act, purpose, signed.ts);
      const isFine = valid || why === "the same act again" || why.includes("minutes"); // these are only about the time
      return same([ours === jws, isFine]);
    },
    async chains({ jws, verdicts }) {
      const chain = C.newChain();
      const got = [];
      for (const one of jws) {
        const { n, p } = JSON.parse(new TextDecoder().decode(C.b64uDecode(one.split(".")[1])));
        const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(one));
        got.push(C.followChain(chain, { n, p, hash: C.b64uEncode(new Uint8Array(digest)) }));
      }
      return same([got, verdicts]);
    },
  },

  sealAs: (from, to, content) => C.sealMessage(people[from], people[to],
    { n: 1, p: "", a: [0, ""], ts: 1, ...(typeof content === "string" ? { text: content } : content) }),

  // A message from Alice to Bob, opened by either of them.
  async openAs(reader, sender, claimed) {
    const conversation = await C.conversationId(people.alice.fp, people.bob.fp);
    return C.openMessage(people[reader], people[sender], people.bob.fp, conversation, claimed);
  },

  async makeAccount(pin) {
    const keys = await C.generateKeys();
    return { statement: await C.signStatement(keys, "newcomer", 1, Date.now()), wrapped: await C.wrapKeys(pin, keys) };
  },

  async unlockAlice(pin, wrapped) {
    const me = await C.unwrapKeys(pin, wrapped, people.alice);
    const sealed = await C.sealMessage(me, people.bob, { n: 1, p: "", a: [0, ""], ts: 1, text: "mine" });
    const [lo] = C.inOrder(me.fp, people.bob.fp);
    const encrypted = lo === me.fp ? sealed.content_for_a : sealed.content_for_b;
    const conversation = await C.conversationId(me.fp, people.bob.fp);
    const opened = await C.openMessage(me, me, people.bob.fp, conversation, { ...sealed, encrypted });
    return opened.text === "mine" ? "signs and opens" : "does not";
  },

  async tryExport(pin, wrapped) {
    const { sig, enc } = await C.unwrapKeys(pin, wrapped, people.alice);
    const tries = [sig, enc].map((key) => crypto.subtle.exportKey("pkcs8", key).then(() => "exported", (error) => error.name));
    return [...await Promise.all(tries), sig.extractable, enc.extractable];
  },

  async succession(known, next) {
    const [old, later] = await Promise.all([known, next].map(async (jws) => C.pinOf(await C.verifyStatement(jws))));
    return (await attempt(() => C.checkSuccession(old, later)))[0] || "fine";
  },

  // Changes one letter at each position, or at one in `every`; also tries the unchanged envelope.
  async flipEverything(sealed, every) {
    const [lo] = C.inOrder(people.alice.fp, people.bob.fp);
    const good = lo === people.bob.fp ? sealed.content_for_a : sealed.content_for_b;
    const opened = [];
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const openWith = async (encrypted, name) => {
      const [kind] = await attempt(() => openAs("bob", "alice", { ...sealed, encrypted }));
      if (kind === "") opened.push(name);
      else if (kind !== "refused") opened.push(kind);
    };
    await openWith(good, "untouched");
    let tried = 0;
    for (let at = 0; at < good.length; at += every, tried += 1) {
      const letter = letters[(letters.indexOf(good[at]) + 1 + (at % 60)) % letters.length];
      await openWith(good.slice(0, at) + letter + good.slice(at + 1), `flipped at ${at}`);
    }
    return { tried, opened };
  },
});
