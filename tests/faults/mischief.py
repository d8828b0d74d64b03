"""What goes wrong in a chaos run, one kind after the other, each with what ends it."""

import random
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from tests.faults import by_hand, estate, odd_worker
from tests.installation import Worker
from worker.core.rows.rows import ADDRESS_LISTS

if TYPE_CHECKING:
    from tests.faults.chaos.on_estate import OnEstate

Undo = Callable[[], None] | None
Fault = Callable[["OnEstate", random.Random, str, float], Undo]

LEASE_S: Final = 4.0
"""LEASEWIRE_ROUTER_LOCK_S of tests/installation.py."""
SERVICE_MS: Final = 20.0
"""Time of a write, so that faults meet writes under way."""


def kill_worker(chaos: "OnEstate", rng: random.Random, _router: str, _seconds: float) -> Undo:
    """kill -9."""
    worker = rng.choice(chaos.workers)
    worker.process.kill()
    worker.process.wait()
    return None


def stop_worker(chaos: "OnEstate", rng: random.Random, _router: str, seconds: float) -> Undo:
    """SIGSTOP for longer than the lease, then SIGCONT."""
    worker: Worker = rng.choice(chaos.workers)
    process = worker.process
    process.send_signal(signal.SIGSTOP)
    chaos.stopped.add(process.pid)

    def go_on() -> None:
        chaos.stopped.discard(process.pid)
        process.send_signal(signal.SIGCONT)

    chaos.later(LEASE_S * rng.uniform(1.2, 4) - seconds, go_on)
    return None


def kill_valkey(chaos: "OnEstate", _rng: random.Random, _router: str, _seconds: float) -> Undo:
    """kill -9 of Valkey, which starts again from its append-only file."""
    if not chaos.valkey.running:
        return None
    chaos.valkey.kill()
    return chaos.valkey.start


def refuse(chaos: "OnEstate", _rng: random.Random, router: str, _seconds: float) -> Undo:
    """Connections are refused, sessions reset."""
    chaos.control[router].power_off()
    return chaos.control[router].power_on


def reboot(chaos: "OnEstate", _rng: random.Random, router: str, _seconds: float) -> Undo:
    """A short one."""
    chaos.control[router].power_off(loss=True)
    return chaos.control[router].power_on


def with_faults(during: Mapping[str, object], after: Mapping[str, object]) -> Fault:
    """Faults that the simulator knows by name."""

    def begin(chaos: "OnEstate", _rng: random.Random, router: str, _seconds: float) -> Undo:
        control = chaos.control[router]
        control.set_faults(**during)
        return lambda: control.set_faults(**after)

    return begin


def reset(chaos: "OnEstate", _rng: random.Random, router: str, _seconds: float) -> Undo:
    """All is lost but the way in; a person sets the DHCP server up and lets Leasewire rebuild."""
    control = chaos.control[router]
    control.power_off()
    control.reset(keep_access=True)
    # restarting opens the ports
    control.power_off()
    estate.set_up(control, was_reset=True)
    chaos.was_reset(router)

    def rebuilt() -> None:
        control.power_on()
        chaos.look_at_all(router)

    return rebuilt


def stall(chaos: "OnEstate", rng: random.Random, router: str, seconds: float) -> Undo:
    """The link stalls and delivers late."""
    rng.choice([chaos.links[router].stall, chaos.links[router].stall_flows])(seconds)
    return None


def deliver_late(chaos: "OnEstate", rng: random.Random, router: str, _seconds: float) -> Undo:
    """The router reads late what had reached it, also of connections that are gone meanwhile."""
    chaos.links[router].deliver_late(LEASE_S * rng.uniform(0.5, 2))
    return None


def lands_late(menu: str = "") -> Fault:
    """The next row that is added to a menu lands late, though its sender gave up: see `links.py`.

    Without a menu it is an entry.

    It is back before the second look at what was in flight, which is twice the lease later.
    """

    def begin(chaos: "OnEstate", rng: random.Random, _router: str, _seconds: float) -> Undo:
        plain = [name for name in chaos.control if estate.transport_of(name) == "api"]
        name, waits_s = rng.choice(plain), LEASE_S * rng.uniform(0.6, 1.6)
        link = chaos.links[name]
        if link.traps:  # one at a time
            return None
        link.catch(f"{menu or chaos.menu_of(name)}/add".encode(), "late")

        def item(left: int) -> None:
            if link.caught.is_set():
                chaos.counts["added rows held back"] += 1
                chaos.later(waits_s, link.release)
            elif left:
                chaos.later(0.2, lambda: item(left - 1))
            else:
                link.release()

        item(40)
        return None

    return begin


