"""Pages for a person in a browser, made of the OpenAPI document: no script, nothing from elsewhere.

Pure. Every text is escaped; none of it comes from a caller.
"""

import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from gateway.api.problems import KINDS, Kind

Json = Mapping[str, Any]

STYLE: Final = """\
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
h2{border-bottom:1px solid #8886;margin-top:2.5rem}h3{margin-top:2rem}
code,pre{font:14px/1.45 ui-monospace,monospace}
pre{border:1px solid #8886;border-radius:4px;padding:.7rem;overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid #8884;padding:.25rem .6rem .25rem 0;text-align:left}
td{vertical-align:top}
summary{cursor:pointer}
"""
"""Nothing else of a page is let in: see `page_routes.py`."""

ADVICE: Final[Mapping[Kind, str]] = {
    "malformed": "Mend the request: the detail names what cannot be read.",
    "invalid-event": "Mend the events that `errors` names; nothing was taken in.",
    "unsupported-type": "Use a type that /v1/schemas lists.",
    "event-id-reused": "Give each event an id of its own: this one stands for another content.",
    "unauthorized": "Send `Authorization: Bearer` and a key of `leasewire keys create`.",
    "bad-signature": "Sign `id.timestamp.body` with the signing secret of the key.",
    "bad-timestamp": "Sign at each attempt anew, and let the clock of the sender be right.",
    "source-not-allowed": "Use a key of this source.",
    "scope-missing": "Use a key with the scope that the detail names.",
    "not-found": "Check the address and the id; others' services are not told of.",
    "method-not-allowed": "The header `Allow` says which method is.",
    "conflict": "Look at it again, and decide anew.",
    "cursor-too-old": "Read the state of the services, then begin without a cursor.",
    "too-large": "Send several smaller requests.",
    "head-too-large": "Send fewer or shorter headers, and no long path.",
    "too-slow": "Send the whole request within the time that the detail names; repeating is safe.",
    "unsupported-media-type": "Send `application/cloudevents+json`, or another that is documented.",
    "rate-limited": "Wait as long as `Retry-After` says; send the same again with the same id.",
    "overloaded": "Wait as long as `Retry-After` says; send the same again with the same id.",
    "internal": "Tell who runs the gateway: its log says more. Repeating is safe.",
}
_REF: Final = "#/components/schemas/"


def front() -> str:
    """What `/` shows: where everything is."""
    return _page(
        "Leasewire",
        "<h1>Leasewire</h1><p>The gateway takes in provisioning events over HTTP.</p><ul>"
        '<li><a href="/docs">Documentation for integrators</a></li>'
        '<li><a href="/openapi.json">OpenAPI document</a></li>'
        '<li><a href="/v1/schemas">JSON Schemas of the events</a></li>'
        "</ul>",
    )


def problem(kind: Kind) -> str:
    """What `type` of a problem document leads to."""
    status, title = KINDS[kind]
    return _page(
        title,
        f"<h1>{escape(title)}</h1><p>Problem <code>{kind}</code>, status {status.value}.</p>"
        f'<p>{_inline(ADVICE.get(kind, ""))}</p><p><a href="/docs#problems">All problems</a></p>',
    )


def docs(document: Json, samples: Mapping[str, str]) -> str:
    """The page for integrators.

    Args:
        document: OpenAPI 3.1.
        samples: name of a sample -> its text.
    """
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            section = _operation(method, path, operation)
            by_tag.setdefault(operation["tags"][0], []).append(section)
    schemas = document["components"]["schemas"]
    parts = [
        "<h1>Leasewire for integrators</h1>",
        _markdown(document["info"]["description"]),
        '<p><a href="/openapi.json">OpenAPI document</a> for generators of clients; ',
        '<a href="/v1/schemas">JSON Schemas</a> of the events.</p><ul>',
        *(f'<li><a href="#{_slug(tag)}">{escape(tag)}</a></li>' for tag in by_tag),
        '<li><a href="#states">States of an event</a></li>',
        '<li><a href="#samples">Samples</a></li>',
        '<li><a href="#problems">Problems</a></li><li><a href="#shapes">Shapes</a></li></ul>',
        '<h2 id="states">States of an event</h2>',
        _markdown(schemas["EventState"]["description"]),
    ]
    for tag, sections in by_tag.items():
        parts += [f'<h2 id="{_slug(tag)}">{escape(tag)}</h2>', *sections]
    parts.append('<h2 id="samples">Samples</h2>')
    parts += [_details(name, text) for name, text in samples.items()]
    parts += ['<h2 id="problems">Problems</h2>', _problems(), '<h2 id="shapes">Shapes</h2>']
    parts += [_shape(name, schema) for name, schema in schemas.items()]
    return _page("Leasewire for integrators", "\n".join(parts))


