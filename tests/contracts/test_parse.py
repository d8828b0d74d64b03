import copy
import json
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ContractViolation, Problem
from contracts.events import Activated, MacChanged
from contracts.parse import MAX_EVENT_BYTES, parse_event, pointer, to_json
from contracts.service import Device, PoolAddress, StaticAddress
from tests import builders

NOW = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
MAC_CHANGED = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "urn:isp:bss:acme",
    "type": "leasewire.service.mac_changed.v1",
    "subject": "service/SVC-1",
    "time": "2026-11-24T11:00:00+01:00",
    "datacontenttype": "application/json",
    "data": {"service_id": "SVC-1", "revision": 2, "mac": "0000.5e00.5302"},
}
SERVICE = {
    "status": "active",
    "access": {"router": "tower-7"},
    "device": {"mac": "00-00-5e-00-53-01"},
    "address": {"mode": "static", "ipv4": "198.51.100.10"},
}
ACTIVATED = MAC_CHANGED | {
    "type": "leasewire.service.activated.v1",
    "data": {"service_id": "SVC-1", "service": SERVICE},
}


def problems_of(raw, **options):
    with pytest.raises(ContractViolation) as raised:
        parse_event(raw, **options)
    return {(problem.pointer, problem.code) for problem in raised.value.problems}


def with_data(event, **fields):
    return event | {"data": event["data"] | fields}


def with_service(**fields):
    return with_data(ACTIVATED, service=SERVICE | fields)


def test_an_event_comes_out_in_normal_form():
    event = parse_event(MAC_CHANGED)
    assert isinstance(event, MacChanged)
    assert event.data.mac == "00:00:5E:00:53:02"
    assert event.time == NOW
    assert event.time.tzinfo is UTC
    assert event.data.service_id == "SVC-1"
    assert to_json(event)["time"] == "2026-11-24T10:00:00Z"


def test_bytes_text_and_mapping_are_equivalent():
    text = json.dumps(ACTIVATED)
    assert parse_event(text) == parse_event(text.encode()) == parse_event(ACTIVATED)


def test_mode_selects_the_form_of_an_address():
    assert isinstance(parse_event(ACTIVATED).data.service.address, StaticAddress)
    pooled = copy.deepcopy(ACTIVATED)
    pooled["data"]["service"]["address"] = {"mode": "pool", "pool": "cust-pool"}
    assert parse_event(pooled).data.service.address == PoolAddress(mode="pool", pool="cust-pool")


def test_null_is_the_same_as_absent():
    assert parse_event(with_data(MAC_CHANGED, customer_id=None)) == parse_event(MAC_CHANGED)
    assert to_json(parse_event(with_data(MAC_CHANGED, customer_id=None))) == to_json(
        parse_event(MAC_CHANGED)
    )


def test_an_event_cannot_be_changed():
    event = parse_event(ACTIVATED)
    with pytest.raises(ValueError, match="frozen"):
        event.data.service.device.mac = "00:00:5E:00:53:09"


def test_extension_attributes_are_accepted_and_kept():
    event = parse_event(MAC_CHANGED | {"sequence": "7", "comexampleother": 1})
    assert to_json(event)["sequence"] == "7"


def test_an_unknown_field_is_refused_at_the_edge_and_ignored_in_the_worker():
    newer = copy.deepcopy(ACTIVATED)
    newer["data"]["urgency"] = 3
    newer["data"]["service"]["device"]["model"] = "CPE-7"
    assert problems_of(newer) == {
        ("/data/urgency", "unknown-field"),
        ("/data/service/device/model", "unknown-field"),
    }
    assert parse_event(newer, strict=False) == parse_event(ACTIVATED)


def test_the_worker_is_tolerant_of_nothing_else():
    broken = with_data(MAC_CHANGED, mac="zz", revision=0)
    assert problems_of(broken, strict=False) == problems_of(broken)


