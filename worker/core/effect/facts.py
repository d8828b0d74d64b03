"""What on a router decides when a change acts at the customer, as the last full read found it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

from worker.core.rows.filter_rules import Place
from worker.core.rows.queues import Shadow
from worker.core.storage_format import known_part, to_json

_SETS: Final = ("layer2", "reconfigure", "reconfigure6", "ipv6", "unread")


class Ipv6Filter(NamedTuple):
    """The rules of `/ipv6/firewall/filter`; as those of IPv4 in `EffectFacts`."""

    fasttrack: bool = False
    suspension: Place = "none"
    ahead: str = ""
    ahead_is_fasttrack: bool = False


@dataclass(frozen=True, slots=True)
class EffectFacts:
    """The facts of one router; without arguments nothing is known, which promises nothing.

    Attributes:
        read_at_ms: when they were read; 0: never.
        version: of RouterOS, such as (7, 19, 1); (): unknown.
        fasttrack: an enabled rule has `action=fasttrack-connection`.
        suspension: whether firewall rules stop every new packet of a suspended customer.
        ahead: the rule that lets packets past before them, for people; empty: none.
        layer2: DHCP servers with `add-arp=yes` whose interface has `arp=reply-only`.
        reconfigure: DHCP servers with `use-reconfigure=yes`.
        reconfigure6: DHCPv6 servers with it: they tell a device by themselves that its binding
            changed.
        ipv6: interfaces of our DHCP servers that have a DHCPv6 server or router advertisements.
        lease_times_s: DHCP server -> its lease time in seconds.
        shadows: queues of others that stand before queues of ours and take their packets.
        unread: menus that our login may not read: what they hold is unknown.
        ipv6_filter: None: not read, as no service there had IPv6.
    """

    read_at_ms: int = 0
    version: tuple[int, ...] = ()
    fasttrack: bool = False
    suspension: Place = "none"
    ahead: str = ""
    ahead_is_fasttrack: bool = False
    layer2: frozenset[str] = frozenset()
    reconfigure: frozenset[str] = frozenset()
    ipv6: frozenset[str] = frozenset()
    lease_times_s: Mapping[str, int] = field(default_factory=dict)
    shadows: tuple[Shadow, ...] = ()
    unread: frozenset[str] = frozenset()
    ipv6_filter: Ipv6Filter | None = None
    reconfigure6: frozenset[str] = frozenset()

    def shadow_of(self, address: str) -> Shadow | None:
        """Return the queue of others that takes the packets of an address before its own queue."""
        return next((shadow for shadow in self.shadows if shadow.covers(address)), None)

    def to_text(self) -> str:
        """Return them as JSON."""
        values: dict[str, Any] = asdict(self)
        values |= {name: sorted(values[name]) for name in _SETS}
        if self.ipv6_filter is not None:
            values["ipv6_filter"] = self.ipv6_filter._asdict()
        return to_json(values)

    @classmethod
    @lru_cache(maxsize=1024)  # each pass reads those of its router; a full read writes others
    def from_text(cls, text: str) -> "EffectFacts":
        """Read what `to_text` wrote; fields of a newer version are dropped."""
        values = json.loads(text)
        values |= {name: frozenset(values.get(name, ())) for name in _SETS}
        if values.get("ipv6_filter"):
            values["ipv6_filter"] = known_part(Ipv6Filter, values["ipv6_filter"])
        values["shadows"] = tuple(Shadow(*shadow) for shadow in values.get("shadows", ()))
        return known_part(cls, values | {"version": tuple(values.get("version", ()))})
