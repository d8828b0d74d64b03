"""Every command of every menu, with values that no kind expects: refused, never a failure."""

import contextlib
import json
from asyncio import BaseTransport
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import snapshot
from simulator.connection import ends
from simulator.errors import RouterError
from simulator.fleet import seed_guide
from simulator.menus import MENUS
from simulator.menus.users import POLICIES
from simulator.options import RouterOptions
from simulator.rest_format import RestError, find_target, read_basic, to_texts
from simulator.router import Router
from simulator.router_state import Caller

CALLER = Caller("t", "leasewire", frozenset(POLICIES))
ODD = [
    *("", "*1", "*1,*2", "*", "ether1", "vlan-32", "pool-vlan-32", "all", "none", "!read"),
    *("10.0.0.1", "10.0.0.1/24", "10.0.0.1-10.0.0.9", "1.2.3.4/99", "10.0.0.9-10.0.0.1"),
    *("00:00:5E:00:53:01", "1d2h", "::", "1:2:3", "-1", "99999999999999999999", "5M/x", "/"),
    *("yes", "no", "'x", "0x0", "s'1.2.3.4'", ",", ",,", "\udcff", "a=b", "²", "٣", "0"),
]
VALUES = st.sampled_from(ODD) | st.text(max_size=12)
QUERY = st.lists(st.one_of(st.sampled_from(["#|", "#!", "address=1", "-x", ">mtu=1"]), st.text()))
COMMANDS = "print add set unset remove enable disable comment get move sign make-static monitor"


@cache
def commands_of(version):
    """What a router of this version has, with what each takes."""
    router = Router(RouterOptions(version=version, with_mac_server=True), MENUS)
    found = []
    for path, menu in sorted(MENUS.items()):
        for name in COMMANDS.split() if menu.exists(router) and path != "/system" else ():
            with contextlib.suppress(RouterError):
                menu.handler(router, name)
                found.append((f"{path}/{name}", tuple(sorted(menu.allowed(router, name)))))
    return found


# A strategy that is made anew for each draw costs more than the draw.
any_command = cache(lambda version: st.sampled_from(commands_of(version)))
IDS = st.sampled_from(["*1", "*1,*2"])


@cache
def arguments_of(known):
    return st.dictionaries(st.sampled_from([*known, ".id", "x"]), VALUES, max_size=2)


@st.composite
def steps(draw, version):
    command, known = draw(any_command(version))
    arguments = draw(arguments_of(known))
    if ".id" not in arguments and not command.endswith(("/add", "/print")):
        arguments[".id"] = draw(IDS)
    return command, arguments, draw(QUERY)


any_steps = cache(steps)


@pytest.mark.parametrize("version", ["6.48.6", "7.24"])
def test_every_argument_meets_every_odd_value(version):
    router = Router(RouterOptions(version=version, with_mac_server=True), MENUS)
    seed_guide(router)
    fresh = snapshot.take(router)
    for command, known in commands_of(version):
        snapshot.restore(router, fresh)
        target = {} if command.endswith(("/add", "/print")) else {".id": "*1"}
        for name in known:
            for value in ODD:
                with contextlib.suppress(RouterError):
                    router.execute(command, {**target, name: value}, CALLER)
        with contextlib.suppress(RouterError):
            path = command.rpartition("/")[0]
            request, result = router.execute(f"{path}/print", {}, CALLER)
            for row in result.rows:
                router.menus[request.menu_path].packed(router, row, None)


@given(st.data(), st.sampled_from(["6.48.6", "7.9.2", "7.18.2", "7.24"]))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_command_fails_by_itself(data, version):
    router = Router(RouterOptions(version=version, with_mac_server=True), MENUS)
    seed_guide(router)
    for _ in range(12):
        command, arguments, query = data.draw(any_steps(version))
        try:
            request, result = router.execute(command, arguments, CALLER, query)
        except RouterError:
            continue
        for row in result.rows:
            assert isinstance(router.menus[request.menu_path].packed(router, row, None), bytes)
            json.dumps(router.menus[request.menu_path].view(router, row))


@given(st.text("/*%2Aiprestdhcp-svlan.2 ", max_size=40), st.text(), st.text())
def test_no_path_fails_by_itself(path, header, name):
    router = Router(RouterOptions(), MENUS)
    for url_path in (path, f"/rest/ip/dhcp-server/lease/{name}"):
        with contextlib.suppress(RestError):
            find_target(router, url_path)
    with contextlib.suppress(RestError):
        read_basic(header)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), JSON))
def test_any_json_object_turns_into_words(body):
    assert all(isinstance(text, str) for text in to_texts(body).values())


def test_a_connection_that_was_reset_before_it_is_served_is_not_let_in():
    router = Router(RouterOptions(), MENUS)
    assert router.admits("www-ssl", "192.0.2.1:40000")
    gone = BaseTransport({"sockname": ("127.0.0.1", 443), "peername": None})
    assert ends(gone) == ("127.0.0.1:443", "")
    assert not router.admits("www-ssl", ends(gone)[1])
