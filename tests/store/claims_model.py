"""Claims on one router as the design says them, in plain Python: what the scripts must do.

Keys meet if they are equal or, of prefixes, overlap. A claim is strong while desired and granted,
weak while the row merely still stands. All of a service's claims are granted or none; a refused
service waits for every key that refused it, and for none that it no longer wants.
"""

from collections.abc import Iterable
from ipaddress import IPv6Network

ANY = "all"


def network(key):
    """The prefix of a key: `prefix:<32 hex digits>/<length>`."""
    digits, _, length = key.removeprefix("prefix:").partition("/")
    return IPv6Network((int(digits, 16), int(length)))


def keys_meet(a, b):
    """Whether claims with these keys are about the same."""
    if a.startswith("prefix:") and b.startswith("prefix:"):
        return network(a).overlaps(network(b))
    return a == b


def meet(a, b):
    """Whether two claims (key, scope) exclude each other."""
    return keys_meet(a[0], b[0]) and (a[1] == b[1] or ANY in (a[1], b[1]))


class Claims:
    """Who wants, holds and waits for what."""

    def __init__(self):
        self.wants: dict[str, frozenset] = {}
        self.is_held: dict[tuple, str] = {}
        self.weak: dict[tuple, str] = {}
        self.waiting: dict[str, set[str]] = {}

    def want(self, service: str, wants: Iterable) -> set[str]:
        """A commit: lets go of what is no longer wanted, asks for all; returns who is woken."""
        self.wants[service] = frozenset(wants)
        keys = {claim[0] for claim in self.wants[service]}
        for key, waiting in self.waiting.items():
            if not any(keys_meet(key, wanted) for wanted in keys):
                waiting.discard(service)
        woken: set[str] = set()
        for claim in [c for c, holder in self.is_held.items() if holder == service]:
            if claim not in self.wants[service]:
                del self.is_held[claim]
                self.weak[claim] = service
                woken |= self._wake(claim[0])
        self.ask(service)
        return woken

    def refusers(self, service: str) -> set[tuple[str, str]]:
        """(key, holder) of every strong claim of others that stands in the way."""
        return {
            (held[0], holder)
            for claim in self.wants[service]
            for held, holder in self.is_held.items()
            if holder != service and meet(claim, held)
        }

    def ask(self, service: str) -> set[tuple[str, str]]:
        """All or none; what is weak gives way."""
        refused = self.refusers(service)
        for key, _ in refused:
            self.waiting.setdefault(key, set()).add(service)
        if not refused:
            for claim in self.wants[service]:
                for held in [h for h, other in self.weak.items() if meet(claim, h)]:
                    if self.weak[held] != service or held == claim:
                        del self.weak[held]
                self.is_held[claim] = service
        return refused

    def granted(self, service: str) -> bool:
        """Whether it holds all that it wants."""
        return all(self.is_held.get(claim) == service for claim in self.wants[service])

    def confirm(self, service: str) -> None:
        """Its row stands only where it is wanted. Nobody waits for what is weak."""
        self.weak = {claim: holder for claim, holder in self.weak.items() if holder != service}

    def _wake(self, key: str) -> set[str]:
        return self.waiting.pop(key, set())
