"""The command line. Imports only the command that is called, so `ezdms serve` never loads decryption code."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

import click

from ezdms import __version__
from ezdms.commands import streams

COMMANDS = {  # name → module:function, in the order of the help
    "serve": "ezdms.commands.server.serve:serve",
    "invite": "ezdms.commands.server.people:invite",
    "users": "ezdms.commands.server.people:users",
    "reports": "ezdms.commands.checks.reports:reports",
    "backup": "ezdms.commands.server.keeping:backup",
    "restore": "ezdms.commands.server.keeping:restore",
    "move": "ezdms.commands.server.moving:move",
    "move-files": "ezdms.commands.server.moving:move_files",
    "cert": "ezdms.commands.server.keeping:cert",
    "doctor": "ezdms.commands.checks.doctor:doctor",
    "register": "ezdms.commands.client.account:register",
    "login": "ezdms.commands.client.account:login",
    "whoami": "ezdms.commands.client.account:whoami",
    "contacts": "ezdms.commands.client.talk:contacts",
    "add": "ezdms.commands.client.talk:add",
    "send": "ezdms.commands.client.talk:send",
    "read": "ezdms.commands.client.talk:read",
    "search": "ezdms.commands.client.searching:search",
    "save": "ezdms.commands.client.saving:save",
    "chat": "ezdms.commands.client.chatting:chat",
    "listen": "ezdms.commands.client.talk:listen",
    "accept": "ezdms.commands.client.meeting:accept",
    "block": "ezdms.commands.client.meeting:block",
    "unblock": "ezdms.commands.client.meeting:unblock",
    "organize": "ezdms.commands.client.meeting:organize",
    "delete-conversation": "ezdms.commands.client.meeting:delete_conversation",
    "report": "ezdms.commands.client.meeting:report",
    "outbox": "ezdms.commands.client.outbox:outbox",
    "settings": "ezdms.commands.client.settings:settings",
    "continue-anyway": "ezdms.commands.client.going_on:continue_anyway",
    "verify-contact": "ezdms.commands.client.knowing:verify_contact",
    "export": "ezdms.commands.client.export:export",
    "logout": "ezdms.commands.client.account:logout",
    "verify": "ezdms.commands.checks.verify:command",
    "pin": "ezdms.commands.checks.pin:pin",
    "manifest": "ezdms.commands.checks.release:manifest",
    "release-key": "ezdms.commands.checks.release:release_key",
    "bridge": "ezdms.commands.client.bridge:bridge",
    "open": "ezdms.commands.client.opening:opening",
}
WHOLE = 1000  # characters; longer than any first sentence

# Options that several commands share may also stand before the command. True: the next word is the option's value.
SHARED = {
    "--server": True,
    "--home": True,
    "--account": True,
    "--data-dir": True,
    "--json": False,
    "--trust-server": False,
}


def command_first(words: list[str]) -> list[str]:
    """Move shared options from before the command to behind it: `--server URL send bob` → `send --server URL bob`."""
    at = 0
    while at < len(words) and words[at].partition("=")[0] in SHARED:
        at += 2 if SHARED[words[at].partition("=")[0]] and "=" not in words[at] else 1
    return [*words[at : at + 1], *words[:at], *words[at + 1 :]]


class Lazily(click.Group):
    """A command group that imports a command's module only when it is called."""

    def main(self, *given: Any, **options: Any) -> Any:
        """Run the command line."""
        streams.prepare()
        return super().main(*given, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Shared options may stand before the command."""
        return super().parse_args(ctx, command_first(args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].partition(":")
        return cast(click.Command, getattr(import_module(module), function))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List each command with its full first sentence; click would cut it to fit one line."""
        commands = [(name, cast(click.Command, self.get_command(ctx, name))) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(WHOLE)) for name, command in commands])


def _print_version(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    """Print the version and the build, by which people can tell whether their copies are the same."""
    if is_asked:
        from ezdms.release import digest_of, name_of
        from ezdms.views import assets

        click.echo(name_of(__version__, digest_of(assets.import_map())))
        context.exit()


@click.group(cls=Lazily, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def main() -> None:
    """EZ-DMS: direct messages that the server cannot read."""
