"""What no simulated history can show, and why: broken builds, and bugs of put_back.py."""

from collections.abc import Iterator
from typing import Final

_WHY: Final = {
    "nothing is broken in it": ("dies-before-write", "stops-before-sending", "dies-around-the-cut"),
    "how the kernel closes a connection; there are no sockets here": ("plain-close",),
    "no policy of a history has `cut_connections`": ("cuts-only-what-it-wrote",),
    "no event of a history has such a value, or names such a router": (
        "a pool named like an address stops its router",
        "names in a local code page stop alerts",
        "a mistyped router is waited for for ever",
    ),
    "each manifest is said once, with the same parts": ("two attempts of a manifest are joined",),
    "there is one clock": (
        "a manifest of a clock that is ahead cancels what came after it",
        "manifests of a clock that is ahead are refused",
        "nothing is due after Redis's clock was set back",
        "events are refused while Redis's clock is behind",
    ),
    "not shown by 400 histories with refused writes: few refuse one of a swap for good": (
        "the healthy partner of a refused swap waits",
    ),
    "routers refuse one value, or all of a crowd, and never a few of many for good": (
        "a few wrong services block their router",
    ),
    "no router answers reads and leaves writes unanswered": (
        "services are given up that a slow router does not answer",
    ),
    "nobody edits a comment": ("a comment edited without a space is another service's",),
    "no router is renamed": (
        "events go to the machine that had a router's name before",
        "a batch of before a rename brings the former name back",
    ),
    "operators send no events": ("operators' words go by who commits",),
    "nobody waits for the processor here": ("a quiet router waits for those with a backlog",),
    "no pass raises an exception of its own": (
        "an exception in a pass holds its router",
        "who makes passes fail is never given up",
    ),
    "all workers have one version": (
        "a record that cannot be read stops its router",
        "events of a newer record are poison",
        "what is newer ends the sweep",
    ),
    "histories are too small for it": (
        "refused events are kept without end",
        "all who want one MAC are woken at once",
        "the queue of routers grows while nobody takes",
    ),
    "it is late, not wrong: others take the router when its lock ends": (
        "a router is nobody's after a lost answer",
    ),
    "outcomes are compared with rows at the end alone, when what a person did is mended": (
        "what changes nothing is applied though nobody looked",
        "a service is in use though its row is switched off",
    ),
    "no source leaves fields to others": (
        "an event of an incomplete service is applied on no router",
    ),
    "it takes five losses in a row of one event, which the real build may count too": (
        "a failing Redis makes events poison",
    ),
    "no history shortens lease times": (
        "a shortened lease stays short when its event is withdrawn",
        "nobody remembers which lease time others had set",
    ),
}


def _reasons() -> Iterator[tuple[str, str]]:
    for why, names in _WHY.items():
        for name in names:
            yield name, why


OUT_OF_REACH: Final = dict(_reasons())
