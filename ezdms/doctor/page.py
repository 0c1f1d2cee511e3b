"""The doctor's page: shows the findings in a browser on this machine only. Read-only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from quart import Quart, Response, request

from ezdms import logs
from ezdms.doctor.examine import examine
from ezdms.edge import runner
from ezdms.edge.headers import add_headers
from ezdms.settings import Settings
from ezdms.verify import FAILED, OK, WARNING
from ezdms.views.rendering import render
from ezdms.web import static_files

HOST = "127.0.0.1"
WORST_FIRST = {FAILED: 0, WARNING: 1, OK: 2}


def show(settings: Settings, url: str | None, cafile: Path | None, port: int, announce: Callable[[str], None]) -> None:
    """Serve it until SIGTERM or Ctrl-C. Raises AddressError."""
    logs.use(as_json=settings.log_json)
    with runner.listen(HOST, port) as listener:
        app = create_app(settings, url, cafile, listener.getsockname()[1])

        async def started() -> None:
            announce(runner.address_of(listener))

        async def main() -> None:
            await runner.serve_until_told(app, runner.config_of(listener), started=started, stopping=lambda: None)

        runner.run(main)


def create_app(settings: Settings, url: str | None, cafile: Path | None, port: int) -> Quart:
    """One page. Requests for any other host name (DNS rebinding) are refused."""
    app = Quart(__name__, static_folder=None, template_folder=None)
    app.add_url_rule("/static/<path:filename>", "static", static_files.send_file)
    own = {f"{name}:{port}" for name in (HOST, "localhost")}

    @app.before_request
    async def refuse_others() -> Response | None:
        return None if request.host in own else Response("This page is only for this machine.\n", 403)

    @app.get("/")
    async def page() -> str:
        findings = await examine(settings, url, cafile=cafile)
        return render("pages/doctor.html", findings=sorted(findings, key=lambda finding: WORST_FIRST[finding.status]))

    app.after_request(add_headers)
    return app
