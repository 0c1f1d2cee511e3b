"""Settings come from the environment and flags; a mistake stops the start with a clear message."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from click.testing import CliRunner

from ezdms import crypto
from ezdms.cli import main
from ezdms.settings import CLIENT_NAMES, LARGEST_FILE, UNIX, Limit, Settings, SettingsError


def test_every_setting_has_a_default() -> None:
    settings = Settings.load({})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 5000, Path("./data"))
    assert settings.limit_register == Limit(5, timedelta(minutes=1))
    assert settings.limit_login == Limit(10, timedelta(minutes=1))
    assert settings.limit_send == settings.limit_socket == Limit(30, timedelta(minutes=1))
    assert settings.limit_start == Limit(10, timedelta(minutes=1))
    assert settings.limit_frame == Limit(10, timedelta(seconds=1))
    assert settings.limit_signal == Limit(60, timedelta(minutes=1))
    assert settings.limit_report == Limit(5, timedelta(hours=1))
    assert settings.quota_account == 256 * 1024**2
    assert (settings.quota_files, settings.max_file) == (1024**3, 25 * 1024**2)
    assert settings.limit_upload == Limit(300, timedelta(minutes=1))
    assert settings.retention == 0
    assert settings.trusted_proxies == settings.allowed_origins == ()
    assert (settings.unix, settings.metrics_port) == (None, 0)


def test_flags_override_the_environment() -> None:
    assert Settings.load({"EZDMS_PORT": "1"}, {"port": "2"}).port == 2


def test_values_are_parsed() -> None:
    settings = Settings.load(
        {
            "EZDMS_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,::1,unix",
            "EZDMS_UNIX": "/run/ezdms.sock",
            "EZDMS_ALLOWED_ORIGINS": "https://a.example, HTTP://b.example:81",
            "EZDMS_LIMIT_SEND": "off",
            "EZDMS_LIMIT_LOGIN": "3/hour",
        }
    )
    assert settings.trusted_proxies == (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("::1"), UNIX)
    assert settings.unix == Path("/run/ezdms.sock")
    assert settings.allowed_origins == ("https://a.example", "http://b.example:81")
    assert settings.limit_send is None
    assert settings.limit_login == Limit(3, timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("4096", 4096), ("1KiB", 1024), ("25MiB", 25 * 2**20), ("2 GiB", 2**31), ("off", None)],
)
def test_a_size_is_in_bytes_or_has_a_unit(text: str, size: int | None) -> None:
    assert Settings.load({"EZDMS_QUOTA_ACCOUNT": text}).quota_account == size


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("10KiB", 10_240), ("25MiB", 26_214_400), ("26214400", 26_214_400), ("off", 0)]
)
def test_the_largest_file_is_a_size_or_off(text: str, size: int) -> None:
    assert Settings.load({"EZDMS_MAX_FILE": text}).max_file == size


def test_the_largest_file_cannot_exceed_what_clients_accept() -> None:
    assert LARGEST_FILE == crypto.LARGEST_FILE
    for text in ("26214401", "26MiB", "1GiB"):
        with pytest.raises(SettingsError, match="at most 25MiB"):
            Settings.load({"EZDMS_MAX_FILE": text})


@pytest.mark.parametrize("days", [0, 1, 365, 99_999])
def test_retention_is_in_days(days: int) -> None:
    assert Settings.load({"EZDMS_RETENTION": str(days)}).retention == days


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("EZDMS_RETENTION", text) for text in ("", "off", "-1", "1.5", "01", "7 days", "100000")),
        ("EZDMS_QUOTA_ACCOUNT", "0"),
        ("EZDMS_QUOTA_ACCOUNT", "1.5GiB"),
        ("EZDMS_QUOTA_ACCOUNT", "256MB"),
        ("EZDMS_QUOTA_ACCOUNT", "-1"),
        ("EZDMS_QUOTA_ACCOUNT", "256mib"),
        ("EZDMS_PORT", "70000"),
        ("EZDMS_PORT", "-1"),
        ("EZDMS_PORT", "http"),
        ("EZDMS_PORT", ""),
        ("EZDMS_DATA_DIR", ""),
        ("EZDMS_TRUSTED_PROXIES", "example.org"),
        ("EZDMS_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("EZDMS_ALLOWED_ORIGINS", "chat.example"),
        ("EZDMS_ALLOWED_ORIGINS", "https://chat.example/path"),
        ("EZDMS_ALLOWED_ORIGINS", "*"),
        ("EZDMS_LIMIT_SEND", "30"),
        ("EZDMS_LIMIT_SEND", "0/minute"),
        ("EZDMS_LIMIT_SEND", "30/fortnight"),
        ("EZDMS_LIMIT_SEND", "OFF"),
        ("EZDMS_CERTFILE", "cert.pem"),
        ("EZDMS_UNIX", ""),
        ("EZDMS_METRICS_PORT", "127.0.0.1:9464"),
    ],
)
def test_a_bad_value_is_reported(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.load({name: value})


@pytest.mark.parametrize("other", [{"EZDMS_NGROK": "on"}, {"EZDMS_CERTFILE": "c.pem", "EZDMS_KEYFILE": "k.pem"}])
def test_a_unix_socket_is_refused_with_what_needs_a_port(other: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="EZDMS_UNIX is for a proxy, which does TLS"):
        Settings.load({"EZDMS_UNIX": "/run/s"} | other)


def test_an_unknown_setting_is_reported() -> None:
    with pytest.raises(SettingsError, match="EZDMS_PROT"):
        Settings.load({"EZDMS_PROT": "5000"})


def test_client_variables_are_not_mistaken_for_settings() -> None:
    assert Settings.load(dict.fromkeys(CLIENT_NAMES, "x")) == Settings()


def test_every_setting_but_a_secret_is_a_flag_with_its_name_and_default_in_the_help() -> None:
    page = CliRunner().invoke(main, ["serve", "--help"]).output
    for item in fields(Settings):
        if item.metadata["is_secret"]:
            assert f"--{item.name.replace('_', '-')} " not in page  # every user of a machine sees flags
            continue
        assert f"--{item.name.replace('_', '-')}" in page
        assert f"EZDMS_{item.name.upper()}" in "".join(page.split())


@pytest.mark.parametrize("arguments", [["--port", "99999"], ["--limit-send", "often"]])
def test_a_bad_flag_stops_the_start_with_a_clear_message(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, ["serve", *arguments], env={"EZDMS_PORT": "5000"})
    assert result.exit_code == 2
    assert f"{arguments[0]} is '{arguments[1]}': expected" in result.output
    assert "EZDMS_" not in result.output
    assert "expected" in result.output
    assert "Traceback" not in result.output


def test_a_bad_environment_variable_stops_the_start_with_a_clear_message() -> None:
    result = CliRunner().invoke(main, ["serve"], env={"EZDMS_NONSENSE": "1"})
    assert result.exit_code == 2
    assert "EZDMS_NONSENSE" in result.output


PASSWORD = "correct-horse-battery"
DATABASE, BUS = f"postgresql://ezdms:{PASSWORD}@/ezdms", f"redis://:{PASSWORD}@localhost/0"


def test_several_processes_need_a_database_and_a_bus() -> None:
    settings = Settings.load({"EZDMS_DATABASE_URL": DATABASE, "EZDMS_BUS_URL": BUS})
    assert (settings.database_url, settings.bus_url) == (DATABASE, BUS)
    for one in ({"EZDMS_DATABASE_URL": DATABASE}, {"EZDMS_BUS_URL": BUS}):
        with pytest.raises(SettingsError, match="Set both EZDMS_DATABASE_URL and EZDMS_BUS_URL"):
            Settings.load(one)


def test_their_addresses_can_be_in_files(tmp_path: Path) -> None:
    for name, text in (("database", DATABASE), ("bus", BUS)):
        (tmp_path / name).write_text(f"{text}\n")
    files = {f"EZDMS_{name.upper()}_URL_FILE": str(tmp_path / name) for name in ("database", "bus")}
    settings = Settings.load(files)
    assert (settings.database_url, settings.bus_url) == (DATABASE, BUS)
    with pytest.raises(SettingsError, match="not both"):
        Settings.load(files | {"EZDMS_BUS_URL": BUS})
    with pytest.raises(SettingsError, match=r"EZDMS_BUS_URL_FILE cannot be read: .*: No such file"):
        Settings.load(files | {"EZDMS_BUS_URL_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("database", "bus"),
    [
        (f"mysql://u:{PASSWORD}@localhost/x", BUS),
        (PASSWORD, BUS),
        (f"postgresql://u:{PASSWORD}/2@localhost/x", BUS),
        (f"postgresql://u:{PASSWORD}@localhost:port/x", BUS),
        (f"postgresql://u:{PASSWORD} @localhost/x", BUS),
        (DATABASE, f"http://:{PASSWORD}@localhost"),
        (DATABASE, f"redis://:{PASSWORD}@bus.example/0"),
        (DATABASE, PASSWORD),
        (f"postgresql://u:{PASSWORD}@[::x/y", BUS),
    ],
)
def test_no_error_about_these_addresses_shows_a_password(database: str, bus: str, tmp_path: Path) -> None:
    (tmp_path / "database").write_text(database)
    (tmp_path / "bus").write_text(bus)
    for given in (
        {"EZDMS_DATABASE_URL": database, "EZDMS_BUS_URL": bus},
        {"EZDMS_DATABASE_URL_FILE": str(tmp_path / "database"), "EZDMS_BUS_URL_FILE": str(tmp_path / "bus")},
    ):
        with pytest.raises(SettingsError) as refused:
            Settings.load(given)
        assert PASSWORD not in str(refused.value)
    assert PASSWORD not in repr(Settings.load({"EZDMS_DATABASE_URL": DATABASE, "EZDMS_BUS_URL": BUS}))


def test_another_machine_needs_tls_unless_the_address_says_otherwise() -> None:
    def load(database: str, bus: str) -> tuple[object, object]:
        settings = Settings.load({"EZDMS_DATABASE_URL": database, "EZDMS_BUS_URL": bus})
        return settings.database_url, settings.bus_url

    verified = "sslmode=verify-full&sslrootcert=system"
    assert load("postgresql://u@db.example/x", "rediss://bus.example/0") == (
        f"postgresql://u@db.example/x?{verified}",
        "rediss://bus.example/0",
    )
    several = "postgresql://u@localhost:5432,db.example:5432/x"
    assert load(several, BUS)[0] == f"{several}?{verified}"
    assert load("postgresql://u@db.example/x?sslmode=disable", "redis://bus.example/0?tls=off") == (
        "postgresql://u@db.example/x?sslmode=disable",
        "redis://bus.example/0",
    )
    assert load("postgresql://u@/x?host=/run/postgresql", "unix:///run/redis.sock?db=1") == (
        "postgresql://u@/x?host=/run/postgresql",
        "unix:///run/redis.sock?db=1",
    )
    with pytest.raises(SettingsError, match="another machine needs TLS: use rediss"):
        load(DATABASE, "redis://bus.example/0")
    with pytest.raises(SettingsError, match=r"after the . are tls, db, ssl_ca_certs, ssl_certfile, ssl_keyfile alone"):
        load(DATABASE, "rediss://bus.example/0?ssl_cert_reqs=none")


SECRET = "correct-horse"
KEY = f"AKIDEXAMPLE:{SECRET}"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://files", ("files", "", None, None)),
        ("s3://my.files-2/a/b_c/?region=eu-west-3", ("my.files-2", "a/b_c", None, "eu-west-3")),
        ("s3://files/?endpoint=https://s3.example.org:9000", ("files", "", "https://s3.example.org:9000", None)),
        ("s3://files?endpoint=http://localhost:9000", ("files", "", "http://localhost:9000", None)),
        ("s3://files?endpoint=http://[::1]:9000", ("files", "", "http://[::1]:9000", None)),
        ("s3://files?endpoint=http://minio.lan:9000&tls=off", ("files", "", "http://minio.lan:9000", None)),
    ],
)
def test_files_can_be_in_a_bucket(text: str, place: tuple[object, ...]) -> None:
    settings = Settings.load({"EZDMS_FILES_URL": text, "EZDMS_FILES_KEY": KEY})
    assert (settings.files_url, settings.files_key) == (place, KEY)
    assert Settings.load({"EZDMS_FILES_URL": text}).files_key is None  # AWS's own variables


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://files.s3.example.org", "expected an address such as s3://"),
        (f"s3://{KEY}@files/", "expected an address such as s3://"),
        ("s3://", "expected an address such as s3://"),
        ("s3://Files", "expected an address such as s3://"),
        ("s3://files/../elsewhere", "expected an address such as s3://"),
        ("s3://files/a b", "expected an address such as s3://"),
        (f"s3://files?secret={SECRET}", "the key is in EZDMS_FILES_KEY"),
        ("s3://files?region=a&region=b", "are endpoint, region and tls alone"),
        ("s3://files#x", "are endpoint, region and tls alone"),
        ("s3://files?region=Europe/Paris", "its region is not valid"),
        (f"s3://files?endpoint=https://{KEY}@s3.example.org", "expected an endpoint such as"),
        ("s3://files?endpoint=https://s3.example.org/path", "expected an endpoint such as"),
        ("s3://files?endpoint=s3.example.org", "expected an endpoint such as"),
        ("s3://files?endpoint=http://", "expected an endpoint such as"),
        ("s3://files?endpoint=https://s3.example.org:port", "its host or port is not valid"),
        ("s3://files?endpoint=http://s3.example.org", "another machine needs TLS"),
    ],
)
def test_a_bad_address_of_a_bucket_is_refused_with_a_sentence_that_shows_no_key(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        Settings.load({"EZDMS_FILES_URL": text, "EZDMS_FILES_KEY": KEY})
    assert SECRET not in str(refused.value)


def test_the_key_of_a_bucket_is_in_a_file_or_a_variable_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    place, in_file = {"EZDMS_FILES_URL": "s3://files"}, {"EZDMS_FILES_KEY_FILE": str(tmp_path / "key")}
    settings = Settings.load(place | in_file)
    assert settings.files_key == KEY
    assert SECRET not in repr(settings)
    with pytest.raises(SettingsError, match="not both"):
        Settings.load(place | in_file | {"EZDMS_FILES_KEY": KEY})
    with pytest.raises(SettingsError, match="set EZDMS_FILES_URL, too"):
        Settings.load(in_file)
    for bad in (SECRET, f"AKID {SECRET}:x", f":{SECRET}", f"{SECRET}:", f"AKID:{SECRET}\nmore"):
        (tmp_path / "key").write_text(bad)
        for given in (in_file, {"EZDMS_FILES_KEY": bad}):
            with pytest.raises(SettingsError, match="expected ACCESS-KEY:SECRET-KEY") as refused:
                Settings.load(place | given)
            assert SECRET not in str(refused.value)
