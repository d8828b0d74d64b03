"""The OpenAPI document: enough for a client to be made of it."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from jsonschema_rs import Draft202012Validator

from gateway.api.states import EVENT_STATES, STATUSES, SYNCS
from tests import builders
from tests.gateway.asking import post
from tests.gateway.test_outcome_feed import say
from tests.gateway.test_reading import fold
from worker.admin.service_documents import Sync
from worker.core.service.outcome import FINAL, EffectReport
from worker.core.service.outcome import State as OutcomeState
from worker.core.service.record_parts import Status

pytestmark = pytest.mark.redis

ACTING = EffectReport("acting", "rate", 9_000, 1_000, "", "limited to 10M/50M")
README = Path(__file__).parents[2] / "gateway" / "api" / "README.md"
METHODS = {"get", "post", "put", "patch", "delete", "head"}


@pytest.fixture
def document(gateway):
    return gateway.client_of("").get("/openapi.json").json()


def operations(document):
    return [
        (f"{method} {path}", operation)
        for path, each in document["paths"].items()
        for method, operation in each.items()
        if method in METHODS
    ]


def validator(document, name, *, closed=False):
    """Of a component; closed: of one that names every field it may have."""
    whole = json.loads(json.dumps(document))
    for shape in whole["components"]["schemas"].values():
        if closed and shape.get("properties"):
            shape.setdefault("additionalProperties", False)
    whole |= {"$ref": f"#/components/schemas/{name}"}
    return Draft202012Validator(whole)


def test_operations_have_names_that_a_client_would_give_them(document):
    names = [operation["operationId"] for _, operation in operations(document)]
    assert {"publishEvents", "getEvent", "listServices", "getService"} <= set(names)
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch("[a-z]+([A-Z][a-z]+)+", name)] == []
    assert document["servers"] == [{"url": "/", "description": "This gateway"}]


def test_every_answer_is_typed_and_shown_by_an_example(document):
    seen = 0
    for where, operation in operations(document):
        for status, said in operation["responses"].items():
            for media_type, content in said.get("content", {}).items():
                if media_type == "application/schema+json":
                    continue
                name = content["schema"]["$ref"].removeprefix("#/components/schemas/")
                examples = [content["example"]] if "example" in content else []
                for each in content.get("examples", {}).values():
                    key = each["$ref"].removeprefix("#/components/examples/")
                    examples.append(document["components"]["examples"][key]["value"])
                assert examples, (where, status)
                for example in examples:
                    validator(document, name, closed=True).validate(example)
                    seen += 1
    assert seen > 60


def test_the_schema_of_a_problem_is_one_component(document):
    assert json.dumps(document).count('"pointer": {"type"') == 1
    assert len(json.dumps(document)) < 100_000


def test_headers_that_a_caller_acts_on_are_named(document):
    for where, operation in operations(document):
        for status, said in operation["responses"].items():
            if status in {"429", "503"}:
                assert "Retry-After" in said["headers"], (where, status)
    taken = document["paths"]["/v1/events"]["post"]["responses"]["202"]
    assert "Location" in taken["headers"]


def test_every_state_is_documented_as_final_or_not(document):
    states = document["components"]["schemas"]["EventState"]
    assert set(states["enum"]) == {*get_args(OutcomeState), "journaled"}
    final = {name for name, state in EVENT_STATES.items() if state.final}
    assert final == {*FINAL, "acting"}
    for name, state in EVENT_STATES.items():
        work_item = "final" if state.final else "not final"
        assert f"- `{name}` ({work_item})" in states["description"]


def test_documented_states_of_services_are_those_of_the_worker():
    assert set(SYNCS) == set(get_args(Sync))
    assert set(STATUSES) == set(get_args(Status))


def test_answers_have_no_field_that_the_document_does_not_name(gateway, document):
    client = gateway.client("publish", "read", "ops")
    event = builders.activated("SVC-1", id_="e-1")
    asked = {"Receipts": post(client, event), "Valid": post(client, event, "/v1/validate")}
    journaled = client.get("/v1/events/e-1")
    fold(gateway, event, builders.suspended("SVC-1"))
    say(
        gateway,
        7,
        "applied",
        effective_by="lease-time 1800s server dhcp1",
        router="R1",
        effect=ACTING,
    )
    fold(gateway, {**builders.activated("SVC-9"), "data": {"service_id": "SVC-9"}})
    asked |= {
        "Event": client.get("/v1/events/e-1"),
        "OutcomePage": client.get("/v1/outcomes"),
        "Service": client.get("/v1/services/SVC-1"),
        "ServicePage": client.get("/v1/services"),
        "HistoryPage": client.get("/v1/services/SVC-1/events"),
        "DeadLetters": client.get("/v1/dead-letters"),
        "Approvals": client.get("/v1/approvals"),
        "SchemaList": client.get("/v1/schemas"),
        "Problem": post(client, {**event, "data": {}}),
    }
    for name, answer in asked.items():
        assert any(value for value in answer.json().values()) or name == "Approvals", name
        validator(document, name, closed=True).validate(answer.json())
    validator(document, "Event", closed=True).validate(journaled.json())


def test_the_readme_marks_the_states_as_the_document_does():
    text = README.read_text()
    for name, state in EVENT_STATES.items():
        work_item = "yes" if state.final else "no"
        assert f"| `{name}` | {work_item} | {state.message} |" in text
