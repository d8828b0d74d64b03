"""Serves metrics over HTTP in a thread, with the server of the standard library.

It bounds silent callers, answers /healthz without Redis and refuses foreign host names, which
`prometheus_client.start_http_server` does not.
"""

import gzip
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Final
from urllib.parse import urlsplit

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from leasewire.monitor.figures import Figures
from leasewire.monitor.metric_families import families
from producers.endpoints import is_this_host
from worker.background_thread import BackgroundThread
from worker.errors import StoreUnavailable

log = structlog.get_logger("metrics")

_SILENT_S: Final = 10.0
"""A caller that is silent for so long is disconnected."""
_END_S: Final = 10.0
_LEVEL: Final = 1
"""Compression level: it already saves nine tenths."""
_PLAIN: Final = "text/plain; charset=utf-8"
_HINT: Final = b"Leasewire: metrics for Prometheus at /metrics, a health check at /healthz.\n"

_FAILED: Final = b"Metrics unavailable: see the log of this process.\n"


class FiguresCollector(Collector):
    """Reads figures at each scrape, one scrape at a time, to limit the load on Redis."""

    def __init__(self, read: Callable[[], Figures]) -> None:
        self._read_figures = read
        self._lock = threading.Lock()
        self._up = True

    def collect(self) -> Iterator[Metric]:
        """Called by the registry at each scrape."""
        return families(self._read())

    def _read(self) -> Figures | None:
        with self._lock:
            try:
                figures = self._read_figures()
            except StoreUnavailable as error:
                if self._up:
                    log.warning("store.unavailable", task="metrics", reason=str(error))
                self._up = False
                return None
            if not self._up:
                log.info("store.available", task="metrics")
            self._up = True
            return figures


class MetricsServer(BackgroundThread):
    """Listens from construction on, and answers inside `with`.

    Args:
        read: reads all present figures, at each scrape; raises `StoreUnavailable`.
        host: address to listen on.
        port: 0 takes a free one.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(self, read: Callable[[], Figures], host: str, port: int) -> None:
        super().__init__("metrics", _END_S)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(FiguresCollector(read))
        kind = _Ipv6Server if ":" in host else _MetricsServer
        self._server = kind((host, port), registry)

    @property
    def url(self) -> str:
        """Its URL, such as `http://127.0.0.1:9464`."""
        host, port = self._server.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def work(self) -> None:
        """Answer."""
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._server.server_close()


class _MetricsServer(ThreadingHTTPServer):
    daemon_threads = True
    # The process may end during a scrape.
    block_on_close = False

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry) -> None:
        self.registry = registry
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # without the DNS lookup of HTTPServer

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - theirs
        # the caller disconnected during the answer
        log.debug("metrics.caller_lost", reason=str(sys.exception()))


class _Ipv6Server(_MetricsServer):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _MetricsServer
    timeout = _SILENT_S

    def do_GET(self) -> None:
        if not self._names_this_host():
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"ask this host by its address\n")
            return
        match urlsplit(self.path).path:
            case "/metrics":
                self._send_figures()
            case "/healthz":
                self._answer(HTTPStatus.OK, b"alive\n")
            case "/":
                self._answer(HTTPStatus.OK, _HINT)
            case _:
                self._answer(HTTPStatus.NOT_FOUND, _HINT)

    def _names_this_host(self) -> bool:
        """Whether the Host is ours: a web page on this host must not read us by DNS rebinding."""
        if not is_this_host(str(self.server.server_address[0])):
            return True
        try:
            host = urlsplit(f"//{self.headers.get('Host', 'localhost')}").hostname or ""
        except ValueError:
            return False
        return is_this_host(host)

    def _send_figures(self) -> None:
        encode, kind = choose_encoder(self.headers.get("Accept", ""))
        try:
            body = encode(self.server.registry)
        except Exception:  # a bug: Prometheus shows `up` 0
            log.exception("metrics.failed")
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, _FAILED)
            return
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            self._answer(HTTPStatus.OK, gzip.compress(body, _LEVEL), kind, encoding="gzip")
        else:
            self._answer(HTTPStatus.OK, body, kind)

    def _answer(
        self, status: HTTPStatus, body: bytes, kind: str = _PLAIN, encoding: str | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "leasewire"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Log nothing: a line for each scrape helps nobody."""
