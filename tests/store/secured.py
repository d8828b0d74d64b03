"""A Valkey as a network sees it: TLS in front of the embedded one, and the users of `deploy/`.

The wheel's server is built without TLS, so a thread ends TLS in front of its Unix socket.
"""

import asyncio
import contextlib
import hashlib
import ipaddress
import re
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USERS = Path("deploy/redis/users.acl")


def make_certificate(
    directory: Path, host: str = "localhost", *, home_made: bool = False
) -> tuple[Path, Path]:
    """An authority, and a certificate of `host` that it signed: its file, and that of both keys.

    With `home_made` as `openssl req -x509` and `openssl x509 -req` made them for decades: neither
    says what its key is for, nor which key signed it.
    """
    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)]) for cn in ("authority", host)]
    made = []
    for name, key, is_ca in zip(names, keys, (True, False), strict=True):
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        )
        if not is_ca:
            loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            there = x509.SubjectAlternativeName([x509.DNSName(host), loopback])
            builder = builder.add_extension(there, critical=False)
        if not home_made:
            own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
            of_signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key())
            builder = (
                builder.add_extension(own, critical=False)
                .add_extension(of_signer, critical=False)
                .add_extension(_usage(signs=is_ca), critical=True)
            )
        made.append(builder.sign(keys[0], hashes.SHA256()))
    authority, server = directory / "authority.pem", directory / "server.pem"
    authority.write_bytes(made[0].public_bytes(serialization.Encoding.PEM))
    server.write_bytes(
        made[1].public_bytes(serialization.Encoding.PEM)
        + keys[1].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return authority, server


def _usage(*, signs: bool) -> x509.KeyUsage:
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
        **dict.fromkeys(others, False),
    )


def tls_in_front_of(path: Path, certificate: Path) -> AbstractContextManager[int]:
    """Speak TLS on a port of loopback, and hand on to the Unix socket; gives the port."""
    return _tls_in_front(lambda: asyncio.open_unix_connection(str(path)), certificate)


def tls_in_front_of_port(
    port: int, certificate: Path, change: Callable[[bytes], bytes] | None = None
) -> AbstractContextManager[int]:
    """The same before a port of loopback; `change` gets what the server answers."""
    return _tls_in_front(lambda: asyncio.open_connection("127.0.0.1", port), certificate, change)


@contextmanager
def _tls_in_front(
    connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
    certificate: Path,
    change: Callable[[bytes], bytes] | None = None,
) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop = asyncio.new_event_loop()

    async def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await connect()
        except OSError:
            to_client.transport.abort()
            return
        both = {
            asyncio.create_task(_pump(client, to_server)),
            asyncio.create_task(_pump(server, to_client, change)),
        }
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
        for writer in (to_server, to_client):
            writer.transport.abort()

    listening = asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    server = loop.run_until_complete(listening)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield server.sockets[0].getsockname()[1]
    asyncio.run_coroutine_threadsafe(_end(server), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


async def _pump(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    change: Callable[[bytes], bytes] | None = None,
) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(change(data) if change else data)
            await sink.drain()


def set_users(client: redis.Redis, password: str) -> None:
    """Give the server the users of `deploy/redis/users.acl`, and keep one for the test: `test`."""
    client.execute_command("ACL", "SETUSER", "test", "on", "nopass", "~*", "&*", "+@all")
    digest = hashlib.sha256(password.encode()).hexdigest()
    for line in USERS.read_text().replace("PASSWORD_SHA256", digest).splitlines():
        # A selector, in brackets, is one argument.
        _, name, *rules = re.findall(r"\([^)]*\)|\S+", line)
        client.execute_command("ACL", "SETUSER", name, *rules)
