"""Passwords in events are sealed before they are stored, and open with any of the keys."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ContractViolation
from contracts.identity import content_hash
from contracts.parse import parse_event, to_json
from contracts.sealing import (
    Login,
    Sealer,
    SealError,
    clear_passwords,
    is_same_seal,
    masked_event,
    sealed_event,
)
from tests.ppp import activated, key, login, ppp_changed

KEYS = [key(), key()]
SEALER = Sealer.from_text(KEYS[0])
TEXTS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=64)


@settings(max_examples=25)
@given(TEXTS, TEXTS.filter(lambda text: not text.startswith("sealed:")))
def test_what_is_sealed_opens_again_and_is_always_the_same_text(name, password):
    sealed = SEALER.seal(Login(name, password))
    assert SEALER.open(sealed) == (name, password)
    assert sealed == SEALER.seal(Login(name, password))
    assert sealed != SEALER.seal(Login(f"{name}x", password))
    event = ppp_changed(name="ada", password=sealed)
    assert to_json(parse_event(event))["data"]["ppp"]["password"] == sealed
    assert len(sealed) < 1_024


def test_the_first_key_seals_and_all_open():
    old, both = SEALER, Sealer.from_text(f"{KEYS[1]}  # of 2027\n\n{KEYS[0]}\n")
    before = old.seal(Login("ada", "pw"))
    assert both.open(before) == ("ada", "pw")
    after = both.renew(before)
    assert after == both.seal(Login("ada", "pw")) != before
    assert both.renew(after) == after
    assert is_same_seal(before, after), "of two keys: nobody can tell"
    assert not is_same_seal(after, both.seal(Login("ada", "other")))
    with pytest.raises(SealError, match="which we do not have"):
        old.open(after)
    assert old.renew(after) == after


@pytest.mark.parametrize("change", [lambda text: text[:-8] + "AAAAAAA=", lambda text: text + "A"])
def test_a_changed_text_does_not_open(change):
    with pytest.raises(SealError) as raised:
        SEALER.open(change(SEALER.seal(Login("ada", "pw"))))
    assert "pw" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "0 keys"), ("# none", "0 keys"), ("abc", "line 1"), (f"{key()}\n{'0' * 127}", "line 2")],
)
def test_a_file_without_keys_is_refused_and_not_shown(text, message):
    with pytest.raises(SealError, match=message) as raised:
        Sealer.from_text(text)
    assert not text or text not in str(raised.value)


def test_an_event_is_sealed_wherever_it_has_a_password():
    for event, place in ((ppp_changed(1), "/data/ppp"), (activated(1), "/data/service/ppp")):
        assert clear_passwords(event) == [f"{place}/password"]
        sealed, problems = sealed_event(event, SEALER)
        assert (clear_passwords(sealed), problems) == ([], [])
        assert login(1)["password"] not in json.dumps(sealed)
        assert content_hash(sealed_event(event, SEALER)[0]) == content_hash(sealed)
        assert sealed_event(sealed, SEALER) == (sealed, [])
        assert "password" not in json.dumps(masked_event(event))


def test_a_password_that_cannot_be_stored_is_refused():
    refused = sealed_event(ppp_changed(1), None)[1]
    assert [(p.pointer, p.code) for p in refused] == [("/data/ppp/password", "not-sealed")]
    theirs = SEALER.seal(Login("eve", "pw"))
    (problem,) = sealed_event(ppp_changed(1, password=theirs), SEALER)[1]
    assert (problem.code, "another name" in problem.message) == ("seal-refused", True)
    (problem,) = sealed_event(ppp_changed(1, password=theirs), Sealer.from_text(KEYS[1]))[1]
    assert "which we do not have" in problem.message


@pytest.mark.parametrize(
    "password", ["", "x" * 129, "a\nb", "a\0b", "\u202eabc", "sealed:", "sealed:00000000:abc", 7]
)
def test_what_is_no_password_is_refused_without_being_shown(password):
    with pytest.raises(ContractViolation) as raised:
        parse_event(ppp_changed(1, password=password))
    assert [p.pointer for p in raised.value.problems] == ["/data/ppp/password"]
    assert password in ("", "sealed:") or str(password) not in str(raised.value)


def test_a_service_needs_a_device_or_a_login():
    event = activated(1)
    del event["data"]["service"]["ppp"]
    with pytest.raises(ContractViolation, match="give the device's MAC, or what") as raised:
        parse_event(event)
    assert [(p.pointer, p.code) for p in raised.value.problems] == [
        ("/data/service/ppp", "no-device")
    ]
