"""A vendor's read API over real HTTP: what it holds is set by tests; it can be slow or down."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Vendor:
    """Documents by path; `down` answers 503; `gate` holds answers back until it is set."""

    def __init__(self):
        self.documents = {}
        self.asked = []
        self.logins = set()
        self.down = False
        self.gate = threading.Event()
        self.gate.set()
        self.reached = threading.Event()
        self.url = ""

    def answer(self, path, headers):
        self.asked.append(path)
        self.logins.add(headers.get("X-Auth-App-Key") or headers.get("Authorization"))
        status = 503 if self.down else 200 if path in self.documents else 404
        body = json.dumps(self.documents.get(path)).encode()  # as it is now, however late it goes
        self.reached.set()
        assert self.gate.wait(10)
        return status, body


@contextmanager
def running_vendor():
    vendor = Vendor()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            status, body = vendor.answer(self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        vendor.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield vendor
        vendor.gate.set()
        server.shutdown()
        thread.join()


def uisp_service(number, *, status=1, mac="00:00:5E:00:53:01", ipv4="198.51.100.10", **more):
    """A service as UISP CRM answers it, scrubbed, with what we do not read left in."""
    return {
        "id": number,
        "clientId": 17,
        "status": status,
        "name": "Home 50",
        "servicePlanId": 4,
        "downloadSpeed": 50.0,
        "uploadSpeed": 10.0,
        "downloadSpeedOverride": None,
        "fullAddress": "scrubbed",
        "attributes": [
            {"id": 1, "customAttributeId": 11, "key": "cpeMac", "value": mac},
            {"id": 2, "customAttributeId": 12, "key": "staticIp", "value": ipv4},
            {"id": 3, "customAttributeId": 13, "key": "site", "value": "Tower 7"},
        ],
        **more,
    }


def uisp_event(uuid, name, number, change="edit", entity="service"):
    """A webhook of UISP CRM, scrubbed; `webhook-events/{uuid}` answers the same."""
    return {
        "uuid": uuid,
        "changeType": change,
        "entity": entity,
        "entityId": str(number),
        "eventName": name,
        "extraData": {"entity": {"id": number}, "entityBeforeEdit": None},
    }


def splynx_service(number, *, status="active", mac="00:00:5E:00:53:01", **more):
    """An internet service as Splynx's API answers it, scrubbed."""
    return {
        "id": number,
        "customer_id": 5,
        "tariff_id": 3,
        "status": status,
        "deleted": "0",
        "login": "scrubbed",
        "mac": mac,
        "router_id": 2,
        "taking_ipv4": 1,
        "ipv4": "198.51.100.10",
        "ipv4_pool_id": 0,
        **more,
    }


SPLYNX_MODEL = "models\\common\\customers\\CustomerInternetServices"


def splynx_event(number, action="edit", **attributes):
    """A webhook of Splynx, scrubbed."""
    return {
        "type": "event",
        "call": "scrubbed",
        "data": {
            "source": "admin",
            "model": SPLYNX_MODEL,
            "action": action,
            "date": "2026-11-24",
            "time": "10:00:00",
            "administrator_id": 1,
            "customer_id": 5,
            "result": "success",
            "attributes": {"id": number, **attributes},
            "changed_attributes": attributes,
            "errors": [],
        },
    }
