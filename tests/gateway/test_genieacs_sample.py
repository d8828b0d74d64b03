"""The sample that has devices renew through GenieACS, against a small NBI of ours."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

import httpx
import pytest

from contracts.webhook_signature import new_secret, sign

SAMPLE = str(files("gateway.api") / "samples" / "genieacs.py")
DEVICE = "00005E-Router%2D1-000001"


class Nbi(BaseHTTPRequestHandler):
    """As `docs/api-reference` of GenieACS says: a query of devices, and tasks for one of them."""

    devices = ()
    status = 200
    tasks = ()

    def do_GET(self):
        asked = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(asked.query)
        assert asked.path == "/devices/"
        tag = json.loads(query["query"][0])["_tags"]
        self._answer(200, [device for device in self.devices if tag in device["_tags"]])

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).tasks = [*self.tasks, (self.path, body)]
        self._answer(self.status, body)

    def _answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def nbi():
    class Mine(Nbi):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Mine.url = f"http://127.0.0.1:{server.server_port}"
    yield Mine
    server.shutdown()
    server.server_close()


@pytest.fixture
def sample(nbi):
    secret = new_secret()
    environ = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET": secret, "GENIEACS_URL": nbi.url}
    with subprocess.Popen(
        [sys.executable, SAMPLE, "127.0.0.1:0"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        url = process.stdout.readline().strip()

        def post(data, *, signed=True):
            body, now_s = json.dumps({"data": data}).encode(), int(time.time())
            heads = {
                "webhook-id": "outcome-1-0",
                "webhook-timestamp": str(now_s),
                "webhook-signature": sign(secret, "outcome-1-0", now_s, body) if signed else "v1,A",
            }
            return httpx.post(url, content=body, headers=heads, timeout=20).status_code

        post.line = process.stdout.readline
        yield post
        process.kill()


def outcome(state="not-acting-yet", reason="keeps-old-lease"):
    return {"service": "SVC-1", "state": state, "reason": reason}


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Device", "Device.DHCPv4.Client.1.Renew"),
        (
            "InternetGatewayDevice",
            "InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.Reset",
        ),
    ],
)
def test_a_device_that_keeps_its_old_lease_is_made_to_renew(nbi, sample, model, name):
    nbi.devices = [{"_id": DEVICE, "_tags": ["SVC-1"], model: {}}, {"_id": "x", "_tags": []}]
    assert sample(outcome()) == 204
    ((path, task),) = nbi.tasks
    quoted = urllib.parse.quote(DEVICE, safe="")
    assert path == f"/devices/{quoted}/tasks?timeout=3000&connection_request"
    assert task["name"] == "setParameterValues"
    assert task["parameterValues"] == [[name, True, "xsd:boolean"]]
    assert sample.line() == "SVC-1 renews now\n"


def test_the_task_of_a_device_that_is_offline_stays_in_genieacs(nbi, sample):
    nbi.devices, nbi.status = [{"_id": DEVICE, "_tags": ["SVC-1"], "Device": {}}], 202
    assert sample(outcome()) == 204
    assert sample.line() == "SVC-1 offline: it renews at its next inform\n"


def test_a_service_without_its_device_in_genieacs_is_named(nbi, sample):
    assert sample(outcome()) == 204
    assert sample.line() == "SVC-1 nothing: 0 devices have this tag\n"


def test_what_no_device_can_help_with_makes_none_renew(nbi, sample):
    nbi.devices = [{"_id": DEVICE, "_tags": ["SVC-1"], "Device": {}}]
    assert sample(outcome(reason="flows-left")) == 204
    assert sample(outcome("acting", "")) == 204
    assert sample(outcome(), signed=False) == 401
    assert nbi.tasks == ()
