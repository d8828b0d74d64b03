"""Who is named for what a person does."""

import getpass

from leasewire.context import actor_of


def test_the_option_goes_before_the_variable_and_that_before_the_user(monkeypatch):
    monkeypatch.delenv("LEASEWIRE_ACTOR", raising=False)
    assert actor_of("") == getpass.getuser()
    monkeypatch.setenv("LEASEWIRE_ACTOR", "anna")
    assert actor_of("") == "anna"
    assert actor_of("bob") == "bob"
