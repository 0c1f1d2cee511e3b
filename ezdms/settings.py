"""All settings of the server, from flags and the environment: name, default, meaning."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

PREFIX = "EZDMS_"

# Used by the client (bots, command line). Listed here so that they are not rejected as unknown settings.
CLIENT_NAMES = frozenset({"EZDMS_SERVER", "EZDMS_HOME", "EZDMS_PIN", "EZDMS_PIN_FILE", "EZDMS_TRUST_SERVER"})

LONGEST_LINE = 300  # characters of a text on the front page

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
UNIX = "unix"  # among the trusted proxies: whoever connects to the Unix socket


class SettingsError(ValueError):
    """A setting is unknown or has an invalid value; the message names it."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` events in each `period`."""

    count: int
    period: timedelta


PERIODS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}


def parse_limit(text: str) -> Limit | None:
    """`COUNT/PERIOD` or `off` (None)."""
    if text == "off":
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,6})/(second|minute|hour|day)", text)
    if match is None:
        raise SettingsError("expected COUNT/second, /minute, /hour or /day, or off, such as 30/minute")
    return Limit(int(match[1]), PERIODS[match[2]])


SIZES = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def parse_size(text: str) -> int | None:
    """Bytes, or a number with KiB, MiB or GiB; `off` (None)."""
    if text == "off":
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,11}) ?(|KiB|MiB|GiB)", text)
    if match is None:
        raise SettingsError("expected bytes, or a number with KiB, MiB or GiB, or off, such as 256MiB")
    return int(match[1]) * SIZES[match[2]]


LARGEST_FILE = 25 * SIZES["MiB"]  # bytes that clients accept (docs/protocol.md)


def parse_file_size(text: str) -> int:
    """Bytes of the largest file, at most LARGEST_FILE; `off` is 0: no files."""
    size = parse_size(text) or 0
    if size > LARGEST_FILE:
        raise SettingsError("expected at most 25MiB, which is what clients accept")
    return size


def parse_count(text: str) -> int | None:
    """A positive number, or `off` (None)."""
    if text == "off":
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        raise SettingsError("expected a positive number, or off")
    return int(text)


def parse_days(text: str) -> int:
    """A number of days; 0 is never."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,4}", text):
        raise SettingsError("expected a number of days from 0 (never) to 99999")
    return int(text)


def parse_percent(text: str) -> int:
    """Percent; 0 or `off` is off."""
    if text == "off":
        return 0
    if not re.fullmatch(r"[0-9]|[1-9][0-9]", text):
        raise SettingsError("expected a percentage from 0 (off) to 99")
    return int(text)


def parse_port(text: str) -> int:
    """A TCP port; 0 lets the system choose a free one."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise SettingsError("expected a port number from 0 to 65535")
    return int(text)


def parse_proxies(text: str) -> tuple[Network | str, ...]:
    """Addresses or networks (CIDR), or UNIX, separated by commas."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tuple(UNIX if part == UNIX else ipaddress.ip_network(part) for part in parts)
    except ValueError as error:
        raise SettingsError("expected addresses or networks such as 127.0.0.1,10.0.0.0/8, or unix") from error


def parse_origins(text: str) -> tuple[str, ...]:
    """Web origins (scheme://host[:port]), separated by commas."""
    origins = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise SettingsError("expected origins such as https://chat.example.org, without a path")
    return origins


def parse_path(text: str) -> Path:
    """A file system path."""
    if not text or "\0" in text:
        raise SettingsError("expected a path")
    return Path(text)


def parse_switch(text: str) -> bool:
    """`on` or `off`."""
    if text not in ("on", "off"):
        raise SettingsError("expected on or off")
    return text == "on"


def parse_line(text: str) -> str:
    """A short text on one line."""
    if len(text) > LONGEST_LINE or not text.isprintable():
        raise SettingsError(f"expected one line of at most {LONGEST_LINE} characters")
    return text.strip()


def parse_server_name(text: str) -> str:
    """The name of this server on the front page."""
    if not text.strip():
        raise SettingsError("expected a name")
    return parse_line(text)


def parse_public_url(text: str) -> str:
    """The public origin of the server."""
    try:
        (origin,) = parse_origins(text)
    except ValueError as error:
        raise SettingsError(
            "expected one address such as https://chat.example.org, without a path: EZ-DMS needs a host name of its own"
        ) from error
    return origin


class Address(str):
    """An address that may hold a password: it is never shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Without the address."""
        return "Address(…)"


HERE = ("", "localhost", "127.0.0.1", "::1")
BUS_OPTIONS = ("db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")  # in its address, beside tls


def _hosts(netloc: str) -> list[str]:
    """The hosts of an address, of which PostgreSQL takes several."""
    found = []
    for part in netloc.rpartition("@")[2].split(","):
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::([0-9]{1,5}))?", part)
        if match is None:
            raise SettingsError("its host or port is not valid; a password needs %-escapes for : / @ ? # and %")
        found.append(match[1].strip("[]"))
    return found


