import json
from datetime import datetime
from importlib import resources

import pytest
from jsonschema_rs import Draft202012Validator

from contracts.errors import ContractViolation
from contracts.events import EVENT_TYPES
from contracts.parse import parse_event, to_json
from contracts.schemas import differing, schema_of

FOLDER = resources.files("contracts") / "examples" / "v1"
VALID = {
    event_type: json.loads((FOLDER / f"{event_type}.json").read_text())
    for event_type in EVENT_TYPES
}
INVALID = json.loads((FOLDER / "invalid.json").read_text())

# Rules that stand between fields, or in spelling: a schema cannot say them.
BEYOND_A_SCHEMA = {
    "address-format",
    "address-not-usable",
    "beyond-horizon",
    "device-twice",
    "duplicate-key",
    "mac-group",
    "mac-zero",
    "malformed-json",
    "not-finite",
    "option-twice",
    "prefix-host-bits",
    "status-disagrees",
    "subject-disagrees",
    "time-format",
    "time-in-future",
}


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_example_of_each_type_parses_and_is_in_normal_form(event_type):
    event = parse_event(VALID[event_type], now=datetime.fromisoformat("2026-11-24T13:00:00Z"))
    assert type(event) is EVENT_TYPES[event_type]
    about = event.subject.partition("/")[2]
    assert about in {"SVC-1001", "SVC-2002", "resync-2026-11-24"}
    assert to_json(event) == VALID[event_type]
    assert parse_event(json.dumps(to_json(event)).encode()) == event


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_example_of_each_type_is_valid_by_its_schema(event_type):
    schema = schema_of(EVENT_TYPES[event_type], event_type)
    validator = Draft202012Validator(schema)  # which checks the schema
    validator.validate(VALID[event_type])
    validator.validate(VALID[event_type] | {"sequence": "7"})


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case["about"])
def test_an_invalid_example_has_just_the_problems_named(case):
    now = datetime.fromisoformat(case["now"]) if "now" in case else None
    with pytest.raises(ContractViolation) as raised:
        parse_event(case.get("text") or case["event"], now=now)
    found = sorted((problem.pointer, problem.code) for problem in raised.value.problems)
    assert found == sorted((item["pointer"], item["code"]) for item in case["problems"])


@pytest.mark.parametrize(
    "case",
    [case for case in INVALID if case.get("event", {}).get("type") in EVENT_TYPES],
    ids=lambda case: case["about"],
)
def test_a_schema_refuses_what_a_schema_can_refuse(case):
    codes = {problem["code"] for problem in case["problems"]}
    event_type = case["event"]["type"]
    validator = Draft202012Validator(schema_of(EVENT_TYPES[event_type], event_type))
    assert validator.is_valid(case["event"]) == (codes <= BEYOND_A_SCHEMA)


def test_the_committed_schemas_are_those_of_the_models():
    assert differing() == [], "run make schemas"


def test_events_of_the_founding_deployment_are_valid():
    event = {
        **VALID["leasewire.service.activated.v1"],
        "subject": "service/device-c",
        "data": {
            "service_id": "device-c",
            "service": {
                "status": "active",
                "access": {"router": "core-1", "dhcp_server": "dhcp-vlan-32"},
                "device": {"mac": "00:11:22:33:44:66"},
                "address": {"mode": "static", "ipv4": "223.203.225.11"},
                "label": "New Device C",
            },
        },
    }
    assert parse_event(event).data.service_id == "device-c"
