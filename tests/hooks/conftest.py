"""A gateway with webhooks, the vendors that it reads, and a worker's accept over what it says."""

import hashlib
import hmac
import json
import secrets

import httpx
import pytest

from contracts import names
from leasewire.context import Context
from leasewire.host.gateway import running_gateway
from tests.gateway.shared import TRUST, one_document
from tests.hooks.vendors import SPLYNX_MODEL, running_vendor
from tests.waiting import eventually
from worker.core.policy.policy import RouterPolicy
from worker.intake.accept import Accept

__all__ = ["one_document"]

UISP, SPLYNX, BILLING = "urn:isp:bss:uisp", "urn:isp:bss:splynx", "urn:isp:bss:billing"
INVENTORY = "".join(
    f'[sources."{source}"]\norder = "{order}"\n'
    for source, order in ((UISP, "revisions"), (SPLYNX, "revisions"), (BILLING, "times"))
)
HOOKS = """\
[hooks.uisp]
adapter = "uisp"
source = "urn:isp:bss:uisp"
path_secret.file = "path"
coalesce_s = 0
service_prefix = "U-"
api = {{ url = "{vendor}/crm/api/v1.0", secret.file = "key", timeout_s = 2 }}
attributes = {{ mac = 11, ipv4 = "staticIp", router = 13 }}
routers = {{ "Tower 7" = "R1" }}

[hooks.splynx]
adapter = "splynx"
source = "urn:isp:bss:splynx"
coalesce_s = 0
service_prefix = "S-"
api = {{ url = "{vendor}/api/2.0", key = "app", secret.file = "key", timeout_s = 2 }}
signature = {{ header = "X-Splynx-Signature", algorithm = "sha1", secret.file = "sign" }}
models = ["{model}"]
routers = {{ 2 = "R1" }}

[hooks.billing]
adapter = "generic"
source = "urn:isp:bss:billing"
success = 202
signature = {{ header = "X-Signature", prefix = "sha256=", secret.env = "BILLING_SECRET" }}
constants = {{ router = "Tower 7" }}
routers = {{ "Tower 7" = "R1" }}
[hooks.billing.fields]
event = "action"
time = "at"
service_id = "service.id"
mac = "service.items[name=mac].value"
ipv4 = "service.addresses[0]"
suspension_mode = "how"
[hooks.billing.values]
suspension_mode = {{ hard = "block", soft = "walled_garden" }}
[hooks.billing.events]
new = "activated"
device = "mac_changed"
stop = "suspended"
go = "resumed"
end = "cancelled"
note = "ignored"
"""
SECRET = "signing-secret-9d2f41"
PATH = "path-secret-3f9c27d1a0b4"


class Desk:
    """The gateway, its vendor, and a worker."""

    def __init__(self, url, vendor, context, store=None):
        self.vendor = vendor
        self.context = context
        self.store = store or context.store
        self.client = httpx.Client(base_url=url, timeout=10, verify=TRUST)
        policies = {"R1": RouterPolicy("acme", "dhcp1")}
        sources = context.inventory.sources
        self._accept = Accept(self.store, sources, policies)

    def uisp(self, event):
        """UISP posts a webhook, which it has under its uuid."""
        path = f"/crm/api/v1.0/webhook-events/{event['uuid']}"
        self.vendor.documents[path] = event
        return self.client.post(f"/v1/hooks/uisp/{PATH}", json=event)

    def splynx(self, event, secret=SECRET):
        body = json.dumps(event).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
        headers = {"X-Splynx-Signature": signature, "Content-Type": "application/json"}
        return self.client.post("/v1/hooks/splynx/splynx", content=body, headers=headers)

    def billing(self, event, secret=SECRET):
        body = json.dumps(event).encode()
        signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return self.client.post(
            "/v1/hooks/generic/billing", content=body, headers={"X-Signature": signature}
        )

    def keys(self):
        """What of webhooks stands in Redis, at one moment: a scan may miss a key that moves."""
        prefix = self.context.settings.key_prefix
        return {k.removeprefix(prefix) for k in self.store.client.keys(f"{prefix}hooks:*")}

    def quiet(self):
        """All webhooks are worked off."""
        return self.keys() <= {"hooks:tickets"}

    def wait(self):
        eventually(self.quiet, "all webhooks are worked off")

    def record(self, service_id):
        """The record once everything was worked off and folded."""
        self.wait()
        self.fold()
        return self.store.records.read([service_id])[service_id].record

    def fold(self):
        self._accept.run((), names.QUEUE_EVENTS)

    def dead_letters(self):
        return {each.id: each for each in self.store.views.dead_letters()}


@pytest.fixture
def vendor():
    with running_vendor() as vendor:
        yield vendor


@pytest.fixture
def folder(tmp_path, vendor):
    """The inventory and its webhooks."""
    (tmp_path / "routers.toml").write_text('[installation]\nid = "acme"\n' + INVENTORY)
    model = SPLYNX_MODEL.replace("\\", "\\\\")
    (tmp_path / "hooks.toml").write_text(HOOKS.format(vendor=vendor.url, model=model))
    for name, text in (("path", PATH), ("key", secrets.token_hex(8)), ("sign", SECRET)):
        (tmp_path / name).write_text(text + "\n")
    return tmp_path


@pytest.fixture
def environ(quiet_logging, prefix, monkeypatch):
    """The variables of a gateway."""
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)
    monkeypatch.setenv("BILLING_SECRET", SECRET)


@pytest.fixture
def desk(environ, valkey, folder, vendor):
    context = Context(folder / "routers.toml", redis_url=valkey.url)
    with running_gateway(context, "127.0.0.1", 0, 1000) as server:
        desk = Desk(server.url, vendor, context)
        yield desk
        desk.client.close()
    context.store.client.close()
