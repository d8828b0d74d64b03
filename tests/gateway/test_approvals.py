"""What the brake holds, decided on over HTTP."""

import pytest

from gateway.api.api_keys import KeyScope
from tests.brake.floor import Floor
from tests.gateway.asking import refusal
from tests.gateway.test_document import validator

pytestmark = pytest.mark.redis
IDS = [f"S{i}" for i in range(8)]


@pytest.fixture
def floor(gateway):
    floor = Floor(gateway.store, sources=gateway.context.inventory.sources)
    floor.activate(IDS)
    floor.cancel(*IDS)
    return floor


def test_approval_names_the_digest_of_the_list(gateway, floor):
    client = gateway.client(KeyScope.OPS)
    answer = client.get("/v1/approvals").json()
    validator(client.get("/openapi.json").json(), "Approvals", closed=True).validate(answer)
    (hold,) = answer["approvals"]
    assert hold["kinds"] == {"cancelled": 8}
    assert {each["service"] for each in hold["services"]} == set(IDS)
    path = f"/v1/approvals/{hold['id']}/approve"
    refusal(client.post(path, json={"digest": "0" * 12}), 409, "conflict")
    refusal(client.post(path, json={}), 400, "malformed")
    refusal(client.post("/v1/approvals/nothing/approve", json={"digest": "0"}), 404, "not-found")
    assert floor.held() == set(IDS)
    answer = client.post(path, json={"digest": hold["digest"]})
    assert (answer.status_code, answer.json()["status"]) == (202, "approved")
    assert floor.due() == set(IDS)
    (entry, _) = gateway.store.audit.entries()
    assert (entry.by[:4], entry.what, entry.detail) == ("key ", "brake.approved", "8 services")


def test_a_rejection_restores_each_service(gateway, floor):
    client = gateway.client(KeyScope.OPS)
    (hold,) = client.get("/v1/approvals").json()["approvals"]
    answer = client.post(f"/v1/approvals/{hold['id']}/reject", json={"digest": hold["digest"]})
    assert (answer.status_code, answer.json()["status"]) == (202, "rejected")
    floor.send()
    assert floor.held() == set()
    assert floor.record("S3").status == "active"
    assert client.get("/v1/approvals").json() == {"approvals": []}


def test_approvals_need_the_scope_ops(gateway):
    refusal(gateway.client().get("/v1/approvals"), 403, "scope-missing")
    refusal(gateway.client_of("").get("/v1/approvals"), 401, "unauthorized")
