"""Make devices ask again when a change waits for them: Leasewire's webhooks in, GenieACS tasks out.

WEBHOOK_SECRET=whsec_... GENIEACS_URL=http://127.0.0.1:7557 python genieacs.py 127.0.0.1:8090

Each device in GenieACS has its service id as a tag. Python 3.10 or later, no library.
"""

import json
import os
import sys
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from client import verify  # type: ignore[import-not-found]  # client.py, beside this file

WAITS_FOR_DEVICE = {"keeps-old-lease", "not-renewed"}
"""Reasons that end when the device renews. A flow that passes by the firewall is none of them."""
RENEW = {
    # TR-181: the DHCP client renews its lease; TR-098 has only the reset of the connection.
    "Device": "Device.DHCPv4.Client.1.Renew",
    "InternetGatewayDevice": "InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1"
    ".WANIPConnection.1.Reset",
}


def ask(path: str, body: Any = None) -> tuple[int, Any]:  # noqa: ANN401 - JSON
    """Send a request to GenieACS's NBI; returns status and answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(os.environ["GENIEACS_URL"] + path, data)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, json.load(answer)


def renew(service: str) -> str:
    """Have the device of a service renew its lease now; returns what came of it."""
    query = urllib.parse.urlencode(
        {"query": json.dumps({"_tags": service}), "projection": ",".join(["_id", *RENEW])}
    )
    _, devices = ask(f"/devices/?{query}")
    if len(devices) != 1:
        return f"nothing: {len(devices)} devices have this tag"
    (device,) = devices
    model = next((model for model in RENEW if model in device), "InternetGatewayDevice")
    task = {
        "name": "setParameterValues",
        "parameterValues": [[RENEW[model], True, "xsd:boolean"]],
    }
    id_ = urllib.parse.quote(device["_id"], safe="")
    status, _ = ask(f"/devices/{id_}/tasks?timeout=3000&connection_request", task)
    return "renews now" if status == 200 else "offline: it renews at its next inform"


class Webhooks(BaseHTTPRequestHandler):
    """Takes the outcomes."""

    def do_POST(self) -> None:
        """Check the signature, act, answer 204. Without an answer Leasewire sends it again."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        head = (
            self.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
        )
        if not verify(os.environ["WEBHOOK_SECRET"], *head, body):
            self.send_error(401)
            return
        outcome = json.loads(body)["data"]
        if outcome.get("state") == "not-acting-yet" and outcome["reason"] in WAITS_FOR_DEVICE:
            print(outcome["service"], renew(outcome["service"]), flush=True)
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Webhooks)
    print(f"http://{host}:{server.server_port}", flush=True)
    server.serve_forever()
