"""A router in use is adopted: everything on it is sorted, and nothing but tags is written."""

import os
import re

import pytest

from tests.installation import LEASES, SERVER, Installation

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router]

SCALE = int(os.environ.get("LEASEWIRE_ADOPT_SCALE", "1"))
"""10 is the router of 1,000 leases."""
MATCHING, DIFFERING, CONFLICTS, FOREIGN = (n * SCALE for n in (30, 5, 2, 63))
TAG = re.compile("^leasewire:tests:[^ ]+ ")
COLUMNS = "service_id,router,dhcp_server,mac,ipv4"


def mac(n):
    return f"00:00:5E:00:{n >> 8:02X}:{n & 255:02X}"


def address(n):
    return f"223.203.{128 + (n >> 8)}.{n & 255}"


def row(router, n, **changes):
    values = {"mac-address": mac(n), "address": address(n), "server": SERVER, "comment": f"by {n}"}
    router.add_row(LEASES, values | changes)


def shown(rows):
    """Rows without their comments' tags, by id."""
    return {each[".id"]: each | {"comment": TAG.sub("", each.get("comment", ""))} for each in rows}


def filled(router):
    """The rows of a router in use, and the BSS's table of its customers."""
    table = [COLUMNS]
    numbers = iter(range(1, 100_000))

    def customer(n):
        table.append(f"SVC-{n},R1,{SERVER},{mac(n)},{address(n)}")

    for n in (next(numbers) for _ in range(MATCHING)):
        row(router, n)
        customer(n)
    for n in (next(numbers) for _ in range(DIFFERING)):
        row(router, n, **{"block-access": "yes"} if n % 2 else {"address": address(n + 20_000)})
        customer(n)
    for _ in range(CONFLICTS // 2):  # two rows whose MACs and addresses are crossed
        n, other = next(numbers), next(numbers)
        row(router, n, address=address(other))
        row(router, other, address=address(n))
        customer(n)
        customer(other)
    for n in (next(numbers) for _ in range(FOREIGN)):
        row(router, n)
    return "\n".join(table)


def test_rows_are_sorted_tagged_and_then_planned_for(short_directory):
    observing = {"R1": {"mode": '"observe"'}}
    with Installation(short_directory, inventory=observing) as here:
        router = here.control["R1"]
        (short_directory / "bss.csv").write_text(filled(router))
        before = shown(router.rows(LEASES))
        here.start_workers("events", "routers")
        sorted_ = here.leasewire("adopt", "R1", "--services", "bss.csv")
        assert sorted_.returncode == 4
        counts = (
            f"R1: 0 ours, {MATCHING + DIFFERING} would adopt, {CONFLICTS} conflict, "
            f"{FOREIGN} foreign ({DIFFERING} differ from the BSS)"
        )
        assert counts in sorted_.stdout
        assert here.store.views.router("R1").services == 0
        done = here.leasewire("adopt", "R1", "--services", "bss.csv", "--apply")
        assert done.returncode == 0, done.stderr
        assert f"R1: {MATCHING + DIFFERING} rows adopted" in done.stdout
        here.wait_until_settled(60)
        assert shown(router.rows(LEASES)) == before
        written = [each for each in router.journal() if each["session"] != "operator"]
        assert {tuple(sorted(each["arguments"])) for each in written} == {("comment", "numbers")}
        assert len(written) == MATCHING + DIFFERING
        plan = here.leasewire("plan", "R1")
        changed = {line.split()[1] for line in plan.stdout.splitlines() if line[0] in "~+-"}
        assert len(changed) == DIFFERING
        assert f"{CONFLICTS} waiting" in plan.stdout


def test_services_are_made_of_rows_where_there_is_no_file(short_directory):
    observing = {"R1": {"mode": '"observe"'}}
    with Installation(short_directory, inventory=observing) as here:
        router = here.control["R1"]
        row(router, 1)
        row(router, 2, **{"block-access": "yes"})
        row(router, 3, disabled="yes")
        before = shown(router.rows(LEASES))
        here.start_workers("events", "routers")
        done = here.leasewire(
            *("adopt", "R1", "--import-services", "--disabled", "adopt", "--apply")
        )
        assert done.returncode == 0, done.stderr
        here.wait_until_settled()
        assert shown(router.rows(LEASES)) == before
        records = here.store.records.read([f"R1-{address(n)}" for n in (1, 2, 3)])
        assert [each.record.status for each in records.values()] == [
            *("active", "suspended", "active")
        ]
        assert [entry.what for entry in here.store.audit.entries()] == ["router.rows_adopted"]


def test_rows_that_are_switched_off_need_a_choice(short_directory):
    with Installation(short_directory, inventory={"R1": {"mode": '"observe"'}}) as here:
        router = here.control["R1"]
        row(router, 1, disabled="yes")
        table = f"{COLUMNS}\nSVC-1,R1,{SERVER},{mac(1)},{address(1)}\n"
        (short_directory / "bss.csv").write_text(table)
        refused = here.leasewire("adopt", "R1", "--services", "bss.csv", "--apply")
        assert refused.returncode == 2
        assert "--disabled adopt" in refused.stderr
        (short_directory / "bad.csv").write_text(table.replace(mac(1), "nonsense"))
        broken = here.leasewire("adopt", "R1", "--services", "bad.csv", "--apply")
        assert broken.returncode == 2
        assert "bad.csv:2: /data/service/device/mac" in broken.stderr
        assert here.store.journal.depth("bulk") == 0
