"""Every vector, byte for byte, through ezdms/crypto.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from ezdms import crypto
from ezdms.client import changes
from ezdms.protocol import encoding, envelope
from ezdms.protocol.encoding import b64u_decode, b64u_encode
from tests.support.people import PEOPLE, VECTORS, load_vectors

Case = dict[str, Any]


def cases(name: str) -> pytest.MarkDecorator:
    """Parametrize by the cases of one file; the id tells which and why."""
    found = load_vectors(name)
    ids = [f"{name}-{i}-{case.get('why') or case.get('name') or ''}" for i, case in enumerate(found)]
    return pytest.mark.parametrize("case", found, ids=ids)


def holds(check: Callable[[], object]) -> bool:
    """True unless the check refuses with one of the protocol's own errors."""
    try:
        check()
    except (crypto.ProtocolError, encoding.EnvelopeError):
        return False
    return True


def test_every_vector_file_is_run() -> None:
    run = {"people", "acts"} | {  # acts: test_acts.py
        mark.args[1][0] and test.__name__.removeprefix("test_vector_")
        for test in globals().values()
        for mark in getattr(test, "pytestmark", [])
    }
    assert run == {path.stem for path in VECTORS.glob("*.json")}


@cases("login_pin")
def test_vector_login_pin(case: Case) -> None:
    if case["pin"] is None:
        with pytest.raises(crypto.PinError):
            crypto.normalise_login_pin(case["typed"])
    else:
        assert crypto.normalise_login_pin(case["typed"]) == case["pin"]


@cases("login_keys")
def test_vector_login_keys(case: Case) -> None:
    derived = crypto.login_keys(case["pin"], b64u_decode(case["deployment_id"], 16))
    assert derived == crypto.LoginKeys(case["login_id"], case["auth_key"])


@cases("identity_keys")
def test_vector_identity_keys(case: Case) -> None:
    assert holds(lambda: envelope.check_identity_key(b64u_decode(case["ik"]))) == case["valid"]


@cases("encryption_keys")
def test_vector_encryption_keys(case: Case) -> None:
    assert holds(lambda: envelope.check_encryption_key(b64u_decode(case["spki"]))) == case["valid"]


@cases("private_keys")
def test_vector_private_keys(case: Case) -> None:
    wrapped = crypto.WrappedKeys(case["salt"], case["iterations"], case["wrapped_sig"], case["wrapped_enc"])
    arguments = (case["pin"], wrapped, b64u_decode(case["ik"]), b64u_decode(case["spki"]))
    if case["opens"]:
        keys = crypto.unwrap_keys(*arguments)
        assert keys.identity.private_bytes_raw() == b64u_decode(case["seed"])
    else:
        with pytest.raises(crypto.Refused):
            crypto.unwrap_keys(*arguments)


@cases("statements")
def test_vector_statements(case: Case) -> None:
    if not case["valid"]:
        with pytest.raises(crypto.Refused):
            crypto.verify_statement(case["statement"])
        return
    statement = crypto.verify_statement(case["statement"])
    assert (b64u_encode(statement.ik), b64u_encode(statement.spki)) == (case["ik"], case["spki"])
    assert (statement.name, statement.seq) == (case["name"], case["seq"])


@cases("search_pins")
def test_vector_search_pins(case: Case) -> None:
    if not case["well_formed"]:
        with pytest.raises(crypto.PinError):
            crypto.normalise_search_pin(case["typed"])
        return
    pin = crypto.normalise_search_pin(case["typed"])
    ik, salt = b64u_decode(case["ik"]), b64u_decode(case["salt"])
    assert crypto.search_pin_commits(pin, ik, salt) == case["commits"]
    if case["commits"]:
        assert pin == case["search_pin"]


@cases("conversations")
def test_vector_conversations(case: Case) -> None:
    fp_x, fp_y = (crypto.fingerprint(b64u_decode(case[name])) for name in ("ik_x", "ik_y"))
    assert (b64u_encode(fp_x), b64u_encode(fp_y)) == (case["fp_x"], case["fp_y"])
    assert crypto.conversation_id(fp_x, fp_y) == case["conversation_id"]
    assert crypto.safety_number(fp_x, fp_y) == case["safety_number"]
    assert crypto.safety_qr(fp_x, fp_y) == case["qr"]


