"""PPP clients that the control interface plays: they log in, and may do so again."""

import asyncio
from typing import NamedTuple

from simulator.menus.ppp import ACTIVE, begin_session, end_session
from simulator.router import Router

_REDIALS_S = 0.05


class _Client(NamedTuple):
    """What a client says when it logs in."""

    password: str
    service: str
    caller_id: str


class PppClients:
    """The played PPP clients of one router, by the name that they log in with."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._redialling: dict[str, _Client] = {}
        router.ppp_ended = self._ended

    def log_in(
        self, name: str, password: str, *, service: str, caller_id: str, redials: bool
    ) -> dict[str, str]:
        """Log in; see `PlayedClients.ppp_login`."""
        client = _Client(password, service, caller_id)
        if redials:
            self._redialling[name] = client
        return self._log_in(name, client)

    def log_out(self, name: str) -> None:
        """End the sessions of a client that does not come back."""
        self._redialling.pop(name, None)
        for row in self._router.table(ACTIVE).having("name", name):
            end_session(self._router, row, "peer-request")

    def _log_in(self, name: str, client: _Client) -> dict[str, str]:
        row = begin_session(
            self._router,
            name,
            client.password,
            service=client.service,
            caller_id=client.caller_id,
        )
        if row is None:
            return {"address": "", "session_id": ""}
        return {"address": row.values["address"], "session_id": row.values["session-id"]}

    def _ended(self, name: str) -> None:
        client = self._redialling.get(name)
        if client is not None:
            asyncio.get_running_loop().call_later(_REDIALS_S, self._log_in, name, client)