def _parts(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        raise SettingsError("it is no valid address") from None


def parse_database_url(text: str) -> Address:
    """The address of a PostgreSQL database. Another machine is asked for a trusted certificate unless it says else."""
    parts = _parts(text)
    if parts.scheme not in ("postgresql", "postgres") or not text.isprintable() or " " in text:
        raise SettingsError("expected an address such as postgresql://ezdms:password@host/ezdms")
    options = dict(parse_qsl(parts.query))
    hosts = [*_hosts(parts.netloc), *options.get("host", "").split(",")]
    is_here = all(host in HERE or host.startswith(("/", "@")) for host in hosts)
    if not is_here and "sslmode" not in options:
        options["sslmode"] = "verify-full"
        options.setdefault("sslrootcert", "system")
        return Address(parts._replace(query=urlencode(options)).geturl())
    return Address(text)


def parse_bus_url(text: str) -> Address:
    """The address of a Redis or Valkey server. On another machine, it needs TLS unless it says `tls=off`."""
    parts = _parts(text)
    if parts.scheme not in ("redis", "rediss", "unix") or not text.isprintable() or " " in text:
        raise SettingsError("expected an address such as rediss://:password@host:6379/0 or unix:///run/redis.sock")
    options = dict(parse_qsl(parts.query))
    is_plain = options.pop("tls", None) == "off"
    if options.keys() - set(BUS_OPTIONS):
        raise SettingsError(f"after the ? are tls, {', '.join(BUS_OPTIONS)} alone")
    hosts = _hosts(parts.netloc)
    if parts.scheme == "redis" and not is_plain and any(host not in HERE for host in hosts):
        raise SettingsError("another machine needs TLS: use rediss://, or add ?tls=off in a network of your own")
    return Address(parts._replace(query=urlencode(options)).geturl() if is_plain else text)


class BucketPlace(NamedTuple):
    """A bucket of an S3-compatible service, and what the objects' names begin with. No endpoint: AWS."""

    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None


BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
FOLDERS = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}){0,8}/?")
REGION = re.compile(r"[a-z0-9-]{1,40}")


def parse_files_url(text: str) -> BucketPlace:
    """The address of a bucket: s3://bucket/prefix?endpoint=https://host&region=name. It must not hold the key."""
    parts = _parts(text)
    is_clean = text.isprintable() and " " not in text
    if parts.scheme != "s3" or not is_clean or not BUCKET.fullmatch(parts.netloc) or not FOLDERS.fullmatch(parts.path):
        raise SettingsError("expected an address such as s3://bucket/prefix?endpoint=https://s3.example.org")
    options = parse_qsl(parts.query, keep_blank_values=True)
    found = dict(options)
    if len(found) < len(options) or found.keys() - {"endpoint", "region", "tls"} or parts.fragment:
        raise SettingsError("after the ? are endpoint, region and tls alone; the key is in EZDMS_FILES_KEY")
    is_plain, endpoint, region = found.get("tls") == "off", found.get("endpoint"), found.get("region")
    if region is not None and not REGION.fullmatch(region):
        raise SettingsError("its region is not valid")
    if endpoint is not None:
        host = _parts(endpoint)
        is_origin = endpoint == f"{host.scheme}://{host.netloc}" and "@" not in host.netloc
        if host.scheme not in ("http", "https") or not is_origin or not all(hosts := _hosts(host.netloc)):
            raise SettingsError("expected an endpoint such as https://s3.example.org, without a path")
        if host.scheme == "http" and not is_plain and any(one not in HERE for one in hosts):
            raise SettingsError("another machine needs TLS: use https, or add &tls=off in a network of your own")
    return BucketPlace(parts.netloc, parts.path.strip("/"), endpoint, region)


def parse_files_key(text: str) -> Address:
    """The access key and the secret key of a bucket."""
    if not re.fullmatch(r"[\x21-\x39\x3b-\x7e]{1,128}:[\x21-\x7e]{1,256}", text):
        raise SettingsError("expected ACCESS-KEY:SECRET-KEY")
    return Address(text)


