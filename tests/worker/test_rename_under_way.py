"""A router is renamed while a worker has taken events that say its former name."""

import pytest

from tests.builders import mac, mac_changed
from tests.small_installation import SmallInstallation, activated
from worker.admin.router_names import RouterNames
from worker.store.connection import Scripts

pytestmark = [pytest.mark.redis, pytest.mark.router]


def test_a_batch_of_before_a_rename_takes_the_name_of_now(monkeypatch):
    with SmallInstallation(names={"R1": "R1", "R2": "R2"}) as small:
        small.say(activated("SVC-0", 9))
        small.drain()
        small.names = {"NEW": "R1", "R2": "R2"}
        small.write_inventory()
        small.load()
        rename = RouterNames(small.store, "me", lambda _: None)
        real, moved = Scripts.run, []

        def run(self, name, *args, **how):
            if name == "commit" and not moved:
                moved.append(0)
                moved.append(rename.rename("R1", "NEW", small.policies))
            return real(self, name, *args, **how)

        monkeypatch.setattr(Scripts, "run", run)
        said = activated("SVC-1", 1, router="R1")
        later = mac_changed("SVC-1", mac(2), service=None)
        small.say(said)
        assert moved == [0, 1]
        small.drain("NEW")
        assert small.record("SVC-1").router == "NEW"
        assert small.outcome(said).startswith("applied")
        small.say(later)
        small.drain("NEW")
        assert small.outcome(later).startswith("applied")
