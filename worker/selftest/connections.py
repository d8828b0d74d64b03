"""How the router treats connections and what is sent over them."""

import time
from contextlib import ExitStack
from typing import Final

from worker.core.rows.rows import ADDRESS_LISTS
from worker.errors import RouterUnreachable
from worker.routeros.commands import Pace
from worker.selftest.device import LabDevice, NoDeviceError
from worker.selftest.lab import NAME, NETWORK, TAG
from worker.selftest.questions import ProbeResult, Questions

_CONNECTIONS: Final = "/ip/firewall/connection"
_TOGETHER: Final = 24
_ROUNDS: Final = 3
_MOST_SESSIONS: Final = 40
_PINGS: Final = 100
"""A ping a second; more than a router is known to let a request run, and than it may take."""
_REST_S: Final = _PINGS + 20

QUESTIONS: Final = Questions()


@QUESTIONS.add("Are the ports of a tracked connection in its addresses?", 15, needs_device=True)
def _connection_ports(device: LabDevice) -> ProbeResult:
    """Look for a tracked connection with ports; a renewal of the device may be one."""
    found = _ports_seen(device)
    if found is not None:
        return found
    try:
        with device.lent() as address:
            device.lease(address=address)
            device.bind(address)
            device.clock.sleep(3)  # so that the renewal shows
            device.renew(address)
            found = _ports_seen(device)
    except NoDeviceError:
        found = None
    return found or ProbeResult.of(None, "the router tracks no connection with ports")


def _ports_seen(device: LabDevice) -> ProbeResult | None:
    router = device.router
    tcp, udp = router.tables(
        (_CONNECTIONS, {"protocol": "tcp"}), (_CONNECTIONS, {"protocol": "udp"})
    )
    for row in [*tcp, *udp]:
        if "src-port" in row:
            return ProbeResult.of("apart", "src-address and src-port")
        if ":" in row.get("src-address", ""):
            return ProbeResult.of("joined", "src-address with a colon")
    return None


@QUESTIONS.add("In which order run commands sent together?", 5)
def _tagged_order(device: LabDevice) -> ProbeResult:
    """Send additions together; the ids say in which order they were done."""
    router = device.router
    if router.by_rest:
        return ProbeResult.of(None, "REST has no tags: ask over the API")
    fields = {"list": NAME, "disabled": "yes", "comment": TAG}
    for _ in range(_ROUNDS):
        rows = [{**fields, "address": str(NETWORK[100 + n])} for n in range(_TOGETHER)]
        commands = [(f"{ADDRESS_LISTS}/add", row) for row in rows]
        tried = router.attempts(commands, in_flight=_TOGETHER)
        ids = [one.row_id for one in tried if one.row_id]
        router.attempts([(f"{ADDRESS_LISTS}/remove", {"numbers": row_id}) for row_id in ids])
        if len(ids) < _TOGETHER:
            return ProbeResult.of(
                None, f"refused: {next(one.refusal for one in tried if one.refusal)}"
            )
        numbers = [int(row_id.removeprefix("*"), 16) for row_id in ids]
        if numbers != sorted(numbers):
            return ProbeResult.of("shuffle", f"{_TOGETHER} additions got ids in another order")
    seen = f"{_ROUNDS} times {_TOGETHER} additions sent together got ids in the order of sending"
    return ProbeResult.of("fifo", seen)


@QUESTIONS.add("What becomes of a session beyond the limit?", 20)
def _beyond_session_limit(device: LabDevice) -> ProbeResult:
    """Open sessions until one is not served."""
    router = device.router
    if router.by_rest:
        return ProbeResult.of(None, "REST has no sessions: ask over the API")
    services = [row for row in router.rows("/ip/service", name="api") if "max-sessions" in row]
    if not services:
        return ProbeResult.of(None, "the router shows no limit: RouterOS 7.16 and later do")
    limit = int(services[0]["max-sessions"])
    if limit > _MOST_SESSIONS:
        return ProbeResult.of(None, f"its limit of {limit} sessions is too high to try")
    with ExitStack() as opened:
        for _ in range(limit):
            try:
                opened.callback(router.connect().close)
            except RouterUnreachable as error:
                silent = isinstance(error.__cause__, TimeoutError)
                seen = "got no answer" if silent else "was closed"
                return ProbeResult.of(
                    "silent" if silent else "close", f"one session too many {seen}"
                )
    return ProbeResult.of(None, f"more than {limit} sessions were served")


@QUESTIONS.add("How long may a REST request run?", _REST_S, only_by_rest=True)
def _rest_limit_s(device: LabDevice) -> ProbeResult:
    """Send a request that takes long, and see when it ends."""
    router = device.router
    if not router.by_rest:
        return ProbeResult.of(None, 'asked over REST only: transport = "rest" in the inventory')
    connection = router.connect()
    # real time: what is measured is on the way, not on the router's clock
    began = time.monotonic()
    ping = ("/ping", f"=address={NETWORK[250]}", f"=count={_PINGS}", "=interval=1s")
    try:
        (reply,) = connection.run("measuring", [ping], Pace(1, _REST_S, _REST_S))
    except RouterUnreachable as error:
        if isinstance(error.__cause__, TimeoutError):
            return ProbeResult.of(None, f"no answer within {_REST_S} s")
        took_s = max(1, round(time.monotonic() - began))
        # the ping goes on, and the next request of our user waits for it (manual)
        time.sleep(max(0.0, began + _PINGS + 1 - time.monotonic()))
        return ProbeResult.of(took_s, "the request was ended after so many seconds")
    finally:
        connection.close()
    if reply.traps:
        return ProbeResult.of(None, f"a long ping was refused: {reply.traps[0]}")
    return ProbeResult.of(None, "a long ping was answered to its end")
