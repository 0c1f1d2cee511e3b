"""`ezdms users` and `ezdms invite`: manages accounts. The operator can log out and remove users, but not read."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import click

from ezdms.commands.server.operating import (
    as_json,
    ask,
    count_of,
    data_dir_option,
    end_sessions_of,
    remove_account_of,
    says_why,
    settings_of,
)
from ezdms.settings import SettingsError, parse_public_url

DASHED_ID = re.compile(r"-[\w-]{21}", re.ASCII)
UNITS = {"m": 60, "h": 60 * 60, "d": 24 * 60 * 60}


class TakesAnId(click.Command):
    """Accepts user ids that begin with a dash, which click would take for options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, with the ids moved to the end."""
        ids = [one for one in args if DASHED_ID.fullmatch(one)]
        others = [one for one in args if one not in ids]
        return super().parse_args(ctx, [*others, "--", *ids] if ids else others)


@click.group("users", invoke_without_command=True)
@data_dir_option
@as_json
@click.pass_context
@says_why
def users(context: click.Context, data_dir: Path | None, as_json: bool) -> None:
    """List accounts, end their sessions, or remove them. None of this can decrypt a message."""
    context.obj = settings_of(data_dir).data_dir
    if context.invoked_subcommand is not None:
        return
    people = ask(context.obj, "users")
    if as_json:
        click.echo(json.dumps(people, ensure_ascii=False))
        return
    if not people:
        click.echo("Nobody has an account yet.", err=True)
        return
    width = max(len("username"), *(len(one["username"]) for one in people))
    click.echo(f"{'username':{width}}  {'user id':22}  since       last used         sessions")
    for one in people:
        used = "" if one["used_at"] is None else _when(one["used_at"], "%Y-%m-%d %H:%M")
        since = _when(one["created_at"], "%Y-%m-%d")
        click.echo(f"{one['username']:{width}}  {one['user_id']:22}  {since}  {used:16}  {one['sessions']:8}")


def _when(milliseconds: int, form: str) -> str:
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime(form)


@users.command("end-sessions", cls=TakesAnId)
@click.argument("who")
@data_dir_option
@click.pass_obj
@says_why
def end_sessions(data_dir_before: Path, who: str, data_dir: Path | None) -> None:
    """Log WHO (a username or user id) out on all devices. They can log in again with their Login PIN."""
    end_sessions_of(data_dir or data_dir_before, who)


@users.command("turn-off-two-step", cls=TakesAnId)
@click.argument("who")
@data_dir_option
@click.pass_obj
@says_why
def turn_off_two_step(data_dir_before: Path, who: str, data_dir: Path | None) -> None:
    """Turn off two-step login of WHO (a username or user id), who lost phone and recovery codes. From then on, the
    Login PIN alone logs in: make sure that it is really them who asks."""
    done = ask(data_dir or data_dir_before, "turn_off_two_step", who=who)
    click.echo(f"{done['username']}: two-step login is off.")


@users.command("remove", cls=TakesAnId)
@click.argument("who")
@data_dir_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
@says_why
def remove(data_dir_before: Path, who: str, data_dir: Path | None, yes: bool) -> None:
    """Permanently delete WHO (a username or user id). Others keep the messages they received."""
    remove_account_of(data_dir or data_dir_before, who, yes=yes)


@click.command("invite")
@data_dir_option
@click.option("--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many invitations.")
@click.option("--expires", default="7d", show_default=True, help="How long they are valid: 30m, 12h, 7d.")
@click.option("--url", help="The server's public address.  [EZDMS_PUBLIC_URL; default: the running server's]")
@click.option("--withdraw", is_flag=True, help="Instead, withdraw all unused invitations.")
@says_why
def invite(data_dir: Path | None, count: int, expires: str, url: str | None, withdraw: bool) -> None:
    """Print invitation links, each good for one account on a server that runs with --registration invite."""
    settings = settings_of(data_dir)
    if withdraw:
        click.echo(f"{count_of(ask(settings.data_dir, 'withdraw_invitations')['withdrawn'], 'invitation')} withdrawn.")
        return
    lifetime = _parse_duration(expires)
    if url is not None:
        url = _parse_url(url)
    running = ask(settings.data_dir, "status")
    address = url or settings.public_url or running["public_url"] or running["address"]
    if not address:
        raise click.UsageError("The server's public address is unknown. Use --url, such as https://chat.example.org.")
    made = ask(settings.data_dir, "invite", count=count, lifetime=lifetime)
    for token in made["tokens"]:
        click.echo(f"{address}/#invite={token}")
    if running["registration"] not in ("", "invite"):
        click.echo(
            f"Note: the server's registration is {running['registration']}. "
            "It asks for invitations only with --registration invite.",
            err=True,
        )
    if "//127.0.0.1" in address or "//localhost" in address:
        click.echo(
            "Note: this address works only on this machine. Use --url, or --public-url for the server.", err=True
        )


def _parse_url(text: str) -> str:
    try:
        return parse_public_url(text.rstrip("/"))
    except SettingsError as error:
        raise click.UsageError(f"--url is {text!r}: {error}.") from error


def _parse_duration(text: str) -> int:
    """Milliseconds."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", text)
    if match is None:
        raise click.UsageError("--expires: expected a time such as 30m, 12h or 7d.")
    return int(match[1]) * UNITS[match[2]] * 1000