def test_every_problem_is_reported_at_once():
    broken = copy.deepcopy(ACTIVATED)
    del broken["source"]
    broken["subject"] = "service/SVC-2"
    broken["time"] = "2026-11-24T10:05:01Z"
    broken["weight"] = float("inf")
    broken["data"] |= {"revision": True, "effective_at": "2028-01-01T00:00:00Z", "x": 1}
    broken["data"]["service"] |= {"label": "two\nlines", "dns_servers": ["198.51.100.53", "no"]}
    broken["data"]["service"]["address"]["ipv4"] = "127.0.0.1"
    assert problems_of(broken, now=NOW) == {
        ("/source", "missing"),
        ("/subject", "subject-disagrees"),
        ("/time", "time-in-future"),
        ("/weight", "not-finite"),
        ("/data/revision", "wrong-type"),
        ("/data/effective_at", "beyond-horizon"),
        ("/data/x", "unknown-field"),
        ("/data/service/label", "wrong-format"),
        ("/data/service/dns_servers/1", "address-format"),
        ("/data/service/address/ipv4", "address-not-usable"),
    }


def test_a_wrong_status_is_reported_with_other_problems():
    broken = copy.deepcopy(ACTIVATED)
    broken["type"] = "leasewire.service.snapshot.v1"
    broken["data"]["service"] |= {"suspension": {"mode": "block"}, "device": {}}
    assert problems_of(broken) == {
        ("/data/service/suspension", "status-disagrees"),
        ("/data/service/device/mac", "missing"),
    }


@pytest.mark.parametrize(
    ("event", "status", "allowed"),
    [
        ("activated", "suspended", False),
        ("suspended", "active", False),
        ("suspended", "suspended", True),
        ("resumed", "suspended", False),
        ("resumed", "active", True),
        ("snapshot", "suspended", True),
        ("cancelled", "suspended", True),
    ],
)
def test_the_status_of_a_service_block_must_match_the_event(event, status, allowed):
    said = ACTIVATED | {
        "type": f"leasewire.service.{event}.v1",
        "data": {"service_id": "SVC-1", "service": SERVICE | {"status": status}},
    }
    if allowed:
        assert parse_event(said).data.service.status == status
    else:
        assert problems_of(said) == {("/data/service/status", "not-allowed")}


def test_an_unknown_type_is_named_beside_the_envelopes_problems():
    unknown = MAC_CHANGED | {"type": "leasewire.service.mac_changed.v2", "id": "a.b", "data": {}}
    assert problems_of(unknown) == {("/type", "unsupported-type"), ("/id", "wrong-format")}
    assert problems_of(MAC_CHANGED | {"type": 7}) == {("/type", "wrong-type")}


@pytest.mark.parametrize("value", [5, 1.5, True, "x", [], {}])
@pytest.mark.parametrize("field", ["access", "device", "address", "dns_servers", "options"])
def test_a_field_of_another_kind_is_named_as_such(field, value):
    if value == [] and field in {"dns_servers", "options"}:
        value = [[]]
    codes = {code for _, code in problems_of(with_service(**{field: value}))}
    assert codes <= {"wrong-type", "missing"}


def test_option_bytes_come_out_in_small_letters():
    event = parse_event(with_service(options=[{"code": 42, "hex": "C633640A"}]))
    assert event.data.service.options[0].hex == "c633640a"


def test_times_are_checked_only_against_a_given_now():
    ahead = with_data(MAC_CHANGED, effective_at="2027-12-29T10:00:01Z")
    ahead["time"] = "2026-11-24T10:05:01Z"
    assert parse_event(ahead).data.effective_at == NOW + timedelta(days=400, seconds=1)
    assert len(problems_of(ahead, now=NOW)) == 2
    assert parse_event(ahead, now=NOW + timedelta(seconds=1))


