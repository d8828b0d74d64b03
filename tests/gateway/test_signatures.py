"""Standard Webhooks, ours against the reference library's."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from contracts.webhook_signature import SignatureRefused, new_secret, sign, verify

NOW = 1_764_000_000
SECRET = new_secret()


def signed(body, *, secret=SECRET, at=NOW, id_="e-1"):
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(at),
        "webhook-signature": sign(secret, id_, at, body),
    }


def refused(headers, body, now=NOW):
    with pytest.raises(SignatureRefused) as error:
        verify(SECRET, headers, body, now)
    return error.value.code


@given(st.text().map(str.encode), st.from_regex(r"[A-Za-z0-9_:-]{1,128}", fullmatch=True))
def test_the_reference_signs_the_same(body, id_):
    theirs = Webhook(SECRET).sign(id_, datetime.fromtimestamp(NOW, UTC), body.decode())
    assert theirs == sign(SECRET, id_, NOW, body)
    headers = signed(body, id_=id_) | {"webhook-signature": theirs}
    assert verify(SECRET, headers, body, NOW) == id_


def test_the_reference_accepts_our_signature():
    body = b'{"a": 1}'
    now = int(datetime.now(UTC).timestamp())
    assert Webhook(SECRET).verify(body, signed(body, at=now)) == {"a": 1}


@given(st.binary(min_size=1), st.data())
def test_one_changed_byte_is_seen(body, data):
    at = data.draw(st.integers(0, len(body) - 1))
    changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    assert refused(signed(body), changed) == "bad-signature"


def test_id_and_time_are_signed_too():
    headers = signed(b"x")
    assert refused(headers | {"webhook-id": "e-2"}, b"x") == "bad-signature"
    assert refused(headers | {"webhook-timestamp": str(NOW + 1)}, b"x") == "bad-signature"


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_a_timestamp_within_the_tolerance_is_accepted(off):
    assert verify(SECRET, signed(b"x", at=NOW + off), b"x", NOW) == "e-1"


@pytest.mark.parametrize("off", [-301, 301])
def test_a_timestamp_beyond_the_tolerance_is_refused(off):
    assert refused(signed(b"x", at=NOW + off), b"x") == "bad-timestamp"


def test_one_of_several_signatures_is_enough():
    headers = signed(b"x")
    old = signed(b"x", secret=new_secret())["webhook-signature"]
    several = headers | {"webhook-signature": f"{old} v2,x {headers['webhook-signature']}"}
    assert verify(SECRET, several, b"x", NOW) == "e-1"
    assert refused(headers | {"webhook-signature": f"{old} v2,x"}, b"x") == "bad-signature"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed(name):
    headers = signed(b"x")
    del headers[name]
    assert refused(headers, b"x") == "bad-signature"


@pytest.mark.parametrize("stamp", ["", "x", "-1", "1.5", "٣", "9" * 5000])
def test_an_invalid_timestamp_is_refused(stamp):
    assert refused(signed(b"x") | {"webhook-timestamp": stamp}, b"x") == "bad-signature"


def test_a_webhook_id_with_a_full_stop_is_refused():
    """`a.TIME.NOW.[]` as the id `a.TIME` at NOW, with the body `[]`."""
    headers = signed(f"{NOW}.[]".encode(), id_="a")
    cut = headers | {"webhook-id": f"a.{NOW}"}
    assert refused(cut, b"[]") == "bad-signature"
