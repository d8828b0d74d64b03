"""HTML pages made of the OpenAPI document: no script, nothing from other servers.

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
"""The content security policy in `page_routes.py` allows nothing else."""

_REF: Final = "#/components/schemas/"


def front() -> str:
    """The page `/`: links to everything else."""
    return _page(
        "Leasewire",
        "<h1>Leasewire</h1><p>The gateway accepts provisioning events over HTTP.</p><ul>"
        '<li><a href="/docs">Documentation for integrators</a></li>'
        '<li><a href="/openapi.json">OpenAPI document</a></li>'
        '<li><a href="/v1/schemas">JSON Schemas of the events</a></li>'
        "</ul>",
    )


def problem(kind: Kind) -> str:
    """The page of a problem kind, to which `type` of a problem document links."""
    status, title, advice = KINDS[kind]
    return _page(
        title,
        f"<h1>{escape(title)}</h1><p>Problem <code>{kind}</code>, status {status}.</p>"
        f'<p>{_inline(advice)}</p><p><a href="/docs#problems">All problems</a></p>',
    )


def docs(document: Json, samples: Mapping[str, str]) -> str:
    """The page `/docs`.

    Args:
        document: OpenAPI 3.1.
        samples: name of a sample -> its text.
    """
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            section = _operation(method, path, operation, document["components"]["examples"])
            by_tag.setdefault(operation["tags"][0], []).append(section)
    schemas = document["components"]["schemas"]
    parts = [
        "<h1>Leasewire for integrators</h1>",
        _markdown(document["info"]["description"]),
        '<p><a href="/openapi.json">OpenAPI document</a> for client generators; ',
        '<a href="/v1/schemas">JSON Schemas</a> of the events.</p><ul>',
        *(f'<li><a href="#{_slug(tag)}">{escape(tag)}</a></li>' for tag in by_tag),
        '<li><a href="#states">States of an event</a></li>',
        '<li><a href="#samples">Samples</a></li>',
        '<li><a href="#problems">Problems</a></li><li><a href="#shapes">Schemas</a></li></ul>',
        '<h2 id="states">States of an event</h2>',
        _markdown(schemas["EventState"]["description"]),
    ]
    for tag, sections in by_tag.items():
        parts += [f'<h2 id="{_slug(tag)}">{escape(tag)}</h2>', *sections]
    parts.append('<h2 id="samples">Samples</h2>')
    parts += [_details(name, text) for name, text in samples.items()]
    parts += ['<h2 id="problems">Problems</h2>', _problems(), '<h2 id="shapes">Schemas</h2>']
    parts += [_shape(name, schema) for name, schema in schemas.items()]
    return _page("Leasewire for integrators", "\n".join(parts))


def _operation(method: str, path: str, operation: Json, named: Json) -> str:
    parts = [
        f'<h3 id="{operation["operationId"]}"><code>{method.upper()} {escape(path)}</code></h3>',
        f"<p><strong>{escape(operation.get('summary', ''))}</strong></p>",
        _markdown(operation.get("description", "")),
    ]
    parameters = [
        (
            f"<code>{escape(parameter['name'])}</code>",
            parameter["in"] + (", required" if parameter.get("required") else ""),
            _inline(parameter.get("description", "")),
        )
        for parameter in operation.get("parameters", ())
    ]
    if parameters:
        parts.append(_table(("Parameter", "in", ""), parameters))
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        for name, given in content.get("examples", {}).items():
            example = named[given["$ref"].rpartition("/")[2]] if "$ref" in given else given
            parts.append(_details(f"Request, {media_type}: {name}", _pretty(example["value"])))
    answers = []
    for status, answer in operation["responses"].items():
        shapes = [_link(content["schema"]) for content in answer.get("content", {}).values()]
        headers = ", ".join(f"<code>{name}</code>" for name in answer.get("headers", {}))
        answers.append((status, _inline(answer["description"]), " ".join(shapes), headers))
    parts.append(_table(("Status", "", "Schema", "Headers"), answers))
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
            str(status),
            f"{escape(title)}. {_inline(advice)}",
        )
        for kind, (status, title, advice) in KINDS.items()
    )
    return _table(("Code", "Status", ""), rows)


def _shape(name: str, schema: Json) -> str:
    head = f'<h3 id="shape-{name}">{name}</h3>' + _markdown(schema.get("description", ""))
    required = schema.get("required", ())
    rows = [
        (
            f"<code>{escape(field)}</code>" + ("" if field in required else " (optional)"),
            _link(field_schema),
            _inline(field_schema.get("description", "")) if "$ref" not in field_schema else "",
        )
        for field, field_schema in schema.get("properties", {}).items()
    ]
    return head + (_table(("Field", "Type", ""), rows) if rows else "")


def _link(schema: Json) -> str:
    """A schema in short: a link to its component, or its type."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return f'<a href="#shape-{name}">{name}</a>'
    if schema.get("type") == "array":
        return f"list of {_link(schema['items'])}"
    kinds = schema.get("type", "any" if "const" not in schema else json.dumps(schema["const"]))
    message = " or ".join(kinds) if isinstance(kinds, list) else kinds
    if "enum" in schema:
        message = ", ".join(map(str, schema["enum"]))
    return escape(f"{message}, {schema['format']}" if "format" in schema else message)


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; the cells are HTML already."""
    lines = ["".join(f"<th>{escape(name)}</th>" for name in head)]
    lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _details(title: str, text: str) -> str:
    """Folded text that opens without a script."""
    body = escape(text, quote=False)
    return f"<details><summary>{escape(title)}</summary><pre>{body}</pre></details>"


def _markdown(text: str) -> str:
    """Paragraphs, lists and code: all Markdown that the descriptions use."""
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
