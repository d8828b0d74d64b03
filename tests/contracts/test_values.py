import copy
import json
import pickle
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from contracts.ipv6_values import Duid, Ipv6Address, Ipv6Prefix
from contracts.values import Ipv4, Mac48, parse_time

UNICAST = st.binary(min_size=6, max_size=6).filter(lambda octets: any(octets) and not octets[0] & 1)


def spellings(octets: bytes) -> list[str]:
    digits = octets.hex()
    pairs = [digits[i : i + 2] for i in range(0, 12, 2)]
    quads = [digits[i : i + 4] for i in range(0, 12, 4)]
    return [":".join(pairs), "-".join(pairs), ".".join(quads), "-".join(quads), digits]


@given(UNICAST)
def test_every_spelling_of_a_mac_gives_the_same_value(octets):
    accepted = [
        form
        for text in spellings(octets)
        for form in (text, text.upper(), text.title(), f"  {text} ")
    ]
    assert {Mac48.parse(form) for form in accepted} == {spellings(octets)[0].upper()}


@given(UNICAST)
def test_parsing_a_mac_again_changes_nothing(octets):
    mac = Mac48.parse(octets.hex())
    assert Mac48.parse(mac) == mac
    assert type(Mac48.parse(mac)) is Mac48


@given(st.text(alphabet="0123456789abcdefABCDEF:-. gx+\n\u0660", max_size=24))
@example("+1:22:33:44:55: 6")
@example("02:00:5e:00:53:01\n")
@example("00:00-5e:00:53:01")
@example("00:00:5e:00:53")
@example("0000:5e00:5301")
@example("00.00.5e.00.53.01")
@example("0:0:5e:0:53:1")
@example("\u0660\u0660:00:5e:00:53:01")
def test_nothing_but_the_named_spellings_is_a_mac(text):
    try:
        mac = Mac48.parse(text)
    except ValueError:
        return
    assert text.strip(" ").lower() in spellings(bytes.fromhex(mac.replace(":", "")))


@given(UNICAST, st.integers(0, 11), st.sampled_from("ghG+ :.-"))
def test_one_wrong_character_makes_no_mac(octets, position, wrong):
    digits = octets.hex()
    assume(not (position in {0, 11} and wrong == " "))
    with pytest.raises(ValueError, match="is not a MAC address"):
        Mac48.parse(digits[:position] + wrong + digits[position + 1 :])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("00:00:00:00:00:00", "mac-zero"),
        ("ff:ff:ff:ff:ff:ff", "mac-group"),
        ("01:00:5e:00:53:01", "mac-group"),
        ("00:00:5e:ff:fe:00:53:01", "mac-eui64"),
        ("0000.5eff.fe00.5301", "mac-eui64"),
        ("00005efffe005301", "mac-eui64"),
        ("", "mac-format"),
    ],
)
def test_a_mac_that_no_client_can_have_is_refused_by_name(text, code):
    with pytest.raises(ValueError, match=r"give|write") as raised:
        Mac48.parse(text)
    assert raised.value.type == code
    assert not text or text not in str(raised.value)


def test_a_locally_administered_mac_is_the_policys_question():
    assert Mac48.parse("0200.5e00.5301") == "02:00:5E:00:53:01"


def test_values_survive_json_copy_and_pickle():
    mac = Mac48.parse("00005e005301")
    assert json.dumps(mac) == '"00:00:5E:00:53:01"'
    assert type(pickle.loads(pickle.dumps(mac))) is Mac48  # noqa: S301 - our own bytes
    assert type(copy.deepcopy(mac)) is Mac48


@given(st.ip_addresses(v=4))
@example(IPv4Address("100.64.0.1"))
@example(IPv4Address("10.0.0.1"))
@example(IPv4Address("169.254.0.1"))
@example(IPv4Address("0.0.0.1"))
@example(IPv4Address("240.0.0.1"))
@example(IPv4Address("255.255.255.255"))
def test_an_address_is_accepted_unless_no_host_can_have_it(address):
    unusable = (
        address.packed[0] == 0
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
        or address.is_reserved
    )
    if unusable:
        with pytest.raises(ValueError, match="cannot be the address of a device"):
            Ipv4.parse(str(address))
    else:
        assert Ipv4.parse(str(address)) == str(address)


