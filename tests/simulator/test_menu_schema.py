"""What the recorded trees let a client write is what the menus keep and show."""

import pytest

from simulator.menu import Computed, Singleton
from simulator.menus import MENUS
from simulator.menus.users import POLICIES
from simulator.options import RouterOptions
from simulator.router import Router
from simulator.router_state import Caller
from simulator.schema import Schema, parse_version, recorded_versions

NOT_ROWS = {"numbers", "copy-from", "place-before"}


@pytest.mark.parametrize("version", recorded_versions())
def test_every_argument_of_a_real_router_is_a_property_here(version):
    schema = Schema(parse_version(version))
    for path in schema.menus():
        menu = MENUS[path]
        if isinstance(menu, Computed):
            continue
        arguments = schema.arguments(path, "add") | schema.arguments(path, "set")
        known = {f.name for f in menu.fields if schema.version >= f.since and not f.readonly}
        assert arguments - NOT_ROWS <= known, path


@pytest.mark.parametrize("version", ["6.48.6", "7.1.5", *recorded_versions()])
def test_every_menu_of_every_version_can_be_read(version):
    router = Router(RouterOptions(version=version), MENUS)
    caller = Caller("t", "t", frozenset(POLICIES))
    for path, menu in MENUS.items():
        if not menu.exists(router) or path in ("", "/system"):
            continue
        request, result = router.execute(f"{path}/print", {}, caller)
        views = [router.menus[request.menu_path].view(router, row) for row in result.rows]
        assert all(isinstance(text, str) for view in views for text in view.values())
        if isinstance(menu, Singleton):
            assert len(views) == 1


@pytest.mark.parametrize(
    ("version", "menu", "argument", "since"),
    [
        ("7.20.8", "/ip/dhcp-server/lease", "agent-circuit-id", "7.21.5"),
        ("7.16.2", "/ip/dhcp-server", "address-lists", "7.17.1"),
        ("7.18.2", "/ip/dhcp-server", "use-reconfigure", "7.19.6"),
        ("7.19.6", "/ip/dhcp-server/network", "ntp-none", "7.20.8"),
        ("7.15.3", "/ip/service", "max-sessions", "7.16.2"),
        ("7.15.3", "/ip/dhcp-server/option", "comment", "7.16.2"),
        ("6.48.6", "/ip/dhcp-server/lease", "parent-queue", "7.1.5"),
    ],
)
def test_arguments_come_with_their_version(version, menu, argument, since):
    assert argument not in Schema(parse_version(version)).arguments(menu, "set")
    assert argument in Schema(parse_version(since)).arguments(menu, "set")


def test_a_version_without_a_tree_takes_the_nearest_older_one():
    assert Schema(parse_version("7.18.2")).recorded == "7.18.2"
    assert Schema(parse_version("7.14.3")).recorded == "7.11.3"
    assert Schema(parse_version("7.1.5")).recorded == "7.9.2"
    assert Schema(parse_version("6.48.6")).recorded == "7.9.2"
    with pytest.raises(ValueError, match=r"5\.26"):
        parse_version("5.26")
