"""`python -m tests.support.sender HOME PIN WORD`: sends WORD-0, WORD-1, … to the only contact, and prints each."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ezdms.client import Client
from ezdms.client.state import State


async def main() -> None:
    """Send until killed."""
    home, pin, word = sys.argv[1:]
    async with await Client.open(State.find(Path(home)), pin) as client:
        contact = (await client.contacts())[0]
        for i in range(1000):
            await client.send(contact, f"{word}-{i}")
            print(f"{word}-{i}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