@pytest.mark.parametrize("moment", ["2020-01-01T00:00:00Z", "2027-12-29T10:00:00Z"])
def test_an_event_may_take_effect_at_any_time_up_to_400_days_ahead(moment):
    assert parse_event(with_data(MAC_CHANGED, effective_at=moment), now=NOW)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\xff\xfe{}", ("", "malformed-json")),
        ("", ("", "malformed-json")),
        ('\ufeff{"id": 1}', ("", "malformed-json")),
        ("{'id': 1}", ("", "malformed-json")),
        ('{"id": "\\ud800"}', ("", "malformed-json")),
        ({"id": "\ud800"}, ("", "malformed-json")),
        ({"id": object()}, ("", "malformed-json")),
        ({("id", 1): 1}, ("", "malformed-json")),
        ('{"n": ' + "9" * 5000 + "}", ("", "malformed-json")),
        ("null", ("", "wrong-type")),
        ('{"x": "' + "y" * MAX_EVENT_BYTES + '"}', ("", "too-large")),
        ({"x": "é" * (MAX_EVENT_BYTES // 2)}, ("", "too-large")),
    ],
)
def test_what_is_no_json_object_is_one_problem_of_the_whole(raw, expected):
    assert problems_of(raw) == {expected}


def test_a_circle_is_no_json():
    circle: dict[str, object] = {}
    circle["data"] = circle
    assert problems_of(circle) == {("", "malformed-json")}


def test_the_largest_event_that_is_accepted():
    room = MAX_EVENT_BYTES - len(json.dumps(MAC_CHANGED | {"filler": ""}))
    filled = json.dumps(MAC_CHANGED | {"filler": "x" * room})
    assert parse_event(filled)
    assert problems_of(filled + " ") == {("", "too-large")}


def test_depth_is_bounded_wherever_it_is():
    nested: object = 1
    for _ in range(31):
        nested = [nested]
    assert parse_event(MAC_CHANGED | {"x": nested})
    assert problems_of(MAC_CHANGED | {"x": [nested]}) == {("/x" + "/0" * 31, "too-deep")}
    tolerated = with_data(MAC_CHANGED, x=[nested])
    assert ("/data/x" + "/0" * 30, "too-deep") in problems_of(tolerated, strict=False)


def test_what_is_nested_very_deep_is_refused_whichever_python_reads_it():
    for text in ('{"x":' * 9_000 + "1" + "}" * 9_000, '{"x":' + "[" * 25_000 + "]" * 25_000 + "}"):
        # Python up to 3.13 cannot read it at all; later ones can.
        assert "too-deep" in {code for _, code in problems_of(text)}


def test_a_key_that_stands_twice_is_named_where_it_stands():
    text = json.dumps(ACTIVATED).replace('"router":', '"router": "tower-1", "router":')
    assert problems_of(text) == {("/data/service/access/router", "duplicate-key")}


def test_pointers_are_escaped():
    assert pointer("a~/b", 0, "") == "/a~0~1b/0/"
    assert problems_of(MAC_CHANGED | {"a/b": float("nan")}) == {("/a~1b", "not-finite")}


def test_no_rejected_value_is_echoed():
    value = "S3cret-value"
    broken = copy.deepcopy(ACTIVATED)
    broken |= {"id": value + ".", "source": value, "specversion": value, "time": value}
    broken["data"]["service_id"] = value + " "
    broken["data"]["service"]["device"] = {"mac": value, "serial": value * 9}
    broken["data"]["service"]["address"] = {"mode": value}
    with pytest.raises(ContractViolation) as raised:
        parse_event(broken)
    assert len(raised.value.problems) == 9
    assert value not in str(raised.value) + repr(raised.value)
    assert raised.value.__context__ is None


def test_errors_of_a_part_made_elsewhere_do_not_show_its_values():
    with pytest.raises(ValueError, match="mac") as raised:
        Device.model_validate({"mac": "S3cret-value"})
    assert "S3cret-value" not in str(raised.value)


def test_a_violation_can_be_pickled():
    violation = ContractViolation([Problem("/a", "missing", "is missing"), Problem("", "x", "y")])
    assert pickle.loads(pickle.dumps(violation)).problems == violation.problems  # noqa: S301 - our own bytes
    assert str(violation) == "/a is missing [missing]; event y [x]"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
PLACES = st.sampled_from(
    [
        (),
        ("data",),
        ("data", "service"),
        ("data", "service", "device"),
        ("data", "service", "address"),
    ]
)
NAMES = ["type", "mac", "mode", "service", "data", "address", "options", "time", "subject", "id"]


@given(PLACES, st.sampled_from(NAMES), JSON)
def test_any_json_is_parsed_or_refused_and_never_a_crash(place, name, value):
    event = copy.deepcopy(ACTIVATED)
    target = event
    for step in place:
        target = target[step]
    target[name] = value
    try:
        parsed = parse_event(event, now=NOW)
    except ContractViolation as violation:
        codes = [problem.code for problem in violation.problems]
    else:
        codes = []
        assert to_json(parse_event(to_json(parsed))) == to_json(parsed)
        assert isinstance(parsed, Activated)
    assert "invalid" not in codes, "each kind of pydantic's errors needs words of ours"


@given(st.binary(max_size=64))
def test_any_bytes_are_refused_and_never_a_crash(raw):
    with pytest.raises(ContractViolation):
        parse_event(raw)


@pytest.mark.parametrize(
    "pool", ["10.0.0.1", "300.1.1.1", "01.02.03.04", "\u0661.\u0662.\u0663.\u0664"]
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_pool_that_looks_like_an_address_is_refused(pool, strict):
    raw = copy.deepcopy(ACTIVATED)
    raw["data"]["service"]["address"] = {"mode": "pool", "pool": pool}
    with pytest.raises(ContractViolation) as raised:
        parse_event(raw, strict=strict)
    (problem,) = raised.value.problems
    assert problem.pointer == "/data/service/address/pool"
    assert problem.code == "pool-like-address"


@pytest.mark.parametrize("pool", ["10.0.0", "10.0.0.1-10.0.0.9", "10.0.0.0/24", "pool 10.0.0.1"])
def test_a_pool_may_have_digits_in_its_name(pool):
    raw = copy.deepcopy(ACTIVATED)
    raw["data"]["service"]["address"] = {"mode": "pool", "pool": pool}
    assert parse_event(raw).data.service.address.pool == pool


IPV6 = {"prefix": {"mode": "static", "ipv6": "2001:0DB8:1:100::/56"}, "duid": "0x00:03"}


def test_ipv6_comes_out_in_normal_form():
    swapped = builders.event("device_swapped", device={"mac": builders.mac(1)}, ipv6=IPV6)
    event = parse_event(swapped)
    assert to_json(event)["data"]["ipv6"] == {
        "prefix": {"mode": "static", "ipv6": "2001:db8:1:100::/56"},
        "duid": "0003",
    }
    assert parse_event(to_json(event)) == event


@pytest.mark.parametrize("given", [{}, {"address": None, "ipv6": None}])
def test_a_change_of_addresses_names_one_of_them(given):
    raw = builders.event("address_changed", id_="a")
    raw["data"] |= given
    with pytest.raises(ContractViolation) as raised:
        parse_event(raw)
    assert [(p.pointer, p.code) for p in raised.value.problems] == [("/data/address", "missing")]
    raw["data"]["ipv6"] = IPV6
    assert parse_event(raw).data.address is None


def test_a_wrong_ipv6_is_no_missing_address():
    raw = builders.event("address_changed", ipv6={"prefix": {"mode": "assigned", "pool": "a b"}})
    with pytest.raises(ContractViolation) as raised:
        parse_event(raw)
    assert [(p.pointer, p.code) for p in raised.value.problems] == [
        ("/data/ipv6/prefix/pool", "wrong-format")
    ]