def _operation(method: str, path: str, operation: Json) -> str:
    parts = [
        f'<h3 id="{operation["operationId"]}"><code>{method.upper()} {escape(path)}</code></h3>',
        f"<p><strong>{escape(operation.get('summary', ''))}</strong></p>",
        _markdown(operation.get("description", "")),
    ]
    parameters = [
        (
            f"<code>{escape(each['name'])}</code>",
            each["in"] + (", required" if each.get("required") else ""),
            _inline(each.get("description", "")),
        )
        for each in operation.get("parameters", ())
    ]
    if parameters:
        parts.append(_table(("Parameter", "in", ""), parameters))
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        for name, example in content.get("examples", {}).items():
            parts.append(_details(f"Request, {media_type}: {name}", _pretty(example["value"])))
    answers = []
    for status, answer in operation["responses"].items():
        shapes = [_link(each["schema"]) for each in answer.get("content", {}).values()]
        headers = ", ".join(f"<code>{name}</code>" for name in answer.get("headers", {}))
        answers.append((status, _inline(answer["description"]), " ".join(shapes), headers))
    parts.append(_table(("Status", "", "Shape", "Headers"), answers))
    for status, answer in operation["responses"].items():
        parts += [
            _details(f"Answer {status}", _pretty(content["example"]))
            for content in answer.get("content", {}).values()
            if "example" in content
        ]
    return "\n".join(parts)


def _problems() -> str:
    rows = (
        (
            f'<a href="/problems/{kind}"><code>{kind}</code></a>',
            str(status.value),
            f"{escape(title)}. {_inline(ADVICE.get(kind, ''))}",
        )
        for kind, (status, title) in KINDS.items()
    )
    return _table(("Code", "Status", ""), rows)


def _shape(name: str, schema: Json) -> str:
    head = f'<h3 id="shape-{name}">{name}</h3>' + _markdown(schema.get("description", ""))
    required = schema.get("required", ())
    rows = [
        (
            f"<code>{escape(field)}</code>" + ("" if field in required else " (optional)"),
            _link(said),
            _inline(said.get("description", "")) if "$ref" not in said else "",
        )
        for field, said in schema.get("properties", {}).items()
    ]
    return head + (_table(("Field", "Type", ""), rows) if rows else "")


def _link(schema: Json) -> str:
    """A schema in short: the name of its component as a link, or its type."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return f'<a href="#shape-{name}">{name}</a>'
    if schema.get("type") == "array":
        return f"list of {_link(schema['items'])}"
    kinds = schema.get("type", "any" if "const" not in schema else json.dumps(schema["const"]))
    message = " or ".join(kinds) if isinstance(kinds, list) else kinds
    if "enum" in schema:
        message = ", ".join(str(each) for each in schema["enum"])
    return escape(f"{message}, {schema['format']}" if "format" in schema else message)


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already."""
    lines = ["".join(f"<th>{escape(each)}</th>" for each in head)]
    lines += ["".join(f"<td>{each}</td>" for each in row) for row in rows]
    return "<table>" + "".join(f"<tr>{each}</tr>" for each in lines) + "</table>"


def _details(title: str, text: str) -> str:
    """Folded; opens without a script."""
    body = escape(text, quote=False)
    return f"<details><summary>{escape(title)}</summary><pre>{body}</pre></details>"


def _markdown(text: str) -> str:
    """Paragraphs, lists and code of the descriptions; no more of Markdown than they use."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if lines and lines[0].startswith("- "):
            items = (f"<li>{_inline(line.removeprefix('- '))}</li>" for line in lines)
            blocks.append(f"<ul>{''.join(items)}</ul>")
        elif block:
            blocks.append(f"<p>{_inline(block)}</p>")
    return "\n".join(blocks)


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _slug(tag: str) -> str:
    return f"group-{tag}"
