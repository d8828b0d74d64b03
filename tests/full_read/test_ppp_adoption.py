"""A PPPoE router in use: its secrets are adopted, edited by hand, exported and imported again."""

import secrets
import threading

import pytest

from tests.ppp import PROFILE, SECRET
from tests.waiting import eventually
from worker.core.rows.rows import NO_ADDRESS

pytestmark = [pytest.mark.redis, pytest.mark.router]

PASSWORD = "correct horse 9"
NAMES = ("ada@isp", "bob", "eve one", "vpn", "off", "walled", "mute")
KEYS = """entries = "ppp-secret"
suspend_profile = "p-walled"
[plans.GOLD]
profile = "p-gold"
[plans.LEAD]
profile = "p-lead"
[routers.R2]"""


@pytest.fixture
def router(world, edited, tmp_path, monkeypatch):
    """R1 with secrets that people made, and a worker that folds what is published."""
    (tmp_path / "keys").write_text(secrets.token_hex(64))
    monkeypatch.setenv("LEASEWIRE_SECRET_KEYS_FILE", str(tmp_path / "keys"))
    accept, converge = edited(("[routers.R2]", KEYS))
    for name in ("p-gold", "p-lead", "p-walled", "theirs"):
        world.r1.add_row(PROFILE, {"name": name})
    for number, name in enumerate(NAMES, 1):
        row = {"name": name, "password": PASSWORD, "service": "pppoe", "profile": "p-gold"}
        world.r1.add_row(SECRET, row | {"remote-address": f"198.51.100.{number}"} | MORE[name])
    stop = threading.Event()

    def work():
        while not stop.wait(0.02):
            for lane in ("events", "bulk"):
                accept.run((), lane)
            converge.run("R1")

    worker = threading.Thread(target=work)
    worker.start()
    yield world.r1
    stop.set()
    worker.join()


MORE = {
    "ada@isp": {},
    "bob": {"remote-address": NO_ADDRESS, "profile": "p-lead", "service": "any"},
    "eve one": {"remote-address": NO_ADDRESS, "profile": "theirs"},
    "vpn": {"service": "l2tp"},
    "off": {"disabled": "yes"},
    "walled": {"profile": "p-walled"},
    "mute": {"password": ""},
}


def shown(router):
    """The secrets by name, without their tags."""
    return {
        row["name"]: {k: v for k, v in row.items() if k != "comment"} for row in router.rows(SECRET)
    }


def drift_of(leasewire):
    (document,) = leasewire("drift", "R1", "--json").document["routers"]
    return {(d["service"], d["field"], d["wanted"], d["found"]) for d in document["drift"]}


def test_secrets_are_taken_over_put_right_and_moved(world, router, leasewire, tmp_path):
    before = shown(router)
    done = leasewire("adopt", "R1", "--import-services", "--apply")
    assert done.code == 0, done
    assert "R1: 5 rows adopted" in done.out
    assert "2 foreign" in done.out
    assert "cannot be a service: ppp_password is missing" in done.err
    assert PASSWORD not in done.out + done.err
    listed = leasewire("services", "list", "--json").document["services"]
    found = {each["service"]: each for each in listed}
    assert {"R1-198.51.100.1", "R1-bob", "R1-198.51.100.5", "R1-198.51.100.6"} < found.keys()
    assert leasewire("drift", "R1").code == 0
    world.drain()
    (claim,) = leasewire("claims", "show", "name:bob", "--json").document["claims"]
    assert claim["service"] == "R1-bob"
    after = shown(router)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"bob"}
    assert after["bob"] == before["bob"] | {"service": "pppoe"}

    ids = {row["name"]: row[".id"] for row in router.rows(SECRET)}
    router.set_row(SECRET, ids["ada@isp"], {"password": "by hand", "profile": "theirs"})
    router.set_row(SECRET, ids["bob"], {"disabled": "yes"})
    router.set_row(SECRET, ids["eve one"], {"profile": "p-lead"})
    assert drift_of(leasewire) == {
        ("R1-198.51.100.1", "password", "***", "***, which is not the service's"),
        ("R1-198.51.100.1", "profile", "p-gold", "theirs"),
        ("R1-bob", "block-access", "no", "yes"),
    }
    assert leasewire("reconcile", "R1", "--apply").code == 0
    mended = after | {"eve one": after["eve one"] | {"profile": "p-lead"}}
    eventually(lambda: shown(router) == mended, "it is put right")
    assert not drift_of(leasewire)

    (tmp_path / "s.csv").write_text(leasewire("export").out)
    exported = (tmp_path / "s.csv").read_text()
    assert PASSWORD not in exported
    assert exported.count(",sealed:") == 5
    (tmp_path / "s.csv").write_text(exported.replace(",bob,", ",bob2,"))
    refused = leasewire("import", "s.csv")
    assert refused.code == 2
    assert "was sealed for another name" in refused.out + refused.err
    moved = exported.replace("198.51.100.1,", "198.51.100.77,").replace(
        "R1-198.51.100.77", "R1-198.51.100.1"
    )
    (tmp_path / "s.csv").write_text(moved)
    imported = leasewire("import", "s.csv", "--apply")
    assert imported.code == 0, imported
    eventually(lambda: not drift_of(leasewire), "all is applied")
    now = shown(router)
    assert now["ada@isp"]["remote-address"] == "198.51.100.77"
    assert now["ada@isp"]["password"] == PASSWORD
