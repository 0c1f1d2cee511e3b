"""Processes behind nginx, which are replaced one by one: nothing is lost, and only what can be repeated fails."""

from __future__ import annotations

import re
from contextlib import ExitStack, closing

from ezdms import crypto
from tests.conftest import ROOT
from tests.hosting.test_nginx import Site as Front
from tests.hosting.test_nginx import names_and_paths, open_socket
from tests.hosting.test_two_proxies import Sender
from tests.several.conftest import Site
from tests.support.nginx import NAME, Door, NginxProcess, deployed, free_ports, make_certificate
from tests.support.served import Listener, Program, wait

ROUNDS = 2
UPSTREAM = re.compile(r"upstream ezdms {.*?\n}\n", re.DOTALL)


def in_front(stack: ExitStack, site: Site) -> Front:
    """The site behind nginx.conf with nginx-several.conf, with only ports, names and paths changed."""
    folder = site.folder / "nginx"
    folder.mkdir()
    certificate = make_certificate(folder, NAME)
    ports = free_ports(4)
    several = (ROOT / "deploy" / "nginx-several.conf").read_text()
    for number, server in enumerate(site.servers, 1):
        assert f"127.0.0.1:500{number} " in several
        several = several.replace(f"127.0.0.1:500{number} ", f"127.0.0.1:{server.port} ")
    text = deployed("nginx.conf", names_and_paths(folder, certificate, ports))
    nginx = NginxProcess(folder, UPSTREAM.sub(lambda _: several, text), *ports)
    stack.callback(nginx.stop)
    nginx.start()
    return Front(site.servers[0], nginx, Door(ports[0], certificate.certfile), Door(ports[1]), folder)


def test_processes_that_are_replaced_one_by_one_under_load_lose_nothing(site: Site) -> None:
    with ExitStack() as stack:
        front = in_front(stack, site)
        alice, bob = front.people(stack)
        sender = Sender(alice, bob)
        with closing(open_socket(front.door, bob.token)) as raw:
            sender.start()
            try:
                for number in [0, 1] * ROUNDS:
                    some = len(sender.acknowledged) + 5
                    wait(lambda some=some: len(sender.acknowledged) >= some)  # type: ignore[misc]
                    assert site.servers[number].stop() == 0
                    some = len(sender.acknowledged) + 5
                    wait(lambda some=some: len(sender.acknowledged) >= some)  # type: ignore[misc]
                    site.servers[number].start()
            finally:
                sender.stopped.set()
                sender.join()
            assert Listener(raw).closed_with() == 1012
        where, stored = crypto.conversation_id(alice.keys.fp, bob.keys.fp), list[str]()
        while rows := bob.ask(f"/messages/{where}?limit=200&after={len(stored)}"):
            stored += [row["message_id"] for row in rows]
        assert stored == sender.acknowledged
        assert isinstance(alice, Program)
    assert [server.complaints() for server in site.servers] == ["", ""]
