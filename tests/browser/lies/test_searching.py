"""Search finds what was verified, and nothing that the server makes up, moves or keeps to itself."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.lies.answers import saying
from tests.browser.lies.liar import Change
from tests.browser.lies.peers import Peer, noise
from tests.browser.lies.rows import Rows, row_of, showing, without_copy
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.test_previews import rows_of
from tests.browser.lies.watching import FORGED
from tests.support.someone import until

MADE_UP = "aardwolf"  # others of this stage have said that something is forged


def instead(index: int, **changed: str) -> Change:
    """A lie: these attributes of a row are others."""
    given = {f"data-{name.replace('_', '-')}": value for name, value in changed.items()}
    return showing(lambda rows: [row | given if i == index % len(rows) else row for i, row in enumerate(rows)])


def with_seqs_swapped(rows: Rows) -> Rows:
    """The last two rows in the other order."""
    *before, one, other = rows
    return [*before, other | {"data-seq": one["data-seq"]}, one | {"data-seq": other["data-seq"]}]


# What a search of a conversation finds by each of these queries, latest first, or the sentence of its error.
FOUND = """async ([conversation, queries]) => {
    const at = (name) => import(document.querySelector("[src*=boot]").src.replace("boot", name));
    const [{ Shelf }, { account }, { loadContact }, { finds, readQuery }]
        = await Promise.all(["search-index", "session", "keystore", "words"].map(at));
    const shelf = await Shelf.of(await account, conversation, await loadContact(conversation));
    try {
        while (shelf.hasOlder) await shelf.loadOlder();
    } catch ({ message }) {
        return { message, rows: shelf.rows.length };
    }
    const rows = [...shelf.rows].sort((one, other) => other.at - one.at || other.seq - one.seq);
    return queries.map((query) => rows.filter((row) => finds(readQuery(query), row, [])).map(({ text }) => text));
}"""


async def test_search_finds_nothing_forged_moved_withheld_or_out_of_order(stage: Stage) -> None:
    bob, carol = stage.bob, await Peer.arrives(stage.truth)
    stage.peers.append(carol)
    await carol.starts_with(stage.alice.search_pin)
    await carol.writes(f"{FORGED} {MADE_UP} of a stranger")
    await stage.says("a true question")
    question = await bob.own_of(max(row["n"] for row in await bob.rows() if row["sender_id"] != bob.user_id))
    asked = next(row["n"] for row in await bob.rows() if row["message_id"] == question[0])
    await bob.writes("a true answer", a=(asked, question[1]))
    rows, (other,) = await rows_of(stage, bob), await rows_of(stage, carol)
    answer = rows[-1]
    by_server = Peer(stage.truth, bob.name)  # the server's own keys, in Bob's name
    by_server.other = bob.other
    forged = row_of(bob, by_server.seal(f"a true {FORGED} {MADE_UP}", n=len(bob.sent) + 1, p=bob.sent[-1].hash), 10_000)
    forked = row_of(bob, bob.seal(f"a true {FORGED} {MADE_UP}", n=len(bob.sent), p=bob.sent[-2].hash), 10_000)
    searched, followed = (rf"GET /messages/{bob.conversation}\?{way}=.*&peek=1" for way in ("before", "after"))
    both, mine = ["a true answer", "a true question"], ["a true question"]
    lies: dict[str, tuple[Change, list[str]]] = {
        "the truth": (showing(lambda rows: rows), both),
        "a row of the server's": (showing(lambda rows: [*rows, forged]), both),
        "a second message with that number": (showing(lambda rows: [*rows, forked]), both),
        # Her question answers one with a higher number, so it cannot come first.
        "a row of another conversation": (showing(lambda rows: [*rows[:-1], other | {"data-seq": "9999"}]), []),
        "hers as his": (instead(-1, own=""), mine),
        "another hash": (instead(-1, hash=noise(32)), mine),
        "another number": (instead(-1, n="999"), mine),
        "replaces another": (instead(-1, replaces=noise(16)), mine),
        "disappears": (instead(-1, expires_in="3600"), mine),
        "withheld": (showing(lambda rows: [*rows[:-1], without_copy(rows[-1])]), mine),
        "gone": (showing(lambda rows: [*rows[:-1], without_copy(rows[-1]) | {"data-gone": "hidden"}]), mine),
        "in an impossible order": (showing(with_seqs_swapped), mine),
        "twice": (showing(lambda rows: [*rows, rows[-1] | {"data-seq": "9999"}]), both),
    }
    field = stage.page.get_by_role("searchbox", name="Search")
    results = stage.page.get_by_role("list", name="Messages found").get_by_role("button").locator(".words")
    asked = [bob.conversation, ["“a true”", MADE_UP]]  # others of this stage have said "true"
    for name, (lie, texts) in lies.items():
        with told(name), stage.liar.lying(searched, lie):
            assert await stage.page.evaluate(FOUND, asked) == [texts, []]
    for name in ("the truth", "a row of the server's", "hers as his"):  # and on the page
        lie, texts = lies[name]
        with told(name), stage.liar.lying(searched, lie):
            await stage.page.goto(stage.liar.url)
            await field.fill("“a true”")
            await expect(stage.page.locator(".progress")).to_have_text("Everything was searched")
            await expect(results).to_have_text(texts)
            await field.fill(MADE_UP)
            await expect(results).to_have_count(0)
            await expect(stage.alice.alert).to_have_count(0)
    assert answer["data-seq"] == str(len(rows))

    async def resumes() -> bool:
        """The server may ask for patience once more."""
        resume = stage.page.get_by_role("button", name="Resume")
        if await resume.is_visible():
            await resume.click()
        return await results.count() > 0

    refused: dict[str, Change] = {
        "rows that were not asked for": instead(0, seq="9999"),
        "more than a page": showing(lambda rows: [answer | {"data-seq": str(seq)} for seq in range(1, 202)]),
        "no answer": saying("", 500),
    }
    for name, lie in refused.items():
        with told(name), stage.liar.lying(searched, lie):
            failed = await stage.page.evaluate(FOUND, asked)
            assert failed["message"]
            assert failed["rows"] == 0
    assert await stage.page.evaluate(FOUND, asked) == [both, []]
    with stage.liar.lying(searched, refused["rows that were not asked for"]):  # and on the page
        await stage.page.goto(stage.liar.url)
        await field.fill("“a true”")
        await expect(stage.page.get_by_role("button", name="Resume")).to_be_visible()
        await expect(results).to_have_count(0)
    await until(resumes)
    await expect(results).to_have_text(both)

    # Nothing of that gets into an index, and what was withheld is found once it is handed over.
    await stage.calls("session", "useSearchIndex", True)
    for name, where in (("withheld", searched), ("a row of the server's", followed)):
        lie, texts = lies[name]
        with told(name), stage.liar.lying(where, lie):
            await stage.page.goto(stage.liar.url)
            await field.fill("“a true”")
            await expect(stage.page.locator(".progress")).to_have_text("Everything was searched")
            await expect(results).to_have_text(texts)
    await stage.page.goto(stage.liar.url)
    await field.fill("“a true”")
    await expect(results).to_have_text(both)
    kept = await stage.calls("session", "readIndex", bob.conversation)
    assert "a true answer" in str(kept)
    assert FORGED not in str(kept)
    await stage.calls("session", "useSearchIndex", False)
    await stage.opens_anew()
    await stage.carries_on()
    await carol.writes("nothing of it")  # in the list, for other tests
    await stage.meets_bob()