def parse_registration(text: str) -> str:
    """`open`, `invite` or `closed`."""
    if text not in ("open", "invite", "closed"):
        raise SettingsError("expected open, invite or closed")
    return text


def setting(default: str | None, parse: Callable[[str], Any], meaning: str, *, is_secret: bool = False) -> Any:
    """A field. Its default is written as text, so that one parser handles both defaults and given values. `is_secret`:
    it is no flag, since every user of the machine can see those, and no error shows its value."""
    value = None if default is None else parse(default)
    more = {"default": default, "parse": parse, "meaning": meaning, "is_secret": is_secret}
    return field(default=value, metadata=more)


@dataclass(frozen=True, slots=True)
class Settings:
    """Server configuration. Each field is EZDMS_NAME in the environment and --name of `ezdms serve`."""

    host: str = setting("127.0.0.1", str, "Address to listen on.")
    port: int = setting("5000", parse_port, "Port to listen on; 0 picks a free one.")
    unix: Path | None = setting(
        None, parse_path, "Unix socket to listen on instead of host and port, for a proxy on this machine."
    )
    data_dir: Path = setting("./data", parse_path, "Folder of the database; created if missing, readable only by you.")
    database_url: Address | None = setting(
        None,
        parse_database_url,
        "PostgreSQL database, for several processes (docs/scaling.md): postgresql://user:password@host/database.",
        is_secret=True,
    )
    database_url_file: Path | None = setting(None, parse_path, "File with that address instead.")
    bus_url: Address | None = setting(
        None,
        parse_bus_url,
        "Redis or Valkey server between several processes: rediss://:password@host:6379/0.",
        is_secret=True,
    )
    bus_url_file: Path | None = setting(None, parse_path, "File with that address instead.")
    files_url: BucketPlace | None = setting(
        None,
        parse_files_url,
        "Bucket for files instead of the data folder (docs/scaling.md): s3://bucket/prefix?endpoint=https://host.",
        is_secret=True,
    )
    files_key: Address | None = setting(
        None, parse_files_key, "Its key: ACCESS-KEY:SECRET-KEY. Without it, AWS's own variables.", is_secret=True
    )
    files_key_file: Path | None = setting(None, parse_path, "File with that key instead.")
    certfile: Path | None = setting(None, parse_path, "TLS certificate chain (PEM); needs keyfile too.")
    keyfile: Path | None = setting(None, parse_path, "TLS private key (PEM); needs certfile too.")
    trusted_proxies: tuple[Network | str, ...] = setting(
        "",
        parse_proxies,
        "Proxies whose X-Forwarded-For and -Proto headers are trusted: addresses or networks, or `unix` for whoever "
        "connects to the Unix socket.",
    )
    allowed_origins: tuple[str, ...] = setting(
        "", parse_origins, "Web origins that may open the WebSocket, in addition to the server's own."
    )
    public_url: str | None = setting(
        None, parse_public_url, "The server's public address, for `ezdms invite` and `ezdms doctor`."
    )
    ngrok: bool = setting("off", parse_switch, "Open an ngrok tunnel, which gives the server a public address.")
    server_name: str = setting("EZ-DMS", parse_server_name, "The name of this server on the front page.")
    notice: str = setting("", parse_line, "A sentence on the front page, such as who runs this server and for whom.")
    registration: str = setting(
        "open", parse_registration, "Who can create an account: open (anyone), invite (with an invitation), or closed."
    )
    metrics_port: int = setting(
        "0", parse_port, "Port of Prometheus metrics (/metrics), which only this machine can reach; 0 is off."
    )
    log_json: bool = setting("off", parse_switch, "Write the log as one JSON object per line.")
    limit_register: Limit | None = setting("5/minute", parse_limit, "New accounts, per client address.")
    limit_register_net: Limit | None = setting(
        "30/day", parse_limit, "New accounts, per network of clients (IPv4 /24, IPv6 /64)."
    )
    limit_login: Limit | None = setting("10/minute", parse_limit, "Attempts to log in, per client address.")
    limit_send: Limit | None = setting("30/minute", parse_limit, "Messages sent, per account.")
    limit_start: Limit | None = setting("10/minute", parse_limit, "Search PINs looked up, per account.")
    limit_socket: Limit | None = setting("30/minute", parse_limit, "WebSockets opened, per account.")
    limit_frame: Limit | None = setting("10/second", parse_limit, "Frames received, per WebSocket.")

    limit_vault: Limit | None = setting("30/minute", parse_limit, "Vaults stored, per account.")
    limit_signal: Limit | None = setting("60/minute", parse_limit, "Typing signals and receipts sent, per account.")
    limit_upload: Limit | None = setting("300/minute", parse_limit, "Parts of files uploaded, per account.")
    limit_report: Limit | None = setting("5/hour", parse_limit, "Reports to the operator, per account.")
    retention: int = setting(
        "0", parse_days, "Days after which the server removes the content of every message; 0 is never."
    )
    quota_account: int | None = setting(
        "256MiB", parse_size, "Storage per account, for messages and vault: bytes, KiB, MiB, GiB, or off."
    )
    quota_files: int | None = setting(
        "1GiB", parse_size, "Storage per account, for files: bytes, KiB, MiB, GiB, or off (no limit)."
    )
    max_file: int = setting("25MiB", parse_file_size, "The largest file: bytes, KiB or MiB, or off (no files).")
    max_sockets: int | None = setting("32", parse_count, "Open WebSockets per account, or off.")
    max_connections: int | None = setting(
        "256", parse_count, "Open connections per client address if the server itself does TLS, or off."
    )
    push_allow_local: bool = setting(
        "off", parse_switch, "Send pushes to addresses on this machine and its network, also over http; for tests."
    )
    disk_floor: int = setting(
        "5", parse_percent, "Percent of the disk that must be free to accept new accounts and files; 0 is off."
    )

    @property
    def front(self) -> dict[str, str]:
        """What every page shows about this server. `retention`: days, "0" is never."""
        words = {"name": self.server_name, "notice": self.notice, "registration": self.registration}
        return words | {"retention": str(self.retention)}

    @classmethod
    def load(cls, environ: Mapping[str, str], given: Mapping[str, str] | None = None) -> Settings:
        """Read EZDMS_* from `environ`; `given` (from flags, by field name) takes precedence. Raises SettingsError."""
        names = {PREFIX + item.name.upper(): item for item in fields(cls)}
        for name in environ:
            if name.startswith(PREFIX) and name not in names and name not in CLIENT_NAMES:
                raise SettingsError(f"Unknown setting {name}. `ezdms serve --help` lists them all.")
        values: dict[str, Any] = {}
        given = given or {}
        for name, item in names.items():
            text = given.get(item.name, environ.get(name))
            if text is None:
                continue
            try:
                values[item.name] = item.metadata["parse"](text)
            except SettingsError as error:
                if item.metadata["is_secret"]:
                    raise SettingsError(f"{name} cannot be used: {error}.") from None
                said = f"--{item.name.replace('_', '-')}" if item.name in given else name
                raise SettingsError(f"{said} is {text!r}: {error}.") from error
        for name, parse in (
            ("database_url", parse_database_url),
            ("bus_url", parse_bus_url),
            ("files_key", parse_files_key),
        ):
            _read_secret(values, name, parse)
        settings = cls(**values)
        if (settings.database_url is None) != (settings.bus_url is None):
            raise SettingsError(
                "Set both EZDMS_DATABASE_URL and EZDMS_BUS_URL (or …_FILE) for several processes, or neither."
            )
        if settings.files_key is not None and settings.files_url is None:
            raise SettingsError("EZDMS_FILES_KEY is for a bucket: set EZDMS_FILES_URL, too.")
        if (settings.certfile is None) != (settings.keyfile is None):
            raise SettingsError("Set both EZDMS_CERTFILE and EZDMS_KEYFILE, or neither.")
        if settings.unix is not None and (settings.ngrok or settings.certfile is not None):
            raise SettingsError("EZDMS_UNIX is for a proxy, which does TLS: remove the certificate and EZDMS_NGROK.")
        if settings.ngrok and (settings.certfile is not None or settings.host != "127.0.0.1"):
            raise SettingsError("EZDMS_NGROK has its own TLS and address: remove the certificate and EZDMS_HOST.")
        return settings


def _read_secret(values: dict[str, Any], name: str, parse: Callable[[str], Any]) -> None:
    """Take the value from the file that <name>_file names, if there is one. Raises SettingsError."""
    path, setting_name = values.get(f"{name}_file"), PREFIX + name.upper()
    if path is None:
        return
    if name in values:
        raise SettingsError(f"Set {setting_name} or {setting_name}_FILE, not both.")
    try:
        values[name] = parse(path.read_text("utf-8").strip())
    except OSError as error:
        raise SettingsError(f"{setting_name}_FILE cannot be read: {path}: {error.strerror}.") from error
    except ValueError as error:  # also bytes that are no text
        why = error if isinstance(error, SettingsError) else "expected text"
        raise SettingsError(f"What is in {path} ({setting_name}_FILE) cannot be used: {why}.") from None
