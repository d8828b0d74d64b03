"""The certificate of a router's TLS services."""

import base64
import datetime as dt
import hashlib
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = 86400
_SHORT = 0x80  # DER lengths below are one byte


@dataclass(eq=False)
class Certificate:
    """A certificate with its key.

    Attributes:
        pem: the certificate alone.
        key_pem: its private key.
    """

    pem: str
    key_pem: str = field(repr=False)
    _context: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def fingerprint_sha256(self) -> str:
        """SHA-256 of the DER form, in lower-case hexadecimal."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.pem)).hexdigest()

    def context(self) -> ssl.SSLContext:
        """Give a server's context; TLS 1.2 at most, as the router (MAN-API)."""
        if self._context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(self.key_pem + self.pem)
                file.flush()
                context.load_cert_chain(file.name)
            self._context = context
        return self._context


DAYS = 3650


def make_certificate(name: str, address: str, now: float, days: int = DAYS) -> Certificate:
    """Make a self-signed certificate for an address beside `localhost`.

    It is valid for this number of days from now on (seconds since 1970); negative: it has ended.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64] or "router")])
    ends = now + days * _DAY
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime.fromtimestamp(min(now, ends) - _DAY, dt.UTC))
        .not_valid_after(dt.datetime.fromtimestamp(ends, dt.UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(address))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return _certificate(certificate, key)


def read_certificate(path: Path) -> Certificate:
    """Read certificate and key from one PEM file.

    Raises:
        ValueError: one of them is missing there.
        OSError: the file cannot be read.
    """
    text = path.read_bytes()
    key = serialization.load_pem_private_key(text, password=None)
    return _certificate(x509.load_pem_x509_certificate(text), key)


def certificate_in(path: Path, name: str, address: str, now: float) -> Certificate:
    """Read a certificate from a file, or make one on first use and keep it there.

    Its owner alone may read the file.

    Raises:
        ValueError: the file is there and holds something else.
        OSError: the file cannot be read or written.
    """
    if path.exists():
        return read_certificate(path)
    made = make_certificate(name, address, now)
    path.touch(mode=0o600)
    path.write_text(made.pem + made.key_pem, encoding="ascii")
    return made


def _certificate(certificate: x509.Certificate, key: Any) -> Certificate:  # noqa: ANN401 - any kind of key
    plain, form = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    return Certificate(
        certificate.public_bytes(pem).decode(), key.private_bytes(pem, form, plain).decode()
    )


class Anonymous:
    """No certificate at all: anonymous Diffie-Hellman, as a fresh router has (MAN-API).

    Clients must ask for such ciphers; nobody can tell whom they talk to.
    """

    pem = ""
    fingerprint_sha256 = ""

    @lru_cache(maxsize=1)  # noqa: B019 - there is one for all routers
    def context(self) -> ssl.SSLContext:
        """Give a server's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ADH:@SECLEVEL=0")
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(_parameters(ffdhe2048(), 2))
            file.flush()
            context.load_dh_params(file.name)
        return context


def _parameters(prime: int, base: int) -> str:
    """Write Diffie-Hellman parameters as PKCS #3: a DER sequence of two integers, in PEM."""
    numbers = b"".join(
        _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big")) for number in (prime, base)
    )
    text = base64.encodebytes(_der(0x30, numbers)).decode()
    return f"-----BEGIN DH PARAMETERS-----\n{text}-----END DH PARAMETERS-----\n"


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes((size,)) if size < _SHORT else b"\x82" + size.to_bytes(2, "big")
    return bytes((tag,)) + length + content


def ffdhe2048() -> int:
    """Give the 2048-bit prime of RFC 7919, appendix A.1, by its formula."""
    scale = 1 << 2048
    term, euler = scale, 0
    count = 0
    while term:
        euler += term
        count += 1
        term //= count
    digits = euler >> (2048 - 1918)  # 2^1918 * e
    return 2**2048 - 2**1984 + (digits + 560316) * 2**64 - 1
