"""Hides values of fields that are named like secrets: webhooks may carry customers' passwords."""

import json
import re
from dataclasses import replace
from typing import Final

from worker.core.service.outcome import DeadLetter

REDACTED: Final = "[redacted]"
_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_IN_JSON: Final = re.compile(rf"({_STRING})(\s*:\s*)({_STRING}|[^\s,}}\]\[{{]+)", re.DOTALL)
_IN_FORM: Final = re.compile(r"(^|&)([^=&]*)=([^&]+)")
_NAME: Final = re.compile(
    r"pass(?:word|wd|phrase|code)|secret|token|authorization|api_?key|psk", re.IGNORECASE
)


def without_secrets(dead_letter: DeadLetter) -> DeadLetter:
    """The dead letter as it may be shown; to settle it, the one that was read is needed."""
    if dead_letter.kind != "hook":
        return replace(dead_letter, body=_in_json(dead_letter.body))
    try:
        body = json.loads(dead_letter.body)
    except (ValueError, RecursionError):
        return replace(dead_letter, body="")
    if isinstance(body, dict) and isinstance(body.get("body"), str):
        body["body"] = _IN_FORM.sub(_hide_in_form, _in_json(body["body"]))
    return replace(dead_letter, body=json.dumps(body))


def _in_json(text: str) -> str:
    return _IN_JSON.sub(_hide_in_json, text)


def _hide_in_json(found: re.Match[str]) -> str:
    name, colon, _ = found.groups()
    return f'{name}{colon}"{REDACTED}"' if _NAME.search(name) else found[0]


def _hide_in_form(found: re.Match[str]) -> str:
    start, name, _ = found.groups()
    return f"{start}{name}={REDACTED}" if _NAME.search(name) else found[0]
