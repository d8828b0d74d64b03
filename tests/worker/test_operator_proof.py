"""Who may write into the journal only as a publisher speaks for no operator."""

import json
from datetime import UTC, datetime

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from contracts.operator_proof import PROOF, is_proven, with_proof
from leasewire.context import Context
from tests import builders
from tests.store.secured import set_users
from tests.worker.desk import OPERATOR, Desk

PASSWORD = "aSecret-of-Redis-91"
TEXTS = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(), max_size=4)


@given(TEXTS, st.text(max_size=8), st.text(max_size=8))
def test_a_proof_is_of_one_event_and_one_secret(event, secret, other):
    proven = with_proof(event, secret)
    assert is_proven(json.loads(json.dumps(proven)), secret)
    assert is_proven(with_proof(proven, secret), secret)
    assert not is_proven({**proven, "actor": {}}, secret)
    assert not is_proven({**event, PROOF: None}, secret)
    assert not is_proven({**event, PROOF: "é"}, secret)
    if other.strip("\0") != secret.strip("\0"):  # HMAC fills a short key with zeros
        assert not is_proven(proven, other)


@pytest.fixture
def desk(store):
    store.journal.make_operators_secret()
    return Desk(store)


def operator_event(id_, **more):
    return builders.activated(id_=id_, source=OPERATOR, time="2026-11-22T10:00:00Z", **more)


@pytest.mark.redis
def test_an_event_of_an_operator_needs_a_proof_and_that_of_a_bss_does_not(desk, store):
    desk.publish(builders.activated(id_="of-bss", service_id="S1"))
    desk.publish(operator_event("unproven", service_id="S2"))
    forged = {**operator_event("forged", service_id="S3"), PROOF: "0" * 64}
    desk.publish(forged)
    secret = store.journal.operators_secret()
    taken = with_proof(operator_event("taken", service_id="S4"), secret)
    desk.publish({**taken, "actor": "root@noc"})
    desk.publish(
        with_proof(operator_event("proven", service_id="S5"), store.journal.operators_secret())
    )
    desk.send()
    assert store.records.known([f"S{number}" for number in range(1, 6)]) == {"S1", "S5"}
    refused = {letter.reason for letter in store.dead_letters.all()}
    assert refused == {"operator-not-proven"}


@pytest.mark.redis
def test_where_nobody_made_a_secret_none_is_asked_for(store):
    desk = Desk(store)
    desk.publish(operator_event("as-before", service_id="S2"))
    desk.send()
    assert store.records.known(["S2"]) == {"S2"}


@pytest.mark.redis
def test_the_secret_is_made_once(store):
    store.journal.make_operators_secret()
    first = store.journal.operators_secret()
    store.journal.make_operators_secret()
    assert store.journal.operators_secret() == first
    assert len(first) == 64


@pytest.mark.redis
def test_a_publishers_login_cannot_speak_for_operators_and_a_commands_can(
    own_valkey, tmp_path, monkeypatch, quiet_logging
):
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "routers.toml").write_text(
        f'[installation]\nid = "acme"\n[sources."{OPERATOR}"]\norder = "times"\n'
        'scopes = ["override"]\n'
    )
    monkeypatch.setenv("LEASEWIRE_REDIS_PASSWORD_FILE", str(tmp_path / "password"))
    with own_valkey.client() as admin:
        set_users(admin, PASSWORD)
        for login, is_taken in (
            ("leasewire-publisher", False),
            ("leasewire-gateway", True),
            ("leasewire-console", True),
            ("leasewire", True),
        ):
            monkeypatch.setenv("LEASEWIRE_REDIS_USERNAME", login)
            context = Context(tmp_path / "routers.toml", redis_url=own_valkey.url)
            if login == "leasewire-publisher":
                make_secret(admin)
            with context.publisher(lambda: datetime.now(UTC)) as publisher:
                publisher.publish([operator_event(f"by-{login}")])
            (event,) = (
                json.loads(body)
                for body in admin.hvals("lw:journal:events")
                if json.loads(body)["id"] == f"by-{login}"
            )
            assert (PROOF in event) == is_taken, login
            if is_taken:
                assert is_proven(event, admin.get("lw:operators:secret"))
        with redis.Redis(
            unix_socket_path=str(own_valkey.socket),
            username="leasewire-publisher",
            password=PASSWORD,
        ) as publisher:
            for command in ("GET", "DEL", "DUMP"):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    publisher.execute_command(command, "lw:operators:secret")


def make_secret(admin):
    admin.set("lw:operators:secret", "a" * 64)
