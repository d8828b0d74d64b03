"""Whether an upgrade may begin, and whether it is complete: the document of `upgrade check`."""

from collections.abc import Collection, Sequence
from typing import Any, Literal

from worker.admin.json_fields import utc_time, without_empty
from worker.core.alerting.processes import ProcessSign
from worker.core.service.formats import STORE_FORMATS
from worker.store.store import Store
from worker.store.store_format import unreadable
from worker.version import installed_version, release_of

State = Literal["may-begin", "under-way", "complete", "blocked"]


def read_upgrade(store: Store) -> dict[str, Any]:
    """How far the upgrade to the version of this program is.

    Keys: `version` and `reads` of this program, `store_format` in use, `state`, `problems`, and
    `processes`: those that gave a sign of life in the last ten minutes and were not stopped.
    """
    in_use, now_ms = store.format.found(), store.records.now_ms()
    signs = [sign for sign in store.heartbeats.seen() if sign.ago_ms < store.format.COUNTS_MS]
    version, reads = installed_version(), sorted(STORE_FORMATS)
    problems = problems_of(signs, in_use, version, reads)
    return {
        "version": version,
        "reads": reads,
        "store_format": in_use,
        "state": "blocked" if problems else state_of(signs, in_use, version, max(reads)),
        "problems": problems,
        "processes": [_process_document(sign, now_ms) for sign in signs],
    }


def state_of(signs: Sequence[ProcessSign], in_use: int, version: str, newest: int) -> State:
    """How far the upgrade to a version is, if nothing speaks against it.

    `signs` are of the processes that count; `newest` is the store format that it reads.
    """
    upgraded = [sign for sign in signs if sign.process.version == version]
    if not upgraded:
        return "may-begin"
    return "complete" if len(upgraded) == len(signs) and in_use == newest else "under-way"


def problems_of(
    signs: Sequence[ProcessSign], in_use: int, version: str, reads: Collection[int]
) -> list[str]:
    """What speaks against the upgrade to a version, one sentence each.

    `signs` are of the processes that count; `reads` are the store formats that it reads.
    """
    found = [] if in_use in reads else [unreadable(in_use)]
    found += [
        f"{sign.process.name} runs {sign.process.version}, and this is {version}: an upgrade to "
        "that version has begun, so check it with a `leasewire` of that version"
        for sign in signs
        if release_of(sign.process.version) > release_of(version)
    ]
    found += [
        f"{sign.process.name} reads store formats up to {formats[-1]} and {in_use} is in use: it "
        "was away while the others were upgraded; install their version on its host"
        for sign in signs
        if (formats := sign.process.formats.get("store") or [1])[-1] < in_use
    ]
    return found


def in_words(document: dict[str, Any]) -> list[str]:
    """What a person should know and do now, a line each."""
    version, processes = document["version"], document["processes"]
    others = [process for process in processes if process["version"] != version]
    silent = [process["name"] for process in processes if "silent_since" in process]
    lines = {
        "blocked": f"The upgrade to {version} may not begin or go on.",
        "complete": f"The upgrade to {version} is complete.",
        "may-begin": (
            f"The upgrade to {version} may begin. Back up first; workers before gateways."
        ),
        "under-way": (
            f"The upgrade to {version} is under way: {len(others)} of {len(processes)} processes "
            "run another version."
        ),
    }
    found = [lines[document["state"]]]
    in_use, newest = document["store_format"], document["reads"][-1]
    if document["state"] == "under-way" and in_use < newest:
        found.append(f"Store format {in_use} stays in use until all read {newest}.")
    if silent and document["state"] == "under-way":
        names = ", ".join(silent)
        found.append(f"Silent: {names}. Each counts for ten minutes, as it may only be cut off.")
    return found


def _process_document(sign: ProcessSign, now_ms: int) -> dict[str, Any]:
    process = sign.process
    return without_empty(
        {
            "name": process.name,
            "host": process.host,
            "version": process.version,
            "reads": list(process.formats.get("store") or [1]),
            "silent_since": None if sign.alive else utc_time(now_ms - sign.ago_ms),
        }
    )
