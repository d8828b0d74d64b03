"""Secrets over the API, the API over TLS and REST: any name and password, and who may see them."""

import pytest

from contracts.sealing import Login, Sealer
from simulator.testing import running
from tests.ppp import ACTIVE, SECRET, key
from tests.routeros.peers import config_for, nothing
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Add, Remove, Set
from worker.errors import RouterBlocked
from worker.ports import LeaseQuery

pytestmark = pytest.mark.router

POLICY = RouterPolicy("acme", entries="ppp-secret")
KEYS = [key(), key()]
HOSTILE = ["true", "007", "a=b", "=a=", "?x", ".id", "a,b", 'q"u\\o$te[', "João 1", " pad ", "*1"]


@pytest.fixture
def keys(tmp_path):
    """A file of keys, and what seals with the first."""
    (tmp_path / "keys").write_text(KEYS[0])
    return tmp_path / "keys", Sealer.from_text(KEYS[0])


def fields_of(sealer, name="ada", clear="pw", **more):
    sealed = sealer.seal(Login(name, clear))
    place = {"name": name, "password": sealed, "service": "pppoe", "address": "198.51.100.1"}
    return {**place, "server": "all", "block-access": "no", "remote-ipv6-prefix": "", **more}


def test_any_name_and_password_are_written_and_read_back(router, log_into, transport, keys):
    file, sealer = keys
    config = config_for(router, transport, policy=POLICY)
    session = log_into(config, secret_keys_file=file)
    wanted = [fields_of(sealer, text, f"{text}!") for text in HOSTILE]
    adds = [
        Add(n, f"S-{n}", {**fields, "comment": f"leasewire:acme:S-{n}"})
        for n, fields in enumerate(wanted)
    ]
    assert [written.refusal for written in session.write(adds, nothing)] == [None] * len(adds)
    stored = {row["name"]: row["password"] for row in router.rows(SECRET)}
    assert stored == {text: f"{text}!" for text in HOSTILE}
    query = LeaseQuery(devices=HOSTILE)
    found = {row.device: row for row in session.read_leases(query, nothing)}
    for fields in wanted:
        assert fields.items() <= found[fields["name"]].fields.items()
    again = session.write([adds[0]], nothing)[0].refusal
    assert (again.kind, "secret with the same name" in again.message) == ("stale", True)


def test_a_block_is_a_disabled_secret_and_a_new_password_is_opened(
    router, log_into, transport, keys
):
    file, sealer = keys
    session = log_into(config_for(router, transport, policy=POLICY), secret_keys_file=file)
    session.write([Add(1, "S-1", fields_of(sealer))], nothing)
    (row,) = session.read_leases(None, nothing)
    assert (row.fields["block-access"], row.disabled) == ("no", False)
    change = {"block-access": "yes", "password": sealer.seal(Login("ada", "new"))}
    session.write([Set(2, "S-1", row.id, change, {})], nothing)
    (stored,) = router.rows(SECRET)
    assert (stored["disabled"], stored["password"]) == ("true", "new")
    (row,) = session.read_leases(None, nothing)
    assert (row.fields["block-access"], row.disabled) == ("yes", False)
    assert change.items() <= row.fields.items()
    session.write([Remove(3, "S-1", row.id, {})], nothing)
    assert router.rows(SECRET) == []


def test_sessions_are_found_by_name_and_ended(router, log_into, transport, keys):
    file, sealer = keys
    session = log_into(config_for(router, transport, policy=POLICY), secret_keys_file=file)
    for number, name in enumerate(("ada", "bob")):
        session.write([Add(1, name, fields_of(sealer, name, address=f"10.0.0.{number}"))], nothing)
        router.ppp_login(name, "pw")
    router.skip(90)
    (found,) = session.find_sessions(["ada", "nobody"], nothing)
    assert (found.device, found.address, found.uptime_s) == ("ada", "10.0.0.0", 90)
    seen = session.observe(LeaseQuery(devices=["ada"])).rows
    assert [(row.active_mac, row.active_address, row.last_seen_s) for row in seen] == [
        ("ada", "10.0.0.0", 90)
    ]
    assert session.end_sessions([found.id, "*7777"], nothing) == ["", ""]
    assert [row["name"] for row in router.rows(ACTIVE)] == ["bob"]
    (row,) = session.observe(LeaseQuery(devices=["ada"])).rows
    assert (row.active_mac, row.lease.device) == ("", "ada")
    assert not session.read_watched().rows


def test_a_password_of_a_key_that_is_gone_fails_alone(router, log_into, keys):
    file, sealer = keys
    session = log_into(config_for(router, "api", policy=POLICY), secret_keys_file=file)
    lost = Sealer.from_text(KEYS[1])
    writes = [
        Add(1, "S-1", fields_of(lost)),
        Add(2, "S-2", fields_of(sealer, "bob", address="198.51.100.2")),
    ]
    refused, done = session.write(writes, nothing)
    assert (refused.refusal.kind, done.refusal) == ("refused", None)
    assert "send the password again" in refused.refusal.message
    assert [row["name"] for row in router.rows(SECRET)] == ["bob"]


def test_an_old_seal_is_renewed_for_the_comparison(router, log_into, keys):
    file, old = keys
    file.write_text("\n".join(reversed(KEYS)))
    session = log_into(config_for(router, "api", policy=POLICY), secret_keys_file=file)
    wanted = fields_of(old)
    session.write([Add(1, "S-1", wanted)], nothing)
    (row,) = session.read_leases(None, nothing)
    assert row.fields["password"] != wanted["password"]
    assert session.renewed(wanted).items() <= row.fields.items()


def test_a_user_that_may_not_see_passwords_is_refused(log_into, keys, transport):
    with running(seed_guide=True, rest_port=0, user="few") as simulation:
        router = simulation.router
        router.add_row(
            "/user/group", {"name": "few", "policy": "read,write,api,rest-api,policy,test"}
        )
        router.set_row("/user", "few", {"group": "few"})
        config = config_for(router, transport, policy=POLICY, username="few")
        with pytest.raises(RouterBlocked, match="lacks sensitive") as raised:
            log_into(config, secret_keys_file=keys[0])
        assert raised.value.cause == "not-permitted"
        router.set_row("/user/group", "few", {"policy": "read,write,api,rest-api,sensitive"})
        assert log_into(config, secret_keys_file=keys[0]).entries == "ppp-secret"


def test_passwords_are_asked_for_where_a_version_wants_that(log_into, keys, transport):
    with running(version="7.21.5", seed_guide=True, rest_port=0) as simulation:
        config = config_for(simulation.router, transport, policy=POLICY)
        session = log_into(config, secret_keys_file=keys[0])
        wanted = fields_of(keys[1])
        session.write([Add(1, "S-1", wanted)], nothing)
        for query in (None, LeaseQuery(devices=["ada"])):
            (row,) = session.read_leases(query, nothing)
            assert row.fields["password"] == wanted["password"]


def test_a_process_without_keys_refuses_the_router(router, log_into):
    with pytest.raises(RouterBlocked, match="no keys") as raised:
        log_into(config_for(router, "api", policy=POLICY))
    assert raised.value.cause == "no-secret-keys"
