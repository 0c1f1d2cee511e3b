"""`ezdms settings`: what the user's clients tell others, on all devices."""

from __future__ import annotations

from pathlib import Path

import click

from ezdms.commands import common
from ezdms.commands.client.printing import says, says_json

ON_OFF = click.Choice(["on", "off"])


@click.command("settings")
@click.option("--receipts", type=ON_OFF, help="Tell others what was delivered to you and what you have read.")
@click.option("--typing", type=ON_OFF, help="Tell others while you type.")
@common.options
@common.as_json
@common.runs
async def settings(
    receipts: str | None,
    typing: str | None,
    server: str | None,
    home: Path | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Show or change what others are told: receipts and typing, both off at first.

    You see those of others only while yours are on. They apply to all of your devices.
    """
    async with await common.connect(server, home, account) as client:
        if receipts is not None:
            await client.set_receipts(receipts == "on")
        if typing is not None:
            await client.set_typing(typing == "on")
        values = {"receipts": client.has_receipts, "typing": client.has_typing}
        if as_json:
            says_json(values)
            return
        says(f"Read receipts: {'on' if values['receipts'] else 'off'}")
        says(f"Typing indicator: {'on' if values['typing'] else 'off'}")
