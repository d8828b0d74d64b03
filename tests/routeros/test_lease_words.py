"""Rows, queries and operations in the router's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.entry.wanted import DEFAULT_KIND
from worker.core.rows.operations import Add, MakeStatic, Remove, Set
from worker.core.rows.rows import Lease
from worker.ports import LeaseQuery
from worker.routeros.rows import command_for, entry_prints, entry_rows

PATH = "/ip/dhcp-server/lease"
MAC = "00:00:5E:00:53:01"


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (
            Add(1, "S", {"mac-address": MAC, "comment": "a=b é"}),
            ("add", f"=mac-address={MAC}", "=comment=a=b é"),
        ),
        (
            Set(1, "S", "*1A", {"client-id": "", "block-access": "yes"}, {}),
            ("set", "=.id=*1A", "=client-id=", "=block-access=yes"),
        ),
        (MakeStatic(1, "S", "*1A"), ("make-static", "=numbers=*1A")),
        (Remove(1, "S", "*1A", {}), ("remove", "=.id=*1A")),
    ],
)
def test_each_operation_is_one_sentence(operation, words):
    verb, *attributes = words
    assert command_for(operation, DEFAULT_KIND) == (f"{PATH}/{verb}", *attributes)


def test_a_row_is_read_in_normal_form_and_what_is_left_out_is_the_default():
    bare = {".id": "*1"}
    full = {
        ".id": "*2",
        "mac-address": "00-00-5e-00-53-01",
        "address": "pool-1",
        "server": "dhcp1",
        "client-id": "1:0:0:5e:0:53:1",
        "agent-circuit-id": "0x4F4C54",
        "agent-remote-id": "07",
        "block-access": "true",
        "rate-limit": "10000000/50M 20M/60000k",
        "lease-time": "00:30:00",
        "address-lists": "vip,customers",
        "dhcp-option": "b,a",
        "comment": "true",
        "dynamic": "true",
        "disabled": "yes",
        "radius": "false",
        "last-seen": "never",
    }
    assert entry_rows(DEFAULT_KIND, [bare, full, full]) == [
        Lease(
            "*1",
            {
                "mac-address": "00:00:00:00:00:00",
                "address": "0.0.0.0",  # noqa: S104 - nothing listens
                "server": "all",
                "client-id": "",
                "block-access": "no",
                "rate-limit": "",
                "lease-time": "",
                "address-lists": "",
                "dhcp-option": "",
                "option-82": "",
            },
        ),
        Lease(
            "*2",
            {
                "mac-address": MAC,
                "address": "pool-1",
                "server": "dhcp1",
                "client-id": "1:0:0:5e:0:53:1",
                "block-access": "yes",
                "rate-limit": "10M/50M 20M/60M",
                "lease-time": "30m",
                "address-lists": "customers,vip",
                "dhcp-option": "a,b",
                "option-82": "OLT+0x07",
            },
            comment="true",
            dynamic=True,
            disabled=True,
        ),
    ]


def test_the_whole_table_is_one_print_of_what_is_needed():
    ((command, fields),) = entry_prints(DEFAULT_KIND, None, 10)
    assert command == f"{PATH}/print"
    assert fields == (
        "=.proplist=.id,mac-address,address,server,client-id,agent-circuit-id,agent-remote-id,"
        "block-access,rate-limit,lease-time,address-lists,dhcp-option,comment,disabled,dynamic,radius"
    )


def test_nothing_asked_is_nothing_sent():
    assert entry_prints(DEFAULT_KIND, LeaseQuery(), 10) == []


def test_what_is_expected_of_one_row_is_asked_in_one_sentence():
    macs, addresses, comments = (
        [f"{name}-{number}" for number in range(6)] for name in ("mac", "address", "comment")
    )
    query = LeaseQuery([*macs, "other"], addresses, comments)
    asked = [set(words) - {"?#|"} for _, _, *words in entry_prints(DEFAULT_KIND, query, 6)]
    assert asked == [
        {
            f"?={field}={name}-{number}"
            for field, name in (("mac-address", "mac"), ("address",) * 2, ("comment",) * 2)
            for number in (first, first + 1)
        }
        for first in (0, 2, 4)
    ] + [{"?=mac-address=other"}]


@given(
    macs=st.frozensets(st.integers(0, 999).map("00:00:5E:00:{:03}".format), max_size=9),
    addresses=st.frozensets(st.integers(0, 99).map("198.51.100.{}".format), max_size=9),
    comments=st.frozensets(st.text(max_size=9), max_size=9),
    terms_per_print=st.integers(1, 12),
)
def test_a_query_asks_for_each_term_once_in_bounded_sentences(
    macs, addresses, comments, terms_per_print
):
    query = LeaseQuery(macs, addresses, comments)
    asked = []
    for _, _, *words in entry_prints(DEFAULT_KIND, query, terms_per_print):
        terms = [word for word in words if word != "?#|"]
        assert 1 <= len(terms) <= terms_per_print
        depth = 0
        for word in words:
            depth += -1 if word == "?#|" else 1
            assert 1 <= depth <= 2
        assert depth == 1  # of all terms one answer is left
        asked += terms
    assert sorted(asked) == sorted(
        [
            *(f"?=mac-address={mac}" for mac in macs),
            *(f"?=address={address}" for address in addresses),
            *(f"?=comment={comment}" for comment in comments),
        ]
    )


def test_a_device_of_option_82_is_asked_for_by_both_ids():
    query = LeaseQuery(["eth 0/3+olt", "+olt", MAC])
    ((_, _, *words),) = entry_prints(DEFAULT_KIND, query, 6)
    circuit, remote = b"eth 0/3".hex(), b"olt".hex()
    both = [f"?=agent-circuit-id={circuit}", f"?=agent-remote-id={remote}", "?#&"]
    assert words == [
        *both,
        *(f"?=agent-remote-id={remote}", "?#|"),
        *(f"?=mac-address={MAC}", "?#|"),
    ]