@given(st.text(alphabet="0123456789.-/x \u0660", max_size=16))
@example("198.051.100.10")
@example("198.51.100.01")
@example("198.51.100")
@example("198.51.100.256")
@example("198.51.100.10/24")
@example("198.51.100.10\n")
@example("3325256714")
@example("198.51.100.1\u0660")
def test_nothing_but_dotted_text_is_an_address(text):
    try:
        address = Ipv4.parse(text)
    except ValueError:
        return
    assert str(IPv4Address(address)) == text


MOMENTS = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1))  # noqa: DTZ001 - given an offset below


UNUSABLE = [IPv6Network(text) for text in ("::/8", "fe80::/10", "ff00::/8")]


@given(st.ip_addresses(v=6))
@example(IPv6Address("fd00::1"))
@example(IPv6Address("fe80::1"))
@example(IPv6Address("febf::1"))
@example(IPv6Address("::1"))
@example(IPv6Address("::ffff:198.51.100.1"))
@example(IPv6Address("ff02::1"))
def test_an_ipv6_address_is_accepted_unless_no_host_can_have_it(address):
    if any(address in network for network in UNUSABLE):
        with pytest.raises(ValueError, match="cannot be the address of a device"):
            Ipv6Address.parse(str(address))
    else:
        assert Ipv6Address.parse(address.exploded.upper()) == address.compressed


@pytest.mark.parametrize(
    "text",
    ["", "2001:db8::1%ether1", "2001:db8::1/64", " 2001:db8::1", "198.51.100.1", "2001:db8:::1"],
)
def test_nothing_but_an_ipv6_address_is_one(text):
    with pytest.raises(ValueError, match="is not an IPv6 address"):
        Ipv6Address.parse(text)


@given(st.ip_addresses(v=6), st.integers(0, 128))
@example(IPv6Address("2001:db8::"), 56)
@example(IPv6Address("2001::"), 16)
@example(IPv6Address("fe80::"), 64)
def test_a_prefix_is_a_network_of_usual_size_without_host_bits(address, length):
    network = IPv6Network((address, length), strict=False)
    text = f"{address.exploded}/{length}"
    if not 16 <= length <= 64:
        match = "must have a prefix length from /16 to /64"
    elif network.network_address != address:
        match = "has bits set behind its prefix length"
    elif any(address in unusable for unusable in UNUSABLE):
        match = "cannot be the prefix"
    else:
        assert Ipv6Prefix.parse(text) == network.compressed
        assert Ipv6Prefix.parse(Ipv6Prefix.parse(text)) == Ipv6Prefix.parse(text)
        return
    with pytest.raises(ValueError, match=match):
        Ipv6Prefix.parse(text)


@pytest.mark.parametrize(
    "text", ["2001:db8::", "2001:db8::/", "2001:db8::/ffff::", "2001:db8::%1/56", "10.0.0.0/16"]
)
def test_nothing_but_a_prefix_with_its_length_is_one(text):
    with pytest.raises(ValueError, match="is not an IPv6 prefix"):
        Ipv6Prefix.parse(text)


@given(st.binary(min_size=1, max_size=130))
def test_every_spelling_of_a_duid_gives_the_same_value(octets):
    forms = {f"{mark}{octets.hex(*sep)}" for mark in ("", "0x", "0X") for sep in ("", ":", "-")}
    forms |= {form.upper() for form in forms}
    assert {Duid.parse(form) for form in forms} == {octets.hex()}


@pytest.mark.parametrize("text", ["", "0x", "123", "00 03", "00::03", ":0003", "zz", "00" * 131])
def test_nothing_but_bytes_is_a_duid(text):
    with pytest.raises(ValueError, match="is not a DUID"):
        Duid.parse(text)


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_a_time_is_the_same_moment_in_utc(moment, offset_min):
    there = moment.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
    parsed = parse_time(there.isoformat())
    assert parsed == there
    assert parsed.tzinfo is UTC
    assert parse_time(parsed) == parsed


