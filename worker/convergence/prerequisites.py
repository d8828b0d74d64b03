"""Finds what a router lacks for its services: they wait for it, and the router logs it once."""

from typing import Final, NamedTuple

import structlog

from worker.convergence.batch_item import BatchItem
from worker.core.entry.dhcp_setup import DhcpSetup
from worker.core.entry.entry import Entry
from worker.core.rows.operations import Note, Waiting
from worker.ports import RouterSession, RowReader
from worker.store.router_memory import Known, RouterMemory

log = structlog.get_logger()

LOGGED_AGAIN_MS: Final = 86_400_000
"""What is missing for longer is logged once a day."""
_REASON: Final = "waiting-for-router"
_MISFITS_KEPT: Final = 100
"""Services of a router; with more, nobody needs the names to know that something is wrong."""
_ADVICE: Final = (
    "create it on the router, or correct the BSS or the inventory; the services continue by "
    "themselves"
)


class Check(NamedTuple):
    """What was found for one service.

    Attributes:
        missing: why it must wait for the router; None: it need not.
        misfit: why no device can use its address; None: one can.
    """

    missing: Waiting | None = None
    misfit: Note | None = None


def missing_for(entry: Entry, setup: DhcpSetup, session: RowReader) -> Waiting | None:
    """What an entry needs and a router does not have, or uses itself."""
    if entry.fields is None:
        return None
    taken = setup.taken(entry.fields["address"])
    if taken is not None:
        return taken
    missing = list(setup.lacking(entry.fields, is_pool=entry.is_pool))
    if entry.bindings:
        ipv6 = session.read_ipv6_setup(fresh=False)
        if (taken := ipv6.taken(entry.bindings)) is not None:
            return taken
        missing += ipv6.lacking(entry.bindings)
    for menu, names in entry.needs.items():
        missing += session.lacking(menu, names)
    return Waiting(_REASON, "not there: " + ", ".join(missing)) if missing else None


class MissingPrerequisites:
    """Checks the services of one router during one pass.

    Args:
        memory: keeps what is missing between passes.
        router: its name.
        session: reads the router's DHCP setup.
        known: what earlier passes logged and saw.
    """

    def __init__(
        self, memory: RouterMemory, router: str, session: RouterSession, known: Known
    ) -> None:
        self._memory = memory
        self._router = router
        self._session = session
        self._logged = dict(known.missing)
        self._remembered = known.setup
        self._misfits = dict(known.misfits)
        self._known_misfits = known.misfits
        self._found: dict[str, int] = {}
        self._missing: set[str] = set()
        self._restored: set[str] = set()
        self._is_fresh = False
        self._is_ipv6_fresh = False
        self._was_doubted = False
        self._setup = session.read_setup(fresh=False)
        self._remember()
        if self._logged:
            self._recheck()

    def check(self, item: BatchItem) -> Check:
        """Check one service against the setup, which is read again before something is missing."""
        if item.entry.fields is None:
            self._misfits.pop(item.service_id, None)
            return Check(misfit=item.warning)
        missing, misfit = self._find(item, item.entry)
        for entry in item.entry.devices.values():
            if missing is None and misfit is None and entry.fields is not None:
                missing, misfit = self._find(item, entry)
        if (missing or misfit) and not self._is_fresh:
            self._recheck()
            return self.check(item)
        if missing and item.entry.bindings and not self._is_ipv6_fresh:
            self._is_ipv6_fresh = True
            self._session.read_ipv6_setup(fresh=True)
            return self.check(item)
        if misfit is None:
            self._misfits.pop(item.service_id, None)
        elif len(self._misfits) < _MISFITS_KEPT:
            self._misfits[item.service_id] = misfit.detail
        if missing and missing.reason == _REASON:
            missing = self._wait_for(missing.detail)
        elif not missing and item.before.get("reason") == _REASON:
            self._restored.add(item.before["detail"])
        return Check(missing, misfit)

    def _find(self, item: BatchItem, entry: Entry) -> tuple[Waiting | None, Note | None]:
        missing = missing_for(entry, self._setup, self._session)
        address = (entry.fields or {})["address"]
        return missing, self._setup.misfit(item.service_id, address)

    def reported(self, item: BatchItem, message: str) -> Waiting:
        """Why a service must wait of which the router itself said that something is missing."""
        if not self._was_doubted:
            self._was_doubted = True
            self._recheck()
        return self.check(item).missing or self._wait_for(message)

    def log_missing(self, now_ms: int) -> None:
        """Log each thing that was found to be missing, unless it was logged lately."""
        for missing, services in self._found.items():
            if now_ms - self._logged.get(missing, 0) >= LOGGED_AGAIN_MS:
                log.error(
                    "router.prerequisite_missing",
                    router=self._router,
                    reason=missing,
                    services=services,
                    advice=_ADVICE,
                )
                self._logged[missing] = now_ms
                self._memory.note_missing(self._router, {missing: now_ms})
        self._found.clear()

    def end(self) -> None:
        """At the end of a pass, log what services waited for and none waits for any more."""
        restored = [name for name in self._restored - self._missing if name in self._logged]
        for prerequisite in restored:
            log.info("router.prerequisite_restored", router=self._router, reason=prerequisite)
            del self._logged[prerequisite]
        if restored:
            self._memory.forget_missing(self._router, restored)
        if self._misfits != self._known_misfits:
            self._memory.note_misfits(self._router, self._misfits)

    def _wait_for(self, missing: str) -> Waiting:
        self._missing.add(missing)
        self._found[missing] = self._found.get(missing, 0) + 1
        return Waiting(_REASON, missing)

    def _recheck(self) -> None:
        self._setup = self._session.read_setup(fresh=True)
        self._is_fresh = True
        self._remember()

    def _remember(self) -> None:
        text = self._setup.text
        if text != self._remembered:
            self._memory.note_setup(self._router, text)
            self._remembered = text
