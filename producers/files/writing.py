"""Writes services as rows of CSV and NDJSON files."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from producers.fields import FIELDS, PLACES, POLICY_MODE
from producers.files.cells import escape, printable

_EXAMPLES: Final = (
    {
        "service_id": "SVC-1001",
        "customer_id": "C-501",
        "router": "tower-7",
        "mac": "00:00:5E:00:53:01",
        "ipv4": "198.51.100.10",
        "plan": "HOME-50",
    },
    {
        "service_id": "SVC-1002",
        "router": "tower-7",
        "dhcp_server": "dhcp-cust",
        "mac": "00:00:5E:00:53:02",
        "pool": "customers",
        "suspension_mode": "walled_garden",
        "reason_code": "nonpayment",
    },
    {
        "service_id": "SVC-1003",
        "router": "tower-7",
        "mac": "00:00:5E:00:53:03",
        "assigned_pool": "home",
        "assigned_ipv6_pool": "home6",
    },
    {
        "service_id": "SVC-1004",
        "router": "pppoe-1",
        "ppp_name": "svc-1004@isp.example",
        "ppp_password": "correct horse",
        "ipv4": "198.51.100.14",
    },
    {"event": "cancelled", "service_id": "SVC-1005"},
)


def heading() -> str:
    """Return the header of a CSV file."""
    return _line(FIELDS)


def csv_row(fields: Mapping[str, object]) -> str:
    """Return one CSV line with these `producers.fields.FIELDS`."""
    cells = (fields.get(name) for name in FIELDS)
    return _line([escape(printable("" if cell is None else str(cell))) for cell in cells])


def template() -> str:
    """Return an example of a CSV file."""
    return heading() + "".join(map(csv_row, _EXAMPLES))


def ndjson_row(data: Mapping[str, object]) -> str:
    """Return one NDJSON line with the data of a snapshot."""
    return printable(json.dumps(data, separators=(",", ":"), ensure_ascii=False)) + "\n"


def flat_fields(data: Mapping[str, Any]) -> dict[str, object]:
    """Return the flat fields of a snapshot's data; the reverse of `producers.fields.event_of`."""
    block = data["service"]
    address, ipv6 = block.get("address") or {}, block.get("ipv6") or {}
    prefix = ipv6.get("prefix") or {}
    fields = {
        **{name: (block.get(part) or {}).get(field) for name, (part, field) in PLACES.items()},
        "service_id": data["service_id"],
        "customer_id": data.get("customer_id"),
        "ipv4": address.get("ipv4"),
        "pool": address.get("pool") if address.get("mode") == "pool" else None,
        "assigned_pool": address.get("pool") if address.get("mode") == "assigned" else None,
        "ipv6_prefix": prefix.get("ipv6"),
        "assigned_ipv6_pool": prefix.get("pool"),
        "dns_servers": " ".join(block.get("dns_servers") or ()),
        "options": " ".join(f"{o['code']}={o['hex']}" for o in block.get("options") or ()),
        "label": block.get("label"),
    }
    if block["status"] == "suspended":
        fields["suspension_mode"] = fields["suspension_mode"] or POLICY_MODE
    return fields


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
