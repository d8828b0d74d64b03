import json
import re
from pathlib import Path

import pytest

import contracts
from contracts.errors import ContractViolation
from contracts.events import EVENT_TYPES
from contracts.parse import parse_event

FOLDER = Path(contracts.__file__).parent
TEXT = (FOLDER / "README.md").read_text()


def test_every_event_and_every_file_it_names_exists():
    targets = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert [target for target in targets if not (FOLDER / target).exists()] == []
    named = {Path(target).stem for target in targets if target.startswith("examples/v1/l")}
    assert named == set(EVENT_TYPES)


def test_the_error_it_shows_is_what_comes_out():
    (shown,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    example = FOLDER / "examples" / "v1" / "leasewire.service.mac_changed.v1.json"
    event = json.loads(example.read_text())
    event["data"] = event["data"] | {"mac": "01:00:5E:00:53:02", "revison": 3}
    with pytest.raises(ContractViolation) as raised:
        parse_event(event)
    assert json.loads(shown) == [
        {"pointer": p.pointer, "code": p.code, "message": p.message} for p in raised.value.problems
    ]
