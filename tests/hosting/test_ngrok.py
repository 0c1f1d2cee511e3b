"""`ezdms serve --ngrok`: a clear message without its requirements; with a tunnel, only its proxy is trusted.

The tests do not reach ngrok: where it must fail they use the real SDK, elsewhere a stand-in.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.support.forked import environment
from tests.support.operated import operate, refused
from tests.support.people import JSON, PEOPLE, registration

STAND_IN = """
class Listener:
    def url(self):
        return "https://a-b-c.ngrok-free.example"

    async def close(self):
        print("the tunnel is closed", flush=True)

async def forward(address, authtoken_from_env):
    assert authtoken_from_env
    print("forwarding to", address, flush=True)
    return Listener()
"""


def test_without_a_token_the_message_says_where_to_get_one(tmp_path: Path) -> None:
    sentence = refused(operate(tmp_path / "data", "serve", "--port", "0", "--ngrok"))
    assert "copy your authtoken from its dashboard, and start again with NGROK_AUTHTOKEN=" in sentence


def test_without_a_network_or_with_a_wrong_token_the_message_says_so_without_the_token(tmp_path: Path) -> None:
    token = "2abcDEFghiJKLmnoPQRstuVWX_1234567890abcdefgh"
    done = operate(tmp_path / "data", "serve", "--port", "0", "--ngrok", NGROK_AUTHTOKEN=token)
    assert "ngrok could not open a tunnel" in refused(done)
    assert token not in done.stderr


def test_without_the_ngrok_sdk_the_message_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "ngrok.py").write_text("raise ImportError('not installed')")
    done = operate(tmp_path / "data", "serve", "--ngrok", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert "pip install 'ezdms[ngrok]'" in refused(done)


def test_ngrok_cannot_be_combined_with_another_address_or_certificate(tmp_path: Path) -> None:
    assert "has its own TLS" in refused(operate(tmp_path, "serve", "--ngrok", "--host", "0.0.0.0"))  # noqa: S104


def test_the_public_address_is_shown_with_a_qr_code_and_its_proxy_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "ngrok.py").write_text(STAND_IN)
    settings = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "EZDMS_DATA_DIR": str(tmp_path / "data")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ezdms", "serve", "--port", "0", "--ngrok"],
        env=environment(**settings, NGROK_AUTHTOKEN="2abc"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(4)]
        port = re.fullmatch(r"forwarding to 127\.0\.0\.1:(\d+)\n", lines[0])
        assert port
        assert lines[1] == f"EZ-DMS is at http://127.0.0.1:{port[1]}\n"
        assert lines[2] == "Public address: https://a-b-c.ngrok-free.example\n"
        assert "█" in lines[3]
        wire = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=10)
        hop = {
            "X-Forwarded-For": "6.6.6.6, 203.0.113.9",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "evil.example",
        }
        body = json.dumps(registration(PEOPLE["alice"], "alice"))
        wire.request("POST", "/register", body, JSON | hop | {"Content-Type": "application/json"})
        answer = wire.getresponse()
        token = json.load(answer)["token"]
        assert answer.headers["Set-Cookie"].startswith("__Host-ezdms_session=")
        wire.request("GET", "/sessions", headers=JSON | hop | {"Authorization": f"Bearer {token}"})
        assert [one["address"] for one in json.load(wire.getresponse())] == ["203.0.113.9"]
        wire.close()
        invited = operate(tmp_path / "data", "invite")
        assert invited.stdout.startswith("https://a-b-c.ngrok-free.example/#invite=")
    finally:
        process.send_signal(signal.SIGTERM)
        rest, complaints = process.communicate(timeout=20)
    assert process.returncode == 0, complaints
    assert "the tunnel is closed" in rest
