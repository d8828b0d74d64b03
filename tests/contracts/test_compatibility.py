"""What was released stays: examples parse for ever, schemas only become wider."""

import copy
import json
from hashlib import sha256
from pathlib import Path

import pytest

from contracts.events import EVENT_TYPES
from contracts.parse import parse_event, to_json
from contracts.schemas import schema_of
from tests.contracts.schema_changes import breaking

RELEASED = {
    path: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "released").glob("*.json"))
}
DIGESTS = {
    # A file of a release is never edited; a new release adds one by `tests.contracts.freeze`.
    "0.1.0.json": "96162193c91d37d6f4ff5c26cb7d03c168247fc56ba50d4fb5095eff7579efa6",
}
WIDER: dict[str, str] = {}
"""Patterns that may take the place of older ones: new by old, compared by a person."""
NEW_FORMS: frozenset[str] = frozenset()
"""Forms of a field that a release added: nobody sends them before every worker has that release."""

CASES = [
    (release, event_type)
    for release, content in RELEASED.items()
    for event_type in content["schemas"]
]


def test_no_file_of_a_release_was_edited():
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in RELEASED}
    assert found == DIGESTS


@pytest.mark.parametrize("release", RELEASED, ids=lambda path: path.stem)
def test_every_released_example_parses_to_the_same_event(release):
    for example in RELEASED[release]["examples"]:
        assert to_json(parse_event(example)) == example


@pytest.mark.parametrize(
    ("release", "event_type"), CASES, ids=lambda part: getattr(part, "stem", part)
)
def test_a_schema_only_became_wider(release, event_type):
    schema = RELEASED[release]["schemas"][event_type]
    assert breaking(schema, schema_of(EVENT_TYPES[event_type], event_type), WIDER, NEW_FORMS) == []


SCHEMA = schema_of(EVENT_TYPES["leasewire.service.snapshot.v1"], "leasewire.service.snapshot.v1")


def changed(place, value):
    """The schema with another value at a place; None takes it out."""
    schema = copy.deepcopy(SCHEMA)
    *above, last = place.split("/")
    part = schema
    for step in above:
        part = part[int(step)] if isinstance(part, list) else part[step]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return schema


DATA = "$defs/SnapshotData/properties"
SERVICE_ID = SCHEMA["$defs"]["SnapshotData"]["properties"]["service_id"]
FORMS = SCHEMA["$defs"]["Service"]["properties"]["address"]["oneOf"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (f"{DATA}/urgency", {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}),
        ("$defs/Plan/properties/down_kbps/anyOf/0/maximum", 10**10),
        ("$defs/Service/properties/dns_servers/anyOf/0/maxItems", 9),
        ("$defs/Service/properties/dns_servers/anyOf/0/maxItems", None),
        ("$defs/Device/required", []),
        ("properties/id/description", "Another description."),
        ("$defs/Data", {"type": "null"}),  # a definition that nobody refers to
        (f"{DATA}/service_id", {"anyOf": [SERVICE_ID, {"type": "null"}]}),
    ],
)
def test_widening_a_schema_is_compatible(place, value):
    assert breaking(SCHEMA, changed(place, value), {}) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (f"{DATA}/revision", None),
        ("$defs/SnapshotData/required", ["service_id", "service", "customer_id"]),
        ("$defs/Plan/properties/down_kbps/anyOf/0/maximum", 10),
        ("$defs/Plan/properties/down_kbps/anyOf/0/minimum", 2),
        ("$defs/Plan/properties/down_kbps/anyOf", [{"type": "integer"}]),
        ("$defs/Plan/properties/down_kbps/default", 5),
        ("$defs/Device/anyOf", [{"required": ["mac"]}, {"required": ["circuit_id"]}]),
        ("$defs/Service/properties/dns_servers/anyOf/0/maxItems", 7),
        ("$defs/Service/properties/status/enum", ["active", "suspended", "postponed"]),
        ("$defs/Service/properties/status/enum", ["active"]),
        ("$defs/StaticAddress/properties/mode/const", "fixed"),
        ("$defs/Service/properties/address/oneOf", FORMS[:1]),
        ("$defs/Service/properties/address/oneOf", [*FORMS, {"$ref": "#/$defs/Plan"}]),
        ("properties/id/pattern", "^[a-z]+$"),
        ("properties/id/format", "uuid"),
        ("additionalProperties", False),
    ],
)
def test_what_makes_a_schema_narrower_is_named(place, value):
    assert breaking(SCHEMA, changed(place, value), {}) != []


def test_a_wider_pattern_passes_when_a_person_allowed_it():
    old = SCHEMA["properties"]["id"]["pattern"]
    new = changed("properties/id/pattern", "^.+$")
    assert breaking(SCHEMA, new, {old: "^.+$"}) == []
