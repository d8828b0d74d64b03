"""`/v1/hooks/…`: webhooks of BSS systems in their own format. Kept first, understood later.

The answer is the vendor's word for success as soon as the webhook is in Redis, whatever it says:
a vendor cannot mend what it sent, and some switch a webhook off that they are refused.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from starlette.datastructures import Address

from contracts.webhook_signature import SignatureRefused
from gateway.api import openapi
from gateway.api.gate import HOOK_BYTES, read_body
from gateway.api.limits import Rates
from gateway.api.problems import Refused, overloaded
from gateway.hooks.config import Hook, find_hook
from gateway.hooks.inbox import Inbox, Posted
from gateway.hooks.signing import check_signature
from gateway.hooks.tables import Generic, Uisp
from gateway.hooks.uisp import named_in

_OK: Final = 200

Adapter = Annotated[str, Path(description="uisp, splynx or generic")]
Endpoint = Annotated[str, Path(description="The hook's name, or the secret that stands for it")]


class _Unknown:
    """Who posts to a hook what is not rightly signed; each has a rate of its own."""

    rate = 5.0

    def __init__(self, hook: str, peer: Address | None) -> None:
        self.id = f"{hook} {peer.host if peer else ''}"


class HookRoutes:
    """Takes webhooks in.

    Args:
        hooks: by name.
        inbox: keeps them.
        rates: of the hooks.
        clock: gives the time, aware.
    """

    def __init__(
        self,
        hooks: Mapping[str, Hook],
        inbox: Inbox,
        rates: Rates,
        clock: Callable[[], datetime],
    ) -> None:
        self._hooks = hooks
        self._inbox = inbox
        self._rates = rates
        self._unknown_sources = Rates()
        self._clock = clock

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(tags=["webhooks"])
        path = "/v1/hooks/{adapter}/{endpoint_id}"
        taken: dict[int | str, dict[str, object]] = {
            status: {"description": "Kept; what comes of it is found out afterwards"}
            for status in (200, 201, 202, 204)
        }
        router.post(
            path,
            summary="Hand in a webhook in its sender's own format",
            responses=openapi.responses(
                taken, "bad-signature", "bad-timestamp", "not-found", "too-large", "rate-limited"
            )
            | openapi.responses(None, "overloaded"),
            openapi_extra={"requestBody": {"content": {"*/*": {"schema": {}}}}},
        )(self.post)
        probe = openapi.responses(None, "not-found")
        router.get(path, summary="Say whether there is such a webhook", responses=probe)(self.probe)
        router.head(path, include_in_schema=False)(self.probe)
        return router

    async def post(self, request: Request, adapter: Adapter, endpoint_id: Endpoint) -> Response:
        """Keep a webhook."""
        hook = self._hook(adapter, endpoint_id)
        body = await read_body(request, HOOK_BYTES)
        try:
            check_signature(hook, request.headers, body, self._clock().timestamp())
        except SignatureRefused as error:
            self._unknown_sources.spend(_Unknown(hook.name, request.client))
            raise Refused(error.code, error.message) from None
        # Not before: else whoever knows the path could use the rate of its sender up.
        self._rates.spend(hook)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        why_not = await asyncio.to_thread(self._keep, hook, body, kind)
        if why_not:
            raise overloaded(why_not)
        settings = hook.settings
        return Response(status_code=settings.success if isinstance(settings, Generic) else _OK)

    def _keep(self, hook: Hook, body: bytes, kind: str) -> str:
        text = body.decode("utf-8", "backslashreplace")
        if isinstance(hook.settings, Uisp):
            text = named_in(text)
        name = hashlib.sha256(f"{hook.name}\0{text}".encode()).hexdigest()[:32]
        return self._inbox.put(Posted(name, hook.name, text, kind))

    async def probe(self, adapter: Adapter, endpoint_id: Endpoint) -> Response:
        """Answer 200 where a webhook may be posted to."""
        self._hook(adapter, endpoint_id)
        return Response()

    def _hook(self, adapter: str, endpoint_id: str) -> Hook:
        hook = find_hook(self._hooks, adapter, endpoint_id)
        if hook is None:
            raise Refused("not-found", "no webhook is configured here; see `leasewire hooks list`")
        return hook
