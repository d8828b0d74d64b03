"""A small gateway on a real socket, which takes events as ours does, or fails on demand."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeGateway:
    """The gateway, the events that it took, and how it answers.

    Attributes:
        taken: (subject, id) of each event, in the order of arrival, duplicates too.
        mode: up, down (resets), deaf (takes events without an answer), busy (503),
            locked (401) or other (not a gateway).
        never: ids that it always refuses.
        retry_after: sent when busy.
        named: whether its answer names the refused events.
        requests: (headers, body) of each.
    """

    def __init__(self):
        self.taken = []
        self.mode = "up"
        self.never = set()
        self.retry_after = "0"
        self.named = True
        self.requests = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.gateway = self
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ids(self, subject=None):
        """Ids as they first came."""
        return list(dict.fromkeys(i for s, i in self.taken if subject in (None, s)))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        gateway = self.server.gateway
        body = self.rfile.read(int(self.headers["Content-Length"]))
        gateway.requests.append((self.headers, body))
        given = json.loads(body)
        events = given if isinstance(given, list) else [given]
        never = [i for i, event in enumerate(events) if event["id"] in gateway.never]
        match gateway.mode:
            case "down":
                self.close_connection = True
            case "busy":
                self._answer(503, {"detail": "busy"}, {"Retry-After": gateway.retry_after})
            case "locked":
                self._answer(401, {"detail": "no such key"})
            case "other":
                self._answer(202, "welcome")
            case _ if never:
                errors = [{"index": i, "pointer": "/id", "message": "no"} for i in never]
                problem = {"detail": "refused", "errors": errors if gateway.named else []}
                self._answer(422, problem)
            case mode:
                gateway.taken += [(event["subject"], event["id"]) for event in events]
                if mode == "deaf":
                    self.close_connection = True
                else:
                    receipts = [{"id": event["id"], "status": "accepted"} for event in events]
                    self._answer(202, {"receipts": receipts})

    def _answer(self, code, document, headers=()):
        body = json.dumps(document).encode()
        self.send_response(code)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
