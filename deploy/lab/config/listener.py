"""Shows the outcomes that are delivered in the lab; without TLS they do not leave their host.

docker compose exec outcomes python /etc/leasewire/config/listener.py
"""  # noqa: INP001 - a script

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Listener(BaseHTTPRequestHandler):
    """Takes every webhook. A BSS of yours checks its signature before it does anything."""

    def do_POST(self) -> None:
        """Show what was delivered."""
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        # A trial of `leasewire outcomes test` is of no event.
        sys.stdout.write(f"{event['type']} {event['data'].get('event', event['id'])}\n")
        sys.stdout.flush()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


HTTPServer(("127.0.0.1", 9000), Listener).serve_forever()
