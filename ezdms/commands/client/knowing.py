"""`ezdms verify-contact`: verifies a contact."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ezdms import crypto
from ezdms.commands import common
from ezdms.commands.client.finding import find_contact
from ezdms.commands.client.printing import says, trust

NOT_THE_SAME = (
    "Then this is not the person you think it is, or you compared two different conversations. Do not send anything "
    "secret here; compare again, in person."
)


@click.command("verify-contact")
@click.argument("name")
@click.option("--search-pin", help="The Search PIN they gave you, instead of comparing numbers.")
@click.option("--link-was-from-them", is_flag=True, help="Confirm that they gave you the link themselves.")
@common.options
@common.runs
async def verify_contact(
    name: str,
    search_pin: str | None,
    link_was_from_them: bool,
    server: str | None,
    home: Path | None,
    account: str | None,
) -> None:
    """Verify NAME by their Search PIN, or by comparing the safety number with them."""
    async with await common.connect(server, home, account) as client:
        contact = await find_contact(client, name)
        if link_was_from_them:
            if contact.verified == "":
                raise click.UsageError(f"{contact.name} was not added by a link.")
            await client.confirm_link(contact)
            contact = await find_contact(client, contact.conversation_id)
            says(f"{contact.name}: {trust(contact)}.")
            return
        if search_pin is not None:
            found = await client.start(search_pin)
            if found.conversation_id != contact.conversation_id:
                raise crypto.Alarm(f"This Search PIN belongs to someone other than the {name} you talk to.")
            says(f"{found.name}: {trust(found)}.")
            return
        says(f"Your safety number with {contact.name}:", err=True)
        says(client.safety_number(contact))
        if sys.stdout.isatty():
            import segno  # rarely needed, and slow to load

            segno.make(crypto.safety_qr(client.keys.fp, crypto.fingerprint(contact.ik))).terminal(compact=True)
        if not sys.stdin.isatty():
            return
        if not click.confirm(f"Does {contact.name} see the same number?", err=True):
            await client.deny_safety_number(contact)
            raise common.Stopped(NOT_THE_SAME, common.ALARM)
        await client.confirm_safety_number(contact)
        says(f"{contact.name}: Verified by safety number.")