@cases("messages")
def test_vector_messages(case: Case) -> None:
    body = json.loads(case["body"])
    bob = PEOPLE["bob"]
    sealed = crypto.seal_message(
        PEOPLE["alice"],
        bob.ik,
        bob.spki,
        n=body["n"],
        p=body["p"],
        a=(body["a"][0], body["a"][1]),
        ts=body["ts"],
        text=case["text"],
        message_id=b64u_decode(body["id"]),
        x=body["x"],
        kind=body["k"],
        z=b64u_decode(body.get("z", "")),
    )
    assert (sealed.jws, sealed.hash) == (case["jws"], case["jws_hash"])
    assert len(b64u_decode(sealed.jws.split(".")[1])) == case["padded_bytes"]


@cases("envelopes")
def test_vector_envelopes(case: Case) -> None:
    reader, sender = PEOPLE[case["to"]], PEOPLE[case["from"]]

    def opened() -> crypto.Message:
        claimed = {"message_id": case["id"], "n": case["n"], "hash": case["hash"], "suite": case.get("suite", 1)}
        return crypto.open_message(reader, sender.ik, reader.ik, case["jwe"], **claimed)

    if case["verdict"] == "ok":
        assert opened().text == case["text"]
    else:
        with pytest.raises({"refuse": crypto.Refused, "unsupported": crypto.Unsupported}[case["verdict"]]):
            opened()


@cases("kinds")
def test_vector_kinds(case: Case) -> None:
    reader, sender = PEOPLE[case["to"]], PEOPLE[case["from"]]
    claimed = {"message_id": case["id"], "n": case["n"], "hash": case["hash"]}
    if case["verdict"] == "ok":
        opened = crypto.open_message(reader, sender.ik, reader.ik, case["jwe"], **claimed)
        assert (opened.kind, opened.text, opened.x) == (case["k"], case["text"], case["x"])
        assert opened.reference == (case["r"] and tuple(case["r"]))
    else:
        with pytest.raises(crypto.Refused):
            crypto.open_message(reader, sender.ik, reader.ik, case["jwe"], **claimed)


@cases("orders")
def test_vector_orders(case: Case) -> None:
    rows = [crypto.Row(**row | {"a": row["a"] and tuple(row["a"])}) for row in case["rows"]]
    assert crypto.order_verdicts(rows) == case["verdicts"]


def facts_of(case: Case) -> list[changes.Fact]:
    """The opened rows of a case of changes.json."""
    found = []
    for row in case["rows"]:
        body = row["body"] or {}
        kind = body.get("k") if body.get("k") in crypto.KINDS else None
        reference = tuple(body["r"]) if "r" in body else None
        reason = row["gone"] if row["gone"] not in (None, "replaced") else ""
        place = (row["sender"], row["id"], row["n"], row["hash"])
        content = (kind, body.get("b", ""), reference, body.get("e"))
        claimed = {"is_empty": row["body"] is None, "replaces": row["replaces"], "reason": reason}
        found.append(changes.Fact(*place, *content, **claimed))
    return found


@cases("changes")
def test_vector_changes(case: Case) -> None:
    shows: dict[str, dict[str, Any]] = {}
    for fact, shown in zip(facts_of(case), changes.shown(facts_of(case), now=0), strict=True):
        if shown is None:
            continue
        shows[fact.id] = {"shows": shown.state}
        shows[fact.id] |= {"text": shown.text} if shown.text else {}
        shows[fact.id] |= {"reactions": shown.reactions} if shown.reactions else {}
    assert shows == case["shows"]


