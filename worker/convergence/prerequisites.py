"""What a router lacks for its services: they wait for it, and one line a router tells of it."""

from typing import Final

import structlog

from worker.convergence.conclude import BatchItem
from worker.core.entry.dhcp_setup import DhcpSetup
from worker.core.entry.entry import Entry
from worker.core.rows.operations import Waiting
from worker.ports import RouterSession
from worker.store.router_memory import Known, RouterMemory

log = structlog.get_logger()

NOTIFIED_AGAIN_MS: Final = 86_400_000
"""What a router lacks for longer is told of once a day."""
_REASON: Final = "waiting-for-router"
_MISFITS_KEPT: Final = 100
"""Of a router, by service: of more nobody needs the names to know that something is wrong."""
_ADVICE: Final = (
    "make it on the router, or correct what the BSS or the inventory says; the services go on by "
    "themselves"
)


def lacking(entry: Entry, setup: DhcpSetup, session: RouterSession) -> Waiting | None:
    """What an entry needs and a router does not have, or has itself."""
    if entry.fields is None:
        return None
    taken = setup.taken(entry.fields["address"])
    if taken is not None:
        return taken
    missing = list(setup.lacking(entry.fields))
    for menu, names in entry.needs.items():
        missing += session.lacking(menu, names)
    return Waiting(_REASON, "not there: " + ", ".join(missing)) if missing else None


class MissingPrerequisites:
    """Of one router, during one pass.

    Args:
        memory: what earlier passes told of.
        router: its name.
        session: reads what the router's DHCP is set up with.
        known: what earlier passes told of and saw.
    """

    def __init__(
        self, memory: RouterMemory, router: str, session: RouterSession, known: Known
    ) -> None:
        self._memory = memory
        self._router = router
        self._session = session
        self._notified = dict(known.missing)
        self._remembered = known.setup
        self._misfits = dict(known.misfits)
        self._known_misfits = known.misfits
        self._found: dict[str, int] = {}
        self._lacking: set[str] = set()
        self._over: set[str] = set()
        self._is_fresh = False
        self._was_doubted = False
        self._setup = session.read_setup(fresh=False)
        self._remember()
        if self._notified:
            self._recheck()

    def of(self, item: BatchItem) -> Waiting | None:
        """Why the service must wait for the router; notes a misfit as the look's warning."""
        fields, service = item.entry.fields, item.work_item.service_id
        if fields is None:
            self._misfits.pop(service, None)
            return None
        missing = lacking(item.entry, self._setup, self._session)
        misfit = self._setup.misfit(service, fields["address"])
        if (missing or misfit) and not self._is_fresh:
            self._recheck()
            return self.of(item)
        item.warning = misfit
        if misfit is None:
            self._misfits.pop(service, None)
        elif len(self._misfits) < _MISFITS_KEPT:
            self._misfits[service] = misfit.detail
        if missing and missing.reason != _REASON:
            return missing
        if missing:
            return self._wait_for(missing.detail)
        if item.before is not None and item.before["reason"] == _REASON:
            self._over.add(item.before["detail"])
        return None

    def notified(self, item: BatchItem, message: str) -> Waiting:
        """The router itself said that something is not there: what was read may be old."""
        if not self._was_doubted:
            self._was_doubted = True
            self._recheck()
        return self.of(item) or self._wait_for(message)

    def tell(self, now_ms: int) -> None:
        """One line for each thing that was found to be lacking, unless it was told of lately."""
        for what, services in self._found.items():
            if now_ms - self._notified.get(what, 0) >= NOTIFIED_AGAIN_MS:
                log.error(
                    "router.lacks",
                    router=self._router,
                    reason=what,
                    services=services,
                    advice=_ADVICE,
                )
                self._notified[what] = now_ms
                self._memory.note_missing(self._router, {what: now_ms})
        self._found.clear()

    def end(self) -> None:
        """At the end of a pass: what services waited for, and nobody waits for now, is there."""
        over = [what for what in self._over - self._lacking if what in self._notified]
        for what in over:
            log.info("router.lacks_no_more", router=self._router, reason=what)
            del self._notified[what]
        self._memory.forget_missing(self._router, over)
        if self._misfits != self._known_misfits:
            self._memory.note_misfits(self._router, self._misfits)

    def _wait_for(self, message: str) -> Waiting:
        self._lacking.add(message)
        self._found[message] = self._found.get(message, 0) + 1
        return Waiting(_REASON, message)

    def _recheck(self) -> None:
        self._setup = self._session.read_setup(fresh=True)
        self._is_fresh = True
        self._remember()

    def _remember(self) -> None:
        text = self._setup.to_text()
        if text != self._remembered:
            self._memory.note_setup(self._router, text)
            self._remembered = text
