"""`why` answers for each device of a service."""

import pytest

from tests.builders import mac
from tests.converge.queues import LEASES, active, installation, ipv4
from tests.converge.test_further_devices import applied, at, device, event, read, rows, say, tag
from tests.small_installation import SERVER, activated
from worker.admin.diagnosis import Diagnosis
from worker.admin.service_documents import service_document

pytestmark = [pytest.mark.redis, pytest.mark.router]


def diagnosis_of(here):
    """One that reads the router."""

    def look(queries):
        session = here.sessions.open("R1")
        try:
            return {name: session.observe(query) for name, query in queries.items()}
        finally:
            here.sessions.give_back("R1", session)

    return Diagnosis(here.store, here.policies, "acme", str, look)


def test_why_answers_for_each_device_and_finds_it_by_mac_and_address():
    with installation(LEASES) as here:
        applied(here, active(devices=[device(2)]))
        here.r["R1"].device(mac(12), server=SERVER)
        diagnosis = diagnosis_of(here)
        for subject in (mac(12), ipv4(12)):
            (found,) = diagnosis.ask(subject)
            assert found.explanation.sentence.startswith("SVC-1/2: all is well: device " + mac(12))
        first, second = (found.explanation for found in diagnosis.ask("SVC-1"))
        assert (first.code, second.code) == ("device-not-moved", "all-well")
        assert diagnosis.ask(mac(10))[0].explanation == first
        view = here.store.views.service("SVC-1", ["R1"])
        (router,) = service_document(view, here.store)["routers"]
        assert router["devices"]["2"]["mac-address"] == mac(12)
        assert not any(d.kind != "waiting" for d in read(here).drift)


def test_two_devices_with_one_mac_wait_with_what_to_do_and_a_third_is_well():
    with installation(LEASES) as here:
        applied(here, active(devices=[device(2)]))
        here.r["R1"].device(mac(12), server=SERVER)
        alike = event("device_added", 2, device={**device(3), "mac": mac(10)})
        assert say(here, alike).startswith("waiting")
        assert rows(here) == {tag("SVC-1"): at(10), tag("SVC-1/2"): at(12)}
        first, second, third = (found.explanation for found in diagnosis_of(here).ask("SVC-1"))
        for found in (first, third):
            assert f"device 3: device 1 of the service wants MAC {mac(10)} too" in found.sentence
            assert found.code == "devices-alike"
            assert "have the BSS give one of the two devices another" in found.advice
        assert second.code == "all-well"
        assert len(diagnosis_of(here).ask(mac(10))) == 2, "both devices that want it"
        assert say(here, event("device_removed", 3, number=3)).startswith("applied")


def test_a_device_that_another_service_keeps_from_its_mac_names_that_service_alone():
    with installation(LEASES) as here:
        applied(here, activated("SVC-2", number=13))
        assert say(here, active(devices=[device(2), device(3)])).startswith("waiting")
        for found in diagnosis_of(here).ask("SVC-1"):
            assert "is held by service SVC-2" in found.explanation.sentence
            assert "is held by service SVC-1" not in found.explanation.sentence


def test_each_device_is_told_when_its_own_row_was_written():
    with installation(LEASES) as here:
        applied(here, active(devices=[device(2)]))
        applied(here, event("device_added", 2, device=device(3)))
        found = diagnosis_of(here).ask("SVC-1")
        first, second, third = (result.facts.at[0].written_at_ms for result in found)
        assert first == second < third
        history = here.store.views.service("SVC-1", ["R1"]).history
        assert any(text.startswith("device 3: add ") for text in history[0]["wrote"])