def test_a_time_may_be_written_in_small_letters_and_with_long_fractions():
    expected = datetime(2026, 11, 24, 9, 15, 0, 123456, tzinfo=UTC)
    assert parse_time("2026-11-24t09:15:00.123456789z") == expected


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-24T09:15:00",
        "2026-11-24 09:15:00Z",
        "2026-11-24",
        "20261124T091500Z",
        "2026-02-30T09:15:00Z",
        "2026-11-24T09:15:60Z",
        "0001-01-01T00:00:00+14:00",
        "1795511700",
        1795511700,
        1795511700.5,
        None,
        True,
        "",
    ],
)
def test_what_is_no_moment_is_no_time(value):
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_time(value)


OF_UTC = " in UTC, or with your own offset, such as +01:00, for Z"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("31.12.2026", f"2026-12-31T00:00:00Z{OF_UTC}"),
        ("1.2.2026", f"2026-02-01T00:00:00Z{OF_UTC}"),
        (" 31.12.2026 14:30 ", f"2026-12-31T14:30:00Z{OF_UTC}"),
        ("31.12.2026 14:30:05 +01:00", "2026-12-31T14:30:05+01:00"),
        ("31/12/2026", f"2026-12-31T00:00:00Z{OF_UTC}"),
        ("12/31/2026 8:05", f"2026-12-31T08:05:00Z{OF_UTC}"),
        ("31-12-2026", f"2026-12-31T00:00:00Z{OF_UTC}"),
        ("05/05/2026", f"2026-05-05T00:00:00Z{OF_UTC}"),
        ("2026-12-31", f"2026-12-31T00:00:00Z{OF_UTC}"),
        ("2026/12/31", f"2026-12-31T00:00:00Z{OF_UTC}"),
        ("20261231", f"2026-12-31T00:00:00Z{OF_UTC}"),
        ("20261231T143000Z", "2026-12-31T14:30:00Z"),
        ("2026-12-31 14:30:00", f"2026-12-31T14:30:00Z{OF_UTC}"),
        ("2026-12-31T14:30:00.123456", f"2026-12-31T14:30:00Z{OF_UTC}"),
        ("2026-12-31T14:30", f"2026-12-31T14:30:00Z{OF_UTC}"),
        ("2026-12-31 14:30:00Z", "2026-12-31T14:30:00Z"),
        ("2026-12-31 14:30:00 UTC", "2026-12-31T14:30:00Z"),
        ("2026-12-31 14:30:00+01", "2026-12-31T14:30:00+01:00"),
        ("2026-12-31T14:30:00-0530", "2026-12-31T14:30:00-05:30"),
        (1795511700, "2026-11-24T09:15:00Z"),
        ("1795511700123", "2026-11-24T09:15:00Z"),
        ("Thu, 31 Dec 2026 14:30:00 +0100", "2026-12-31T14:30:00+01:00"),
        ("Thu, 31 Dec 2026 14:30:00 GMT", "2026-12-31T14:30:00Z"),
    ],
)
def test_a_date_of_another_form_is_answered_with_the_same_in_ours(given, wanted):
    with pytest.raises(ValueError, match="is not a time") as refused:
        parse_time(given)
    message = str(refused.value)
    assert message == f"is not a time; write RFC 3339 with offset, like {wanted}"
    assert parse_time(re.search(r"like (\S+)", message)[1])


@pytest.mark.parametrize(
    "given", ["31.02.2026", "2026-13-01", "99/99/2026", "2026-12-31 25:00", "46387", "x" * 100_000]
)
def test_what_is_no_date_in_any_form_is_answered_with_an_example_of_ours(given):
    with pytest.raises(ValueError, match=r"like 2026-11-24T09:15:00Z$"):
        parse_time(given)


def test_the_month_is_never_guessed():
    with pytest.raises(ValueError, match="day and month cannot be told apart"):
        parse_time("03/04/2026")
    assert "04-03" not in refused_words("03/04/2026")


@given(st.text() | st.integers() | st.floats() | st.from_regex(r"[0-9TZ:+./ -]{6,30}"))
def test_whatever_is_no_time_is_refused_with_the_form_that_is_wanted(value):
    with suppress(ValueError):
        assert parse_time(value).tzinfo
        return
    assert "RFC 3339" in refused_words(value)


def refused_words(value):
    with pytest.raises(ValueError, match="time") as refused:
        parse_time(value)
    return str(refused.value)
