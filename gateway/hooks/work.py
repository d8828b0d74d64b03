"""Processes one webhook, or rereads one service at the vendor. No threads here.

Everything may happen twice: a process may die between any two lines.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog

from contracts.errors import Problem
from gateway.hooks import generic, splynx, uisp
from gateway.hooks.config import Hook
from gateway.hooks.inbox import Inbox, Posted, Reading
from gateway.hooks.tables import Generic, Splynx, Uisp
from gateway.hooks.vendor import NotThere, VendorApi, VendorFailed
from gateway.hooks.verdicts import (
    Ignored,
    Incomplete,
    Publish,
    ReadBack,
    Reread,
    RereadAll,
    State,
    Verdict,
)
from gateway.store_failures import STORE_FAILURES
from producers.errors import BatchViolation, PublishFailed
from producers.fields import NotAnEvent, event_of, field_at
from producers.publisher import Publisher
from worker.core.service.outcome import DeadLetter
from worker.store.commits import ServiceCommit
from worker.store.dead_letters import MENDED
from worker.store.store import Store

log = structlog.get_logger("hooks")

INCOMPLETE: Final = "mapping-incomplete"
MOST_ITEMS: Final = 4
"""Tries of something that the vendor does not have: it may not have committed yet."""
MOST_BUGS: Final = 5
_NOT_THERE: Final = {
    Posted: (
        "not-confirmed",
        "the vendor has no webhook event with this uuid: somebody else may have sent it",
    ),
    Reading: ("not-at-vendor", "the vendor has no such service"),
}
"""Reason and detail of the dead letter of what the vendor never had."""
_FIRST_MS: Final = 1_000
_CAP_MS: Final = 300_000
_REFUSED_MS: Final = 60_000

_MOST_FIELDS: Final = 2_000
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Work:
    """Processes webhooks and rereads.

    Attributes:
        hooks: by name.
        inbox: has what is to be processed.
        apis: of the hooks that read at the vendor.
        publisher: used by nothing else.
        store: for dead letters.
        clock: gives the time, aware.
    """

    hooks: Mapping[str, Hook]
    inbox: Inbox
    apis: Mapping[str, VendorApi]
    publisher: Publisher
    store: Store
    clock: Callable[[], datetime]

    def do(self, task: Posted | Reading) -> None:
        """Process a webhook, or reread a service and publish its state.

        What fails is done again later, or becomes a dead letter.
        """
        try:
            if isinstance(task, Reading):
                self._read_and_publish(task)
            else:
                hook = self._hook(task)
                self._follow(hook, task, self._verdict(hook, task))
        except Incomplete as error:
            self._give_up(task, INCOMPLETE, error.missing, error.service_id)
        except NotThere:
            if task.attempts < MOST_ITEMS:
                self._later(task, "is not there", _wait_ms(task.attempts))
            else:
                self._give_up(task, *_NOT_THERE[type(task)])
        except (VendorFailed, PublishFailed) as error:
            self._later_of(task, error)
        except STORE_FAILURES:
            raise  # it is taken again by itself
        except Exception as error:
            log.exception("hook.failed", hook=task.hook)
            if task.attempts < MOST_BUGS:
                self._later(task, type(error).__name__, _wait_ms(task.attempts))
            else:
                self._give_up(task, "poison", f"cannot be processed: {type(error).__name__}")

    def _hook(self, task: Posted | Reading) -> Hook:
        hook = self.hooks.get(task.hook)
        if hook is None:
            raise Incomplete(f"hooks.{task.hook}: is no longer in hooks.toml")
        return hook

    def _read_and_publish(self, reading: Reading) -> None:
        hook = self._hook(reading)
        state = self._state(hook, reading)
        if not self.inbox.is_ours(reading):
            return  # ours took too long: another process reads it now, with a later ticket
        if isinstance(state, Publish):
            self._publish_state(hook, reading, state)
        if self.inbox.finish(reading):
            self._settle_dead_letter(_dead_letter_of(reading))
        log.info("hook.read", hook=hook.name, service=reading.ref, ticket=reading.ticket)

    def _verdict(self, hook: Hook, posted: Posted) -> Verdict:
        body = body_of(posted)
        match hook.settings:
            case Splynx():
                return splynx.read_hook(body, posted.id, hook.settings)
            case Generic():
                return generic.read_hook(body, posted.id, hook.settings)
            case Uisp():
                return self._confirmed(hook, uisp.read_hook(body))

    def _confirmed(self, hook: Hook, verdict: Verdict) -> Verdict:
        if not isinstance(verdict, ReadBack):
            return verdict
        event = self._read(hook, f"webhook-events/{verdict.vendor_id}")
        return uisp.read_confirmed(event, verdict.vendor_id)

    def _follow(self, hook: Hook, posted: Posted, verdict: Verdict) -> None:
        match verdict:
            case Ignored():
                log.info("hook.ignored", hook=hook.name, reason=verdict.reason)
                self.inbox.done(posted)
            case Reread():
                self._want(hook, posted, [(verdict.ref, verdict.vendor_id, verdict.gone)])
            case RereadAll():
                found = self.apis[hook.name].get(f"clients/services?clientId={verdict.customer}")
                services = found if isinstance(found, list) else []
                refs = [str(service["id"]) for service in services if isinstance(service, dict)]
                self._want(hook, posted, [(ref, verdict.vendor_id, False) for ref in refs])
            case Publish():
                envelope = {"source": hook.settings.source, **verdict.envelope}
                self._publish(verdict, envelope)
                self.inbox.done(posted)
            case ReadBack():
                raise TypeError("was read back before")

    def _want(self, hook: Hook, posted: Posted, wanted: Sequence[tuple[str, str, bool]]) -> None:
        self.inbox.want(posted.id, hook.name, wanted, round(hook.settings.coalesce_s * 1000))

    def _state(self, hook: Hook, reading: Reading) -> State:
        try:
            match hook.settings:
                case Uisp():
                    service = self._read(hook, f"clients/services/{reading.ref}")
                    return uisp.read_service(service, hook.settings)
                case Splynx():
                    customer, _, ref = reading.ref.partition("/")
                    path = f"admin/customers/customer/{customer}/internet-services--{ref}"
                    return splynx.read_service(self._read(hook, path), hook.settings)
                case Generic():
                    raise Incomplete(f"hooks.{hook.name}: reads nothing at a vendor any more")
        except NotThere:
            if not reading.gone:
                raise
            ref = reading.ref.rpartition("/")[2]
            service_id = f"{hook.settings.service_prefix}{ref}"
            return Publish({"event": "cancelled", "service_id": service_id}, {})

    def _read(self, hook: Hook, path: str) -> dict[str, Any]:
        document = self.apis[hook.name].get(path)
        if not isinstance(document, dict):
            raise VendorFailed("the answer is not a JSON object")
        return document

    def _publish_state(self, hook: Hook, reading: Reading, state: Publish) -> None:
        # A webhook that comes twice reads newer state, which needs a new id.
        envelope = {
            "id": f"{reading.vendor_id}:{reading.ticket}:{reading.ref.replace('/', '-')}",
            "source": hook.settings.source,
            "time": self.clock().isoformat(),
        }
        revision = Publish({**state.fields, "revision": reading.ticket}, {})
        self._publish(revision, envelope)

    def _publish(self, publish: Publish, envelope: Mapping[str, str]) -> None:
        service_id = str(publish.fields.get("service_id", ""))
        try:
            self.publisher.publish([{**envelope, **event_of(publish.fields)}])
        except NotAnEvent as error:
            raise Incomplete(str(error), service_id) from None
        except BatchViolation as violation:
            message = "; ".join(_message(problem) for _, problem in violation.problems)
            raise Incomplete(message, service_id) from None

    def _give_up(
        self, task: Posted | Reading, reason: str, detail: str, service_id: str = ""
    ) -> None:
        """Make it a dead letter; one with the same id is replaced."""
        body: dict[str, Any]
        if isinstance(task, Reading):
            name, body = _dead_letter_of(task), {"hook": task.hook, "reread": task.ref}
        else:
            name, body = f"hook-{task.id}", task._replace(attempts=0)._asdict()
        now_ms, text = self.store.records.now_ms(), json.dumps(body)
        dead_letter = DeadLetter(
            name, "hook", reason, detail, service_id=service_id, body=text, at_ms=now_ms
        )
        self.store.records.commit([ServiceCommit("", dead_letters=[dead_letter])], now_ms)
        log.warning("hook.dead_lettered", hook=task.hook, reason=reason, detail=detail)
        if isinstance(task, Reading):
            self.inbox.finish(task)
        else:
            self.inbox.done(task)

    def _settle_dead_letter(self, dead_letter_id: str) -> None:
        """Delete the dead letter of a service that was read after all, if there is one."""
        dead_letter = self.store.views.dead_letter(dead_letter_id)
        if dead_letter is not None:
            now_ms = self.store.records.now_ms()
            self.store.dead_letters.settle(dead_letter, MENDED, "leasewire", now_ms)

    def _later_of(self, task: Posted | Reading, error: VendorFailed | PublishFailed) -> None:
        refused = isinstance(error, VendorFailed) and error.refused
        if refused:
            advice = "correct the key in hooks.toml"
            log.error("hook.vendor_refused", hook=task.hook, advice=advice)
        self._later(task, str(error), _REFUSED_MS if refused else _wait_ms(task.attempts))

    def _later(self, task: Posted | Reading, why: str, wait_ms: int) -> None:
        if isinstance(task, Reading):
            log.warning("hook.delayed", hook=task.hook, service=task.ref, reason=why)
            self.inbox.finish(task, retry_ms=wait_ms, why=why)
        else:
            log.warning("hook.delayed", hook=task.hook, reason=why)
            self.inbox.later(task, wait_ms)


def _dead_letter_of(reading: Reading) -> str:
    return f"hook-{reading.hook}-{reading.ref.replace('/', '-')}"


def body_of(posted: Posted) -> dict[str, Any]:
    """The JSON object of a body, or of a form.

    Raises:
        Incomplete: it has none.
    """
    if posted.content_type == _FORM:
        return _of_form(posted.body)
    try:
        body = json.loads(posted.body)
    except (ValueError, RecursionError):
        raise Incomplete("the body is not JSON") from None
    if not isinstance(body, dict):
        raise Incomplete("the body is not a JSON object")
    return body


def _of_form(text: str) -> dict[str, Any]:
    """A form with fields such as `a[b][c]=1`, as PHP reads it."""
    found: dict[str, Any] = {}
    try:
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Incomplete(f"the form has more than {_MOST_FIELDS} fields") from None
    for name, value in fields:
        *steps, last = [part.rstrip("]") for part in name.split("[")]
        at = found
        for step in steps:
            at = at.setdefault(step, {})
            if not isinstance(at, dict):
                raise Incomplete(f"the form has {step} twice, as a value and as a table")
        at[last] = value
    return found


def _message(problem: Problem) -> str:
    return f"{field_at(problem.pointer) or problem.pointer} {problem.message}"


def _wait_ms(attempts: int) -> int:
    """Full jitter: many services that fail together do not come back together."""
    most = min(_CAP_MS, _FIRST_MS * 2 ** min(attempts, 16))
    return random.randint(most // 2, most)  # noqa: S311 - spreads attempts, keeps no secret
