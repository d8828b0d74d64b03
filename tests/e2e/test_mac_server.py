"""A router that answers `/ip/mac-server`, and real workers: a service's life in its entries."""

import pytest

from tests import builders
from tests.installation import INSTALLATION, LEASES, MAC_ENTRIES, Installation, names_its_kind
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.redis, pytest.mark.router, names_its_kind]

ADDRESS, DNS = "223.203.225.40", ["223.203.225.2", "223.203.225.3"]


def test_a_service_lives_in_its_entry(short_directory):
    with Installation(short_directory, menu=MAC_ENTRIES) as here:
        here.start_workers("events", "routers")

        def entries():
            rows = here.control["R1"].rows(MAC_ENTRIES)
            return {row["comment"]: (row["mac-address"], row.get("dns-server")) for row in rows}

        def say(*events):
            here.publisher.publish(events)
            for event in events:
                eventually(
                    lambda e=event: (said := here.outcome(e)) and said.state == "applied",
                    f"{event['type']} is applied: {here.outcome(event)}",
                    within_s=20,
                )
            here.wait_until_settled()

        tag, held = f"leasewire:{INSTALLATION}:SVC-1", ",".join(DNS)
        say(builders.activated(ipv4=ADDRESS, dns_servers=DNS))
        assert entries() == {tag: (builders.mac(1), held)}
        say(builders.mac_changed())
        assert entries() == {tag: (builders.mac(2), held)}
        say(builders.suspended())
        assert entries() == {}
        served = here.store.views.router_services("R1")
        assert [service.record.service_id for service in served] == ["SVC-1"]
        # Its address stays its own.
        rival = builders.activated("SVC-2", ipv4=ADDRESS, mac=builders.mac(7))
        here.publisher.publish([rival])
        eventually(
            lambda: (said := here.outcome(rival)) and said.reason == "claim-held",
            "it waits",
            within_s=20,
        )
        assert entries() == {}
        here.publisher.publish([builders.cancelled("SVC-2", revision=2)])
        here.wait_until_settled()
        asked = here.leasewire("why", "SVC-1")
        assert "suspended by event" in asked.stdout
        say(builders.resumed())
        assert entries() == {tag: (builders.mac(2), held)}
        asked = here.leasewire("why", "SVC-1")
        assert (asked.returncode, "All is well" in asked.stdout) == (0, True), asked.stdout
        planned = here.leasewire("plan", "R1")
        assert planned.stdout == "R1: 1 service, 1 row; nothing to write\n"
        say(builders.cancelled())
        assert entries() == {}
        assert here.control["R1"].rows(LEASES) == []
