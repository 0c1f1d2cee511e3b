"""The doctor asks the push services of the browsers, and names those that do not answer."""

from __future__ import annotations

import socket

from ezdms.doctor.public import check_push_services
from tests.support.push_service import PushService


async def test_push_services_that_answer_are_fine_whatever_they_answer() -> None:
    async with PushService() as service:
        service.answers["/"] = 404
        found = await check_push_services((f"{service.url}/", f"{service.url}/other"))
    assert (found.name, found.status) == ("push services", "ok")


async def test_a_push_service_that_cannot_be_reached_is_named_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        async with PushService() as service:
            found = await check_push_services((f"{service.url}/", f"http://127.0.0.1:{taken.getsockname()[1]}/"))
    assert (found.name, found.status) == ("push services", "warning")
    assert found.sentence.startswith("No answer from 127.0.0.1: ")
    assert "port 443" in found.sentence
