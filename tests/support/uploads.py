"""Uploads files as a program does, and looks at what is on the disk."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from quart import Quart, Response

from ezdms.actions.uploading import Uploads
from tests.support.people import Person


async def begin(person: Person, conversation_id: str, size: int) -> str:
    """Begin an upload; returns its id."""
    response = await person.post("/files", {"conversation_id": conversation_id, "size": size})
    assert response.status_code == 201, await response.get_data()
    assert response.headers["Location"].startswith("/files/")
    return str((await response.get_json())["file_id"])


async def patch(person: Person, file_id: str, offset: int | str, part: bytes) -> Response:
    """Send bytes at an offset."""
    headers = person.headers | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    return await person.client.patch(f"/files/{file_id}", headers=headers, data=part)


async def offset_of(person: Person, file_id: str) -> int:
    """Where the upload continues; -1 if there is none."""
    response = await person.client.head(f"/files/{file_id}", headers=person.headers)
    assert response.status_code in (204, 404)
    return int(response.headers["Upload-Offset"]) if response.status_code == 204 else -1


async def uploaded(person: Person, conversation_id: str, whole: bytes) -> str:
    """Upload a file in one part; returns its id."""
    file_id = await begin(person, conversation_id, len(whole))
    response = await patch(person, file_id, 0, whole)
    assert response.status_code == 204, await response.get_data()
    assert response.headers["Upload-Offset"] == str(len(whole))
    return file_id


async def fetched(person: Person, file_id: str, **headers: str) -> tuple[int, bytes]:
    """Status and bytes."""
    response = await person.get(f"/files/{file_id}", **headers)
    return response.status_code, await response.get_data() if response.status_code < 300 else b""  # type: ignore[return-value]


async def sweep(app: Quart) -> None:
    """What the next tick does."""
    uploads: Uploads = app.extensions["ezdms.uploads"]
    await uploads.sweep()


def on_disk(folder: Path) -> list[Path]:
    """The files in a data folder, after a check that only the owner can read them."""
    found = sorted((folder / "files").rglob("*"))
    for path in [folder / "files", *found]:
        if path.exists():
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    return [path for path in found if path.is_file()]


async def answer(response: Response) -> tuple[int, str, dict[str, Any]]:
    """Status, code, and all members of an error."""
    members = await response.get_json()
    assert members["error"].endswith(".")
    return response.status_code, members["code"], members
