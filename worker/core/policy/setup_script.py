"""A set-up as a RouterOS script, for people who paste commands rather than let us log in.

Paths are written with spaces, which RouterOS 6 understands too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from worker.core.policy.setup_rows import CERTIFICATE, SERVICE, WantedRow
from worker.core.policy.setup_spec import FastTrack, RouterAccess
from worker.core.rows.filter_rules import (
    FASTTRACK,
    FILTERS,
    SOURCE_LIST,
    TARGET_LIST,
)

_PLAIN = re.compile(r"[A-Za-z0-9._:/,-]+")


def script_of(
    wanted: Sequence[WantedRow],
    access: RouterAccess,
    password: str,
    fasttrack: FastTrack = "keep",
) -> Iterator[str]:
    """Yield the lines that set up a router which has none of it."""
    moved = dict.fromkeys(FILTERS, 0)
    yield f"# Leasewire {access.installation}: sets up {access.host}."
    yield f"# It contains the password of user {access.username}: keep it private."
    for row in wanted:
        path = row.menu.replace("/", " ").strip()
        once = {k: password if k == "password" else v for k, v in row.once.items()}
        if row.fixed:
            name = f"{row.key['name']} " if row.menu == SERVICE else ""
            # On an empty router the API is open to every address and REST is disabled.
            kept = row.joins if access.service != "www-ssl" else ""
            fields = {k: v for k, v in row.fields.items() if k != kept}
            yield f"/{path} set {name}{_message(fields)}"
            continue
        fields = {k: v for k, v in {**row.key, **row.fields, **once}.items() if v}
        yield f"/{path} add {_message(fields)}"
        if row.menu == CERTIFICATE:
            yield f"/{path} sign {quoted(row.key['name'])}"
        if row.menu in FILTERS:
            # To the top; the router complains where it is there already.
            find = f"[find comment={quoted(row.key['comment'])}]"
            place = f"[:pick [/{path} find dynamic=no] {moved[row.menu]}]"
            yield f":do {{/{path} move {find} {place}}} on-error={{}}"
            moved[row.menu] += 1
    yield from _fasttrack(fasttrack, access)


def _fasttrack(fasttrack: FastTrack, access: RouterAccess) -> Iterator[str]:
    for menu, name in access.suspend_lists.items():
        fields = {"disabled": "yes"}
        if fasttrack == "spare-suspended" and name:
            fields = dict.fromkeys((SOURCE_LIST, TARGET_LIST), f"!{name}")
        elif fasttrack != "off":
            continue
        path = menu.replace("/", " ").strip()
        yield f"/{path} set [find action={FASTTRACK} dynamic=no] {_message(fields)}"


def _message(fields: Mapping[str, str]) -> str:
    return " ".join(f"{name}={quoted(value)}" for name, value in fields.items())


def quoted(value: str) -> str:
    """A value as the console takes it."""
    if _PLAIN.fullmatch(value):
        return value
    escaped = re.sub(r'([\\"$?])', r"\\\1", value)
    return '"' + escaped.replace("\n", r"\n").replace("\r", r"\r").replace("\t", r"\t") + '"'
