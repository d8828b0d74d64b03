"""TLS in front of each server and Sentinel of `sentinels.py`, whose server is built without it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.sentinels import NAME, Sentinels
from tests.store.secured import tls_in_front_of_port

HOST: Final = "localhost"


@contextmanager
def tls_in_front_of_all(nodes: Sentinels, certificate: Path) -> Iterator[str]:
    """Speak TLS for all of them; gives the URL. The Sentinels name the ports with TLS."""
    with ExitStack() as stack:

        def speak(port: int, change: Callable[[bytes], bytes] | None = None) -> int:
            return stack.enter_context(tls_in_front_of_port(port, certificate, change))

        ports = {port: speak(port) for port in nodes.servers}

        def with_tls_ports(answer: bytes) -> bytes:
            for plain, tls in ports.items():
                answer = answer.replace(_bulk(plain), _bulk(tls))
            return answer

        sentinels = [speak(port, with_tls_ports) for port in nodes.sentinels]
        hosts = ",".join(f"{HOST}:{port}" for port in sentinels)
        yield f"sentinels://{hosts}/{NAME}/0"


def _bulk(number: int) -> bytes:
    text = str(number).encode()
    return b"$%d\r\n%s\r\n" % (len(text), text)
