"""What people set for routers: applied policies, pauses, serials, former names."""

import json
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from worker.core.policy.policy import AppliedPolicy, RouterPolicy
from worker.core.storage_format import known_part
from worker.store.audit import AuditEntry, add_entry
from worker.store.connection import SERVICES_A_CALL, StorePart, new_work_version, pages

BULK: Final = 2
"""Priority of work that a person adds for all services of a router."""
SPAN: Final = 10**13
"""The score of a work item is priority * this + when it is due (`lua/_work_items.lua`)."""
FULL_READ_GOOD_MS: Final = 86_400_000
"""A full read of a router is made once a day: cheap beside its other reads."""


class Pause(NamedTuple):
    """Who holds a router, why and since when (ms): nothing is written to it."""

    by: str
    reason: str
    at_ms: int


class EventChecks(NamedTuple):
    """Whether the router that answers may be written to under a name.

    Attributes:
        verdict: `mismatch`: another serial is bound to the name; `shared`: it has other names too.
        serials_or_names: the bound serial, or the other names.
        full_read_due: no full read was made for a day.
    """

    verdict: Literal["ok", "mismatch", "shared"]
    serials_or_names: tuple[str, ...] = ()
    full_read_due: bool = False


class RouterAdmin(StorePart):
    """The store's side of `leasewire routers`. Each change is one script, its audit entry in it."""

    def policies(self, routers: Sequence[str] | None = None) -> dict[str, AppliedPolicy]:
        """The applied policy of each router that has one; `routers`: of these alone."""
        key = self._keys.fleet.policies
        found = self._client.hgetall(key) if routers is None else self._fields(key, routers)
        return {name: AppliedPolicy.from_text(text) for name, text in found.items()}

    def paused(self) -> dict[str, Pause]:
        """The routers that people hold."""
        found = self._client.hgetall(self._keys.fleet.paused)
        return {name: known_part(Pause, json.loads(text)) for name, text in found.items()}

    def aliases(self) -> dict[str, str]:
        """Former name of a router -> its name now."""
        return self._client.hgetall(self._keys.fleet.aliases)

    def forget_alias(self, old: str, actor: str) -> str | None:
        """Let a former name be no router's any more; returns its name now; None: it was none."""
        now, now_ms = self.aliases().get(old), self.now_ms()
        if now is not None:
            with self._client.pipeline() as pipe:
                pipe.hdel(self._keys.fleet.aliases, old)
                entry = AuditEntry(now_ms, actor, "router.name_forgotten", old, f"was {now}")
                add_entry(pipe, self._keys.audit, entry)
                pipe.execute()
        return now

    def serials(self) -> dict[str, str]:
        """The serial number or system id that is bound to each router's name."""
        return self._client.hgetall(self._keys.fleet.serials)

    def knows(self, router: str) -> bool:
        """Whether a worker ever had a policy of this router, or saw its serial."""
        pipe = self._client.pipeline(transaction=False)
        pipe.hexists(self._keys.fleet.policies, router)
        pipe.hexists(self._keys.fleet.serials, router)
        return any(pipe.execute())

    def admit(self, router: str, serial: str) -> EventChecks:
        """Look whether a serial belongs to a name; the first one seen is bound to it.

        `serial`: as the session has it; empty if the router has none.
        """
        verdict, *rest = self._scripts.run("bind_serial", router, serial, FULL_READ_GOOD_MS)
        if verdict == "ok":
            return EventChecks("ok", full_read_due=bool(rest[0]))
        return EventChecks(verdict, tuple(rest))

    def apply_policy(self, router: str, policy: RouterPolicy, actor: str) -> int:
        """Store a policy as the applied one, and add work for all services; returns how many."""
        applied = AppliedPolicy.of(policy, actor, self.now_ms())
        action = self._entry(actor, "policy_applied", router, applied.digest, applied.at_ms)
        return int(
            self._scripts.run(
                "apply_policy", router, applied.to_text(), new_work_version(), BULK, action
            )
        )

    def recheck(  # noqa: PLR0913 - an audit entry has as many parts
        self,
        router: str,
        services: Sequence[str],
        what: str,
        detail: str,
        actor: str,
        *,
        lock_id: str = "",
    ) -> int:
        """Add work for services of a router, which is checked at once; returns how many.

        `what`: what the person did, such as `reconciled`, and `detail` more of it; empty: it is
        part of a larger write, which has an audit entry of its own. `lock_id`: of the lock under
        which they were written, if any: all was answered.
        """
        action = self._entry(actor, what, router, detail) if what else ""
        *first, last = [*pages(services, SERVICES_A_CALL)] or [[]]
        for part in first:
            self._scripts.run("recheck", router, new_work_version(), BULK, "", lock_id, *part)
        self._scripts.run("recheck", router, new_work_version(), BULK, action, lock_id, *last)
        return len(services)

    def replace(self, router: str, serial: str, actor: str) -> int | tuple[str, ...]:
        """Bind another serial to a name, and add work for all its services; returns how many.

        Else the other names that this serial has: nothing is changed then.
        """
        action = self._entry(actor, "replaced", router, f"serial {serial}")
        queued, *others = self._scripts.run(
            "replace", router, serial, new_work_version(), BULK, action
        )
        return tuple(others) if int(queued) < 0 else int(queued)

    def pause(self, router: str, reason: str, actor: str, *, audited: bool = True) -> int:
        """Let no worker write to a router; returns in how many ms none can be at it any more.

        `audited`: False: it is part of a larger write, which has an audit entry of its own.
        """
        pause = Pause(actor, reason, self.now_ms())
        action = self._entry(actor, "paused", router, reason, pause.at_ms) if audited else ""
        return int(self._scripts.run("pause", router, json.dumps(pause._asdict()), action))

    def resume(self, router: str, actor: str) -> bool:
        """Resume a router; False when it was not paused."""
        action = self._entry(actor, "resumed", router, "")
        return bool(self._scripts.run("resume", router, action))

    def seize(self, router: str, lock_id: str, lock_ms: int) -> int:
        """Take a router's lock from any holder.

        Returns for how many ms that one may still write: the lease is good from then on.
        """
        return int(self._scripts.run("seize", router, lock_id, lock_ms))

    def release(self, router: str, lock_id: str) -> None:
        """Give a seized lease back."""
        self._scripts.run("release", router, lock_id)

    def priorities(self, router: str) -> dict[str, int]:
        """Service -> priority of its work item at a router."""
        work_items = self._client.zrange(self._keys.router(router).due, 0, -1, withscores=True)
        return {service: int(score // SPAN) for service, score in work_items}

    def begin_rename(
        self, old: str, new: str, lock_id: str, actor: str
    ) -> Literal["done", "lost", "other-serial"]:
        """Move all that people set for a router to its new name; may be repeated.

        Events may go on to say the former name. `lock_id`: holds the leases of both.
        """
        answer = self._scripts.run(
            "begin_rename", old, new, lock_id, self._entry(actor, "renamed", old, f"to {new}")
        )
        if int(answer) < 0:
            return "other-serial"
        return "done" if answer else "lost"

    def forget(
        self, router: str, lock_id: str, dead_letters: Sequence[str], retired_by: str | None = None
    ) -> bool:
        """Forget a router of which no service is left; False when the lease is lost or one came.

        `dead_letters`: ids of those of services there; `retired_by`: the router is gone for good,
        and its former names with it; None: it has another name now.
        """
        action = "" if retired_by is None else self._entry(retired_by, "retired", router, "")
        gone = "0" if retired_by is None else "1"
        return bool(
            self._scripts.run("forget_router", router, lock_id, gone, action, *dead_letters)
        )

    def _entry(
        self, actor: str, what: str, router: str, detail: str, at_ms: int | None = None
    ) -> str:
        when = self.now_ms() if at_ms is None else at_ms
        return AuditEntry(when, actor, f"router.{what}", router, detail).to_text()
