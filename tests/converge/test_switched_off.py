"""Rows that a person switched off stay off, and nobody is told that their device is served."""

import pytest

from tests import builders
from tests.small_installation import LEASES, SmallInstallation, activated
from tests.store.passing_time import let_pass

pytestmark = [pytest.mark.redis, pytest.mark.router]

RECHECK_MS = 60_000
OUTSIDE = "applied: address-outside-networks"
"""What is said of the addresses of these tests when there is nothing else to say."""


@pytest.fixture
def here():
    with SmallInstallation(1) as world:
        world.say(activated("SVC-1", 1))
        world.drain()
        yield world


def switch(world, disabled):
    for row in world.rows("R1"):
        world.r["R1"].set_row(LEASES, row[".id"], {"disabled": disabled})


def say(world, event):
    world.say(event)
    world.drain()
    return world.outcome(event)


def test_a_change_of_such_a_row_is_applied_and_says_so(here):
    switch(here, "yes")
    said = say(here, builders.mac_changed("SVC-1", builders.mac(2), revision=2))
    assert said.startswith("applied: disabled-by-hand (row 198.51.100.1 ")
    (row,) = here.rows("R1")
    assert (row["mac-address"], row["disabled"]) == (builders.mac(2), "true")


@pytest.mark.parametrize("kind", ["activated", "resumed"])
def test_an_event_that_puts_it_into_use_waits_for_a_person(here, kind):
    if kind == "resumed":
        say(here, builders.suspended("SVC-1", "block", revision=2))
    switch(here, "yes")
    event = builders.resumed("SVC-1", revision=3)
    if kind == "activated":
        event = activated("SVC-1", 2, revision=3)
    assert say(here, event).startswith("waiting: disabled-by-hand (row 198.51.100.")
    (row,) = here.rows("R1")
    assert row["disabled"] == "true"
    switch(here, "no")
    let_pass(here.store, RECHECK_MS)
    here.drain()
    assert here.outcome(event).startswith(OUTSIDE)


def test_a_cancellation_removes_it_and_has_nothing_to_say(here):
    switch(here, "yes")
    assert say(here, builders.cancelled("SVC-1", revision=2)) == "applied"
    assert here.rows("R1") == []
