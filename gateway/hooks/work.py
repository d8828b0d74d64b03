"""Processes one webhook, or rereads one service at the vendor. No threads here.

Everything may happen twice: a process may die between any two lines.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
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
_FIRST_MS: Final = 1_000
_CAP_MS: Final = 300_000
_REFUSED_MS: Final = 60_000

_MOST_FIELDS: Final = 2_000
_FORM: Final = "application/x-www-form-urlencoded"


class Work:
    """Processes webhooks and rereads.

    Args:
        hooks: by name.
        inbox: has the webhooks.
        apis: of the hooks that read at the vendor.
        publisher: used by nothing else.
        store: for dead letters.
        clock: gives the time, aware.
    """

    def __init__(  # noqa: PLR0913 - what it stands on
        self,
        *,
        hooks: Mapping[str, Hook],
        inbox: Inbox,
        apis: Mapping[str, VendorApi],
        publisher: Publisher,
        store: Store,
        clock: Callable[[], datetime],
    ) -> None:
        self._hooks = hooks
        self._inbox = inbox
        self._apis = apis
        self._publisher = publisher
        self._store = store
        self._clock = clock

    def webhook(self, posted: Posted) -> None:
        """Process one webhook."""
        hook = self._hooks.get(posted.hook)
        if hook is None:
            self._add_dead_letter(
                posted, INCOMPLETE, f"hooks.{posted.hook}: is no longer in hooks.toml"
            )
            return
        try:
            self._follow(hook, posted, self._verdict(hook, posted))
        except Incomplete as error:
            self._add_dead_letter(posted, INCOMPLETE, error.missing, error.service_id)
        except NotThere:
            if posted.attempts < MOST_ITEMS:
                self._inbox.later(posted, _wait_ms(posted.attempts))
            else:
                message = (
                    "the vendor has no webhook event with this uuid: somebody else may have sent it"
                )
                self._add_dead_letter(posted, "not-confirmed", message)
        except (VendorFailed, PublishFailed) as error:
            log.warning("hook.delayed", hook=posted.hook, reason=str(error))
            self._inbox.later(posted, _wait_of(error, posted.attempts))
        except STORE_FAILURES:
            raise  # it is taken again by itself
        except Exception as error:
            log.exception("hook.failed", hook=posted.hook)
            if posted.attempts < MOST_BUGS:
                self._inbox.later(posted, _wait_ms(posted.attempts))
            else:
                self._add_dead_letter(
                    posted, "poison", f"cannot be processed: {type(error).__name__}"
                )

    def reread(self, reading: Reading) -> None:
        """Read one service at the vendor, and publish its state."""
        hook, api = self._hooks.get(reading.hook), self._apis.get(reading.hook)
        if hook is None or api is None:
            message = f"hooks.{reading.hook}: is no longer in hooks.toml"
            self._give_up(reading, INCOMPLETE, message)
            return
        try:
            self._read_and_publish(hook, api, reading)
        except Incomplete as error:
            self._give_up(reading, INCOMPLETE, error.missing, error.service_id)
        except NotThere:
            if reading.attempts < MOST_ITEMS:
                self._later(reading, "is not there", _wait_ms(reading.attempts))
            else:
                self._give_up(reading, "not-at-vendor", "the vendor has no such service")
        except (VendorFailed, PublishFailed) as error:
            self._later_of(reading, error)
        except STORE_FAILURES:
            raise  # it is taken again by itself
        except Exception as error:
            log.exception("hook.failed", hook=reading.hook)
            if reading.attempts < MOST_BUGS:
                self._later(reading, type(error).__name__, _wait_ms(reading.attempts))
            else:
                self._give_up(reading, "poison", f"cannot be processed: {type(error).__name__}")

    def _read_and_publish(self, hook: Hook, api: VendorApi, reading: Reading) -> None:
        state = self._state(hook, api, reading)
        if not self._inbox.is_ours(reading):
            return  # ours took too long: another process reads it now, with a later ticket
        if isinstance(state, Publish):
            self._publish_state(hook, reading, state)
        if self._inbox.finish(reading):
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
        event = self._apis[hook.name].get(f"webhook-events/{verdict.vendor_id}")
        return uisp.read_confirmed(_object(event), verdict.vendor_id)

    def _follow(self, hook: Hook, posted: Posted, verdict: Verdict) -> None:
        match verdict:
            case Ignored():
                log.info("hook.ignored", hook=hook.name, reason=verdict.reason)
                self._inbox.done(posted)
            case Reread():
                self._want(hook, posted, [(verdict.ref, verdict.vendor_id, verdict.gone)])
            case RereadAll():
                found = self._apis[hook.name].get(f"clients/services?clientId={verdict.customer}")
                services = found if isinstance(found, list) else []
                refs = [str(service["id"]) for service in services if isinstance(service, dict)]
                self._want(hook, posted, [(ref, verdict.vendor_id, False) for ref in refs])
            case Publish():
                envelope = {"source": hook.settings.source, **verdict.envelope}
                self._publish(verdict, envelope)
                self._inbox.done(posted)
            case ReadBack():
                raise TypeError("was read back before")

    def _want(self, hook: Hook, posted: Posted, wanted: Sequence[tuple[str, str, bool]]) -> None:
        self._inbox.want(posted.id, hook.name, wanted, round(hook.settings.coalesce_s * 1000))

    def _state(self, hook: Hook, api: VendorApi, reading: Reading) -> State:
        try:
            match hook.settings:
                case Uisp():
                    service = _object(api.get(f"clients/services/{reading.ref}"))
                    return uisp.read_service(service, hook.settings)
                case Splynx():
                    customer, _, ref = reading.ref.partition("/")
                    path = f"admin/customers/customer/{customer}/internet-services--{ref}"
                    return splynx.read_service(_object(api.get(path)), hook.settings)
                case Generic():
                    raise TypeError("this adapter reads nothing")
        except NotThere:
            if not reading.gone:
                raise
            ref = reading.ref.rpartition("/")[2]
            service_id = f"{hook.settings.service_prefix}{ref}"
            return Publish({"event": "cancelled", "service_id": service_id}, {})

    def _publish_state(self, hook: Hook, reading: Reading, state: Publish) -> None:
        # A webhook that comes twice reads newer state, which needs a new id.
        envelope = {
            "id": f"{reading.vendor_id}:{reading.ticket}:{reading.ref.replace('/', '-')}",
            "source": hook.settings.source,
            "time": self._clock().isoformat(),
        }
        revision = Publish({**state.fields, "revision": reading.ticket}, {})
        self._publish(revision, envelope)

    def _publish(self, publish: Publish, envelope: Mapping[str, str]) -> None:
        service_id = str(publish.fields.get("service_id", ""))
        try:
            self._publisher.publish([{**envelope, **event_of(publish.fields)}])
        except NotAnEvent as error:
            raise Incomplete(str(error), service_id) from None
        except BatchViolation as violation:
            message = "; ".join(_message(problem) for _, problem in violation.problems)
            raise Incomplete(message, service_id) from None

    def _add_dead_letter(
        self, posted: Posted, reason: str, detail: str, service_id: str = ""
    ) -> None:
        body = json.dumps(posted._replace(attempts=0)._asdict())
        self._commit_dead_letter(f"hook-{posted.id}", reason, detail, service_id, body)
        log.warning("hook.dead_lettered", hook=posted.hook, reason=reason, detail=detail)
        self._inbox.done(posted)

    def _give_up(self, reading: Reading, reason: str, detail: str, service_id: str = "") -> None:
        body = json.dumps({"hook": reading.hook, "reread": reading.ref})
        self._commit_dead_letter(_dead_letter_of(reading), reason, detail, service_id, body)
        log.warning("hook.dead_lettered", hook=reading.hook, reason=reason, detail=detail)
        self._inbox.finish(reading)

    def _commit_dead_letter(
        self, dead_letter_id: str, reason: str, detail: str, service_id: str, body: str
    ) -> None:
        """Store a dead letter; one with the same id is replaced."""
        now_ms = self._store.records.now_ms()
        dead_letter = DeadLetter(
            dead_letter_id, "hook", reason, detail, service_id=service_id, body=body, at_ms=now_ms
        )
        self._store.records.commit([ServiceCommit("", dead_letters=[dead_letter])], now_ms)

    def _settle_dead_letter(self, dead_letter_id: str) -> None:
        """Delete the dead letter of a service that was read after all, if there is one."""
        dead_letter = self._store.views.dead_letter(dead_letter_id)
        if dead_letter is not None:
            now_ms = self._store.records.now_ms()
            self._store.dead_letters.settle(dead_letter, MENDED, "leasewire", now_ms)

    def _later_of(self, reading: Reading, error: VendorFailed | PublishFailed) -> None:
        if isinstance(error, VendorFailed) and error.refused:
            log.error(
                "hook.vendor_refused", hook=reading.hook, advice="correct the key in hooks.toml"
            )
        self._later(reading, str(error), _wait_of(error, reading.attempts))

    def _later(self, reading: Reading, why: str, wait_ms: int) -> None:
        log.warning("hook.delayed", hook=reading.hook, service=reading.ref, reason=why)
        self._inbox.finish(reading, retry_ms=wait_ms, why=why)


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


def _object(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise VendorFailed("the answer is not a JSON object")
    return document


def _message(problem: Problem) -> str:
    return f"{field_at(problem.pointer) or problem.pointer} {problem.message}"


def _wait_of(error: Exception, attempts: int) -> int:
    refused = isinstance(error, VendorFailed) and error.refused
    return _REFUSED_MS if refused else _wait_ms(attempts)


def _wait_ms(attempts: int) -> int:
    """Full jitter: many services that fail together do not come back together."""
    most = min(_CAP_MS, _FIRST_MS * 2 ** min(attempts, 16))
    return random.randint(most // 2, most)  # noqa: S311 - spreads attempts, keeps no secret
