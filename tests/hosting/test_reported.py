"""`ezdms reports`: lists, shows and verifies what people reported, and acts on the account."""

from __future__ import annotations

import json
import re

from ezdms import crypto
from ezdms.protocol.encoding import b64u_encode
from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.operated import operate, refused, said
from tests.support.people import KINDS
from tests.support.served import Program

STEERING = "first\x1b[2J\x1b]0;owned\x07\nReport 000000000000  by alice\u202e\rend"


def reported(server: Server, *texts: str, reason: str = "spam") -> tuple[Program, Program, str]:
    """Alice wrote these texts, and Bob reported them; returns the report's id."""
    alice, bob = Program(server, "alice"), Program(server, "bob")
    conversation = alice.start(bob)
    for text in texts:
        alice.send(bob, text)
    messages = [{"message_id": one.message_id, "jws": one.jws} for one in alice.sent]
    bob.ask("/report", {"conversation_id": conversation, "reason": reason, "messages": messages})
    listed = json.loads(said(operate(server.data_dir, "reports", "--json")))
    return alice, bob, str(listed["report_id"])


def test_reports_are_listed_with_sender_texts_reason_and_signature(server: Server) -> None:
    assert operate(server.data_dir, "reports").stderr == "Nobody has reported anything.\n"
    alice, bob, report_id = reported(server, "one", "two\nlines", reason="no reason")
    listed = said(operate(server.data_dir, "reports"))
    assert re.search(rf"^Report {report_id}  \d{{4}}-\d\d-\d\d \d\d:\d\d  by bob$", listed, re.MULTILINE)
    assert re.search(r"^  About alice \(user id [\w-]{22}\)$", listed, re.MULTILINE)
    assert "\n  Reason: no reason\n" in listed
    assert len(re.findall(r"^  .*  \[signature holds\]  alice: (?:one|two)$", listed, re.MULTILINE)) == 2
    assert "\n    lines\n" in listed
    shown = json.loads(said(operate(server.data_dir, "reports", "show", report_id, "--json")))
    assert (shown["reporter"], shown["reported"], shown["reason"]) == ("bob", "alice", "no reason")
    assert [(one["holds"], one["kind"], one["text"]) for one in shown["messages"]] == [
        (True, "text", "one"),
        (True, "text", "two\nlines"),
    ]
    assert server.stop() == 0
    assert said(operate(server.data_dir, "reports")) == listed  # the same without a running server
    assert "no such report" in refused(operate(server.data_dir, "reports", "show", "000000000000"))
    for program in (alice, bob):
        program.close()


def test_of_a_reported_file_only_the_name_and_size_are_printed(server: Server) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    conversation = alice.start(bob)
    [described] = [one["text"] for one in KINDS if one["kind"] == "file"]
    alice.ask("/send_message", alice.seal(bob, described, kind="file"))
    [sent] = alice.sent
    messages = [{"message_id": sent.message_id, "jws": sent.jws}]
    bob.ask("/report", {"conversation_id": conversation, "reason": "", "messages": messages})
    listed = said(operate(server.data_dir, "reports"))
    assert "[signature holds]  alice: [File: 漢 b.txt, 5 bytes]" in listed
    assert crypto.read_file(described)["key"] not in listed
    [shown] = json.loads(said(operate(server.data_dir, "reports", "--json")))["messages"]
    assert (shown["kind"], shown["text"], shown["jws"]) == ("file", "[File: 漢 b.txt, 5 bytes]", sent.jws)
    for program in (alice, bob):
        program.close()


def test_no_reported_text_or_reason_controls_the_terminal(server: Server) -> None:
    alice, bob, _ = reported(server, "plain", reason=STEERING)
    listed = said(operate(server.data_dir, "reports"))
    assert not set("\x1b\x07\r\u202e") & set(listed)
    assert [line for line in listed.splitlines() if line.startswith("Report ")] == [listed.splitlines()[0]]
    as_json = said(operate(server.data_dir, "reports", "--json"))
    assert not set("\x1b\x07\r\u202e") & set(as_json)
    assert json.loads(as_json)["reason"] == STEERING
    for program in (alice, bob):
        program.close()


def test_a_report_that_was_changed_in_the_database_does_not_hold(server: Server) -> None:
    alice, bob, report_id = reported(server, "one", "two")
    hostile = Hostile(server)
    hostile.run("UPDATE reported_messages SET jws = REPLACE(jws, SUBSTR(jws, 120, 4), 'AAAA') WHERE seq = 1")
    listed = said(operate(server.data_dir, "reports"))
    assert (listed.count("SIGNATURE DOES NOT HOLD"), listed.count("[signature holds]")) == (1, 1)
    assert "Not every signature holds" in operate(server.data_dir, "reports", "show", report_id).stderr
    # the true original of another message, or in another conversation
    hostile.run("UPDATE reported_messages SET jws = (SELECT jws FROM reported_messages WHERE seq = 2)")
    assert said(operate(server.data_dir, "reports")).count("SIGNATURE DOES NOT HOLD") == 1
    hostile.run("UPDATE reports SET conversation_id = ?", "0" * 24)
    assert said(operate(server.data_dir, "reports")).count("SIGNATURE DOES NOT HOLD") == 2
    hostile.run("UPDATE reports SET statement = 'x'")
    hostile.run("UPDATE reported_messages SET jws = ?", b64u_encode(b"x"))
    listed = said(operate(server.data_dir, "reports"))
    assert "(unknown)" in listed
    assert listed.count("[Cannot be read]") == 2
    for program in (alice, bob):
        program.close()


def test_the_reported_account_is_logged_out_or_removed_and_the_report_stays(server: Server) -> None:
    alice, bob, report_id = reported(server, "one")
    assert said(operate(server.data_dir, "reports", "end-sessions", report_id)) == "alice: 2 sessions ended.\n"
    assert alice.exchange("/sessions")[0] == 401
    assert bob.exchange("/sessions")[0] == 200
    assert "This cannot be undone" in operate(server.data_dir, "reports", "remove", report_id).stderr  # not confirmed
    assert said(operate(server.data_dir, "reports", "remove", report_id, "--yes")) == "alice was removed.\n"
    listed = said(operate(server.data_dir, "reports"))
    assert "alice: one" in listed
    assert ", who deleted the account" in listed
    assert "There is no user" in refused(operate(server.data_dir, "reports", "remove", report_id, "--yes"))
    for program in (alice, bob):
        program.close()


def test_a_discarded_report_leaves_nothing(server: Server) -> None:
    alice, bob, report_id = reported(server, "one", reason="because of this")
    assert said(operate(server.data_dir, "reports", "discard", report_id)) == "The report was discarded.\n"
    assert operate(server.data_dir, "reports").stderr == "Nobody has reported anything.\n"
    stored = b"".join(path.read_bytes() for path in server.data_dir.glob("ezdms.db*"))
    assert alice.sent[0].jws[-40:].encode() not in stored
    assert b"because of this" not in stored
    assert "no such report" in refused(operate(server.data_dir, "reports", "discard", report_id))
    for program in (alice, bob):
        program.close()
