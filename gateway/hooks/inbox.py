"""Webhooks and re-reads as Redis keeps them: what is here is not lost, and is worked on by one.

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

OURS_MS: Final = 60_000
"""As long a webhook or a reading belongs to one reader: far longer than a reading takes."""
MOST_WAITING: Final = 50_000
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of all webhooks that wait, as they stand in Redis."""


class Posted(NamedTuple):
    """A webhook as it came.

    Attributes:
        id: over its content: the same one that waits already is kept once.
        hook: by name.
        body: its text.
        content_type: of the body.
        attempts: how often it was tried.
    """

    id: str
    hook: str
    body: str
    content_type: str
    attempts: int = 0


class Reading(NamedTuple):
    """A service that is being read.

    Attributes:
        hook: by name.
        ref: as the vendor's API names it.
        ticket: the revision of what is found.
        vendor_id: of the last webhook that named it.
        gone: not to find it is no surprise.
        attempts: how often it failed.
        since_ms: when it was first wanted.
        token: of this reading.
        stamp: of what was wanted.
    """

    hook: str
    ref: str
    ticket: int
    vendor_id: str
    gone: bool
    attempts: int
    since_ms: int
    token: str
    stamp: str


class Inbox:
    """Reads and writes them; raises what redis-py raises.

    Args:
        redis: decodes replies.
        prefix: before every key.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._keys = GatewayKeys(prefix).hooks
        self._headroom = Headroom(redis)
        folder = files("gateway.hooks") / "lua"
        self._scripts = {
            name: redis.register_script((folder / f"{name}.lua").read_text(encoding="utf-8"))
            for name in ("put", "take", "want", "begin", "finish")
        }

    def put(self, posted: Posted) -> str:
        """Keep a webhook; says why it cannot be kept, or nothing."""
        share = self._headroom.share()
        if share >= INTAKE_ENDS:
            return f"Redis uses {share:.0%} of {self._headroom.limit}"
        text = json.dumps(posted._asdict())
        keys = [self._keys.inbox, self._keys.inbox_due, self._keys.inbox_bytes]
        kept = self._scripts["put"](keys, [posted.id, text, MOST_WAITING, MOST_BYTES])
        return "" if kept else "too many webhooks wait to be worked on"

    def take(self, most: int) -> list[Posted]:
        """Webhooks to work on now."""
        keys = [self._keys.inbox, self._keys.inbox_due]
        flat = self._scripts["take"](keys, [most, OURS_MS])
        return [Posted(**json.loads(text)) for text in flat[1::2]]

    def done(self, posted: Posted) -> None:
        """A webhook is dealt with."""
        self.want(posted.id, "", (), 0)

    def later(self, posted: Posted, wait_ms: int) -> None:
        """A webhook could not be dealt with; try again."""
        again = posted._replace(attempts=posted.attempts + 1)
        pipe = self._redis.pipeline()
        pipe.hset(self._keys.inbox, posted.id, json.dumps(again._asdict()))
        pipe.zadd(self._keys.inbox_due, {posted.id: self._now_ms() + wait_ms})
        pipe.execute()

    def want(
        self,
        posted_id: str,
        hook: str,
        wanted: Iterable[tuple[str, str, bool]],
        coalesce_ms: int,
    ) -> None:
        """Services are to be read again, and the webhook that said so is dealt with.

        Args:
            posted_id: of the webhook; empty for none.
            hook: by name.
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
        """Services to read now, each with its ticket."""
        keys, token = self._keys, secrets.token_hex(8)
        flat = self._scripts["begin"](
            [keys.wanted, keys.wanted_due, keys.reading, keys.tickets], [most, OURS_MS, token]
        )
        return [
            _reading(*flat[at : at + 3], token=token)
            for at in range(0, len(flat), 3)  # ref, wanted, ticket
        ]

    def is_ours(self, reading: Reading) -> bool:
        """Whether nobody else began to read the service meanwhile."""
        held = self._redis.hget(self._keys.reading, f"{reading.hook}|{reading.ref}")
        return held == reading.token

    def finish(self, reading: Reading, retry_ms: int | None = None, why: str = "") -> bool:
        """End a reading: with success, or to be tried again. False: it is somebody else's now."""
        keys = self._keys
        retry = "" if retry_ms is None else retry_ms
        return bool(
            self._scripts["finish"](
                [keys.wanted, keys.wanted_due, keys.reading],
                [
                    f"{reading.hook}|{reading.ref}",
                    reading.token,
                    reading.stamp,
                    retry,
                    why,
                ],
            )
        )

    def depth(self) -> int:
        """How many webhooks wait."""
        return int(self._redis.hlen(self._keys.inbox))

    def wanted(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """What is to be read: hook, ref, and {since, attempts, why}."""
        for name, text in self._redis.hscan_iter(self._keys.wanted, count=500):
            hook, _, ref = name.partition("|")
            yield hook, ref, json.loads(text)

    def _now_ms(self) -> int:
        seconds, micros = self._redis.time()
        return int(seconds) * 1000 + int(micros) // 1000


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
        since_ms=int(wanted["since"]),
        token=token,
        stamp=wanted["stamp"],
    )


def take_again(inbox: Inbox, dead_letter: str) -> str:
    """Take a webhook or a re-read up again that was dead-lettered; `dead_letter` is its body.

    Returns:
        Why it cannot be, in words; else nothing.
    """
    found = json.loads(dead_letter)
    if "reread" not in found:
        return inbox.put(Posted(**found))
    again = f"replay-{secrets.token_hex(8)}"
    inbox.want("", found["hook"], [(found["reread"], again, False)], 0)
    return ""
