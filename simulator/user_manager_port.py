"""User Manager on the network: answers RADIUS's requests from `/user-manager/user`."""

import asyncio
import contextlib
import hmac

from simulator import radius
from simulator.menus import MENUS
from simulator.menus.user_manager import CLIENT, MANAGER, USER, pairs
from simulator.router import Router


class UserManagerPort(asyncio.DatagramProtocol):
    """The UDP port of one router, open while `/user-manager` is enabled and its power is on."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._transport: asyncio.DatagramTransport | None = None
        self._open_at = 0

    async def open(self) -> None:
        """Listen where `/user-manager` says; the log tells when another one listens there."""
        self.close()
        number = self.wanted()
        if number:
            place = (self._router.options.listen, number)
            loop = asyncio.get_running_loop()
            self._open_at = number
            try:
                opened = await loop.create_datagram_endpoint(lambda: self, local_addr=place)
            except OSError as error:
                self._router.log("radius,error", f"port {number}: {error.strerror}")
            else:
                self._transport = opened[0]

    def wanted(self) -> int:
        """On which port it should listen; 0: on none."""
        rows = MENUS[MANAGER].rows(self._router).rows.values()
        for row in rows:
            if row.values["enabled"] == "true":
                return int(row.values["authentication-port"])
        return 0

    @property
    def differs(self) -> bool:
        """Whether it listens elsewhere than it should."""
        return self._open_at != self.wanted()

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
        self._transport, self._open_at = None, 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a router that is known; others, and those with another secret, get nothing."""
        secret = self._secret_of(addr[0])
        if secret is None or self._transport is None:
            return
        with contextlib.suppress(radius.RadiusError):
            packet = radius.read(data)
            if packet.code == radius.REQUEST:
                password = radius.check_request(packet, secret)
                code, values = self._judge(packet.values.get("User-Name", ""), password)
                self._transport.sendto(radius.answer(code, packet, values, secret), addr)

    def _secret_of(self, address: str) -> str | None:
        for row in self._router.table(CLIENT).rows.values():
            if row.values["address"] == address and not row.disabled:
                return row.values["shared-secret"]
        return None

    def _judge(self, name: str, password: str) -> tuple[int, dict[str, str]]:
        for row in self._router.table(USER).having("name", name):
            right = hmac.compare_digest(row.values["password"].encode(), password.encode())
            if right and not row.disabled:
                return radius.ACCEPT, pairs(row.values["attributes"])
        self._router.log("radius,info", f"user <{name}> is not let in")
        return radius.REJECT, {}
