"""Writes services as rows of CSV and NDJSON files."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from producers.fields import FIELDS, POLICY_MODE
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
    {"event": "cancelled", "service_id": "SVC-1003"},
)


def heading() -> str:
    """Return the header of a CSV file."""
    return _line(FIELDS)


def csv_row(fields: Mapping[str, object]) -> str:
    """Return one CSV line with these `producers.fields.FIELDS`."""
    return _line([escape(printable(str(fields.get(name, "") or ""))) for name in FIELDS])


def template() -> str:
    """Return an example of a CSV file."""
    return heading() + "".join(map(csv_row, _EXAMPLES))


def ndjson_row(data: Mapping[str, object]) -> str:
    """Return one NDJSON line with the data of a snapshot."""
    return printable(json.dumps(data, separators=(",", ":"), ensure_ascii=False)) + "\n"


def flat_fields(data: Mapping[str, Any]) -> dict[str, object]:
    """Return the flat fields of a snapshot's data; the reverse of `producers.fields.event_of`."""
    block = data["service"]
    plan, address, suspension = (block.get(part) or {} for part in _PARTS)
    fields: dict[str, object] = {
        "service_id": data["service_id"],
        "customer_id": data.get("customer_id"),
        **block["access"],
        **block["device"],
        "ipv4": address.get("ipv4"),
        "pool": address.get("pool"),
        "plan": plan.get("code"),
        "down_kbps": plan.get("down_kbps"),
        "up_kbps": plan.get("up_kbps"),
        "dns_servers": " ".join(block.get("dns_servers") or ()),
        "options": " ".join(f"{o['code']}={o['hex']}" for o in block.get("options") or ()),
        "label": block.get("label"),
    }
    if block["status"] == "suspended":
        fields["suspension_mode"] = suspension.get("mode") or POLICY_MODE
        fields["reason_code"] = suspension.get("reason_code")
    return fields


_PARTS: Final = ("plan", "address", "suspension")


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
