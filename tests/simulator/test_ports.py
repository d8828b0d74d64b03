"""The ports that simulated routers listen on."""

import asyncio
import socket

import pytest

from simulator.listening import Port

pytestmark = pytest.mark.router


async def delay_switched_off():
    """Whether a connection that a port took in sends small replies at once."""
    found = asyncio.get_running_loop().create_future()

    class Noting(asyncio.Protocol):
        def connection_made(self, transport):
            taken = transport.get_extra_info("socket")
            found.set_result(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    port = Port("127.0.0.1", 0, Noting)
    await port.open()
    _, writer = await asyncio.open_connection(port.host, port.number)
    try:
        return await found
    finally:
        writer.close()
        await writer.wait_closed()
        port.give_up()


def test_replies_do_not_wait_for_acknowledgements():
    assert asyncio.run(delay_switched_off())
