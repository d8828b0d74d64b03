"""Streams the parts of a page that changed to those who have it open, as server-sent events."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.api.connections import most_connections
from gateway.api.problems import Refused
from gateway.console.console import Viewer
from gateway.console.gate import COOKIE
from gateway.console.sessions import LoginSession, LoginSessions
from gateway.store_failures import STORE_FAILURES

CHECK_EVERY_S: Final = 0.5
RETRY_MS: Final = 5_000
"""How soon a browser comes again after it lost the connection."""
SESSION_EVERY_S: Final = 15.0
"""How soon a stream ends after its session did. A comment is sent then, too: else the server would
not notice a reader that is gone."""
MOST_A_PERSON: Final = 4
"""Browsers open at most six connections to one server; the others are for pages."""
_SHARE: Final = 8
"""All streams together may take one in so many connections."""

Parts = Mapping[str, str]


@dataclass(slots=True)
class LiveStreams:
    """Opens streams, a bounded number.

    Attributes:
        sessions: says whether a session goes on.
        number: gives a number that grows whenever the page may have changed.
        parts: gives the parts of the page for a viewer, as HTML by name; it runs in a thread.
    """

    sessions: LoginSessions
    number: Callable[[], int]
    parts: Callable[[Viewer], Parts]
    _open: Counter[str] = field(default_factory=Counter)

    async def open(self, request: Request) -> StreamingResponse:
        """A stream of the parts, each when it has changed."""
        session: LoginSession = request.state.session
        return _Stream(self._events(request, session), self._counted(session.person.name))

    async def _events(self, request: Request, session: LoginSession) -> AsyncIterator[str]:
        viewer: Viewer = request.state.viewer
        stopping: asyncio.Event = request.state.stopping
        loop = asyncio.get_running_loop()
        sent: Parts = {}
        shown, check_at = None, loop.time() + SESSION_EVERY_S
        yield f"retry: {RETRY_MS}\n\n"
        while not stopping.is_set():
            if shown != (number := self.number()):
                shown, parts = number, await asyncio.to_thread(self.parts, viewer)
                changed = {name: html for name, html in parts.items() if sent.get(name) != html}
                sent = parts
                for name, html in changed.items():
                    yield _event(name, html)
            if loop.time() > check_at:
                check_at = loop.time() + SESSION_EVERY_S
                if not await asyncio.to_thread(self._goes_on, request, session):
                    yield _event("ended", "")
                    return
                yield ":\n\n"
            await _either(stopping, CHECK_EVERY_S)

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        """Count a stream of a person.

        Raises:
            Refused: `rate-limited`: the person, or all together, have too many.
        """
        if self._open[name] >= MOST_A_PERSON:
            problem = f"at most {MOST_A_PERSON} pages are kept up to date for one person"
            raise Refused("rate-limited", f"{problem}: close one")
        if self._open.total() >= max(1, most_connections() // _SHARE):
            raise Refused("rate-limited", "too many people have this page open: reload it by hand")
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]

    def _goes_on(self, request: Request, session: LoginSession) -> bool:
        try:
            found = self.sessions.find(request.cookies[COOKIE], in_use=False)
        except STORE_FAILURES:
            return True  # the page says that Redis is away
        return found is not None and found.person.role == session.person.role


class _Stream(StreamingResponse):
    """Server-sent events; counted from before the first byte to the end, however it ends."""

    def __init__(self, events: AsyncIterator[str], counted: AbstractContextManager[None]) -> None:
        # Else nginx would keep the events until it has a buffer full of them.
        unbuffered = {"X-Accel-Buffering": "no"}
        super().__init__(events, headers=unbuffered, media_type="text/event-stream")
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._counted:
            await super().__call__(scope, receive, send)


async def _either(stopping: asyncio.Event, wait_s: float) -> None:
    """Wait until the gateway stops, or for this time."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), wait_s)


def _event(name: str, html: str) -> str:
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return f"event: {name}\n{lines}\n"
