"""The certificate of a router's TLS services."""

import datetime as dt
import hashlib
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = 86400


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
        """Give a server's context; TLS 1.2 at most, as the router (routeros-facts 5.1)."""
        if self._context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(self.key_pem + self.pem)
                file.flush()
                context.load_cert_chain(file.name)
            self._context = context
        return self._context


def make_certificate(name: str, address: str, now: float) -> Certificate:
    """Make a self-signed certificate.

    Args:
        name: common name.
        address: of the router, for the alternative names beside `localhost`.
        now: seconds since 1970; it is valid from the day before and for ten years.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64] or "router")])
    start = dt.datetime.fromtimestamp(now - _DAY, dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(address))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return Certificate(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(serialization.Encoding.PEM, form, plain).decode(),
    )


def read_certificate(path: str) -> Certificate:
    """Read certificate and key from one PEM file.

    Raises:
        ValueError: one of them is missing there.
        OSError: the file cannot be read.
    """
    with open(path, encoding="ascii") as file:  # noqa: PTH123 - a text of two parts
        text = file.read()
    key = serialization.load_pem_private_key(text.encode(), password=None)
    certificate = x509.load_pem_x509_certificate(text.encode())
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return Certificate(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(serialization.Encoding.PEM, form, plain).decode(),
    )
