"""`ezdms reports`: what people reported. Only that can be read, because someone who got it handed it over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ezdms import crypto
from ezdms.client.shown import folded, indented, printable
from ezdms.commands.client.printing import columns, json_of, shortened, time_of, words_of_file
from ezdms.commands.server.operating import (
    as_json,
    ask,
    data_dir_option,
    end_sessions_of,
    remove_account_of,
    says_why,
    settings_of,
)
from ezdms.protocol import envelope
from ezdms.protocol.encoding import EnvelopeError, b64u_decode, b64u_encode, sha256

HOLDS, FAILS = "signature holds", "SIGNATURE DOES NOT HOLD: nobody signed this as it stands here"
UNREADABLE = "[Cannot be read]"
NEWER = "[Needs a newer version of EZ-DMS]"
KINDS = {"delete": "[Deletes a message]", "timer": "[Sets after how many seconds messages disappear: {}]"}
LONGEST = 60  # characters of a name


@dataclass(frozen=True, slots=True)
class Shown:
    """A reported message. `holds`: the reported person signed it, for this conversation. `signed_at`: ms."""

    message_id: str
    sent_at: int
    holds: bool
    kind: str | None
    text: str
    signed_at: int | None
    jws: str


def examine(report: dict[str, Any]) -> tuple[str, list[Shown]]:
    """The signed name of the reported person ("" if their statement does not hold), and what they signed."""
    try:
        statement = crypto.verify_statement(report["statement"])
    except crypto.Refused:
        return "", [_shown(report, message, None) for message in report["messages"]]
    return statement.name, [_shown(report, message, statement.ik) for message in report["messages"]]


def _shown(report: dict[str, Any], message: dict[str, Any], ik: bytes | None) -> Shown:
    body, holds, jws = None, False, str(message["jws"])
    try:
        if ik is not None:
            envelope.check_original(jws, ik=ik, hash=b64u_encode(sha256(jws.encode())))
            holds = True
        body = crypto.read_body(b64u_decode(jws.split(".")[1]))
    except (EnvelopeError, crypto.Refused, IndexError):
        pass
    if body is None or ik is None:
        return Shown(message["message_id"], message["sent_at"], holds, None, UNREADABLE, None, jws)
    here = (report["conversation_id"], b64u_encode(crypto.fingerprint(ik)), message["message_id"])
    holds = holds and (body.c, body.f, body.id) == here
    text = NEWER if body.kind is None else KINDS.get(body.kind, "{}").replace("{}", body.text)
    if body.kind == "file":
        file = crypto.read_file(body.text)  # as read_body did
        text = words_of_file(file["name"], file["size"])  # its key is in the signed original alone
    return Shown(message["message_id"], message["sent_at"], holds, body.kind, text, body.ts, jws)


@click.group("reports", invoke_without_command=True)
@data_dir_option
@as_json
@click.pass_context
@says_why
def reports(context: click.Context, data_dir: Path | None, as_json: bool) -> None:
    """List what people reported: sender, texts, reason, and whether the signatures hold."""
    context.obj = settings_of(data_dir).data_dir
    if context.invoked_subcommand is None:
        found = ask(context.obj, "reports")
        if not found["reports"] and not as_json:
            click.echo("Nobody has reported anything.", err=True)
        for report in found["reports"]:
            _print(report, as_json)
        left = found["count"] - len(found["reports"])
        if left:
            click.echo(f"{left} earlier {'report is' if left == 1 else 'reports are'} not shown.", err=True)


@reports.command("show")
@click.argument("report_id")
@data_dir_option
@as_json
@click.pass_obj
@says_why
def show(data_dir_before: Path, report_id: str, data_dir: Path | None, as_json: bool) -> None:
    """Show one report, and verify its signatures. Exits with 1 if one does not hold."""
    report = _find(data_dir or data_dir_before, report_id)
    _print(report, as_json)
    if not all(one.holds for one in examine(report)[1]):
        raise click.ClickException("Not every signature holds: the database was changed, or is damaged.")


@reports.command("end-sessions")
@click.argument("report_id")
@data_dir_option
@click.pass_obj
@says_why
def end_sessions(data_dir_before: Path, report_id: str, data_dir: Path | None) -> None:
    """Log the reported person out on all devices. They can log in again with their Login PIN."""
    folder = data_dir or data_dir_before
    end_sessions_of(folder, _find(folder, report_id)["reported_id"])


@reports.command("remove")
@click.argument("report_id")
@data_dir_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
@says_why
def remove(data_dir_before: Path, report_id: str, data_dir: Path | None, yes: bool) -> None:
    """Permanently delete the account of the reported person. The report stays."""
    folder = data_dir or data_dir_before
    remove_account_of(folder, _find(folder, report_id)["reported_id"], yes=yes)


@reports.command("discard")
@click.argument("report_id")
@data_dir_option
@click.pass_obj
@says_why
def discard(data_dir_before: Path, report_id: str, data_dir: Path | None) -> None:
    """Delete a report, with the messages in it."""
    ask(data_dir or data_dir_before, "discard_report", report_id=report_id)
    click.echo("The report was discarded.")


def _print(report: dict[str, Any], as_json: bool) -> None:
    name, messages = examine(report)
    if as_json:
        members = {one: report[one] for one in ("report_id", "created_at", "reporter_id", "reporter", "reported_id")}
        shown = [{one: getattr(message, one) for one in Shown.__slots__} for message in messages]
        more = {"reported": name, "has_left": report["has_left"], "reason": report["reason"], "messages": shown}
        click.echo(json_of(members | more))
        return
    reporter = _one_line(report["reporter"]) or "someone who deleted their account"
    left = ", who deleted the account" if report["has_left"] else ""
    _say(f"Report {report['report_id']}  {time_of(report['created_at'])}  by {reporter}")
    _say(f"  About {_one_line(name) or '(unknown)'} (user id {report['reported_id']}){left}")
    if report["reason"]:
        _say(f"  Reason: {report['reason']}")
    for one in messages:
        _say(f"  {time_of(one.sent_at)}  [{HOLDS if one.holds else FAILS}]  {_one_line(name)}: {one.text}")
    click.echo("")


def _say(line: str) -> None:
    """Print so that no text can control the terminal, or begin a line."""
    click.echo(folded(indented(printable(line)), columns()))


def _one_line(text: str) -> str:
    return shortened(text, LONGEST)


def _find(data_dir: Path, report_id: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = ask(data_dir, "reports", report_id=report_id)["reports"]
    if not found:
        raise click.ClickException("There is no such report. `ezdms reports` lists them all.")
    return found[0]
