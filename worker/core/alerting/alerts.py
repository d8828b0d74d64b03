"""The kinds of alerts, and one open alert.

Each kind says how long it must last before it is notified, so that what recovers wakes nobody.
"""

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, NamedTuple

from worker.core.storage_format import known_part, printable

Severity = Literal["warning", "critical"]
AlertKind = Literal[
    "router-down",
    "router-blocked",
    "dead-letters",
    "waiting-too-long",
    "brake",
    "rebuild",
    "pool-nearly-full",
    "assigned-pool-nearly-full",
    "drift",
    "certificate-expiring",
    "table-not-read",
    "suspension-rule",
    "fasttrack-defeats-suspension",
    "fasttrack-defeats-rates",
    "queue-shadowed",
    "ipv6-not-covered",
    "mac-on-two-routers",
    "ipv6-client-ambiguous",
    "rogue-device",
    "ended-service-bound",
    "revision-conflict",
    "router-name-reused",
    "intake-full",
    "worker-silent",
    "host-silent",
    "clock-went-back",
    "redis-rolled-back",
    "time-in-future",
]


class AlertRule(NamedTuple):
    """How alerts of one kind are treated; `deploy/runbooks/` says of each what to do.

    Attributes:
        of_router: its subject begins with a router's name; the rest follows after a space.
    """

    severity: Severity
    notified_after_s: int = 0
    of_router: bool = False


KINDS: Final[dict[AlertKind, AlertRule]] = {
    # a reboot takes half a minute, an upgrade two
    "router-down": AlertRule("critical", 150, of_router=True),
    # a router that starts may refuse logins for some seconds
    "router-blocked": AlertRule("critical", 60, of_router=True),
    # many at once are one message
    "dead-letters": AlertRule("warning", 60),
    "waiting-too-long": AlertRule("warning"),
    "brake": AlertRule("critical"),
    "rebuild": AlertRule("critical", of_router=True),
    "pool-nearly-full": AlertRule("warning", 600, of_router=True),
    # a pool that is full lets services wait: a few minutes of them are soon over
    "assigned-pool-nearly-full": AlertRule("warning", 60),
    "drift": AlertRule("warning", of_router=True),
    "certificate-expiring": AlertRule("warning", of_router=True),
    "table-not-read": AlertRule("warning", of_router=True),
    "suspension-rule": AlertRule("warning", of_router=True),
    "fasttrack-defeats-suspension": AlertRule("warning", of_router=True),
    "fasttrack-defeats-rates": AlertRule("warning", of_router=True),
    "queue-shadowed": AlertRule("warning", of_router=True),
    "ipv6-not-covered": AlertRule("warning", of_router=True),
    # a device that moves is seen on both until its old lease ends
    "mac-on-two-routers": AlertRule("warning", 1800, of_router=True),
    # a device that was swapped is seen beside the new one until its binding ends
    "ipv6-client-ambiguous": AlertRule("warning", 900, of_router=True),
    # its event may come a moment later
    "rogue-device": AlertRule("warning", 15, of_router=True),
    # it stays bound until its lease time is over
    "ended-service-bound": AlertRule("warning", 1800, of_router=True),
    "revision-conflict": AlertRule("warning"),
    # while workers are restarted one after the other some have the older inventory
    "router-name-reused": AlertRule("warning", 120),
    "intake-full": AlertRule("critical", 30),
    # a worker that ended is replaced within seconds
    "worker-silent": AlertRule("critical", 30),
    # opened after a minute: a server that lost its power is back in five
    "host-silent": AlertRule("warning", 240),
    "clock-went-back": AlertRule("warning"),
    "redis-rolled-back": AlertRule("critical"),
    # found once a minute; a clock that is a little ahead does not matter
    "time-in-future": AlertRule("critical", 30),
}

AWAY: Final[tuple[AlertKind, ...]] = ("router-down", "router-blocked", "rebuild")
"""Alerts of a router that cannot be written to; resolved when its backlog is written."""
_ROOT: Final[AlertKind] = "router-down"
OTHER: Final = AlertRule("warning")
OTHER_RUNBOOK: Final = "other"
"""Stand for a kind that this version does not know: a newer worker opened the alert."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One open alert.

    Attributes:
        kind: a key of `KINDS`, unless a newer worker opened it.
        subject: what it is about, such as a router's name; one alert a kind and subject.
        since_ms: when it opened, by Redis's clock, in milliseconds since 1970.
        root: name of the alert of which this is a consequence; empty: of none. It is not stored:
            `with_roots` finds it.
        notified: whether it has lasted long enough to be notified.
    """

    kind: AlertKind
    subject: str
    text: str
    since_ms: int
    root: str = ""
    notified: bool = False

    def __post_init__(self) -> None:
        """Make the texts printable: some come from a router."""
        for name in ("subject", "text"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    @property
    def name(self) -> str:
        """The name among the open alerts, and of a `root`."""
        return alert_name(self.kind, self.subject)

    @property
    def severity(self) -> Severity:
        """How bad."""
        return KINDS.get(self.kind, OTHER).severity

    @property
    def runbook(self) -> str:
        """The page that says what to do, as `leasewire runbook` takes it."""
        return self.kind if self.kind in KINDS else OTHER_RUNBOOK

    @property
    def router(self) -> str:
        """The router that it is about; empty: none."""
        of_router = KINDS.get(self.kind, OTHER).of_router
        return self.subject.partition(" ")[0] if of_router else ""

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Alert":
        """Read `to_json`; unknown fields of a newer version are dropped."""
        return known_part(cls, json.loads(text))


def alert_name(kind: AlertKind, subject: str) -> str:
    """Return the name of an alert."""
    return printable(f"{kind}|{subject}")


def with_roots(alerts: Iterable[Alert], behind: Mapping[str, str]) -> list[Alert]:
    """Give each router that is down its root: the first router on the way to it that is down too.

    `behind` maps a router to the one through which it is reached, without rings.
    """
    alerts = list(alerts)
    down = {alert.subject for alert in alerts if alert.kind == _ROOT}
    return [
        replace(alert, root=_root_of(alert.subject, behind, down)) if alert.kind == _ROOT else alert
        for alert in alerts
    ]


def _root_of(router: str, behind: Mapping[str, str], down: Container[str]) -> str:
    root = ""
    while router := behind.get(router, ""):
        if router in down:
            root = alert_name(_ROOT, router)
    return root
