"""Which DHCPv6 client an IPv6 binding is for, as far as the router shows it: never a guess.

A client is a DUID and an IAID. What a source states counts; else it is learned from the dynamic
binding of the service's device. The device is known by its MAC address: in the DUID, or behind the
link-local address that it sends from. Where the link shows another MAC than the DUID, it is not
sure whose binding it is.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.core.rows.binding_index import BOUND, BindingIndex, clients_of, mac_on_link
from worker.core.rows.bindings import OwnBinding, mac_in_duid
from worker.core.rows.rows import BindingRow

UNKNOWN: Final = "ipv6-client-unknown"
AMBIGUOUS: Final = "ipv6-client-ambiguous"
CHANGED: Final = "ipv6-client-changed"
_RENEWED_BY: Final = 0.6
"""A client renews at half of its lease (RFC 8415, T1). One that has not asked by then has left."""


class Client(NamedTuple):
    """The client of a binding.

    Attributes:
        binding: what is wanted, with the client; without one, it is not known.
        source: the dynamic row that the device has now: it becomes the binding's row.
    """

    binding: OwnBinding
    source: BindingRow | None = None
    note: tuple[str, str] | None = None


def client_of(
    wanted: OwnBinding, noted: OwnBinding | None, row: BindingRow | None, index: BindingIndex
) -> Client:
    """Find the client of a binding.

    `noted` is as last written, with the client as learned then.
    """
    known = wanted if wanted.is_known else _known(wanted, noted, row)
    if known is None:
        return _learned(wanted, index)
    asking = index.asking(known if wanted.is_known else wanted)
    others = clients_of(other for other in asking if other.client != known.client)
    if row is None:
        now = clients_of(asking)
        changed = [other for other in now if other.client != known.client and other.status == BOUND]
        if len(now) == len(changed) == 1 and not wanted.is_known:
            return _take(wanted, changed[0])
        dynamic = (row for row in index.of_client(known) if row.dynamic and not row.radius)
        return Client(known, next(dynamic, None))
    bound = [other for other in others if other.status == BOUND]
    if not bound or wanted.is_known or row.client != known.client:
        return Client(known)
    if len(bound) > 1 or not _has_left(row):
        detail = f"its device asks as another client too: {_names(bound)} beside {row.name}"
        return Client(known, note=(CHANGED, detail))
    return _take(wanted, bound[0])


def _learned(wanted: OwnBinding, index: BindingIndex) -> Client:
    clients = clients_of(index.asking(wanted))
    doubtful = index.doubtful(wanted)
    if len(clients) == 1 and (not doubtful or mac_on_link(clients[0]) == wanted.mac):
        return _take(wanted, clients[0])
    if clients or doubtful:
        detail = f"any of these may be the client of {wanted.address}: "
        return Client(wanted, note=(AMBIGUOUS, detail + _names([*clients, *doubtful])))
    detail = f"{wanted.address} is written when its device has asked the router for IPv6"
    return Client(wanted, note=(UNKNOWN, detail))


def _known(
    wanted: OwnBinding, noted: OwnBinding | None, row: BindingRow | None
) -> OwnBinding | None:
    """The binding with the client that was learned for its device; None: none was."""
    if noted is not None and noted.is_known and noted.mac == wanted.mac:
        return _agreed(wanted, noted.client)
    if row is None:
        return None
    mac = mac_on_link(row) or mac_in_duid(row.client[0])
    if noted is not None and noted.is_known and wanted.mac != mac:
        return None  # the row may be that of the device before
    return _agreed(wanted, row.client)


def _agreed(wanted: OwnBinding, client: tuple[str, str]) -> OwnBinding | None:
    """The binding with a client; None: a source states another one."""
    duid, iaid = client
    if wanted.duid not in ("", duid) or wanted.iaid not in ("", iaid):
        return None
    return wanted._replace(duid=duid, iaid=iaid)


def _has_left(row: BindingRow) -> bool:
    """Whether the client of a row asks no more."""
    if row.status != BOUND:
        return True
    seen_s, left_s = row.last_seen_s, row.expires_in_s
    if seen_s is None or left_s is None:
        return False
    return seen_s > _RENEWED_BY * (seen_s + left_s)


def _take(wanted: OwnBinding, row: BindingRow) -> Client:
    duid, iaid = row.client
    return Client(wanted._replace(duid=duid, iaid=iaid), row)


def _names(rows: Sequence[BindingRow]) -> str:
    return "; ".join(row.name for row in rows)