@cases("files")
def test_vector_files(case: Case) -> None:
    """Seal byte for byte what opens, and refuse everything else."""
    sealed, key = sealed_example(case["size"] if case["opens"] else 200_001, b64u_decode(case["key"]))
    if not case["opens"]:
        sealed = b"".join(sealed[start:end] for start, end in case["cuts"])
    else:
        assert (crypto.padded_size(case["size"]), len(sealed)) == (case["padded"], case["sealed_bytes"])
        assert b64u_encode(sealed) == case.get("sealed", b64u_encode(sealed))
    assert b64u_encode(encoding.sha256(sealed)) == case["hash"] or case["why"] == "another hash"
    opened = bytearray()

    def opening() -> None:
        opener = crypto.FileOpener(key, case["size"], case["hash"])
        for start in range(0, len(sealed), 50_000):
            for plain in opener.feed(sealed[start : start + 50_000]):
                opened.extend(plain)
        opener.finish()

    assert holds(opening) == case["opens"]
    assert not case["opens"] or bytes(opened) == plain_example(case["size"])


def plain_example(size: int) -> bytes:
    """The file of the vectors."""
    return bytes((7 * i + 3) % 256 for i in range(256)) * (size // 256) + bytes(
        (7 * i + 3) % 256 for i in range(size % 256)
    )


def sealed_example(size: int, key: bytes) -> tuple[bytes, bytes]:
    """The file of the vectors, sealed with this key; and the key."""
    sealer, plain = crypto.FileSealer(size, key=key), plain_example(size)
    chunks = [chunk for start in range(0, size, 30_000) for chunk in sealer.feed(plain[start : start + 30_000])]
    sealed = b"".join([*chunks, *sealer.finish()])
    assert sealer.is_done
    assert len(sealed) == crypto.sealed_size(size)
    return sealed, key


@cases("signals")
def test_vector_signals(case: Case) -> None:
    """Bob opens what the server says is a signal of Alice, in each slot."""
    alice, bob = PEOPLE["alice"], PEOPLE["bob"]
    hashes = dict(enumerate(case["mine"], 1))
    counting = []
    for slot in ("", "delivered", "read"):
        try:
            signal = crypto.open_signal(bob, alice.ik, case["jwe"], slot)
        except crypto.Refused:
            continue
        if crypto.is_typing_now(signal, 0, signal.ts) or crypto.is_receipt(signal, 0, hashes.get(signal.m[0])):
            counting.append([slot or "typing", signal.kind, [*signal.m]])
    assert counting == ([[case["k"], case["k"], case["m"]]] if case["valid"] else [])


@cases("marks")
def test_vector_marks(case: Case) -> None:
    """Bob reads the mark in the place of a row of his conversation with Alice."""
    bob = PEOPLE["bob"]
    conversation = crypto.conversation_id(bob.fp, PEOPLE["alice"].fp)
    place = (conversation, case["id"], case["hash"])
    assert holds(lambda: crypto.verify_mark(case["mark"], bob.ik, *place)) == case["valid"]
    if case["valid"]:
        assert crypto.sign_mark(bob, *place) == case["mark"]


@cases("acts")
def test_vector_acts(case: Case) -> None:
    """We sign the exact bytes that a server accepts."""
    signed = json.loads(b64u_decode(case["jws"].split(".")[1]))
    purpose = crypto.change_pin_purpose(case["change_pin"]) if "change_pin" in case else case["for"]
    deployment_id = b64u_decode(case["deployment_id"], 16)
    ours = crypto.sign_act(PEOPLE["alice"], deployment_id, case["act"], purpose, signed["ts"])
    why = case.get("why", "")
    assert (ours == case["jws"]) == (case["valid"] or why == "the same act again" or "minutes" in why)


@cases("chains")
def test_vector_chains(case: Case) -> None:
    chain = crypto.Chain()
    verdicts = []
    for jws in case["jws"]:
        body = json.loads(b64u_decode(jws.split(".")[1]))
        verdicts.append(chain.follow(n=body["n"], hash=crypto.message_hash(jws), p=body["p"]))
    assert verdicts == case["verdicts"]


def test_the_people_in_the_vectors_have_the_keys_that_the_vectors_list() -> None:
    for name, person in load_vectors("people")[0].items():
        assert b64u_encode(PEOPLE[name].ik) == person["ik"]
        assert b64u_encode(PEOPLE[name].fp) == person["fp"]
        assert b64u_encode(PEOPLE[name].spki) == person["spki"]
        assert load_der_private_key(b64u_decode(person["pkcs8"]), None).key_size == 2048  # type: ignore[union-attr]
