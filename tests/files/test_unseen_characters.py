"""What nobody can see is refused where it comes in, and written as text where it stands already."""

import csv
import io
import json

import pytest

from contracts.errors import ContractViolation
from contracts.parse import parse_event
from producers.fields import FIELDS
from producers.files.writing import csv_row, flat_fields, ndjson_row
from tests import builders

UNSEEN = [
    "\x1b",
    "\x80",
    "\x9b",
    "\xad",
    "\u200b",
    "\u2028",
    "\u202e",
    "\u2066",
    "\ufeff",
    "\U000e0041",
]
SEEN = "Müller & Söhne, Haus 7, 東京"


@pytest.mark.parametrize("char", UNSEEN)
@pytest.mark.parametrize("field", ["label", "serial", "circuit_id", "pool"])
def test_the_contract_refuses_it(field, char):
    given = {"label": f"a{char}b"} if field == "label" else {}
    event = builders.activated(**given)
    block = event["data"]["service"]
    if field == "pool":
        block["address"] = {"mode": "pool", "pool": f"a{char}b"}
    elif field != "label":
        block["device"][field] = f"a{char}b"
    with pytest.raises(ContractViolation):
        parse_event(event)


def test_visible_text_is_accepted():
    assert parse_event(builders.activated(label=SEEN)).data.service.label == SEEN


@pytest.mark.parametrize("char", UNSEEN)
def test_files_hold_it_as_text(char):
    data = {
        "service_id": "SVC-1",
        "service": {
            "status": "active",
            "access": {"router": "R1"},
            "device": {"mac": builders.mac(1), "serial": f"a{char}b"},
            "label": SEEN + char,
        },
    }
    line = ndjson_row(data)
    assert line.removesuffix("\n").isprintable()
    assert json.loads(line) == data
    assert SEEN in line
    row = csv_row(flat_fields(data))
    assert row.removesuffix("\n").isprintable()
    assert SEEN in next(csv.reader(io.StringIO(row)))[FIELDS.index("label")]
