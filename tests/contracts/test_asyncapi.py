import json
from functools import reduce

import pytest
from jsonschema_rs import Draft7Validator

from contracts import names
from contracts.asyncapi import document
from contracts.events import EVENT_TYPES
from contracts.schemas import FOLDER, schema_of

NEWER_THAN_DRAFT_7 = {
    "prefixItems",
    "unevaluatedProperties",
    "unevaluatedItems",
    "dependentRequired",
    "dependentSchemas",
    "minContains",
    "maxContains",
    "$dynamicRef",
    "$anchor",
}


def parts(value, place=""):
    """Every object in a document, with its place."""
    if isinstance(value, dict):
        yield place, value
        for name, child in value.items():
            yield from parts(child, f"{place}/{name}")
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from parts(child, f"{place}/{number}")


def test_every_reference_leads_somewhere():
    made = document()
    targets = [part["$ref"] for _, part in parts(made) if "$ref" in part]
    assert len(targets) > 3 * len(EVENT_TYPES)
    for target in targets:
        if target.startswith("#/"):
            assert reduce(lambda found, step: found[step], target[2:].split("/"), made)
        else:
            assert (FOLDER / target).is_file()


def test_every_event_is_a_message_and_both_queues_are_there():
    made = document()
    assert set(made["components"]["messages"]) == {*EVENT_TYPES, "batch"}
    addresses = {channel["address"] for channel in made["channels"].values()}
    assert addresses == {"/v1/events", names.QUEUE_EVENTS, names.QUEUE_BULK}
    reached = {operation["channel"]["$ref"] for operation in made["operations"].values()}
    assert reached == {f"#/channels/{name}" for name in made["channels"]}


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_tools_for_draft_7_read_the_schemas_too(event_type):
    schema = schema_of(EVENT_TYPES[event_type], event_type)
    used = {word for _, part in parts(schema) for word in part}
    assert not used & NEWER_THAN_DRAFT_7
    assert all(isinstance(part.get("items", {}), dict) for _, part in parts(schema))
    example = json.loads(
        (FOLDER.parent / "examples" / "v1" / f"{event_type}.json").read_text(encoding="utf-8")
    )
    validator = Draft7Validator(schema)  # which checks the schema
    assert validator.is_valid(example)
    assert not validator.is_valid(example | {"data": {}})
