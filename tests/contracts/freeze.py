"""Writes what a release accepts into `released/`: `python -m tests.contracts.freeze VERSION`.

The schema of every event type, and examples that must parse for ever: those of the contract, and
those that were frozen before. Prints the line for `DIGESTS` in `test_compatibility.py`.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

from contracts.events import EVENT_TYPES
from contracts.schemas import schema_of

RELEASED = Path(__file__).parent / "released"
EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples" / "v1"


def main(version):
    """Write the file of a version."""
    before = [json.loads(path.read_text("utf-8")) for path in sorted(RELEASED.glob("*.json"))]
    examples = [example for content in before for example in content["examples"]]
    for name in EVENT_TYPES:
        example = json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))
        if example not in examples:
            examples.append(example)
    schemas = {name: schema_of(model, name) for name, model in EVENT_TYPES.items()}
    text = json.dumps({"schemas": schemas, "examples": examples}, separators=(",", ":"))
    file = RELEASED / f"{version}.json"
    file.write_text(text, "utf-8")
    sys.stdout.write(f'"{file.name}": "{sha256(text.encode()).hexdigest()}",\n')


if __name__ == "__main__":
    main(*sys.argv[1:])
