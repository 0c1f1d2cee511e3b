"""A user's devices merge the builds that they were served, in Python exactly as in JavaScript."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any, cast

import pytest

from ezdms import __version__
from ezdms.client.errors import BadAnswer
from ezdms.client.served import DAY, HOUR, MOST, build_of, doubts, is_news, merge
from ezdms.release import digest_of
from ezdms.views import assets
from ezdms.views.shells import shells
from tests.conftest import ROOT
from tests.support.node import run_node

NOW = 1_790_000_000_000
A, B = "A" * 43, "B" * 43


def build(version: str = "1.0.0", digest: str = A, first: int = NOW, last: int = 0) -> dict[str, Any]:
    return {"version": version, "digest": digest, "first": first, "last": last or first}


ODD: list[Any] = [
    None,
    1,
    "x",
    [],
    {},
    build("1.0.0 call-us"),
    build("1"),
    build("1.0.0\n"),
    build("١.٠"),
    build(digest="A" * 42),
    build(digest="A" * 43 + "\n"),
    build(first=0, last=NOW),
    build(first=NOW, last=NOW - 1),
    build(last=2**53),
    build() | {"first": str(NOW)},
    build() | {"last": True},
    build() | {"last": None},
    build() | {"last": NOW + 0.5},
    build() | {"version": ["1.0.0"]},
]


def ask_twin(questions: list[tuple[str, Any]]) -> list[Any]:
    """What remembered.js answers."""
    oracle = Path(__file__).with_name("served_oracle.mjs")
    return cast(list[Any], run_node(oracle, ROOT / "ezdms" / "static" / "js" / "remembered.js", given=questions))


def some_builds(random_: random.Random) -> Any:
    """Random input: mostly builds with few versions and digests, so that they collide."""
    if random_.random() < 0.1:
        return random_.choice(ODD)
    found = []
    for _ in range(random_.randrange(12)):
        first = NOW + random_.choice([0, 1, HOUR, DAY, 29 * DAY, 31 * DAY, 400 * DAY]) * random_.choice([-1, 1])
        last = first + random_.choice([0, 1, HOUR, HOUR + 1, DAY])
        version, digest = (
            random_.choice(["1.0.0", "1.0.1", "2.0.0rc1", "1.0.0-beta", "10.0"]),
            random_.choice([A, B, "-_" + A[2:]]),
        )
        found.append(random_.choice(ODD) if random_.random() < 0.2 else build(version, digest, first, last))
    return found


def test_the_python_and_javascript_code_agree_on_any_builds() -> None:
    random_ = random.Random(7)  # noqa: S311
    merged: list[Any] = [("merge", [some_builds(random_), some_builds(random_)]) for _ in range(300)]
    news: list[Any] = [("news", [some_builds(random_), random_.choice([build(), *ODD])]) for _ in range(300)]
    odd: list[Any] = [("doubts", [some_builds(random_), NOW]) for _ in range(300)]
    ours: list[Any] = [merge(*given) for _, given in merged]
    ours += [is_news(*given) for _, given in news]
    ours += [[list(one) for one in doubts(*given)] for _, given in odd]
    theirs = ask_twin(merged + news + odd)
    assert [
        (asked, one, other) for asked, one, other in zip(merged + news + odd, ours, theirs, strict=True) if one != other
    ] == []
    assert {kind for found in ours[600:] for kind, *_ in found} == {"differ", "turns"}
    assert {True, False} == set(ours[300:600])


def test_merging_is_independent_of_the_order_and_bounded() -> None:
    random_ = random.Random(8)  # noqa: S311
    lists = [some_builds(random_) for _ in range(40)]
    for one, other in itertools.combinations(lists, 2):
        assert merge(one, other) == merge(other, one)
        assert merge(merge(one, other), other) == merge(one, other)
        assert len(merge(one, other)) <= MOST
    many = [build(f"1.{n}", first=NOW + n) for n in range(50)]
    assert merge(many, []) == many[: -MOST - 1 : -1]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_malformed_builds_are_ignored(odd: Any) -> None:
    assert merge([odd, build() | {"more": 1}], odd) == [build()]
    assert doubts([odd, build()], NOW) == []
    assert not is_news([], odd)


def test_a_known_build_is_recorded_again_after_a_day() -> None:
    known = [build(first=NOW - DAY, last=NOW)]
    assert not is_news(known, build(first=NOW + DAY - 1))
    assert is_news(known, build(first=NOW + DAY))
    assert is_news(known, build(digest=B))
    assert is_news(known, build("1.0.1"))


def test_an_upgrade_is_not_suspicious_but_two_builds_of_one_version_are() -> None:
    old, new = build("1.0", A, NOW - 9 * DAY, NOW - DAY), build("1.1", B, NOW - DAY, NOW)
    assert doubts([new, old], NOW) == []
    late = old | {"last": NOW - DAY + HOUR}  # the largest clock difference that is tolerated
    assert doubts([new, late], NOW) == []
    late = old | {"last": NOW - DAY + HOUR + 1}
    assert doubts([new, late], NOW) == [("turns", late, new)]
    other = build("1.0", B, NOW, NOW)
    assert doubts([old, other], NOW) == [("differ", old, other)]


def test_old_builds_are_not_compared() -> None:
    assert doubts([build(), build(digest=B, first=NOW - 31 * DAY)], NOW) == []
    assert doubts([build(), build(digest=B, first=NOW - 29 * DAY)], NOW) != []


def test_a_device_with_a_fast_clock_hides_no_build_and_raises_no_false_alarm() -> None:
    ahead = build("1.0", A, NOW - DAY, NOW + 3 * DAY)
    assert doubts([ahead, build("1.0", B)], NOW) == [("differ", ahead, build("1.0", B))]
    assert doubts([build("1.0", A), ahead | {"digest": B}], NOW) != []
    assert doubts([ahead, build("1.1", B, NOW - HOUR, NOW)], NOW) == []


def test_the_build_is_read_from_the_page() -> None:
    page = shells(
        {
            "name": '" data-version="6.6.6',
            "notice": '<script type="importmap">{}</script>',
            "registration": "open",
            "retention": "0",
        }
    )
    found = build_of(page["app"].body, NOW)
    assert found == build(__version__, digest_of(assets.import_map()))
    changed = page["app"].body.replace(b'{"integrity":{', b'{"integrity":{"/x":"sha256-x",')
    assert build_of(changed, NOW)["digest"] != found["digest"]
    for octets in (
        b"",
        b"\xff",
        b"<html>",
        page["protection"].body,
        page["app"].body.replace(__version__.encode(), b"now"),
    ):
        with pytest.raises(BadAnswer):
            build_of(octets, NOW)
