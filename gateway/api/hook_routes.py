"""`/v1/hooks/…`: webhooks of BSS systems in their own format, stored first and processed later.

The answer is success as soon as the webhook is in Redis, whatever it contains: a vendor cannot
correct what it sent, and some disable a webhook that is refused.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from contracts.webhook_signature import SignatureRefused
from gateway.api import openapi
from gateway.api.gate import HOOK_BYTES, read_body
from gateway.api.limits import Rates
from gateway.api.problems import Refused, overloaded
from gateway.hooks.config import Hook, find_hook
from gateway.hooks.inbox import Inbox, Posted
from gateway.hooks.tables import Generic, Uisp
from gateway.hooks.uisp import named_in

_OK: Final = 200
_UNKNOWN_RATE: Final = 5.0
"""Badly signed webhooks a second, of each address."""

Adapter = Annotated[str, Path(description="uisp, splynx or generic")]
Endpoint = Annotated[str, Path(description="The hook's name, or its secret path")]


class HookRoutes(APIRouter):
    """Accepts webhooks."""

    def __init__(
        self,
        hooks: Mapping[str, Hook],
        inbox: Inbox,
        rates: Rates,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(tags=["webhooks"])
        self._hooks = hooks
        self._inbox = inbox
        self._rates = rates
        self._unknown_rates = Rates()
        self._clock = clock
        path = "/v1/hooks/{adapter}/{endpoint_id}"
        taken: dict[int | str, dict[str, object]] = {
            status: {"description": "Stored; it is processed later"}
            for status in (200, 201, 202, 204)
        }
        self.post(
            path,
            summary="Send a webhook in the format of the BSS",
            responses=openapi.responses(
                *(taken, "bad-signature", "bad-timestamp", "not-found", "too-large"),
                *("rate-limited", "overloaded"),
            ),
            openapi_extra={"requestBody": {"content": {"*/*": {"schema": {}}}}},
        )(self.take)
        probe = openapi.responses(None, "not-found")
        self.get(path, summary="Check whether a webhook exists", responses=probe)(self.probe)

    async def take(self, request: Request, adapter: Adapter, endpoint_id: Endpoint) -> Response:
        """Stores a webhook; it is processed later."""
        hook = self._hook(adapter, endpoint_id)
        body = await read_body(request, HOOK_BYTES)
        try:
            hook.check_signature(request.headers, body, self._clock().timestamp())
        except SignatureRefused as error:
            peer = request.client.host if request.client else ""
            self._unknown_rates.spend(f"{hook.name} {peer}", _UNKNOWN_RATE)
            raise Refused(error.code, error.message) from None
        # After the check: an unknown sender must not use up the rate of the hook.
        self._rates.spend(f"hook {hook.name}", hook.settings.rate)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        refusal = await asyncio.to_thread(self._store, hook, body, kind)
        if refusal:
            raise overloaded(refusal)
        settings = hook.settings
        return Response(status_code=settings.success if isinstance(settings, Generic) else _OK)

    def _store(self, hook: Hook, body: bytes, kind: str) -> str:
        text = body.decode("utf-8", "backslashreplace")
        if isinstance(hook.settings, Uisp):
            text = named_in(text)
        name = hashlib.sha256(f"{hook.name}\0{text}".encode()).hexdigest()[:32]
        return self._inbox.put(Posted(name, hook.name, text, kind))

    async def probe(self, adapter: Adapter, endpoint_id: Endpoint) -> Response:
        """Answers 200 if the webhook exists."""
        self._hook(adapter, endpoint_id)
        return Response()

    def _hook(self, adapter: str, endpoint_id: str) -> Hook:
        hook = find_hook(self._hooks, adapter, endpoint_id)
        if hook is None:
            raise Refused("not-found", "no webhook is configured here; see `leasewire hooks list`")
        return hook
