"""The fields that we write are in each RouterOS version just from when the menus say so on."""

import pytest

from simulator.schema import parse_version, recorded_versions, schema_of
from worker.core.rows.menus import MENUS, lacking, version_of

READ_ONLY = {"dynamic", "radius"}
VERSIONS = ["6.48.6", *recorded_versions()]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("menu", MENUS)
def test_each_field_is_there_from_the_version_on_that_the_menu_says(menu, version):
    arguments = schema_of(parse_version(version)).arguments(menu, "set")
    for field in MENUS[menu].fields.values():
        if field.name not in READ_ONLY:
            assert (field.name in arguments) == (version_of(version) >= field.since)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("7.18.2", (7, 18, 2)), ("7.19beta4", (7, 19)), ("6.48.6", (6, 48, 6)), ("", ()), ("x", ())],
)
def test_versions_are_read_as_numbers(text, numbers):
    assert version_of(text) == numbers


def test_what_is_lacking_is_named_with_the_version_that_has_it():
    menu = "/ip/dhcp-server/option"
    assert lacking(MENUS[menu], "6.48.6") == {
        "force": "field force of /ip/dhcp-server/option (RouterOS 7.1 and later)"
    }
    assert lacking(MENUS[menu], "7.9.2") == {}
    assert lacking(MENUS[menu], "") == {}
