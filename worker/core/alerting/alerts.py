"""What somebody is told of without asking: the kinds of alerts, and one that is open.

Each kind says how long it must last before anybody is told, so that what mends itself wakes nobody.
"""

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, NamedTuple

from worker.core.storage_format import printable

Severity = Literal["warning", "critical"]
AlertKind = Literal[
    "router-down",
    "router-blocked",
    "dead-letters",
    "waiting-too-long",
    "brake",
    "rebuild",
    "pool-nearly-full",
    "drift",
    "certificate-expiring",
    "table-not-read",
    "mac-on-two-routers",
    "rogue-device",
    "ended-service-bound",
    "revision-conflict",
    "router-name-reused",
    "intake-full",
    "worker-silent",
    "clock-went-back",
    "redis-rolled-back",
    "time-in-future",
]


class KindOfAlert(NamedTuple):
    """A kind of alert.

    Attributes:
        severity: how bad.
        notified_after_s: how long it must last before it is notified.
        runbook: file in `deploy/runbooks/` that says what to do.
        of_router: its subject begins with a router's name, and what follows it is behind a blank.
    """

    severity: Severity
    notified_after_s: int
    runbook: str
    of_router: bool = False


KINDS: Final[dict[AlertKind, KindOfAlert]] = {
    # a reboot takes half a minute, an upgrade two
    "router-down": KindOfAlert("critical", 150, "router-down.md", of_router=True),
    # a router that starts may refuse logins for some seconds
    "router-blocked": KindOfAlert("critical", 60, "router-blocked.md", of_router=True),
    # many at once are one message
    "dead-letters": KindOfAlert("warning", 60, "dead-letters.md"),
    "waiting-too-long": KindOfAlert("warning", 0, "waiting-too-long.md"),
    "brake": KindOfAlert("critical", 0, "brake.md"),
    "rebuild": KindOfAlert("critical", 0, "rebuild.md", of_router=True),
    "pool-nearly-full": KindOfAlert("warning", 600, "pool-nearly-full.md", of_router=True),
    "drift": KindOfAlert("warning", 0, "drift.md", of_router=True),
    "certificate-expiring": KindOfAlert("warning", 0, "certificate-expiring.md", of_router=True),
    "table-not-read": KindOfAlert("warning", 0, "table-not-read.md", of_router=True),
    # a device that moves is seen on both until its old lease ends
    "mac-on-two-routers": KindOfAlert("warning", 1800, "mac-on-two-routers.md", of_router=True),
    # its event may come a moment later
    "rogue-device": KindOfAlert("warning", 15, "rogue-device.md", of_router=True),
    # it stays bound until its lease time is over
    "ended-service-bound": KindOfAlert("warning", 1800, "ended-service-bound.md", of_router=True),
    "revision-conflict": KindOfAlert("warning", 0, "revision-conflict.md"),
    # while workers are restarted one after the other some have the older inventory
    "router-name-reused": KindOfAlert("warning", 120, "router-name-reused.md"),
    "intake-full": KindOfAlert("critical", 30, "intake-full.md"),
    # a worker that ended is another within seconds
    "worker-silent": KindOfAlert("critical", 30, "worker-silent.md"),
    "clock-went-back": KindOfAlert("warning", 0, "clock-went-back.md"),
    "redis-rolled-back": KindOfAlert("critical", 0, "redis-rolled-back.md"),
    # found once a minute; a clock that is a little ahead is no news
    "time-in-future": KindOfAlert("critical", 30, "time-in-future.md"),
}

AWAY: Final[tuple[AlertKind, ...]] = ("router-down", "router-blocked", "rebuild")
"""What a router has while nothing can be written to it; it ends when its backlog is drained."""
_ROOT: Final[AlertKind] = "router-down"
OTHER: Final = KindOfAlert("warning", 0, "other.md")
"""What is taken of a kind that this version does not know: a newer worker began it."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that is wrong now.

    Attributes:
        kind: which; a key of `KINDS`, unless a newer worker began it.
        subject: what it is about, such as a router's name; one alert a kind and subject.
        text: one sentence for people.
        since_ms: when it began, by Redis's clock, in milliseconds since 1970.
        root: name of the alert of which this is a consequence; empty: of none. `with_roots` finds
            it whenever somebody looks: what is stored has none.
        notified: whether it has lasted long enough to be told.
    """

    kind: AlertKind
    subject: str
    text: str
    since_ms: int
    root: str = ""
    notified: bool = False

    def __post_init__(self) -> None:
        """Make the words printable: some are a router's own."""
        for name in ("subject", "text"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    @property
    def name(self) -> str:
        """What it is called among the open ones; also what a `root` says."""
        return alert_name(self.kind, self.subject)

    @property
    def severity(self) -> Severity:
        """How bad."""
        return KINDS.get(self.kind, OTHER).severity

    @property
    def runbook(self) -> str:
        """What says what to do, by the name that `leasewire runbook` takes."""
        return KINDS.get(self.kind, OTHER).runbook.removesuffix(".md")

    @property
    def router(self) -> str:
        """The router that it is about; empty: it is about none."""
        of_router = KINDS.get(self.kind, OTHER).of_router
        return self.subject.partition(" ")[0] if of_router else ""

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Alert":
        """The reverse of `to_json`; unknown fields of a newer version are dropped."""
        known = {k: v for k, v in json.loads(text).items() if k in cls.__dataclass_fields__}
        return cls(**known)


def alert_name(kind: AlertKind, subject: str) -> str:
    """The name of an alert: its kind and its subject."""
    return printable(f"{kind}|{subject}")


def with_roots(alerts: Iterable[Alert], behind: Mapping[str, str]) -> list[Alert]:
    """Give each router that is down its root: the first one on the way to it that is down too.

    Args:
        alerts: all that are open.
        behind: name of a router -> the one through which it is reached; no rings.
    """
    alerts = list(alerts)
    down = {each.subject for each in alerts if each.kind == _ROOT}
    return [
        replace(each, root=_root_of(each.subject, behind, down)) if each.kind == _ROOT else each
        for each in alerts
    ]


def _root_of(router: str, behind: Mapping[str, str], down: Container[str]) -> str:
    root = ""
    while router := behind.get(router, ""):
        if router in down:
            root = alert_name(_ROOT, router)
    return root
