"""Reads one JSON document from a vendor's API, with limits of time and size.

TLS is verified and redirects are not followed: the key goes nowhere else.
"""

import json
import time
from typing import Any, Final

import httpx

from gateway.hooks.config import Hook
from gateway.hooks.tables import Api, Generic, Splynx
from producers.endpoints import trusting

MOST_BYTES: Final = 4 * 1024 * 1024
_REFUSED: Final = frozenset({401, 403})
_NOT_FOUND: Final = frozenset({404, 410})
_OK: Final = 200


class VendorFailed(Exception):  # noqa: N818 - says what happened
    """The vendor's API failed; try again later.

    Attributes:
        message: what happened.
        refused: it refuses our key: a person must act.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        self.message = message
        self.refused = refused
        super().__init__(message)


class NotThere(Exception):  # noqa: N818 - says what it is
    """The vendor's API does not have this document."""


class VendorApi:
    """The vendor's API of one hook."""

    def __init__(self, hook: Hook) -> None:
        settings = hook.settings
        if isinstance(settings, Generic) or hook.api_secret is None:
            raise TypeError(f"{hook.name} reads nothing at the vendor")
        self._api: Api = settings.api
        secret = hook.api_secret.get_secret_value()
        signed_in: dict[str, Any] = {"headers": {"X-Auth-App-Key": secret}}
        if isinstance(settings, Splynx):
            signed_in = {"auth": (self._api.key, secret)}
        ca_file = self._api.ca_file
        self._client = httpx.Client(
            base_url=self._api.url.rstrip("/") + "/",
            timeout=self._api.timeout_s,
            follow_redirects=False,
            trust_env=False,
            verify=trusting(hook.folder / ca_file if ca_file else None),
            **signed_in,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON value
        """Read one document.

        Raises:
            NotThere: the API does not have it.
            VendorFailed: anything else went wrong.
        """
        try:
            body = self._read(path)
            return json.loads(body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise VendorFailed(f"cannot be reached ({type(error).__name__})") from error
        except (ValueError, RecursionError) as error:
            raise VendorFailed("the answer is not JSON") from error

    def _read(self, path: str) -> bytes:
        # httpx limits the wait for each piece; this limits the whole answer.
        deadline = time.monotonic() + 2 * self._api.timeout_s
        with self._client.stream("GET", path) as answer:
            if answer.status_code in _NOT_FOUND:
                raise NotThere
            if answer.status_code != _OK:
                raise VendorFailed(
                    f"answered {answer.status_code}", refused=answer.status_code in _REFUSED
                )
            body = bytearray()
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > MOST_BYTES or time.monotonic() > deadline:
                    raise VendorFailed("the answer is too large or too slow")
        return bytes(body)
