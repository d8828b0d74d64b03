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


@st.composite
def blocks(draw, status=None):
    """A `service` block with any of its optional fields."""
    given = draw(
        st.fixed_dictionaries(
            {"router": st.sampled_from(["R1", "R2"]), "server": servers, "mac": macs},
            optional={
                "ipv4": addresses,
                "pool": st.sampled_from([None, "cust"]),
                "plan": st.sampled_from([{"code": "HOME-20"}, {"code": "HOME-50", "up_kbps": 1}]),
                "dns_servers": st.sampled_from([[], ["198.51.100.53"]]),
                "options": st.sampled_from([[], [{"code": 42, "hex": "c6336435"}]]),
                "label": st.sampled_from(["Device A", "Gerät B"]),
            },
        )
    )
    status = status or draw(st.sampled_from(["active", "suspended"]))
    if status == "suspended" and draw(st.booleans()):
        given["suspension"] = draw(suspensions)
    return builders.service_block(status=status, **given)


@st.composite
def events(draw, service_id="SVC-1"):
    """One event of any type; revisions and times are few, so that equal ones come up."""
    name = draw(
        st.sampled_from(
            ["activated", "snapshot", "mac_changed", "suspended", "resumed", "cancelled"]
        )
    )
    data = {"revision": draw(st.integers(1, 6)), "customer_id": draw(customers)}
    status = {"activated": "active", "resumed": "active", "suspended": "suspended"}.get(name)
    if name in {"activated", "snapshot"} or draw(st.booleans()):
        data["service"] = draw(blocks(status))
    if name == "mac_changed":
        data["mac"] = draw(macs)
    if name == "suspended":
        data["suspension"] = draw(st.none() | suspensions)
    moment = datetime(2026, 11, 24, tzinfo=UTC) + timedelta(
        microseconds=draw(st.sampled_from([0, 1, 1_000_000]))
    )
    ids = {"id_": draw(st.sampled_from(["a", "b"]))} if draw(st.booleans()) else {}
    return builders.event(name, service_id, time=moment.isoformat(), **ids, **data)


orders = st.sampled_from(["revisions", "times"])
