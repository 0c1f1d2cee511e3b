"""A bucket of an S3-compatible service for uploaded files, which processes on different machines share.

A file is stored in slots of 1 MiB, each an object: `<prefix>/<deployment id>/<random name>/<number>-<bytes>`. Any
process can continue an upload, and no object is ever half there. A slot that grows becomes another object, so a request
that comes too late, after the upload went on elsewhere, overwrites nothing. Keys never reach a log or an error: of what
the service answers, only the error code is told.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from ezdms.settings import Address, BucketPlace
from ezdms.store.file_folder import WrongOffset

if TYPE_CHECKING:
    from obstore.store import RetryConfig, S3Config, S3Credential

SLOT = 1024 * 1024  # bytes of each object but the last; a part that a client uploads has at most this many, too
NAME = re.compile(r"[0-9a-f]{32}")
NUMBERS = re.compile(r"([0-9]{4})-([0-9]{1,7})")
PAGE = 1000  # objects, in one answer to a listing
ONE = timedelta(seconds=10)  # for a request
CONNECT = timedelta(seconds=3)
TRIES: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=5)}
CODE = re.compile(r"<Code>\s*([A-Za-z0-9.]{1,60})\s*</Code>")
METADATA = "//169.254.169.254/"
STATUS = re.compile(r"status code: ([0-9]{3})")

# What the operator can mend, by the error code of the service.
FAULTS = {
    "InvalidAccessKeyId": "the access key in EZDMS_FILES_KEY is unknown there",
    "SignatureDoesNotMatch": "the secret key in EZDMS_FILES_KEY is wrong",
    "AccessDenied": "the key may not use this bucket: it must be allowed to list, read, write and delete objects",
    "NoSuchBucket": "there is no such bucket: create it, or correct EZDMS_FILES_URL",
    "RequestTimeTooSkewed": "this machine's clock is wrong: synchronize it (timedatectl set-ntp true)",
    "PermanentRedirect": "the bucket is in another region: add ?region=… to EZDMS_FILES_URL",
    "AuthorizationHeaderMalformed": "the bucket is in another region: add ?region=… to EZDMS_FILES_URL",
    "ExpiredToken": "the credentials have expired",
}


class BucketError(OSError):
    """The bucket cannot be used now. `is_fault`: it answered, and will answer the same until somebody mends it."""

    def __init__(self, why: str, *, is_fault: bool = False) -> None:
        super().__init__(None, why)
        self.why = why
        self.is_fault = is_fault

    def __str__(self) -> str:
        """Why."""
        return self.why


class Bucket:
    """The files of one deployment (FileStore)."""

    def __init__(self, place: BucketPlace, key: Address | None, deployment_id: str) -> None:
        config: S3Config = {"region": place.region} if place.region else {}
        given = {}
        if key is not None:  # and nothing of AWS's variables, such as a token of another key
            access_key, _, secret_key = key.partition(":")
            credential: S3Credential = {
                "access_key_id": access_key,
                "secret_access_key": secret_key,
                "expires_at": None,
            }
            given = {"credential_provider": lambda: credential}
        if place.endpoint:
            config["endpoint"] = config["aws_endpoint_url_s3"] = place.endpoint
            config["virtual_hosted_style_request"] = False
        self._store = S3Store(
            place.bucket,
            prefix="/".join(filter(None, (place.prefix, deployment_id))),
            config=config,
            client_options={
                "allow_http": (place.endpoint or "").startswith("http:"),
                "timeout": ONE,
                "connect_timeout": CONNECT,
            },
            retry_config=TRIES,
            **given,
        )

    async def size(self, name: str) -> int:
        """Bytes stored so far, without gaps."""
        return _size_of([(number, size) async for _, _, number, size in self._objects(f"{name}/")])

    async def append(self, name: str, offset: int, part: bytes, size: int) -> int:
        """Store `part`. If the bucket goes away meanwhile, the beginning of it may be stored."""
        end = await self.size(name)
        if end != offset:
            raise WrongOffset(end)
        number, kept = divmod(offset, SLOT)
        rest = (await self._get(name, number, kept) if kept and part else b"") + part
        for start in range(0, len(rest), SLOT):
            slot = rest[start : start + SLOT]
            key = _key(name, number + start // SLOT, len(slot))
            with _told():
                await obstore.put_async(self._store, key, slot, use_multipart=False)
        if kept and part:
            with _told():
                await obstore.delete_async(self._store, _key(name, number, kept))
        return offset + len(part)

    async def read(self, name: str, size: int, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes, in blocks. Raises BucketError also if a slot has another size than it must have."""
        for number in range(start // SLOT, (end + SLOT - 1) // SLOT):
            begin = number * SLOT
            slot = await self._get(name, number, min(SLOT, size - begin))
            yield slot[max(0, start - begin) : end - begin]

    async def _get(self, name: str, number: int, size: int) -> bytes:
        with _told():
            found = await obstore.get_async(self._store, _key(name, number, size))
            if found.meta["size"] != size:
                raise BucketError("an object has another size than it must have")
            slot = bytes(await found.bytes_async())
        if len(slot) != size:
            raise BucketError("an object was sent in part")
        return slot

    async def remove(self, name: str) -> None:
        """Delete the file if there is one."""
        keys = [key async for _, key, _, _ in self._objects(f"{name}/")]
        with _told():
            for key in keys:  # one by one: not every service can delete several at once
                await obstore.delete_async(self._store, key)

    async def names(self) -> AsyncIterator[list[str]]:
        """The names of all files."""
        names: dict[str, None] = {}
        async for name, *_ in self._objects(None):
            if name not in names and len(names) == PAGE:
                yield list(names)
                names.clear()
            names[name] = None
        if names:
            yield list(names)

    async def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """The sizes of those that are there. A listing is in the order of the names: one answer tells of many."""
        slots: dict[str, list[tuple[int, int]]] = {name: [] for name in names}
        async for name, _, number, size in self._objects(None, after=names[0][:-1]):  # else without names[0]
            if name > names[-1]:
                break
            if name in slots:
                slots[name].append((number, size))
        return {name: _size_of(found) for name, found in slots.items() if found}

    def is_short_of_room(self, floor: int) -> bool:
        """Never: the service has its own limits."""
        return False

    async def check(self) -> None:
        """Raises BucketError unless objects can be written, read, listed and deleted."""
        key = f"check-{secrets.token_hex(8)}"
        with _told():
            await obstore.put_async(self._store, key, b"check", use_multipart=False)
            found = await obstore.get_async(self._store, key)
            await found.bytes_async()
            await obstore.delete_async(self._store, key)
        async for _ in self._objects(None):
            break

    async def _objects(
        self, prefix: str | None, *, after: str | None = None
    ) -> AsyncIterator[tuple[str, str, int, int]]:
        """(name, key, number, size) of each object, by name. What has no such name is not ours; what has another size
        than in its name has none."""
        with _told():
            async for page in obstore.list(self._store, prefix, offset=after, chunk_size=PAGE):
                for one in page:
                    name, _, numbers = one["path"].partition("/")
                    found = NUMBERS.fullmatch(numbers)
                    if NAME.fullmatch(name) and found:
                        is_whole = one["size"] == int(found[2])
                        yield name, one["path"], int(found[1]), one["size"] if is_whole else 0


@contextmanager
def _told() -> Iterator[None]:
    """Turn the client's errors into ours: theirs quote addresses and answers."""
    try:
        yield
    except BucketError:
        raise
    except (BaseError, OSError) as error:
        said = str(error)
        code, status = CODE.search(said), STATUS.search(said)
        if code and code[1] in FAULTS:
            raise BucketError(FAULTS[code[1]], is_fault=True) from None
        if code and code[1] == "NoSuchKey":
            raise BucketError("an object is missing") from None
        if METADATA in said:  # where AWS's machines get their keys
            raise BucketError("there is no key: set EZDMS_FILES_KEY_FILE", is_fault=True) from None
        if status is None:
            raise BucketError("it cannot be reached, or does not answer in time") from None
        what = f"it answers {status[1]} {code[1]}" if code else f"it answers {status[1]}"
        if status[1] in ("401", "403"):
            what = f"{what}: check the key in EZDMS_FILES_KEY"
        raise BucketError(what, is_fault=status[1] in ("400", "401", "403")) from None


def _key(name: str, number: int, size: int) -> str:
    return f"{name}/{number:04}-{size}"


def _size_of(objects: list[tuple[int, int]]) -> int:
    """Bytes up to the first gap, from (number, size) of each object: the largest of a slot counts."""
    slots, number = dict(sorted(objects)), 0
    while slots.get(number) == SLOT:
        number += 1
    return number * SLOT + min(slots.get(number, 0), SLOT)
