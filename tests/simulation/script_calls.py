"""Our Lua scripts in Redis: the names of their calls, and which of them send messages."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from hashlib import blake2b, sha1
from importlib.resources import files
from typing import Any, Final

import producers
from worker.store import scripts
from worker.store.keys import Keys

_MESSAGE_ID: Final = re.compile(r"\b[0-9a-f]{40}\b")
"""Scripts make it of what differs between two starts of Redis; nobody compares it."""
_HAS_ID: Final = "root_id"
_WHOLE: Final = 120
_PUSH_NOTHING: Final = ("R", "TIME", "SET", "H", "Z", "GET", "MGET", "SCRIPT", "INFO", "Sentinel")
"""How calls begin that put nothing into a list: those to routers and many to Redis."""
_VERBS: Final = {
    "commit": "commits the events of",
    "take_journal": "takes events from the journal:",
    "acquire": "locks",
    "renew": "keeps its lock of",
    "release": "unlocks",
    "next_batch": "takes the next services of",
    "claim": "asks for what services want of",
    "begin_writing": "notes what it is about to write on",
    "conclude": "concludes on",
}
"""What a script does, before what it is about."""


def call_in_words(args: Sequence[Any]) -> str:
    """A command, by its first arguments."""
    name, *rest = args
    if name == "EVALSHA":
        return _script_call(str(rest[0]), rest[2:])[:140]
    if name == "SCRIPT LOAD":
        return str(name)
    if rest and str(rest[0]).endswith("samples"):  # how much memory Redis uses differs
        return f"{name} {rest[0]}"
    return " ".join(map(str, [name, *rest[:3]]))[:100]


def _script_call(sha: str, args: Sequence[Any]) -> str:
    """A call in words: the script, the router, and the services that it is about.

    Args:
        sha: of the script.
        args: keys and arguments; of ours the prefix is the first.
    """
    name = _names().get(sha, "")
    if not name:
        return " ".join(map(str, args[:4]))
    words = [str(arg) for arg in args[1:4]]
    if name in ("commit", "conclude"):
        router = words[:1] if name == "conclude" else []
        return " ".join([name, *router, *_services(args[-1])])
    if name in ("acquire", "renew", "release"):
        return f"{name} {words[0]}"
    if name == "begin_writing":
        return " ".join([name, words[0], *map(str, args[6:])])
    return " ".join([name, *words])


def _services(batch: Any) -> Iterator[str]:
    """Of a batch to commit or to conclude: each service, and the routers it has work on."""
    for service in json.loads(batch)["services"]:
        routers = service.get("work_items") or {}
        work = [f"(work on {', '.join(routers)})"] if routers else []
        result = [service["result"]] if "result" in service else []
        yield " ".join([service["service_id"], *result, *work])


def in_plain_words(what: str) -> str:
    """What somebody does, for a story: a verb, and the words of the call."""
    name, _, rest = what.partition(" ")
    if name in _VERBS:
        return f"{_VERBS[name]} {rest or 'no service'}"
    if rest == "connect":
        return f"connects to {name}"
    return f"sends {name} {rest}" if rest.startswith("/") else f"calls {what}"


def answer_in_words(answer: object) -> str:
    """An answer; a long one by its beginning and its hash."""
    text = repr(answer)
    if _HAS_ID in text:
        text = _MESSAGE_ID.sub("(id)", text)
    if len(text) <= _WHOLE:
        return text
    return f"{text[:60]}… {blake2b(text.encode(), digest_size=6).hexdigest()}"


def may_push(what: str) -> bool:
    """Whether a call, in the words of `call_in_words`, may have put a message into a queue."""
    if "; " not in what:
        return _pushes(what.partition(" ")[0])
    return any(_pushes(part.partition(" ")[0]) for part in what.split("; "))


@cache
def _pushes(word: str) -> bool:
    if word in _names().values():
        return "PUSH" in scripts.source(word)
    return not word.startswith(_PUSH_NOTHING)


def of_nothing(keys: Keys, features: Collection[str], *, is_kept_up: bool) -> Iterator[str]:
    """Commands, each with its key, that always have the same answer in a history.

    They are no points: who comes between two of them decides nothing.

    Args:
        keys: their names.
        features: of the history.
        is_kept_up: others see to the upkeep of Redis.
    """
    yield "INFO memory"
    if is_kept_up:
        yield f"SET {keys.maintenance}"
    if "brake" not in features:
        yield f"HGETALL {keys.braked}"
    if "manifests" not in features:
        yield f"ZRANGEBYSCORE {keys.manifests}"


@cache
def texts() -> list[str]:
    """All scripts, also that of publishers."""
    publish = (files(producers.__name__) / "lua" / "publish.lua").read_text(encoding="utf-8")
    return [publish, *(scripts.source(name) for name in _names().values())]


@cache
def digests() -> frozenset[str]:
    """SHA-1 of each of these."""
    return frozenset(map(digest, texts()))


@cache
def digest(text: str) -> str:
    """What Redis calls a script."""
    return sha1(text.encode()).hexdigest()  # noqa: S324 - as Redis


@cache
def _names() -> dict[str, str]:
    """SHA-1 of each script -> its name."""
    folder = files(scripts.__package__) / "lua"
    found = sorted(item.name.removesuffix(".lua") for item in folder.iterdir())
    sources = {name: scripts.source(name) for name in found if not name.startswith("_")}
    return {digest(text): name for name, text in sources.items()}
