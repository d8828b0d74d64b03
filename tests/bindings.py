"""DHCPv6 bindings that tests are made of."""

from typing import Any

from tests.builders import mac
from worker.core.rows.bindings import OwnBinding
from worker.core.rows.menus import BINDING
from worker.core.rows.rows import BindingRow, comment_for

PREFIX = "2001:db8:1:100::/56"


def duid(number: int) -> str:
    """The DUID-LL of the device with `builders.mac(number)`."""
    return "0x00030001" + mac(number).replace(":", "").lower()


def own_binding(number: int = 1, **fields: Any) -> OwnBinding:
    """A wanted binding of a device; its client is to be learned, unless `fields` state it."""
    client = {"mac": "" if {"duid", "iaid"} <= fields.keys() else mac(number)}
    return OwnBinding(**{"ia": "pd", "address": PREFIX, **client, **fields})


def learned(number: int = 1, **fields: Any) -> OwnBinding:
    """The same, with the client that was learned."""
    return own_binding(number, **fields)._replace(duid=duid(number), iaid="1")


def binding(
    row_id: str, number: int = 1, *, service_id: str = "", comment: str = "", **given: Any
) -> BindingRow:
    """A row of the device with `builders.mac(number)`; `fields` are RouterOS's, `-` as `_`.

    `service_id` puts our tag of installation `acme` in front of its comment.
    """
    attributes = ("dynamic", "disabled", "status", "client_address", "client_mac")
    attributes += ("last_seen_s", "expires_in_s", "radius")
    own = {name: given.pop(name) for name in attributes if name in given}
    fields = {"address": PREFIX, "duid": duid(number), "iaid": "1"}
    fields |= {name.replace("_", "-"): value for name, value in given.items()}
    text = comment_for("acme", service_id, comment) if service_id else comment
    return BindingRow(row_id, {**BINDING.defaults, **fields}, text, **own)
