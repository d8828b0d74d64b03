"""However many events came, each row that differs is written once, in each kind of entry."""

from collections import Counter

import pytest

from simulator.menus.user_manager import USER
from tests import builders, ppp
from tests.builders import event, ipv4, mac
from tests.installation import MAC_ENTRIES, NEWEST, SECRETS
from tests.ppp import PppInstallation
from tests.small_installation import LEASES, SmallInstallation, activated
from worker.core.rows.rows import parse_tag
from worker.routeros.session import Session

pytestmark = [pytest.mark.redis, pytest.mark.router]

MENUS = {
    "lease": LEASES,
    "option-82": LEASES,
    "mac-server": MAC_ENTRIES,
    "user-manager": USER,
    "ppp-secret": SECRETS,
}


def installation(kind, directory):
    if kind == "ppp-secret":
        return PppInstallation(directory)
    key = {"lease": "label = true", "option-82": 'identify_by = "option-82"'}
    lines = {"R1": key.get(kind, f'entries = "{kind}"')}
    simulator = {"with_mac_server": kind == "mac-server", "version": NEWEST}
    return SmallInstallation(1, router_lines=lines, simulator=simulator)


def first(kind, number):
    if kind == "ppp-secret":
        return ppp.activated(number)
    port = {"circuit_id": f"eth {number}"} if kind == "option-82" else {"mac": mac(number)}
    more = {"devices": [further(2)]} if number == 7 else {}
    return activated(f"SVC-{number}", number, device=port, **more)


def further(number, at=40):
    address = {"mode": "static", "ipv4": ipv4(at + number)}
    return {"number": number, "mac": mac(at + number), "address": address}


def other_device(kind, number, revision, device):
    """Another device for a service, as the kind knows devices."""
    service = f"SVC-{number}"
    if kind == "ppp-secret":
        return ppp.ppp_changed(number, revision=revision, name=f"user{device}@isp")
    port = {"circuit_id": f"eth {device}"} if kind == "option-82" else {"mac": mac(device)}
    return event("device_swapped", service, revision=revision, device=port)


def moved(number, revision, at):
    address = {"mode": "static", "ipv4": ipv4(at)}
    return event("address_changed", f"SVC-{number}", revision=revision, address=address)


def meanwhile(kind):
    """In the end 2, 3, 5 and 6 differ from before, and of the devices of 7 the second."""
    yield builders.suspended("SVC-1", revision=2)
    yield builders.resumed("SVC-1", revision=3)
    yield other_device(kind, 2, 2, 20)
    yield moved(2, 3, 20)
    yield moved(2, 4, 21)
    yield builders.suspended("SVC-3", revision=2)
    yield builders.cancelled("SVC-3", revision=3)
    yield other_device(kind, 4, 2, 24)
    yield other_device(kind, 4, 3, 4)
    yield moved(5, 2, 6)  # the address of the next one, which has another first
    yield moved(6, 2, 26)
    if kind == "ppp-secret":
        return
    yield event("device_added", "SVC-7", revision=2, device=further(2, 50))
    yield event("device_added", "SVC-7", revision=3, device=further(2, 60))
    yield event("device_added", "SVC-7", revision=4, device=further(3))
    yield event("device_removed", "SVC-7", revision=5, number=3)


@pytest.mark.parametrize("kind", MENUS)
def test_each_row_that_differs_costs_one_write(kind, tmp_path):
    with installation(kind, tmp_path) as world:
        seal = getattr(world, "seal", lambda each: each)
        world.say(*(seal(first(kind, number)) for number in range(1, 8)))
        world.drain("R1")
        router = world.r["R1"]
        before = router.journal()[-1]["seq"]
        world.say(*map(seal, meanwhile(kind)))
        world.drain("R1")
        written = [
            each for each in router.journal(before) if each["command"].startswith(MENUS[kind])
        ]
        tags = (parse_tag((each["after"] or each["before"])["comment"]) for each in written)
        differ = ["SVC-2", "SVC-3", "SVC-5", "SVC-6"]
        differ += ["SVC-7/2"] if kind != "ppp-secret" else []
        assert Counter(tag.member for tag in tags) == Counter(differ)
        assert not any(each["error"] for each in written)
        world.say(*(builders.resumed(f"SVC-{n}", revision=9) for n in (1, 2, 4, 5, 6, 7)))
        world.drain("R1")
        assert router.journal(written[-1]["seq"]) == []


def test_what_was_written_is_told_though_the_service_changed_before_it_was_concluded(monkeypatch):
    with SmallInstallation(1) as world:
        first, second = activated("SVC-1", 1), builders.suspended("SVC-1", revision=2)
        later = [second]
        real = Session.write

        def write_and_change(*args):
            answers = real(*args)
            world.say(*(later.pop() for _ in later[:]))
            return answers

        monkeypatch.setattr(Session, "write", write_and_change)
        world.say(first)
        world.drain("R1")
        assert world.outcome(second).startswith("applied")
        history = world.store.views.service("SVC-1", ["R1"]).history
        wrote = [operation for line in history for operation in line.get("wrote", ())]
        assert [operation.split()[0] for operation in wrote] == ["add", "set"]
        assert wrote[0].endswith("comment=leasewire:acme:SVC-1")
