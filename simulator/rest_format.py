"""REST paths, bodies and refusals, translated from and to commands. It knows no connection.

Source: MAN-REST, LAB, CLIENTS.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from simulator import errors
from simulator.errors import RouterError
from simulator.http_wire import HttpRequest
from simulator.menu_base import MenuBase
from simulator.menus import MENUS
from simulator.router import Router
from simulator.state import Values


class RestError(Exception):
    """An error response."""

    def __init__(self, status: int, detail: str | None = None) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail

    def body(self) -> bytes:
        """Return the documented JSON; 401 and 404 have no detail."""
        shape: dict[str, Any] = {"error": self.status, "message": HTTPStatus(self.status).phrase}
        if self.detail is not None:
            shape["detail"] = self.detail
        return json.dumps(shape).encode()


@dataclass(slots=True)
class RestTarget:
    """What a path names: a menu, and maybe a row or command of it."""

    menu: MenuBase
    last: str


def find_target(router: Router, path: str) -> RestTarget:
    """Find the menu that a path names, and what comes after it.

    Raises:
        RestError: there is none.
    """
    parts = [part for part in path.split("/") if part]
    if not parts or parts[0] != "rest":
        raise RestError(404)
    at = ""
    for number, part in enumerate(parts[1:], start=1):
        below = f"{at}/{part}"
        if _is_node(router, below):
            at = below
            continue
        menu = MENUS.get(at)
        if menu is not None and menu.exists(router) and number == len(parts) - 1:
            if part.upper().startswith("%2A"):
                raise RestError(400, "no such command prefix")  # LAB
            return RestTarget(menu, unquote(part, errors="surrogateescape"))
        raise RestError(400, f"no such command or directory ({part})")
    menu = MENUS.get(at)
    if menu is None or not menu.exists(router):
        raise RestError(400, "no such command")
    return RestTarget(menu, "")


def _is_node(router: Router, path: str) -> bool:
    below = path + "/"
    return any(
        (known == path or known.startswith(below)) and menu.exists(router)
        for known, menu in MENUS.items()
    )


def not_there(menu: MenuBase, last: str, router: Router) -> RestError:
    """Return the response for an id or command that a menu does not have."""
    if last.startswith("*"):
        return RestError(404)
    try:
        menu.handler(router, last)
    except RouterError:
        return RestError(400, "no such command prefix")  # LAB, MAN-REST
    return RestError(400, "no such command")


def rest_error(error: RouterError, method: str, target: RestTarget) -> RestError:
    """Return the response for a refusal; the API's message is the detail."""
    if error.text.startswith("no such item"):
        return RestError(404)
    if error.text == errors.not_permitted().text:
        if method == "PATCH":
            return RestError(400, "missing or invalid resource identifier")  # MAN-REST, LAB
        return RestError(500, error.text)
    if error.text == "no such command" and method == "POST":
        return RestError(400, f"no such command or directory ({target.last})")
    return RestError(400, error.text)


def read_basic(header: str) -> tuple[str, str]:
    """Read user and password from an Authorization header.

    Raises:
        RestError: there are none.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise RestError(401)
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        raise RestError(401) from None
    name, _, password = text.partition(":")
    return name, password


def read_body(request: HttpRequest) -> dict[str, Any]:
    """Read a request's JSON object; an empty body is an empty object.

    Raises:
        RestError: it is not JSON, or not an object.
    """
    if not request.body:
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RestError(415)
    try:
        body = json.loads(request.body.decode("utf-8", "surrogateescape"))
    except (json.JSONDecodeError, RecursionError):
        raise RestError(400, "Failed to parse json") from None
    if not isinstance(body, dict):
        raise RestError(400, "Failed to parse json")
    return body


def to_texts(body: Mapping[str, Any]) -> Values:
    """Turn JSON values into texts; numbers and booleans are accepted too (MAN-REST)."""
    return {name: _text(value) for name, value in body.items()}


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return "" if value is None else str(value)


def shown(view: Values, proplist: Iterable[str] | None) -> Values:
    """Return the properties of a row that the proplist names; None: all."""
    if proplist is None:
        return view
    return {name: view[name] for name in proplist if name in view}
