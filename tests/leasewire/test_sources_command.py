import json
from datetime import UTC, datetime

import pytest

from tests.builders import SOURCE, activated, ipv4, mac, mac_changed, snapshot, suspended

pytestmark = [pytest.mark.redis, pytest.mark.router]

NEW = "urn:isp:bss:new"
NOC = "urn:isp:noc"


@pytest.fixture
def here(world):
    """The world with two more sources; two services of one."""
    path = world.context.settings.inventory
    more = f'[sources."{NEW}"]\norder = "revisions"\n'
    noc = f'[sources."{NOC}"]\norder = "times"\nscopes = ["override"]\nunmanaged = ["label"]\n'
    path.write_text(path.read_text() + more + noc)
    del world.context.inventory
    sources = world.context.inventory.sources
    object.__setattr__(world.accept, "sources", sources)
    tomorrow_s = world.context.store.records.now_ms() / 1000 + 86_400
    tomorrow = datetime.fromtimestamp(tomorrow_s, UTC).isoformat()
    world.say(
        activated("SVC-1", revision=40),
        activated("SVC-2", mac=mac(2), ipv4=ipv4(2), revision=7),
        suspended("SVC-2", revision=8, effective_at=tomorrow),
    )
    return world


def record(world, service_id):
    return world.context.store.records.read([service_id])[service_id].record


def history(world, service_id):
    return world.context.store.views.service(service_id, []).history


def test_the_list_shows_what_came_of_each_source(leasewire, here):
    here.say(mac_changed("SVC-1", revision=39), mac_changed("SVC-1", revision=41))
    listed = {e["source"]: e for e in leasewire("sources", "list", "--json").document["sources"]}
    assert listed[SOURCE]["order"] == "revisions"
    assert listed[SOURCE]["services"] == 2
    assert (listed[SOURCE]["events"], listed[SOURCE]["superseded"]) == (5, 1)
    assert listed[SOURCE]["superseded_percent"] == 20
    assert listed[SOURCE]["last_event_at"].startswith("20")
    assert listed[NEW]["services"] == 0
    assert "last_event_at" not in listed[NEW]
    assert (listed[NOC]["scopes"], listed[NOC]["unmanaged"]) == (["override"], ["label"])
    (line,) = [each for each in leasewire("sources", "list").out.splitlines() if SOURCE in each]
    assert "20 %" in line


def test_an_owner_that_the_inventory_does_not_name_is_listed_all_the_same(leasewire, here):
    path = here.context.settings.inventory
    path.write_text(path.read_text().replace(SOURCE, "urn:isp:bss:other"))
    assert f"{SOURCE}" in leasewire("sources", "list").out
    listed = {e["source"]: e for e in leasewire("sources", "list", "--json").document["sources"]}
    assert listed[SOURCE]["services"] == 2
    assert "order" not in listed[SOURCE]


def test_a_restored_bss_counts_from_lower_revisions(leasewire, here):
    low = mac_changed("SVC-1", mac(9), revision=3)
    dry = leasewire("sources", "rebase", SOURCE, "--json").document
    assert dry["changes"][0].keys() == {"service", "revision", "epoch", "new_epoch"}
    assert {e["service"]: e["revision"] for e in dry["changes"]} == {"SVC-1": 40, "SVC-2": 8}
    assert dry["done"] is None
    assert "Dry run" in leasewire("sources", "rebase", SOURCE).out
    assert record(here, "SVC-1").epoch == 0
    done = leasewire("sources", "rebase", SOURCE, "--apply", "--actor", "ann")
    assert (done.code, "2 services" in done.out) == (0, True)
    assert "source.rebased" in done.err
    assert "ann" in done.err
    here.say(low)
    assert record(here, "SVC-1").value("mac") == mac(9)
    assert record(here, "SVC-1").registers["mac"].version[:3] == (1, 3, 0)
    line = history(here, "SVC-2")[0]
    assert (line["what"], line["actor"]) == ("source-rebased", "ann")


def test_to_rebase_again_before_anything_new_was_said_changes_nothing(leasewire, here):
    assert leasewire("sources", "rebase", SOURCE, "--apply").code == 0
    before = here.context.store.records.read(["SVC-1", "SVC-2"])
    assert "0 services" in leasewire("sources", "rebase", SOURCE, "--apply").out
    assert here.context.store.records.read(["SVC-1", "SVC-2"]) == before


def test_a_new_bss_takes_over(leasewire, here):
    dry = leasewire("sources", "transfer", SOURCE, NEW, "--json").document
    services = {each["service"]: each.get("scheduled") for each in dry["changes"]}
    assert services == {"SVC-1": 0, "SVC-2": 1}
    assert record(here, "SVC-1").owner == SOURCE
    done = leasewire("sources", "transfer", SOURCE, NEW, "--apply", "--actor", "bob")
    assert done.code == 0
    assert "2 services" in done.out
    theirs = snapshot("SVC-1", mac=mac(8), revision=1, source=NEW)
    refused = mac_changed("SVC-1", mac(7), revision=99)
    here.say(theirs, refused)
    after = record(here, "SVC-1")
    assert (after.owner, after.value("mac")) == (NEW, mac(8))
    assert "not-owner" in json.dumps([e.reason for e in here.context.store.views.dead_letters()])
    moved = [line for line in history(here, "SVC-2") if line["what"] == "source-transferred"]
    assert moved[0]["actor"] == "bob"
    (entry,) = here.context.store.audit.entries()
    assert (entry.by, entry.what, entry.subject) == ("bob", "source.transferred", SOURCE)
    assert record(here, "SVC-2").schedule.pending != ()


def test_one_service_alone_is_taken_over(leasewire, here):
    done = leasewire("sources", "transfer", SOURCE, NEW, "--service", "SVC-2", "--apply")
    assert done.code == 0
    assert (record(here, "SVC-1").owner, record(here, "SVC-2").owner) == (SOURCE, NEW)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rebase", "urn:nobody"), "no source urn:nobody"),
        (("transfer", SOURCE, "urn:nobody"), "no source urn:nobody"),
        (("transfer", SOURCE, NOC), "must be another source that may publish"),
        (("transfer", SOURCE, SOURCE), "must be another source that may publish"),
        (("transfer", SOURCE, NEW, "--service", "SVC-9"), "Not owned by"),
    ],
)
def test_what_cannot_be_is_refused(leasewire, here, arguments, said):
    done = leasewire("sources", *arguments, "--apply")
    assert (done.code, said in done.err) == (2, True), done.err
    assert record(here, "SVC-1").owner == SOURCE
