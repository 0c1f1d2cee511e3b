"""The doctor's page: shows the findings in a browser on this machine only. Read-only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from quart import Quart

from ezdms import logs
from ezdms.doctor.examine import examine
from ezdms.edge import runner
from ezdms.settings import Settings
from ezdms.verify import FAILED, OK, WARNING
from ezdms.views.rendering import render
from ezdms.web import static_files, this_machine

WORST_FIRST = {FAILED: 0, WARNING: 1, OK: 2}


def show(settings: Settings, url: str | None, cafile: Path | None, port: int, announce: Callable[[str], None]) -> None:
    """Serve it until SIGTERM or Ctrl-C. Raises AddressError."""
    logs.use(as_json=settings.log_json)
    with runner.listen(this_machine.HOST, port) as listener:
        app = create_app(settings, url, cafile, listener.getsockname()[1])

        async def started() -> None:
            announce(runner.address_of(listener))

        async def main() -> None:
            await runner.serve_until_told(app, runner.config_of(listener), started=started, stopping=lambda: None)

        runner.run(main)


def create_app(settings: Settings, url: str | None, cafile: Path | None, port: int) -> Quart:
    """One page, for this machine alone."""
    app = this_machine.create_app(__name__, port, "This page is only for this machine.")
    app.add_url_rule("/static/<path:filename>", "static", static_files.send_file)

    @app.get("/")
    async def page() -> str:
        findings = await examine(settings, url, cafile=cafile)
        return render("pages/doctor.html", findings=sorted(findings, key=lambda finding: WORST_FIRST[finding.status]))

    return app
