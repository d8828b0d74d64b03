"""DHCPv6 clients that the control interface plays: they ask, hold a prefix, may be told to ask.

A real client on a network interface is `dhcp6`'s business.
"""

import asyncio
from dataclasses import dataclass, replace

from simulator.dhcp6_server import Asked6, Client6, Reply6, release6, renew6, request6
from simulator.menus.binding_rows import SERVER6
from simulator.menus.dhcp import only_server
from simulator.router import Router
from simulator.state import Values
from simulator.values import MAC
from simulator.values6 import duid_of, link_local_of

_REACTS_S = 0.05


@dataclass(slots=True)
class _Held6:
    client: Client6
    asked: Asked6  # with what it holds
    obeys: bool


class Devices6:
    """The played clients of one router, by DUID, kind of association and IAID."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._held: dict[tuple[str, str, int], _Held6] = {}
        router.reconfigure6.append(self._reconfigured)

    def ask(self, client: Client6, asked: Asked6, *, obeys: bool) -> Reply6:
        """Ask for a prefix or an address; `obeys`: the client asks again when it is told to."""
        return self._note(client, asked, request6(self._router, client, asked), obeys=obeys)

    def renew(self, key: tuple[str, str, int]) -> Reply6:
        """Renew as at T1; a client that is told that it has nothing asks again.

        Raises:
            ValueError: it never asked.
        """
        device = self._held.get(key)
        if device is None:
            msg = f"device {key[0]} never asked for {key[1]} {key[2]}: call device6() first"
            raise ValueError(msg)
        answer = renew6(self._router, device.client, device.asked)
        if answer.status != "success":
            answer = request6(self._router, device.client, replace(device.asked, prefixes=()))
        return self._note(device.client, device.asked, answer, obeys=device.obeys)

    def release(self, client: Client6, asked: Asked6) -> None:
        """Give back what a client holds."""
        release6(self._router, client, asked)
        self._held.pop((client.duid, asked.ia, asked.iaid), None)

    def _note(self, client: Client6, asked: Asked6, answer: Reply6, *, obeys: bool) -> Reply6:
        if answer.kind == "reply":
            prefixes = (answer.address,) if answer.address else ()
            held = _Held6(client, replace(asked, prefixes=prefixes), obeys)
            self._held[client.duid, asked.ia, asked.iaid] = held
        return answer

    def _reconfigured(self, binding: Values, server: Values, message: int) -> None:
        del server, message  # played clients renew, whichever message is asked for
        key = (binding["duid"], binding.get("ia-type", "pd"), int(binding["iaid"]))
        device = self._held.get(key)
        if device is not None and device.obeys:
            asyncio.get_running_loop().call_later(_REACTS_S, self.renew, key)


def client6_of(  # noqa: PLR0913 - what a client is
    router: Router,
    /,
    *,
    mac: str,
    server: str = "",
    ia: str = "pd",
    iaid: str = "1",
    duid: str = "",
    link_local: str = "",
) -> tuple[Client6, Asked6]:
    """Say who asks, and for what; see `PlayedClients.device6`."""
    own = MAC.parse(mac, "mac-address", router)
    client = Client6(
        duid=duid.lower() or duid_of(own),
        server=server or only_server(router, SERVER6),
        link_local=link_local or link_local_of(own),
        mac=own,
    )
    return client, Asked6("na" if ia == "na" else "pd", int(iaid))
