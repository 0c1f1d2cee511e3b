"""Self-signed certificates, for encryption on a network without public names. Browsers show a warning once."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 396  # plus the day before and some hours after: within 398, the most that browsers accept
LOCAL = ("localhost", "local", "internal", "lan", "home", "home.arpa", "test", "example", "invalid", "onion")
ELSEWHERE = "192.0.2.1"  # a reserved address (RFC 5737); nothing is sent there


def names_of_this_machine() -> list[str]:
    """localhost, the host name (also with .local, for mDNS), and the address in the local network."""
    host = socket.gethostname().lower()
    names = ["localhost", "127.0.0.1", "::1", host]
    if "." not in host:
        names.append(f"{host}.local")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ELSEWHERE, 9))  # selects the outgoing interface, without sending anything
            names.append(probe.getsockname()[0])
        except OSError:  # no network
            pass
    return list(dict.fromkeys(names))


def make_certificate(names: list[str], *, days: int = DAYS) -> tuple[bytes, bytes]:
    """A certificate and private key (PEM, P-256) for DNS names and addresses, valid for `days`. Raises ValueError."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "EZ-DMS")])
    moment = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=days, hours=12))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode())


def write_pair(folder: Path, names: list[str], *, days: int = DAYS) -> tuple[Path, Path]:
    """Write cert.pem and key.pem (0600) to `folder`, created if missing. Raises FileExistsError if one exists."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (folder / "cert.pem", folder / "key.pem"):
        if path.exists():  # checked first: a new key would not match an old certificate
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
    certificate, private = make_certificate(names, days=days)
    made = []
    for name, content, mode in (("key.pem", private, 0o600), ("cert.pem", certificate, 0o644)):
        path = folder / name
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        made.append(path)
    return made[1], made[0]


def days_left(certfile: Path) -> int:
    """Days until the certificate expires; negative after that. Raises OSError or ValueError."""
    certificate = x509.load_pem_x509_certificate(certfile.read_bytes())
    return (certificate.not_valid_after_utc - datetime.now(UTC)).days


def is_for_the_public(certfile: Path) -> bool:
    """True if it is not self-signed, and all its names are public DNS names. Raises OSError or ValueError."""
    certificate = x509.load_pem_x509_certificate(certfile.read_bytes())
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    public = [isinstance(name, x509.DNSName) and _is_public(name.value) for name in names]
    return certificate.issuer != certificate.subject and bool(public) and all(public)


def _is_public(name: str) -> bool:
    return "." in name and not any(name.endswith(f".{ending}") for ending in LOCAL)


def fingerprint(certfile: Path) -> str:
    """The SHA-256 fingerprint, as browsers show it."""
    certificate = x509.load_pem_x509_certificate(certfile.read_bytes())
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
