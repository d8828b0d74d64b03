"""Writes the JSON Schemas and the AsyncAPI document: `python -m contracts.schemas [--check]`.

The schemas refuse unknown fields of `data`, as gateway and publisher do. A schema cannot express
everything: rules between fields are only in `parse_event`.
"""

import json
import sys
from pathlib import Path
from typing import Final

from pydantic.json_schema import GenerateJsonSchema

from contracts import asyncapi
from contracts.events import EVENT_TYPES, AnyEvent

FOLDER: Final = Path(__file__).parent / "schemas"


class _Generator(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's hook
        return False  # a title that only repeats the field's name is useless


def schema_of(model: type[AnyEvent], event_type: str) -> dict[str, object]:
    """Return the JSON Schema (2020-12) of one event class."""
    return {
        "$schema": _Generator.schema_dialect,
        "$id": f"urn:leasewire:schema:{event_type}",
        "$comment": "For publishers. Readers of events must ignore fields that they do not know.",
        **model.model_json_schema(schema_generator=_Generator),
    }


def texts() -> dict[str, str]:
    """Return the text of each file by its path below `FOLDER`."""
    documents = {
        f"v1/{event_type}.json": schema_of(model, event_type)
        for event_type, model in EVENT_TYPES.items()
    }
    documents["asyncapi.json"] = asyncapi.document()
    return {name: json.dumps(document, indent=2) + "\n" for name, document in documents.items()}


def differing() -> list[str]:
    """Return the files that are missing, outdated or no longer needed."""
    written = {
        path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8")
        for path in FOLDER.rglob("*.json")
    }
    wanted = texts()
    return sorted(
        name for name in written.keys() | wanted.keys() if written.get(name) != wanted.get(name)
    )


def main(arguments: list[str]) -> int:
    """Write the files; with `--check` only report differences, with exit code 1."""
    names = differing()
    if arguments == ["--check"]:
        sys.stderr.writelines(f"{FOLDER / name} differs; run make schemas\n" for name in names)
        return 1 if names else 0
    wanted = texts()
    for name in names:
        if name in wanted:
            (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_text(wanted[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
