"""The rung that a change stands on: by which means it acts at the customer, and when at the latest.

RouterOS pushes little to devices, so what acts, and when, depends on the kind of change, on the
policy and on what the last full read found. Nothing here says that a change acts: only a read does.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, cast, get_args

from worker.core.effect.facts import EffectFacts
from worker.core.rows.normal import duration, seconds
from worker.core.rows.rows import ANY_SERVER

Rung = Literal[
    "connection-cut",
    "own-queue",
    "lease-rate",
    "reconfigure",
    "layer-2",
    "shortened-lease",
    "session-end",
    "address-list",
    "lease-time",
    "next-session",
]
ChangeKind = Literal[
    "cancelled",
    "moved-away",
    "suspended",
    "resumed",
    "activated",
    "mac",
    "login",
    "address",
    "pool",
    "prefix",
    "rate",
    "options",
]
"""What a change is to the customer, the gravest first; `moved-away` is at the old router."""

Trait = Literal["listed", "shortened", "own-queue"]
"""An address list suspends the service, or did; its lease time was shortened ahead of the change;
its rate is a queue of ours."""

RENEWED: Final[frozenset[ChangeKind]] = frozenset({"address", "pool", "options"})
"""Kinds that the same device learns when it asks again."""
_WITHOUT_LEASE: Final[frozenset[Rung]] = frozenset(
    {"connection-cut", "own-queue", "address-list", "session-end", "next-session"}
)
"""Rungs that no renewal helps: what does not act there at once is not over with the lease."""
_TEXT: Final = re.compile(
    r"(?P<rung>[a-z0-9-]+)(?: (?P<time>\d+)s)?(?: seen (?P<ms>\d+)ms (?P<times>\d+) "
    r"(?P<version>\S+))?(?: server (?P<server>.+))?"
)


class ActedBefore(NamedTuple):
    """What a router did with the same kind of change on the same rung.

    Attributes:
        within_ms: the time from applied to acting, as it was the last time.
        times: how often it was seen on this version.
    """

    within_ms: int
    times: int
    version: str


@dataclass(frozen=True, slots=True)
class Means:
    """What Leasewire may do on a router so that a change acts sooner.

    Attributes:
        cut: it removes the tracked connections of an address that loses its access.
        reconfigure: it tells devices to renew, where the DHCP server can.
        sessions: the changes after which it ends the sessions of devices that log in.
    """

    cut: bool = False
    cut_ipv6: bool = False
    reconfigure: bool = False
    sessions: frozenset[ChangeKind] = frozenset()


class EffectiveBy(NamedTuple):
    """When a change acts.

    Attributes:
        lease_time_s: by the end of this time the device has asked again; None: not known.
        server: the DHCP server whose lease time that is; empty: the row's own, or any server's.
        before: what the router did the last times; None: it was not seen there.
    """

    rung: Rung
    lease_time_s: int | None = None
    server: str = ""
    before: ActedBefore | None = None

    def to_text(self) -> str:
        """Return the short form, in which outcomes keep it: `RUNG[ Ns][ seen …][ server NAME]`."""
        parts: list[str] = [self.rung]
        if self.lease_time_s is not None:
            parts.append(f"{self.lease_time_s}s")
        if self.before is not None:
            within_ms, times, version = self.before
            parts.append(f"seen {within_ms}ms {times} {version}")
        if self.server:
            parts.append(f"server {self.server}")
        return " ".join(parts)

    @classmethod
    def from_text(cls, text: str) -> "EffectiveBy | None":
        """The reverse of `to_text`; None for an empty text and for one of another version."""
        match = _TEXT.fullmatch(text)
        if match is None or match["rung"] not in get_args(Rung):
            return None
        before = None
        if match["ms"]:
            before = ActedBefore(int(match["ms"]), int(match["times"]), match["version"])
        lease_time_s = int(match["time"]) if match["time"] else None
        return cls(cast("Rung", match["rung"]), lease_time_s, match["server"] or "", before)

    def by_ms(self, applied_ms: int) -> int:
        """The latest moment at which it acts if the device renews; 0: not known."""
        return 0 if self.lease_time_s is None else applied_ms + self.lease_time_s * 1000


@dataclass(frozen=True, slots=True)
class RouterEffect:
    """What is known of one router about when changes act there.

    Attributes:
        acted: (kind, rung) -> what it did the last times.
    """

    facts: EffectFacts = field(default_factory=EffectFacts)
    means: Means = field(default_factory=Means)
    acted: Mapping[tuple[str, str], ActedBefore] = field(default_factory=dict)

    def of(
        self,
        kind: ChangeKind,
        fields: Mapping[str, str],
        traits: Collection[Trait] = (),
    ) -> EffectiveBy:
        """Return when a change acts, with the lease time that bounds it, if one does.

        The arguments are those of `rung_of`.
        """
        server, times_s = fields.get("server", ANY_SERVER), self.facts.lease_times_s
        rung: Rung
        if kind == "prefix":
            life_s = seconds(fields.get("life-time", ""))
            every = self.facts.reconfigure6
            tells = every if server == ANY_SERVER else every & {server}
            rung = "reconfigure" if tells else "lease-time"
            return EffectiveBy(rung, life_s, before=self.acted.get((kind, rung)))
        rung = rung_of(kind, fields, self, traits)
        before = self.acted.get((kind, rung))
        if rung in _WITHOUT_LEASE:
            return EffectiveBy(rung, before=before)
        if (own := fields.get("lease-time")) and (own_s := seconds(own)):
            return EffectiveBy(rung, own_s, before=before)
        if server == ANY_SERVER:
            return EffectiveBy(rung, max(times_s.values(), default=None), before=before)
        return EffectiveBy(rung, times_s.get(server), server, before)


def rung_of(  # noqa: PLR0911 - one for each rung
    kind: ChangeKind,
    fields: Mapping[str, str],
    effect: RouterEffect,
    traits: Collection[Trait] = (),
) -> Rung:
    """Return the lowest rung that is known to be there for a change.

    `fields` are those of the row that decides, in lease form: the new one, or the one that was
    removed. Without facts nothing of a router is promised.
    """
    facts, means = effect.facts, effect.means
    server = fields.get("server", ANY_SERVER)
    match kind:
        case "suspended" | "resumed" if "listed" in traits:
            return "connection-cut" if kind == "suspended" and means.cut else "address-list"
        case "rate" if "own-queue" in traits:
            return "own-queue"
        case _ if "name" in fields:
            return "session-end" if kind in means.sessions else "next-session"
        case "cancelled" | "moved-away" | "suspended" if server in facts.layer2:
            return "layer-2"
        case _ if "attributes" in fields:  # of RADIUS, which a router asks when its device asks
            return "lease-time"
        case "rate":
            return "lease-rate"
        case _ if "shortened" in traits:
            return "shortened-lease"
        case _ if kind in RENEWED and means.reconfigure and server in facts.reconfigure:
            return "reconfigure"
        case _:
            return "lease-time"


def describe(text: str) -> str:
    """Return a sentence for the short form of `effective_by`; an unknown form stays unchanged."""
    by = EffectiveBy.from_text(text)
    if by is None:
        return text
    time = f" of {duration(f'{by.lease_time_s}s')}" if by.lease_time_s is not None else ""
    whose = f" of DHCP server {by.server}" if by.server else ""
    renewal = (
        f"at the device's next renewal, at the latest by the end of the lease time{time}{whose}"
    )
    sentence = _SENTENCES[by.rung].format(renewal=renewal)
    if by.before is None:
        return sentence
    within_ms, times, version = by.before
    often = "the last time" if times == 1 else f"the last {times} times"
    return (
        f"{sentence}; it acted within {within_ms / 1000:.1f} s {often} on this router ({version})"
    )


_SENTENCES: Final[Mapping[Rung, str]] = {
    "connection-cut": "when the tracked connections of its address are removed, right after its "
    "row in the address list stands",
    "own-queue": "when its queue stands on the router",
    "lease-rate": "when the router changes the queue of the lease; if it does that at a renewal, "
    "{renewal}",
    "reconfigure": "when the device obeys the router's request to renew; if it does not, {renewal}",
    "layer-2": "when its ARP entry goes with the lease: the interface learns no other",
    "shortened-lease": "within the lease time that was shortened before: {renewal}",
    "address-list": "with its row in the address list for new connections; an established one may "
    "go on until it ends",
    "lease-time": "{renewal}",
    "session-end": "when the session of its device is ended and the device logs in again",
    "next-session": "when its device logs in the next time: a running session goes on as it is",
}


def data_of(text: str, at_ms: int) -> dict[str, Any] | None:
    """Return the same for programs; None where the short form is empty or unknown.

    The change was confirmed at `at_ms`.

    Returns:
        `rung`; `by_ms`, where the lease time is known: the latest moment at which it acts if the
        device renews; `lease_time_s`; `server`; `last_seen`, what the router did the last times.
    """
    by = EffectiveBy.from_text(text)
    if by is None:
        return None
    data: dict[str, Any] = {"rung": by.rung}
    if by.lease_time_s is not None:
        data |= {"by_ms": by.by_ms(at_ms), "lease_time_s": by.lease_time_s}
    if by.server:
        data["server"] = by.server
    if by.before is not None:
        within_ms, times, version = by.before
        seen = {"acted_within_ms": within_ms, "times": times, "version": version}
        data["last_seen"] = seen
    return data
