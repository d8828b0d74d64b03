"""What Hypothesis draws from: histories of events of one service, as a BSS may send them."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from tests import builders

macs = st.integers(1, 5).map(builders.mac)
addresses = st.integers(10, 14).map(builders.ipv4)
customers = st.sampled_from([None, "C-1", "C-2"])
modes = st.sampled_from(["block", "walled_garden", "throttle"])
suspensions = st.fixed_dictionaries(
    {}, optional={"mode": modes, "reason_code": st.sampled_from(["nonpayment", "abuse"])}
)
servers = st.sampled_from([None, "dhcp1", "dhcp2"])


static = addresses.map(lambda ipv4: {"mode": "static", "ipv4": ipv4})
assigned = st.just({"mode": "assigned", "pool": "home"})
any_address = static | st.just({"mode": "pool", "pool": "cust"}) | assigned
prefixes = st.sampled_from(
    [
        {"mode": "static", "ipv6": "2001:db8:1:100::/56"},
        {"mode": "static", "ipv6": "2001:db8:1:200::/56"},
        {"mode": "assigned", "pool": "home6"},
    ]
)
ipv6s = st.fixed_dictionaries(
    {"prefix": prefixes},
    optional={
        "address": st.just("2001:db8::10"),
        "duid": st.sampled_from(["0003000100005e005301", "0003000100005e005302"]),
        "iaid": st.integers(1, 2),
    },
)
plans = st.sampled_from([{"code": "HOME-20"}, {"code": "HOME-50", "up_kbps": 1}])
dns = st.sampled_from([[], ["198.51.100.53"], ["198.51.100.54", "198.51.100.53"]])
dhcp_options = st.sampled_from([[], [{"code": 42, "hex": "c6336435"}]])
devices = st.fixed_dictionaries(
    {"mac": macs}, optional={"serial": st.sampled_from(["HX1", "HX2"]), "circuit_id": st.just("c")}
)
further = st.builds(
    lambda device, number, address: {**device, "number": number, "address": address},
    devices,
    st.integers(2, 3),
    addresses.map(lambda ipv4: {"mode": "static", "ipv4": ipv4}),
)
accesses = st.fixed_dictionaries(
    {"router": st.sampled_from(["R1", "R2"])},
    optional={"dhcp_server": st.sampled_from(["dhcp1", "dhcp2"])},
)
_own_fields = {
    "mac_changed": st.fixed_dictionaries({"mac": macs}),
    "device_swapped": st.fixed_dictionaries({"device": devices}, optional={"ipv6": ipv6s}),
    "device_added": st.fixed_dictionaries({"device": further}),
    "device_removed": st.fixed_dictionaries({"number": st.integers(2, 3)}),
    "address_changed": st.fixed_dictionaries({"address": any_address}, optional={"ipv6": ipv6s})
    | st.fixed_dictionaries({"ipv6": ipv6s}),
    "dns_changed": st.fixed_dictionaries({"dns_servers": dns}),
    "options_changed": st.fixed_dictionaries({"options": dhcp_options}),
    "plan_changed": st.fixed_dictionaries({"plan": plans}),
    "moved": st.fixed_dictionaries(
        {"access": accesses}, optional={"address": any_address, "ipv6": ipv6s}
    ),
    "suspended": st.fixed_dictionaries({}, optional={"suspension": suspensions}),
}


# What is drawn often is made once: that costs more than a draw.
_given_in_blocks = st.fixed_dictionaries(
    {"router": st.sampled_from(["R1", "R2"]), "server": servers, "mac": macs},
    optional={
        "ipv4": addresses,
        "pool": st.sampled_from([None, "cust"]),
        "ipv6": ipv6s,
        "plan": plans,
        "dns_servers": dns,
        "options": dhcp_options,
        "label": st.sampled_from(["Device A", "Gerät B"]),
        "devices": st.lists(further, max_size=1),
    },
)
_statuses = st.sampled_from(["active", "suspended"])
_types = st.sampled_from(
    [
        *("activated", "snapshot", "mac_changed", "device_swapped", "address_changed"),
        *("dns_changed", "options_changed", "plan_changed", "moved"),
        *("suspended", "resumed", "cancelled", "device_added", "device_removed"),
    ]
)
_ids = st.sampled_from(["a", "b"])
_microseconds = st.sampled_from([0, 1, 1_000_000])
_no_fields = st.just({})


@st.composite
def blocks(draw, status=None):
    """A `service` block with any of its optional fields."""
    given = draw(_given_in_blocks)
    status = status or draw(_statuses)
    if status == "suspended" and draw(st.booleans()):
        given["suspension"] = draw(suspensions)
    block = builders.service_block(status=status, **given)
    if "devices" in block:
        block["devices"] = [device for device in block["devices"] if _unlike(device, block)]
    return block


def _unlike(device, block):
    """Whether a further device is not what the first one is."""
    return device["mac"] != block["device"]["mac"] and device["address"] != block["address"]


@st.composite
def events(draw, service_id="SVC-1"):
    """One event of any type that writes registers; of few revisions and times: equal ones come."""
    name = draw(_types)
    data = {"revision": draw(st.integers(1, 6)), "customer_id": draw(customers)}
    status = {"activated": "active", "resumed": "active", "suspended": "suspended"}.get(name)
    if name in {"activated", "snapshot"} or draw(st.booleans()):
        data["service"] = draw(blocks(status))
    data |= draw(_own_fields.get(name, _no_fields))
    moment = datetime(2026, 11, 24, tzinfo=UTC) + timedelta(microseconds=draw(_microseconds))
    ids = {"id_": draw(_ids)} if draw(st.booleans()) else {}
    return builders.event(name, service_id, time=moment.isoformat(), **ids, **data)


orders = st.sampled_from(["revisions", "times"])
