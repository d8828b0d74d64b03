"""Texts of DHCPv6 bindings, which anybody may have written, reach no terminal as they are."""

import pytest

from tests.builders import mac
from tests.full_read.ipv6 import BINDINGS, prefix, stated, with_ipv6, with_server6
from tests.leasewire.test_hostile_words import wrong_in

pytestmark = [pytest.mark.redis, pytest.mark.router]

HOSTILE = "HEARD\x1b]0;t\x07\x1b[2J\x85\u202e\u200b\r\nFORGED all is well\n"


def test_comments_of_bindings_are_escaped(world, leasewire):
    with_server6(world.r1)
    world.say(stated(1), with_ipv6(2))
    world.drain()
    world.r1.device6(mac(2))
    for number, comment in ((3, HOSTILE), (4, f"leasewire:acme:GONE {HOSTILE}")):
        row = {"address": prefix(number), "duid": f"0x0002{number:04x}", "iaid": "1"}
        world.r1.run(f"{BINDINGS}/add", row | {"comment": comment})
    shown = ""
    for command in (
        ("why", "SVC-1"),
        ("why", prefix(3)),
        ("routers", "leases", "R1"),
        ("adopt", "R1", "--all"),
        ("orphans", "list", "R1"),
        ("drift", "R1"),
        ("plan", "R1"),
    ):
        for more in ((), ("--json",)):
            answer = leasewire(*command, *more)
            assert wrong_in(answer.out + answer.err) == wrong_in(""), command
            shown += answer.out
    assert shown.count("HEARD") > 5
