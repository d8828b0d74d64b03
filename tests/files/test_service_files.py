"""Files of services: what is read is what was written, and what is wrong is said by its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.fields import event_of
from producers.files.cells import escape, unescape
from producers.files.reading import FileBroken, rows_of
from producers.files.writing import csv_row, flat_fields, heading, ndjson_row, template
from tests.builders import ipv4, mac, service_block


def read(folder, text, name="s.csv"):
    (folder / name).write_text(text, newline="")
    return list(rows_of(folder / name))


def broken(folder, text, name="s.csv"):
    with pytest.raises(FileBroken) as said:
        read(folder, text, name)
    return str(said.value)


BLOCKS = [
    service_block(),
    service_block(pool="customers", dns_servers=[ipv4(53), ipv4(54)], label="=cmd|' /C calc'!A0"),
    service_block(options=[{"code": 42, "hex": "c6336435"}, {"code": 66, "hex": "00"}]),
    service_block(server=None, plan={"code": "HOME", "down_kbps": 50_000, "up_kbps": 9}),
    service_block() | {"status": "suspended"},
    service_block(device={"circuit_id": "=eth 0/3", "remote_id": "0x00a1"}),
    service_block(ipv6={"prefix": {"mode": "static", "ipv6": "2001:db8::/56"}, "iaid": 0}),
    service_block(
        ipv6={"prefix": {"mode": "assigned", "pool": "home6"}, "address": "2001:db8::1"}
        | {"duid": "000300015e005301"}
    )
    | {"address": {"mode": "assigned", "pool": "home"}},
    service_block() | {"address": {"mode": "assigned", "pool": "home", "ipv4": ipv4(7)}},
    service_block()
    | {"status": "suspended", "suspension": {"mode": "block", "reason_code": "nonpayment"}},
]


@pytest.mark.parametrize("block", BLOCKS)
def test_what_is_written_is_read_again(block, tmp_path):
    data = {"service_id": "-1", "customer_id": "C/1", "service": block}
    table = read(tmp_path, heading() + csv_row(flat_fields(data)))
    said = event_of(flat_fields(data))["data"]
    assert [row.event["data"] for row in table] == [said]
    for field in ("access", "device", "address", "ipv6", "plan", "dns_servers", "options", "label"):
        assert said["service"].get(field) == block.get(field)
    objects = read(tmp_path, ndjson_row(data), "s.ndjson")
    assert [row.event["data"] for row in objects] == [data]


@given(st.text() | st.text("=+-@'\t\r a", min_size=1, max_size=4))
def test_no_cell_is_a_formula_and_none_is_changed(text):
    cell = escape(text.strip(" "))
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unescape(cell) == text.strip(" ")


def test_the_template_can_be_read(tmp_path):
    rows = read(tmp_path, template())
    assert [row.problems for row in rows] == [()] * 5
    assert rows[1].event["data"]["service"]["status"] == "suspended"


def test_lines_are_numbered_as_an_editor_does(tmp_path):
    text = (
        f'service_id,router,mac,ipv4,label\nA,R1,{mac(1)},{ipv4(1)},"two\nlines"\n\nB,R1,,,\nC,R1\n'
    )
    first, second, third = read(tmp_path, text)
    assert (first.line, first.problems) == (2, ())
    assert (second.line, second.problems) == (5, ("mac is missing", "ipv4 is missing"))
    assert third.line == 6
    assert third.problems[0].startswith("has 2 cells, the header has 5")


def test_what_spreadsheets_do_is_known(tmp_path):
    text = (
        f"\ufeffService_ID;router;mac;ipv4\nA;R1;5.30E+11;{ipv4(1)}\nB;R1;00005E005301;{ipv4(2)}\n"
    )
    spoilt, right = read(tmp_path, text)
    assert "turned into a number" in spoilt.problems[0]
    assert right.event["data"]["service"]["device"]["mac"] == "00005E005301"


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    assert "unknown column color" in broken(tmp_path, "service_id,color\n")
    assert "column mac is there twice; service_id is missing" in broken(tmp_path, "mac,mac\n")
    assert "is empty" in broken(tmp_path, "")
    assert "neither .csv nor .ndjson" in broken(tmp_path, "x", "s.txt")
    (tmp_path / "latin.csv").write_bytes("service_id,label\nA,é\n".encode("latin-1"))
    with pytest.raises(FileBroken, match="is not UTF-8"):
        list(rows_of(tmp_path / "latin.csv"))
    with pytest.raises(FileBroken, match="cannot be read"):
        list(rows_of(tmp_path / "none.csv"))


def test_broken_objects_spoil_no_others(tmp_path):
    text = '{"service_id": "A"}\n[1]\n\n{"service_id": "B", "event": "cancelled"}\n{\n'
    rows = read(tmp_path, text, "s.jsonl")
    assert [row.line for row in rows] == [1, 2, 4, 5]
    assert [row.problems for row in rows][1::2] == [("is not a JSON object",)] * 2
    assert rows[2].event["type"] == "leasewire.service.cancelled.v1"