def raise_in_workers(chaos: "OnEstate", rng: random.Random, _router: str, _seconds: float) -> Undo:
    """Nobody knows why, some looks and folds of all workers raise for a while."""
    odd_worker.shares(chaos.directory, rng.uniform(0.05, 0.3))
    return lambda: odd_worker.shares(chaos.directory, 0)


def set_clock(chaos: "OnEstate", rng: random.Random, _router: str, _seconds: float) -> Undo:
    """Redis's clock is set forward or back, within the skew that the contract allows."""
    if not chaos.is_far_behind and chaos.valkey.running and not chaos.clock_stays:
        chaos.valkey.set_clock(rng.randint(-240, 240))
    return None


def far_behind(chaos: "OnEstate", _rng: random.Random, _router: str, _seconds: float) -> Undo:
    """Redis's clock is a quarter of an hour behind for a while."""
    if chaos.is_far_behind or not chaos.valkey.running or chaos.clock_stays:
        return None
    before = chaos.valkey.offset_s
    chaos.is_far_behind = True
    chaos.valkey.set_clock(-900)

    def right_again() -> None:
        chaos.valkey.set_clock(before)
        chaos.is_far_behind = False

    return right_again


def lose_a_second(chaos: "OnEstate", _rng: random.Random, _router: str, seconds: float) -> Undo:
    """Redis loses power, and what it had not synced; the BSS says again what it said since."""
    if not chaos.valkey.running:
        return None
    moment, said = chaos.valkey.moment(), len(chaos.said)

    def lose() -> None:
        if chaos.valkey.running and chaos.valkey.lose_what_came_after(moment):
            chaos.say_again(said)

    chaos.later(min(1.0, seconds), lose)
    return None


def send_a_manifest_twice(
    chaos: "OnEstate", rng: random.Random, _router: str, _seconds: float
) -> Undo:
    """The BSS's job dies after a part of its manifest, and runs anew with its parts cut otherwise.

    Its clock is ahead, and what it lists is some seconds old when it arrives.
    """
    if not chaos.is_far_behind and chaos.valkey.running and not chaos.clock_stays:
        chaos.send_manifest(rng)
    return None


def bring_another_version(
    chaos: "OnEstate", rng: random.Random, _router: str, seconds: float
) -> Undo:
    """A newer worker works beside the others for a while; after the upgrade an older, late one."""
    if not chaos.valkey.running:  # which version it is depends on what Redis says
        return None
    worker = chaos.start_beside(rng.choice(["events", "routers"]))

    def end() -> None:
        chaos.others.remove(worker)
        worker.process.kill()
        worker.process.wait()

    # it needs some seconds to begin
    chaos.later(LEASE_S * rng.uniform(2, 4) - seconds, end)
    return None


KINDS: Final[Mapping[str, tuple[float, Fault]]] = {
    "worker killed": (6, kill_worker),
    "worker stopped beyond its lease": (4, stop_worker),
    "Valkey killed": (1.5, kill_valkey),
    "router refuses": (5, refuse),
    "router silent": (4, with_faults({"hang_in_use": True}, {"hang_in_use": False})),
    "router accepts and is silent": (
        3,
        with_faults({"hang_on_connect": True}, {"hang_on_connect": False}),
    ),
    "reset in mid-reply": (6, with_faults({"cut_replies": 2}, {"cut_replies": 0})),
    "reply lost after the write": (6, with_faults({"lose_replies": 2}, {"lose_replies": 0})),
    "session limit": (3, with_faults({"session_limit": 0}, {"session_limit": None})),
    "slow": (4, with_faults({"service_ms": 150}, {"service_ms": SERVICE_MS})),
    "link stalls": (6, stall),
    "link delivers late": (8, deliver_late),
    "reboot": (4, reboot),
    "reset and rebuild": (2, reset),
    "row added by hand": (4, by_hand.add_by_hand),
    "row copied by hand": (3, by_hand.copy_by_hand),
    "row edited by hand": (5, by_hand.edit_by_hand),
    "row removed by hand": (3, by_hand.remove_by_hand),
    "row switched off by hand": (3, by_hand.disable_by_hand),
    "list row changed by hand": (2, by_hand.take_off_a_list),
    "list row lands late": (4, lands_late(ADDRESS_LISTS)),
    "new row lands late": (4, lands_late()),
    "exceptions in workers": (3, raise_in_workers),
    "Redis's clock set": (2, set_clock),
    "Redis's clock far behind": (1, far_behind),
    "Redis loses its last second": (1.5, lose_a_second),
    "manifest sent twice": (2, send_a_manifest_twice),
    "worker of another version": (2, bring_another_version),
}
"""What may go wrong, and how often beside the others."""
