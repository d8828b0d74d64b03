"""The HTTP connection to a gateway: its rules, and how its answers are read."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ssl import SSLContext
from typing import Any, Final

import httpx

from producers.endpoints import is_this_host

_DETAIL_SHOWN: Final = 300


def gateway_client(
    url: str, key: str, timeout_s: float, ssl: SSLContext | None, *, plain: bool
) -> httpx.Client:
    """Make a client that sends the key with each request.

    Raises:
        ValueError: the key would leave this host unencrypted, and `plain` does not allow it.
    """
    base = httpx.URL(url)
    if base.scheme != "https" and not (
        base.scheme == "http" and (plain or is_this_host(base.host))
    ):
        raise ValueError(f"{url}: the key must not be sent unencrypted: give an https:// URL")
    return httpx.Client(
        base_url=base,
        headers={"Authorization": f"Bearer {key}"},
        timeout=timeout_s,
        verify=ssl or True,
    )


def unanswered(client: httpx.Client, error: httpx.HTTPError) -> str:
    """Say that there was no answer."""
    return f"the gateway {client.base_url} cannot be reached, or did not answer: {error}"


def refusal(client: httpx.Client, answer: httpx.Response) -> str:
    """Say what an answer refuses, and what to look at where it is none of a gateway."""
    detail = shortened(json_object(answer).get("detail") or answer.reason_phrase)
    message = f"the gateway answers {answer.status_code}: {detail}"
    if answer.is_redirect or answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        message += f"; is {client.base_url} the gateway's URL?"
    return message


def shortened(text: object) -> str:
    """A text of an answer, not longer than a log line bears."""
    return str(text)[:_DETAIL_SHOWN]


def json_object(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer; empty if it has none."""
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def retry_after_s(answer: httpx.Response, now_s: float) -> float | None:
    """The wait that an answer asks for, if any; `now_s` is in seconds since 1970."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.fromtimestamp(now_s, UTC)).total_seconds())
