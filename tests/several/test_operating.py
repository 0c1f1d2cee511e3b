"""The operator's commands and the doctor, beside several processes."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import closing
from typing import Any

from ezdms import __version__
from tests.several.conftest import Ear, Site
from tests.support import ahead
from tests.support.operated import operate, refused, said
from tests.support.served import Program, wait


def run(site: Site, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command with the settings of the site."""
    given = {"EZDMS_DATABASE_URL": site.database, "EZDMS_BUS_URL": site.bus.address, "EZDMS_DISK_FLOOR": "off"}
    return operate(site.servers[0].data_dir, *words, **given | more)


def findings(site: Site, *words: str) -> dict[str, dict[str, Any]]:
    """What the doctor finds, by name."""
    done = run(site, "doctor", "--json", *words)
    return {one["name"]: one for one in json.loads(done.stdout)}


def test_the_operator_logs_out_and_removes_people_of_every_process(site: Site, people: tuple[Program, Program]) -> None:
    alice, bob = people
    assert {line.split()[0] for line in said(run(site, "users")).splitlines()} >= {"alice", "bob"}
    with closing(Ear(site.servers[0], alice.token)) as hers, closing(Ear(site.servers[1], bob.token)) as his:
        assert "bob: 2 sessions ended." in said(run(site, "users", "end-sessions", "bob"))
        assert his.closed_with() == 1008
        bob.log_in()
        with closing(Ear(site.servers[1], bob.token)) as his_next:
            assert "alice was removed." in said(run(site, "users", "remove", "alice", "--yes"))
            assert hers.closed_with() == 1008
            his_next.hears("conversation")
    assert site.sql("SELECT count(*) FROM erasures") == [(0,)]
    audit = [json.loads(line) for line in (site.servers[0].data_dir / "audit.log").read_text().splitlines()]
    assert [line["done"] for line in audit][-1] == "removed an account"


def test_an_invitation_is_known_to_every_process(site: Site) -> None:
    link = said(run(site, "invite", "--url", "https://chat.example.org", EZDMS_REGISTRATION="invite")).strip()
    assert re.fullmatch(r"https://chat\.example\.org/#invite=\S+", link)
    assert site.sql("SELECT count(*) FROM invitations") == [(1,)]
    assert "1 invitation withdrawn." in said(run(site, "invite", "--withdraw"))


def test_the_doctor_lists_every_process_and_says_how_far_their_clocks_are_apart(
    site: Site, people: tuple[Program, Program]
) -> None:
    assert site.servers[0].process is not None
    assert site.servers[1].process is not None
    pids = [str(server.process.pid) for server in site.servers if server.process is not None]

    def listed() -> dict[str, dict[str, Any]]:
        return {name.split()[1]: one for name, one in findings(site).items() if name.startswith("process ")}

    with closing(Ear(site.servers[1], people[1].token)):
        wait(lambda: sorted(listed()) == sorted(pids))
        found = findings(site)
        assert found["database and bus"]["status"] == "ok"
        assert "clocks" not in found
        wait(lambda: "open sockets: 1;" in listed()[pids[1]]["sentence"])
        numbers = rf"{re.escape(__version__)}; open sockets: 0; clock [+-]0\.\d s, bus answers in \d+ ms\."
        assert re.fullmatch(numbers, listed()[pids[0]]["sentence"])
    assert site.servers[0].stop() == 0
    assert list(listed()) == [pids[1]]
    wrong = site.server(2)
    wrong.module = "tests.support.ahead"
    with wrong:
        wait(lambda: "clocks" in findings(site))
        clocks = findings(site)["clocks"]
        assert clocks["status"] == "failed"
        assert f"They are {ahead.SECONDS} s apart" in clocks["sentence"]
        (said,) = wrong.complaints().splitlines()
        assert re.search(r"WARNING the clock differs from that of the bus: .*seconds=9\.\d fix=.synchronize the", said)
        assert site.servers[1].complaints() == ""


def test_the_doctor_says_what_is_away(site: Site) -> None:
    site.bus.stop()
    found = findings(site)["database and bus"]
    assert (found["status"], "The bus cannot be reached" in found["sentence"]) == ("failed", True)


def test_backup_and_restore_point_to_those_of_postgresql(site: Site) -> None:
    for words in (("backup", "x.db"), ("restore", "x.db")):
        assert "pg_dump" in refused(run(site, *words))
