"""Webhooks and rereads in Redis: none is lost, and one process at a time works on each.

Times are Redis's.
"""

import json
import secrets
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any, Final, NamedTuple

from redis import Redis

from contracts.names import INTAKE_ENDS
from gateway.keys import GatewayKeys
from producers.journal_transport import Headroom
from worker.store.connection import redis_now_ms

OURS_MS: Final = 60_000
"""How long a webhook or a reread belongs to one process: far longer than a reread takes."""
MOST_WAITING: Final = 50_000
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of all webhooks that wait, as stored in Redis."""


class Posted(NamedTuple):
    """A webhook as it came.

    Attributes:
        id: hash of its content: equal webhooks that wait are stored once.
        hook: name of the hook.
        body: its text.
        content_type: of the body.
        attempts: number of failed attempts.
    """

    id: str
    hook: str
    body: str
    content_type: str
    attempts: int = 0


class Reading(NamedTuple):
    """A service that is being reread.

    Attributes:
        hook: name of the hook.
        ref: the service's name in the vendor's API.
        ticket: the revision of what is read.
        vendor_id: of the last webhook that named it.
        gone: it may be missing at the vendor.
        attempts: number of failed attempts.
        token: of this reread.
        stamp: of the request to reread.
    """

    hook: str
    ref: str
    ticket: int
    vendor_id: str
    gone: bool
    attempts: int
    token: str
    stamp: str

    @property
    def name(self) -> str:
        """Its field in Redis."""
        return f"{self.hook}|{self.ref}"


class Inbox:
    """Webhooks and rereads; raises what redis-py raises.

    Args:
        redis: decodes replies.
        prefix: before every key.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._keys = GatewayKeys(prefix).hooks
        self._headroom = Headroom(redis)
        folder = files(__package__) / "lua"
        self._scripts = {
            name: redis.register_script((folder / f"{name}.lua").read_text(encoding="utf-8"))
            for name in ("put", "take", "want", "begin", "finish")
        }

    def put(self, posted: Posted) -> str:
        """Store a webhook; returns why it cannot be stored, else nothing."""
        share = self._headroom.share()
        if share >= INTAKE_ENDS:
            return f"Redis uses {share:.0%} of {self._headroom.limit}"
        text = json.dumps(posted._asdict())
        keys = [self._keys.inbox, self._keys.inbox_due, self._keys.inbox_bytes]
        kept = self._scripts["put"](keys, [posted.id, text, MOST_WAITING, MOST_BYTES])
        return "" if kept else "too many webhooks wait to be processed"

    def take(self, most: int) -> list[Posted]:
        """Take webhooks to process now."""
        keys = [self._keys.inbox, self._keys.inbox_due]
        flat = self._scripts["take"](keys, [most, OURS_MS])
        return [Posted(**json.loads(text)) for text in flat[1::2]]

    def done(self, posted: Posted) -> None:
        """Delete a processed webhook."""
        self.want(posted.id, "", (), 0)

    def later(self, posted: Posted, wait_ms: int) -> None:
        """Process a webhook again later."""
        again = posted._replace(attempts=posted.attempts + 1)
        pipe = self._redis.pipeline()
        pipe.hset(self._keys.inbox, posted.id, json.dumps(again._asdict()))
        pipe.zadd(self._keys.inbox_due, {posted.id: redis_now_ms(self._redis) + wait_ms})
        pipe.execute()

    def want(
        self,
        posted_id: str,
        hook: str,
        wanted: Iterable[tuple[str, str, bool]],
        coalesce_ms: int,
    ) -> None:
        """Reread services, and delete the webhook that named them.

        Args:
            posted_id: of the webhook; empty: none.
            hook: name of the hook.
            wanted: (ref, vendor id, gone) of each service.
            coalesce_ms: how long to wait for more of the same.
        """
        keys = self._keys
        parts = [
            part
            for ref, vendor_id, gone in wanted
            for part in (f"{hook}|{ref}", vendor_id, int(gone))
        ]
        self._scripts["want"](
            [keys.wanted, keys.wanted_due, keys.inbox, keys.inbox_due, keys.inbox_bytes],
            [posted_id, secrets.token_hex(8), coalesce_ms, *parts],
        )

    def begin(self, most: int) -> list[Reading]:
        """Take services to reread now, each with its ticket."""
        keys, token = self._keys, secrets.token_hex(8)
        flat = self._scripts["begin"](
            [keys.wanted, keys.wanted_due, keys.reading, keys.tickets], [most, OURS_MS, token]
        )
        return [
            _reading(*flat[at : at + 3], token=token)
            for at in range(0, len(flat), 3)  # ref, wanted, ticket
        ]

    def is_ours(self, reading: Reading) -> bool:
        """Whether no other process has started to reread the service."""
        return self._redis.hget(self._keys.reading, reading.name) == reading.token

    def finish(self, reading: Reading, retry_ms: int | None = None, why: str = "") -> bool:
        """End a reread: done, or retried later. False: another process has it now."""
        keys = self._keys
        retry = "" if retry_ms is None else retry_ms
        done = self._scripts["finish"](
            [keys.wanted, keys.wanted_due, keys.reading],
            [reading.name, reading.token, reading.stamp, retry, why],
        )
        return bool(done)

    def depth(self) -> int:
        """Number of webhooks that wait."""
        return int(self._redis.hlen(self._keys.inbox))

    def wanted(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """The services to reread: hook, ref, and {since, attempts, why}."""
        for name, text in self._redis.hscan_iter(self._keys.wanted, count=500):
            hook, _, ref = name.partition("|")
            yield hook, ref, json.loads(text)


def _reading(name: str, text: str, ticket: str, *, token: str) -> Reading:
    hook, _, ref = name.partition("|")
    wanted = json.loads(text)
    return Reading(
        hook=hook,
        ref=ref,
        ticket=int(ticket),
        vendor_id=wanted["vendor_id"],
        gone=wanted["gone"],
        attempts=int(wanted["attempts"]),
        token=token,
        stamp=wanted["stamp"],
    )


def retry_dead_letter(inbox: Inbox, body: str) -> str:
    """Retry the webhook or reread of a dead letter with this body.

    Returns:
        Why it cannot be retried; else nothing.
    """
    found = json.loads(body)
    if "reread" not in found:
        return inbox.put(Posted(**found))
    again = f"retry-{secrets.token_hex(8)}"
    inbox.want("", found["hook"], [(found["reread"], again, False)], 0)
    return ""
