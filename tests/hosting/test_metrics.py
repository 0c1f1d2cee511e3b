"""Metrics for Prometheus: true numbers, no user data, and only for this machine."""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT, Server
from tests.support.nginx import free_ports
from tests.support.operated import operate, refused, said
from tests.support.served import Program, call, open_socket, process, take, upgrade, wait


@pytest.fixture
def measured(tmp_path: Path) -> Iterator[Server]:
    """A running server with metrics."""
    [port] = free_ports(1)
    folder = tmp_path / "measured"
    folder.mkdir()
    with Server(folder, metrics_port=str(port), limit_start="1/hour", max_sockets="1") as server:
        yield server


def ask(server: Server, path: str = "/metrics", method: str = "GET", **headers: str) -> tuple[int, str]:
    """Status and body."""
    with closing(http.client.HTTPConnection("127.0.0.1", int(server.settings["metrics_port"]), timeout=10)) as wire:
        wire.request(method, path, headers=headers)
        answer = wire.getresponse()
        return answer.status, answer.read().decode()


def scrape(server: Server) -> dict[str, float]:
    """name, or name{label} for the metrics that have one → value."""
    status, body = ask(server)
    assert status == 200
    samples = [sample for family in text_string_to_metric_families(body) for sample in family.samples]
    return {f"{one.name}{{{','.join(one.labels.values())}}}" if one.labels else one.name: one.value for one in samples}


def test_the_numbers_follow_what_happens_and_name_nobody(measured: Server, tmp_path: Path) -> None:
    with closing(Program(measured, "alice")) as alice, closing(Program(measured, "bob")) as bob:
        conversation = alice.start(bob)
        before = scrape(measured)
        assert (before["ezdms_messages_total"], before["ezdms_sockets"]) == (0, 0)
        assert "ezdms_last_backup_timestamp_seconds" not in before
        assert alice.exchange("/start_conversation", {"partner_search_pin": bob.search_pin})[0] == 429
        with open_socket(measured, bob.token):
            for text in ("one", "two", "three"):
                alice.send(bob, text)
            with call(measured) as raw:
                raw.sendall(upgrade(bob.token))
                assert take(raw, until=b"\r\n").split()[1] == b"429"
            now = scrape(measured)
            assert (now["ezdms_messages_total"], now["ezdms_sockets"]) == (3, 1)
        body = ask(measured)[1]
        secrets = (alice.username, bob.search_pin, alice.token, conversation, "127.0.0.1", str(tmp_path))
        assert [one for one in secrets if one in body] == []
    assert now["ezdms_writes_total"] >= before["ezdms_writes_total"] + 3
    assert now["ezdms_commit_seconds_count"] >= before["ezdms_commit_seconds_count"] + 3
    assert now["ezdms_commit_seconds_bucket{+Inf}"] == now["ezdms_commit_seconds_count"]
    assert now["ezdms_commit_seconds_sum"] > before["ezdms_commit_seconds_sum"]
    hits = {name: value for name, value in now.items() if name.startswith("ezdms_limit_hits_total") and value}
    assert hits == {"ezdms_limit_hits_total{start}": 1, "ezdms_limit_hits_total{max_sockets}": 1}
    assert now["ezdms_database_bytes"] + now["ezdms_database_log_bytes"] > 50_000
    assert 0 < now["ezdms_disk_free_bytes"] < now["ezdms_disk_bytes"]
    assert (now["ezdms_writes_waiting"], now["ezdms_events_waiting"], now["ezdms_storage_fault"]) == (0, 0, 0)
    wait(lambda: scrape(measured)["ezdms_sockets"] == 0)

    said(operate(measured.data_dir, "backup", str(tmp_path / "b.db")))
    assert 0 <= time.time() - scrape(measured)["ezdms_last_backup_timestamp_seconds"] < 60
    (measured.data_dir / "ezdms.db").rename(tmp_path / "gone.db")
    assert scrape(measured)["ezdms_storage_fault"] == 1
    assert measured.stop() == 0


def test_every_metric_is_described_and_the_alerts_use_only_existing_ones(measured: Server, tmp_path: Path) -> None:
    said(operate(measured.data_dir, "backup", str(tmp_path / "b.db")))
    found = {name.partition("{")[0] for name in scrape(measured) if name.startswith("ezdms_")}
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    rules = (ROOT / "deploy" / "prometheus-rules.yml").read_text("utf-8")
    described = set(re.findall(r"^\| `(ezdms_\w+)", page, re.MULTILINE))
    assert {re.sub(r"(_seconds)_(bucket|count|sum)$", r"\1", name) for name in found} == described
    used = set(re.findall(r"\bezdms_\w+", page + rules))
    assert used - described - found == set()
    alerts = re.findall(r"^ +- alert: (\w+)\n +expr: (.*)$", rules, re.MULTILINE)
    assert len(alerts) == len(re.findall(r"^ +- alert: ", rules, re.MULTILINE)) >= 8
    listed = re.findall(r"^\| (\w+) \| [^|]* \| `(.*)` \|$", page, re.MULTILINE)
    assert [(name, expression.replace(r"\|", "|")) for name, expression in listed] == alerts


def test_only_the_one_address_answers_and_only_under_the_machines_own_name(measured: Server) -> None:
    port = measured.settings["metrics_port"]
    for path in ("/", "/ping", "/metrics/", "/static/js/boot.js"):
        assert ask(measured, path)[0] == 404
    assert ask(measured, method="POST")[0] == 405
    assert ask(measured, Host=f"localhost:{port}")[0] == 200
    assert ask(measured, Host=f"rebound.example:{port}")[0] == 403
    with closing(http.client.HTTPConnection("127.0.0.1", measured.port, timeout=10)) as wire:  # not at the public port
        wire.request("GET", "/metrics")
        assert wire.getresponse().status == 404


def listening(server: Server) -> set[tuple[str, int]]:
    """(address, port) on which the process listens by TCP, IPv4 and IPv6."""
    own = {str(path.readlink()) for path in (process(server) / "fd").iterdir() if path.is_symlink()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in (process(server) / "net" / table).read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in own:
                address, port = local.split(":")
                found.add((address, int(port, 16)))
    return found


LOOPBACK = "0100007F"  # 127.0.0.1, as the kernel writes it


def test_metrics_are_off_by_default_and_then_on_the_loopback_address_alone(server: Server, measured: Server) -> None:
    assert listening(server) == {(LOOPBACK, server.port)}
    port = int(measured.settings["metrics_port"])
    assert listening(measured) == {(LOOPBACK, measured.port), (LOOPBACK, port)}
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_a_port_that_is_taken_stops_the_start_with_a_sentence(measured: Server, tmp_path: Path) -> None:
    taken = measured.settings["metrics_port"]
    told = refused(operate(tmp_path / "other", "serve", "--port", "0", "--metrics-port", taken))
    assert f"Cannot listen on 127.0.0.1, port {taken}: Address already in use. Choose another with --metrics" in told
