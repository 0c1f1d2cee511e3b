"""`python -m tests.support.ahead …`: the command line on a machine whose clock is ahead."""

from __future__ import annotations

import time

from ezdms.cli import main
from tests.support import cheap

SECONDS = 9


def use() -> None:
    """Have this process see a clock that is so much ahead of the machine's."""
    in_seconds, in_ns = time.time, time.time_ns
    time.time = lambda: in_seconds() + SECONDS
    time.time_ns = lambda: in_ns() + SECONDS * 1_000_000_000


if __name__ == "__main__":
    cheap.use()
    use()
    main()
