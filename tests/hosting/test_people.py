"""`ezdms users` and `ezdms invite`, on a running server and on a stopped one."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from ezdms.client import Client, CodeNeeded
from tests.conftest import Server
from tests.support.once import cheap_login_pin
from tests.support.operated import operate, refused, said
from tests.support.second_step import turn_on_in
from tests.support.served import Listener, Program, open_socket


def test_users_are_listed_without_message_content(server: Server) -> None:
    assert operate(server.data_dir, "users").stderr == "Nobody has an account yet.\n"
    alice, bob = Program(server, "alice"), Program(server, "bob")
    alice.start(bob)
    alice.send(bob, "nobody's business")
    listed = json.loads(said(operate(server.data_dir, "users", "--json")))
    assert [(one["username"], one["sessions"]) for one in listed] == [("alice", 2), ("bob", 2)]
    assert set(listed[0]) == {"user_id", "username", "created_at", "used_at", "sessions"}
    table = said(operate(server.data_dir, "users"))
    assert re.search(rf"^alice +{listed[0]['user_id']} +\d{{4}}-\d\d-\d\d +\d{{4}}.* 2$", table, re.MULTILINE)
    for program in (alice, bob):
        program.close()


def test_ending_sessions_closes_their_sockets_on_the_running_server_at_once(server: Server) -> None:
    alice = Program(server, "alice")
    with open_socket(server, alice.token) as raw:
        listener = Listener(raw)
        assert said(operate(server.data_dir, "users", "end-sessions", "alice")) == "alice: 2 sessions ended.\n"
        assert listener.closed_with() == 1008
    assert alice.exchange("/sessions")[0] == 401
    alice.log_in()
    assert alice.exchange("/sessions")[0] == 200
    alice.close()


def test_removing_a_user_deletes_the_account_and_leaves_partners_their_messages(server: Server) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    conversation = alice.start(bob)
    alice.send(bob, "still here")
    user_id = json.loads(said(operate(server.data_dir, "users", "--json")))[0]["user_id"]
    assert "This cannot be undone" in operate(server.data_dir, "users", "remove", user_id).stderr  # not confirmed
    assert alice.exchange("/sessions")[0] == 200
    assert said(operate(server.data_dir, "users", "remove", user_id, "--yes")) == "alice was removed.\n"
    alice.token = ""
    known = {name: alice.fields[name] for name in ("login_id", "auth_key")}
    assert alice.exchange("/login", known)[0] == 401
    assert [bool(one["encrypted"]) for one in bob.ask(f"/messages/{conversation}")] == [True]
    assert bob.exchange("/send_message", bob.seal(alice, "anybody?"))[0] in (409, 410)
    assert b"alice" not in b"".join(path.read_bytes() for path in server.data_dir.glob("ezdms.db*"))
    for program in (alice, bob):
        program.close()


def test_every_action_of_the_operator_leaves_a_line_that_names_nobody(server: Server, tmp_path: Path) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    copy = str(tmp_path / "copy.db")
    actions = [
        (("users",), "listed the accounts", 2),
        (("users", "end-sessions", "alice"), "ended the sessions of an account", 2),
        (("invite", "--count", "3", "--url", "https://a.example"), "made invitations", 3),
        (("invite", "--withdraw"), "withdrew the invitations", 3),
        (("backup", copy), "backed up the database", None),
        (("users", "remove", "bob", "--yes"), "removed an account", None),
    ]
    for arguments, _, _ in actions:
        assert operate(server.data_dir, *arguments).returncode == 0
    expected = [(done, count) for _, done, count in actions]
    expected.insert(-1, ("looked up an account", None))
    log = server.log.read_text()
    assert re.findall(r'INFO operator: done="([a-z ]+)"(?: count=(\d+))?\n', log) == [
        (done, "" if count is None else str(count)) for done, count in expected
    ]
    refused(operate(server.data_dir, "users", "end-sessions", "carol"))
    assert "INFO operator action refused: action=end_sessions\n" in server.log.read_text()
    assert server.stop() == 0
    actions = [
        (("users", "end-sessions", "alice"), "ended the sessions of an account", 0),
        (("restore", copy, "--replace"), "restored a backup", None),
    ]
    for arguments, done, count in actions:
        assert operate(server.data_dir, *arguments).returncode == 0
        expected.append((done, count))
    trail = server.data_dir / "audit.log"
    lines = [json.loads(line) for line in trail.read_text().splitlines()]
    assert [(line["done"], line.get("count")) for line in lines] == expected
    assert stat.S_IMODE(trail.stat().st_mode) == 0o600
    for word in ("alice", "bob", "carol", alice.search_pin, alice.token, copy, "#invite="):
        assert word not in log + trail.read_text()
    for program in (alice, bob):
        program.close()


def test_a_name_shared_by_two_users_requires_the_user_id(server: Server) -> None:
    first = Program(server, "alice")
    twin = Program(server, "bob", username="alice")
    sentence = refused(operate(server.data_dir, "users", "end-sessions", "alice"))
    ids = re.findall(r"[\w-]{22}", sentence)
    assert len(ids) == 2
    assert "2 users are called alice. Use the user id instead" in sentence
    own = str(twin.ask("/me")["user_id"])
    assert own in ids
    assert said(operate(server.data_dir, "users", "end-sessions", own)) == "alice: 2 sessions ended.\n"
    assert (first.exchange("/sessions")[0], twin.exchange("/sessions")[0]) == (200, 401)
    assert "There is no user carol." in refused(operate(server.data_dir, "users", "remove", "carol", "--yes"))
    for program in (first, twin):
        program.close()


def test_an_id_that_starts_with_a_dash_is_not_an_option(server: Server) -> None:
    for who in ("-U01Mv5_h84hmrHlEY2Mhg", "-hhhhhhhhhhhhhhhhhhhhh"):
        assert f"There is no user {who}." in refused(operate(server.data_dir, "users", "end-sessions", who))
        assert f"There is no user {who}." in refused(operate(server.data_dir, "users", "remove", who, "--yes"))


def test_the_user_to_remove_is_looked_up_before_the_confirmation(server: Server) -> None:
    alice = Program(server, "alice")
    [listed] = json.loads(said(operate(server.data_dir, "users", "--json")))
    asked = operate(server.data_dir, "users", "remove", "alice").stderr
    assert f"Remove alice (user id {listed['user_id']}), with keys" in asked
    twin = Program(server, "bob", username="alice")
    for who, words in (("nobody", "There is no user nobody."), ("alice", "2 users are called alice.")):
        done = operate(server.data_dir, "users", "remove", who)
        assert words in done.stderr
        assert "This cannot be undone" not in done.stderr
    assert (alice.exchange("/sessions")[0], twin.exchange("/sessions")[0]) == (200, 200)
    for program in (alice, twin):
        program.close()


def test_the_data_folder_can_be_given_before_or_after_the_command(server: Server, tmp_path: Path) -> None:
    Program(server, "alice").close()
    folder = ("--data-dir", str(server.data_dir))
    ended = "alice: 2 sessions ended.\n"
    assert said(operate(tmp_path, "users", "end-sessions", "alice", *folder)) == ended
    assert said(operate(tmp_path, "users", *folder, "end-sessions", "alice")) == "alice: 0 sessions ended.\n"
    assert said(operate(tmp_path, "users", "remove", "alice", "--yes", *folder)) == "alice was removed.\n"
    assert "Nobody has an account" in operate(tmp_path, "users", *folder).stderr


def test_invitations_are_links_that_work_once(tmp_path: Path) -> None:
    with Server(tmp_path, registration="invite", public_url="https://chat.example.org") as server:
        links = said(operate(server.data_dir, "invite", "--count", "3", "--expires", "12h")).splitlines()
        tokens = [re.fullmatch(r"https://chat\.example\.org/#invite=([\w-]{22})", link)[1] for link in links]  # type: ignore[index]
        assert len(set(tokens)) == 3
        alice = Program(server, "alice", invitation=tokens[0])
        assert Program.registers(server, "bob", invitation=tokens[0]) == 403
        assert Program.registers(server, "bob") == 403
        assert said(operate(server.data_dir, "invite", "--withdraw")) == "2 invitations withdrawn.\n"
        assert Program.registers(server, "bob", invitation=tokens[1]) == 403
        alice.close()
        assert tokens[1] not in server.log.read_text()


def test_invitations_to_an_open_or_local_server_come_with_a_note(server: Server) -> None:
    made = operate(server.data_dir, "invite")
    assert made.returncode == 0
    assert made.stdout.startswith(f"{server.url}/#invite=")
    assert "registration is open" in made.stderr
    assert "works only on this machine" in made.stderr


def test_the_commands_work_on_a_stopped_server(server: Server) -> None:
    alice = Program(server, "alice")
    assert server.stop() == 0
    assert "public address is unknown. Use --url" in refused(operate(server.data_dir, "invite"))
    assert said(operate(server.data_dir, "invite", "--url", "https://a.example")).startswith(
        "https://a.example/#invite="
    )
    assert said(operate(server.data_dir, "users", "end-sessions", "alice")) == "alice: 2 sessions ended.\n"
    server.start()
    assert alice.exchange("/sessions")[0] == 401
    alice.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ("invite", "--count", "0"),
        ("invite", "--expires", "soon"),
        ("invite", "--expires", "9999d"),
        ("invite", "--url", "foo"),
        ("invite", "--url", "https://chat.example.org/c/x"),
        ("users", "what"),
    ],
)
def test_invalid_arguments_are_refused_with_a_sentence(server: Server, arguments: tuple[str, ...]) -> None:
    assert len(refused(operate(server.data_dir, *arguments))) > 20


def test_a_folder_without_a_server_is_reported(tmp_path: Path) -> None:
    assert "There is no EZ-DMS in" in refused(operate(tmp_path, "users"))
    assert "There is no EZ-DMS in" in refused(operate(tmp_path / "missing", "users"))


def test_the_operator_socket_is_private_at_any_folder_depth(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    server = Server(tmp_path)
    server.data_dir = deep
    with server:
        channel = deep / "operator.sock"
        assert stat.S_IMODE(channel.stat().st_mode) == 0o600
        assert json.loads(said(operate(deep, "users", "--json"))) == []
        assert server.stop() == 0
    assert not channel.exists()


async def test_the_operator_can_turn_off_two_step_login_of_someone_who_lost_everything(
    server: Server, tmp_path: Path
) -> None:
    pin = cheap_login_pin()
    async with await Client.register(server.url, "alice", pin, home=tmp_path / "alice") as client:
        assert "does not have two-step login" in refused(
            operate(server.data_dir, "users", "turn-off-two-step", "alice")
        )
        await turn_on_in(client, pin)
    with pytest.raises(CodeNeeded):
        await Client.login(server.url, pin, home=tmp_path / "new")
    done = said(operate(server.data_dir, "users", "turn-off-two-step", "alice"))
    assert done == "alice: two-step login is off.\n"
    async with await Client.login(server.url, pin, home=tmp_path / "new") as client:
        assert client.username == "alice"
    assert '"done": "turned off two-step login of an account"}' in (server.data_dir / "audit.log").read_text()
