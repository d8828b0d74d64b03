"""A BSS that takes outcome webhooks: a real HTTP server, which checks signatures as others do."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

from contracts.webhook_signature import verify


class Receiver:
    """Answers with what it is told to, and keeps what came, in order.

    Args:
        secret: of the signatures.
        tls: an SSL context for its socket, if any.
    """

    def __init__(self, secret, tls=None):
        self.taken, self.attempts = [], []
        self.clock = None
        self.answers = lambda event: (200, {})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(secret))
        self.server.daemon_threads = True
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self):
        return self.server.server_address[1]

    def events(self):
        return [event["data"].get("event") for event in self.taken]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _handler(self, secret):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                given = {k.lower(): v for k, v in self.headers.items()}
                if receiver.clock is None:
                    Webhook(secret).verify(body, given)
                else:  # the reference reads the clock of this machine
                    verify(secret, given, body, receiver.clock() / 1000)
                event = json.loads(body)
                assert event["id"] == self.headers["webhook-id"]
                receiver.attempts.append(event)
                status, headers = receiver.answers(event)
                if 200 <= status < 300:
                    receiver.taken.append(event)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler
