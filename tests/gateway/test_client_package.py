"""The package `leasewire-client` against a real gateway, where nothing else is installed."""

import json
import sys
import time
import tomllib

import pytest

from contracts.webhook_signature import new_secret, sign
from tests import builders
from tests.packages.building import ROOT, built, copied, environment, tried

pytestmark = pytest.mark.redis

STORY = """
import asyncio, json, sys, time
from datetime import UTC, datetime
from importlib.metadata import distributions
import leasewire_client as client
from leasewire_client.contracts import MacChanged, parse_event

given = json.load(sys.stdin)
transport = client.HttpTransport(given["url"], given["key"], signing_secret=given["signing"])
spool = client.Spool(given["spool"])
publisher = client.Publisher(transport, clock=lambda: datetime.now(UTC), spool=spool)
event = parse_event(given["event"], now=datetime.now(UTC))
assert isinstance(event, MacChanged)
said = {"published": [receipt.event_id for receipt in publisher.publish([event])]}
try:
    publisher.publish([{"source": "urn:isp:bss"}])
except client.BatchViolation as error:
    said["violation"] = str(error)

async def later():
    async with client.AsyncPublisher(publisher) as waiting:
        return await waiting.publish([given["event"] | {"id": "later"}])

said["published"] += [receipt.event_id for receipt in asyncio.run(later())]
with client.OutcomeReader(given["url"], given["key"]) as reader:
    said["state"] = reader.wait_until_final(given["event"]["source"], "later", 0).state
body = given["body"].encode()
said["webhook"] = client.verify_webhook(given["secret"], given["headers"], body, time.time())
said["outcome"] = client.outcome_of(json.loads(body)).state
said["installed"] = sorted(found.name for found in distributions())
said["modules"] = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps(said))
"""


def test_the_client_alone_publishes_and_reads(gateway, tmp_path):
    project = copied(tmp_path / "source") / "clients" / "python"
    wheel = built(project, tmp_path)
    lock = ROOT / "requirements-dev.lock"
    programs = environment(tmp_path / "venv", sys.executable, wheel, "", lock)
    key = gateway.key(signature_required=True)
    secret, now = new_secret(), int(time.time())
    body = '{"data": {"event": "e", "source": "s", "state": "applied"}}'
    (tmp_path / "given.json").write_text(
        json.dumps(
            {
                "url": gateway.url,
                "key": key.token,
                "signing": key.key.signing_secret,
                "spool": str(tmp_path / "spool"),
                "event": builders.mac_changed("S1", id_="now"),
                "body": body,
                "secret": secret,
                "headers": {
                    "webhook-id": "w1",
                    "webhook-timestamp": str(now),
                    "webhook-signature": sign(secret, "w1", now, body.encode()),
                },
            }
        )
    )
    script = f'exec "{programs}/python" -Pc "$0" < "{tmp_path}/given.json"'
    result = tried("sh", "-c", script, STORY)
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["published"] == ["now", "later"]
    assert (said["state"], said["webhook"], said["outcome"]) == ("journaled", "w1", "applied")
    assert "event 0: /type" in said["violation"]
    assert gateway.journaled() == 2
    assert not {"redis", "celery", "contracts", "producers", "leasewire"} & set(said["modules"])
    assert {"httpx", "leasewire-client", "pydantic"} < set(said["installed"])
    assert len(said["installed"]) <= 14, said["installed"]


def test_it_needs_what_leasewire_needs():
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    client = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]
    assert set(client["dependencies"]) < set(ours["dependencies"])
    assert client["requires-python"] == ours["requires-python"]
