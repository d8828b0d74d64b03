"""Publish an event, wait for what becomes of it, check a webhook. Python 3.10 or later, no library.

LEASEWIRE_URL=http://127.0.0.1:8080 LEASEWIRE_KEY=lw_... python client.py publish < event.json
WEBHOOK_SECRET=whsec_... python client.py verify ID TIMESTAMP SIGNATURE < body
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

FINAL = {"applied", "observed", "superseded", "duplicate", "rejected", "failed", "expired"}


def ask(method: str, path: str, body: bytes | None = None, wait_s: int = 0) -> dict[str, Any]:
    """Send a request; sends the same again, with the same event id, when told to come later."""
    for _ in range(10):
        request = urllib.request.Request(os.environ["LEASEWIRE_URL"] + path, body, method=method)
        request.add_header("Authorization", "Bearer " + os.environ["LEASEWIRE_KEY"])
        request.add_header("Content-Type", "application/cloudevents+json")
        if wait_s:
            request.add_header("Prefer", f"wait={wait_s}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise RuntimeError(error.read().decode()) from None  # a problem document
            time.sleep(int(error.headers.get("Retry-After", 5)))
    raise RuntimeError("the gateway is busy: send the same event again later")


def publish(event: dict[str, Any], within_s: float = 60) -> str:
    """Hand in an event; returns its state, final if it is known in time."""
    receipt = ask("POST", "/v1/events", json.dumps(event).encode(), wait_s=5)["receipts"][0]
    state: str = receipt["status"]
    until = time.monotonic() + within_s
    while state not in FINAL and time.monotonic() < until:
        time.sleep(0.5)
        state = ask("GET", receipt["status_url"])["state"]
    return state


def verify(secret: str, webhook_id: str, timestamp: str, signature: str, body: bytes) -> bool:
    """Whether a webhook is ours and of now. `body`: the raw bytes, before anything parsed them."""
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{webhook_id}.{timestamp}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(wanted, given) for given in signature.split(" "))


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        print(publish(json.load(sys.stdin)))
    else:
        secret, (id_, timestamp, signature) = os.environ["WEBHOOK_SECRET"], sys.argv[2:5]
        if not verify(secret, id_, timestamp, signature, sys.stdin.buffer.read()):
            sys.exit("the signature does not fit")
