"""A server serves one user's devices different builds of its page: each honest page says so."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import Page, expect

from ezdms import __version__
from ezdms.client import Client
from ezdms.client.served import DAY, HOUR, Build
from ezdms.release import digest_of
from ezdms.views import assets
from tests.browser.lies.liar import Answer, Liar
from tests.browser.lies.stage import Stage
from tests.support.someone import Someone, until

DOCUMENT = r"GET /(sessions)?"
OWN = digest_of(assets.import_map())
DIFFER = "This server sent your devices different builds of the same version."
TURNS = "This server sent your devices one version, then another, and then the first one again."


# True if this browser knows `count` builds, and `isBehind` says whether the vault on the server lacks some.
STORED = """async ([count, isBehind]) => {
    const keystore = await import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
    const { more, isDirty } = await keystore.loadVaultState();
    return isDirty === isBehind && more?.served?.length === count;
}"""
IN_TURN = "navigator.locks.request('ezdms-vault', () => {})"  # wait for pending vault writes


def another_build(answer: Answer) -> None:
    """A lie: the scripts are the release's, and one more may run."""
    answer.headers = [pair for pair in answer.headers if pair[0] not in ("content-security-policy", "etag")]
    answer.text = answer.text.replace('{"integrity":{', '{"integrity":{"/more.js":"sha256-x",')


async def sessions(page: Page, liar: Liar) -> None:
    """Reload the list of sessions, and wait until the page has compared the builds."""
    await page.goto(f"{liar.url}/sessions")
    await expect(page.locator("[data-build]")).to_have_text(re.compile(re.escape(f"EZ-DMS {__version__}, build ")))


async def stores(page: Page, count: int, *, is_behind: bool = False) -> None:
    """Wait until this browser knows `count` builds, and the vault on the server has them unless it is behind."""

    async def is_so() -> bool:
        return bool(await page.evaluate(STORED, [count, is_behind]))

    await until(is_so)


async def newcomer(stage: Stage, name: str) -> Someone:
    """Return a person with a new account."""
    return await Someone.is_in(stage.browser, stage.truth, name, stage.liar.url)


async def other_device(stage: Stage, someone: Someone) -> Someone:
    """Return the same person with another browser, at the same address."""
    device = await Someone.arrives(stage.browser, stage.truth, someone.name, stage.liar.url)
    device.login_pin, device.search_pin = someone.login_pin, someone.search_pin
    await device.logs_in()
    return device


async def builds_of(someone: Someone, stage: Stage, home: Path) -> list[Build]:
    """Return the builds in the vault on the server, as a Python client reads them."""
    client = await Client.login(stage.truth.url, someone.login_pin, home=home)
    try:
        return client._conversations.vault.builds()
    finally:
        await client._transport.close()  # without recording its own


async def test_devices_served_different_builds_of_one_version_are_warned(anywhere: Stage, tmp_path: Path) -> None:
    alice = await newcomer(anywhere, "amy")
    alert = alice.page.get_by_text(DIFFER)
    await sessions(alice.page, anywhere.liar)
    await stores(alice.page, 1)
    await expect(alert).to_be_hidden()
    await alice.page.goto(anywhere.liar.url)
    await expect(alice.list).to_be_visible()
    await expect(alice.page.get_by_text("different pages")).to_be_hidden()
    (build,) = await builds_of(alice, anywhere, tmp_path)
    assert (build["version"], build["digest"]) == (__version__, OWN)
    device = await other_device(anywhere, alice)
    with anywhere.liar.lying(DOCUMENT, another_build):
        await sessions(device.page, anywhere.liar)
        await expect(device.page.get_by_text(DIFFER)).to_be_visible()
        await stores(device.page, 2)
    await expect(device.page.get_by_role("listitem").filter(has_text=", build ")).to_have_count(2)
    await sessions(alice.page, anywhere.liar)
    await expect(alert).to_be_visible()
    await expect(alice.page.get_by_text(TURNS)).to_be_hidden()
    await expect(alice.page.get_by_role("listitem").filter(has_text="this page")).to_contain_text(OWN[:12])
    await alice.page.goto(anywhere.liar.url)
    await expect(alice.page.locator("#odd-builds")).to_contain_text("This server sent your devices different pages.")
    for someone in (alice, device):
        await someone.context.close()


async def test_a_server_that_reverts_to_an_older_version_is_reported(anywhere: Stage, tmp_path: Path) -> None:
    alice = await newcomer(anywhere, "amy")
    client = await Client.login(anywhere.truth.url, alice.login_pin, home=tmp_path)
    now = await alice.page.evaluate("Date.now()")
    for version, digest, first, last in (
        (__version__, OWN, now - 3 * DAY, now - 2 * DAY),
        ("9.9.9", "A" * 43, now - 2 * DAY, now - DAY),
    ):
        await client._conversations.vault.note_served(
            {"version": version, "digest": digest, "first": first, "last": last}
        )
    await client._transport.close()
    await sessions(alice.page, anywhere.liar)
    await expect(alice.page.get_by_text(TURNS)).to_be_visible()
    await expect(alice.page.get_by_text(DIFFER)).to_be_hidden()
    await alice.context.close()


async def test_a_browser_records_its_build_at_most_once_an_hour(anywhere: Stage) -> None:
    alice = await newcomer(anywhere, "amy")
    await sessions(alice.page, anywhere.liar)
    await stores(alice.page, 1)
    for passed, count in ((HOUR - 60_000, 0), (120_000, 1)):  # the second on top of the first
        clock = f"Date.now = (() => {{ const now = Date.now; return () => now() + {passed}; }})()"
        await alice.context.add_init_script(clock)
        since = len(anywhere.liar.heard)
        with anywhere.liar.lying(DOCUMENT, another_build):  # a new build each time
            await sessions(alice.page, anywhere.liar)
            await expect(alice.page.get_by_text(DIFFER)).to_be_visible()
        await alice.page.evaluate(IN_TURN)
        stored = {one.partition("\r\n\r\n")[2] for one in anywhere.liar.heard[since:] if one.startswith("PUT /vault")}
        assert len(stored) == count, passed  # the browser may resend a request over another connection
    await alice.context.close()


async def test_builds_recorded_concurrently_by_a_browser_and_a_program_are_both_kept(
    anywhere: Stage, tmp_path: Path
) -> None:
    alice = await newcomer(anywhere, "amy")
    await alice.page.route("**/vault", lambda route: route.abort())
    with anywhere.liar.lying(DOCUMENT, another_build):
        await sessions(alice.page, anywhere.liar)
        await stores(alice.page, 1, is_behind=True)
        await alice.page.evaluate(IN_TURN)
    await alice.page.unroute("**/vault")
    client = await Client.login(anywhere.truth.url, alice.login_pin, home=tmp_path)
    now = await alice.page.evaluate("Date.now()")
    for version, digest in (("9.9.9", "A" * 43), (__version__, OWN)):
        await client._conversations.vault.note_served({"version": version, "digest": digest, "first": now, "last": now})
    await client._transport.close()
    await sessions(alice.page, anywhere.liar)
    await stores(alice.page, 3)
    await alice.context.close()
