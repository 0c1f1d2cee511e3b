"""An app that serves only this machine: the doctor's page, and the metrics."""

from __future__ import annotations

from quart import Quart, Response, request

from ezdms.edge.headers import add_headers

HOST = "127.0.0.1"


def create_app(name: str, port: int, refusal: str) -> Quart:
    """An app without addresses. Requests for any other host name (DNS rebinding) get 403 and this sentence."""
    app = Quart(name, static_folder=None, template_folder=None)
    own = {f"{host}:{port}" for host in (HOST, "localhost")}

    @app.before_request
    async def refuse_others() -> Response | None:
        return None if request.host in own else Response(f"{refusal}\n", 403)

    app.after_request(add_headers)
    return app
