"""Which client an IPv6 binding is for: what surely shows it, and what does not."""

from ipaddress import IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import mac
from worker.core.plan.binding_clients import AMBIGUOUS, CHANGED, UNKNOWN, client_of
from worker.core.rows.binding_index import BindingIndex
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.menus import BINDING
from worker.core.rows.rows import BindingRow

PREFIX = "2001:db8:1:100::/56"
OF_MAC = "0x0003000100005e005301"
WANTED = OwnBinding("pd", PREFIX, mac=mac(1))
OTHER = "0x0004aa"


def row(duid=OF_MAC, iaid="1", *, dynamic=True, status="bound", **more):
    """A row of a client; a dynamic one of a borrowed prefix."""
    number = len(duid) + int(iaid)
    fields = {"duid": duid, "iaid": iaid, "server": "dhcp6" if dynamic else "all"}
    fields["address"] = f"2001:db8:f{number:x}::/56" if dynamic else PREFIX
    fields["ia-type"] = more.pop("ia", "pd")
    fields["server"] = more.pop("server", fields["server"])
    values = {**BINDING.defaults, **fields}
    return BindingRow(f"*{number:X}", values, dynamic=dynamic, status=status, **more)


def found(*rows, own=None, noted=None, wanted=WANTED):
    """The client as DUID and IAID, or the kind of the note."""
    client = client_of(wanted, noted, own, BindingIndex([*rows, *([own] if own else [])]))
    return client.note[0] if client.note else client.binding.client


def learned(duid=OF_MAC, iaid="1", *, of=WANTED):
    return of._replace(duid=duid, iaid=iaid)


def test_what_the_link_shows_counts_more_than_a_duid():
    assert found(row(client_mac=mac(1), duid=OTHER)) == (OTHER, "1")
    assert found(row(client_mac=mac(2))) == AMBIGUOUS
    in_duid_only = row()
    elsewhere = row(iaid="2", client_mac=mac(2))
    assert found(in_duid_only, elsewhere) == AMBIGUOUS
    on_link = row(duid=OTHER, client_mac=mac(1))
    assert found(on_link, elsewhere) == (OTHER, "1")


def test_neighbours_count_more_than_an_address_made_from_a_mac():
    made_of_mac = "fe80::200:5eff:fe00:5301"
    assert found(row(OTHER, client_address=made_of_mac)) == (OTHER, "1")
    assert found(row(OTHER, client_address=made_of_mac, client_mac=mac(2))) == UNKNOWN


def test_the_same_client_on_two_servers_is_one():
    assert found(row(server="dhcp6"), row(server="dhcp7")) == (OF_MAC, "1")


def test_clients_of_other_kinds_and_servers_do_not_count():
    assert found(row(ia="na")) == UNKNOWN
    assert found(row(server="dhcp7"), wanted=WANTED._replace(server="dhcp6")) == UNKNOWN


def test_what_is_stated_of_a_client_counts():
    by_duid = WANTED._replace(duid=OTHER)
    assert found(row(), row(OTHER, "7"), wanted=by_duid) == (OTHER, "7")
    assert found(row(OTHER, "7"), row(OTHER, "8"), wanted=by_duid) == AMBIGUOUS
    by_iaid = WANTED._replace(iaid="2")
    assert found(row(iaid="1"), row(iaid="2"), wanted=by_iaid) == (OF_MAC, "2")
    assert found(row(), wanted=WANTED._replace(duid=OTHER, iaid="9", mac="")) == (OTHER, "9")


def test_what_is_stated_now_overrules_what_was_learned():
    wanted = WANTED._replace(duid=OTHER)
    own = row(dynamic=False, client_mac=mac(1))
    assert found(own=own, noted=learned(of=wanted), wanted=wanted) == UNKNOWN
    assert found(row(OTHER, "5"), own=own, noted=learned(of=wanted), wanted=wanted) == (OTHER, "5")


def test_a_learned_client_is_that_of_its_device_alone():
    own = row(dynamic=False)
    assert found(own=own, noted=learned()) == (OF_MAC, "1")
    assert found(own=own, noted=learned(of=WANTED._replace(mac=mac(2)))) == (OF_MAC, "1")
    own = row(OTHER, dynamic=False)
    assert found(own=own, noted=learned(OTHER, of=WANTED._replace(mac=mac(2)))) == UNKNOWN


def test_a_client_that_was_stated_stays_where_its_row_shows_the_device():
    stated = learned(OTHER, of=WANTED._replace(mac=""))
    assert found(own=row(OTHER, dynamic=False, client_mac=mac(1)), noted=stated) == (OTHER, "1")
    assert found(own=row(OTHER, dynamic=False, client_mac=mac(2)), noted=stated) == UNKNOWN
    assert found(own=row(OTHER, dynamic=False), noted=stated) == UNKNOWN


def test_a_row_of_which_nothing_was_noted_keeps_its_client():
    """Redis lost its last second, or the row was adopted."""
    assert found(own=row(OTHER, "4", dynamic=False)) == (OTHER, "4")
    nothing_learned = WANTED
    assert found(own=row(OTHER, "4", dynamic=False), noted=nothing_learned) == (OTHER, "4")


def test_a_client_changed_by_hand_is_put_back():
    own = row(OTHER, "9", dynamic=False, status="waiting")
    assert found(row(iaid="2"), own=own, noted=learned()) == (OF_MAC, "1")


def test_a_device_that_asks_anew_is_learned_anew_once_it_has_left_its_row():
    asks = row(iaid="2")
    left = row(dynamic=False, status="waiting")
    assert found(asks, own=left, noted=learned()) == (OF_MAC, "2")
    assert found(asks, row(iaid="3"), own=left, noted=learned()) == CHANGED
    assert found(row(iaid="2", status="waiting"), own=left, noted=learned()) == (OF_MAC, "1")
    for seen_s, left_s, result in [
        (61, 39, (OF_MAC, "2")),  # it did not renew at half of 100 s
        (59, 41, CHANGED),
        (None, 10, CHANGED),
        (80, None, CHANGED),
    ]:
        bound = row(dynamic=False, last_seen_s=seen_s, expires_in_s=left_s)
        assert found(asks, own=bound, noted=learned()) == result


def test_a_row_that_was_removed_by_hand_comes_back_for_the_device_as_it_asks_now():
    assert found(noted=learned()) == (OF_MAC, "1")
    assert found(row(iaid="2"), noted=learned()) == (OF_MAC, "2")
    assert found(row(iaid="2", status="waiting"), noted=learned()) == (OF_MAC, "1")
    assert found(row(iaid="2"), row(iaid="3"), noted=learned()) == (OF_MAC, "1")


prefixes = st.builds(
    lambda number, length: str(IPv6Network((number << 108, length), strict=False)),
    st.sampled_from([0x20010, 0x20011, 0x20018, 0x20020]),
    st.integers(14, 22),
)


@given(st.lists(prefixes, unique=True), prefixes)
def test_rows_that_overlap_a_prefix_are_found(held, wanted):
    rows = [
        BindingRow(f"*{number:X}", {**BINDING.defaults, "address": prefix})
        for number, prefix in enumerate(held)
    ]
    overlapping = {p for p in held if IPv6Network(p).overlaps(IPv6Network(wanted))}
    found = [row.address for row in BindingIndex(rows).overlapping(wanted)]
    assert sorted(found) == sorted(overlapping)


def test_bindings_of_radius_are_not_looked_at():
    assert found(row(radius=True)) == UNKNOWN
    client = client_of(learned(), learned(), None, BindingIndex([row(radius=True)]))
    assert client.source is None
