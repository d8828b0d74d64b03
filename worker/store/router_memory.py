"""What passes remember of a router: missing prerequisites, suspects, unused options.

It changes only the order of work and how often people are notified: losing it does no harm.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from worker.core.effect.facts import EffectFacts
from worker.core.effect.rungs import ActedBefore
from worker.core.entry.dhcp_setup import DhcpSetup
from worker.core.storage_format import known_part
from worker.store.connection import StorePart

KEPT_S: Final = 7 * 86_400
SLOW_SEARCH_RESTS_MS: Final = 600_000
"""A router that did not search its connections in time is not asked again for so long."""
_MISSING: Final = "lacks:"
_SLOW: Final = "slow-writes"
_UNNAMED: Final = "unnamed-option:"
_ACTED: Final = "acted:"
_SLOW_SEARCH: Final = "slow-search-until"
_LEFT: Final = "left-connections:"
SETUP: Final = "setup"
"""Field of a router's hash: its DHCP setup as text; absent: it was not read yet."""
MISFITS: Final = "misfits"
"""Field of a router's hash: service -> why no device can use its address, as JSON."""
UNCLEAR_CLIENTS: Final = "unclear-ipv6-clients"
"""Field of a router's hash: service -> why its DHCPv6 client cannot be told, as JSON; absent: no
service there has IPv6."""
EFFECT: Final = "effect-facts"
"""Field of a router's hash: what decides there when a change acts, as JSON."""


SuspectKind = Literal["suspect", "fault"]
"""Of failure: the connection was lost, or a pass failed by a bug."""


class Suspect(NamedTuple):
    """A service that was in flight when the connection was lost, or at work when a pass failed.

    Attributes:
        most: services that may be tried together with it.
        alone: how often it was the only one.
        answered: a write of another service was confirmed since.
    """

    most: int
    alone: int
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of one router.

    Attributes:
        missing: what it lacks, and when that was notified (ms).
        suspects: services that may have ended the connection.
        faults: services that may have made a pass fail.
        slow: how often the time was doubled that it has for its answer to a write.
        setup: its DHCP setup as a text; empty: it was not read yet.
        misfits: service -> why no device can use its address.
        effect: what decides there when a change acts; empty before the first full read.
        acted: (kind of change, rung) -> what it did the last times.
        no_search_before_ms: its tracked connections are not searched before.
        left: address -> service that lost it, while not all of its connections were removed.
        unclear_clients: service -> why its DHCPv6 client cannot be told; None: no service there has
            IPv6.
    """

    missing: Mapping[str, int]
    suspects: Mapping[str, Suspect]
    faults: Mapping[str, Suspect] = field(default_factory=dict)
    slow: int = 0
    setup: str = ""
    misfits: Mapping[str, str] = field(default_factory=dict)
    effect: EffectFacts = field(default_factory=EffectFacts)
    acted: Mapping[tuple[str, str], ActedBefore] = field(default_factory=dict)
    no_search_before_ms: int = 0
    left: Mapping[str, str] = field(default_factory=dict)
    unclear_clients: Mapping[str, str] | None = None


def known_of(raw: Mapping[str, str]) -> Known:
    """What the fields of a router's hash say."""
    return Known(
        {what: int(notified_ms) for what, notified_ms in _after(_MISSING, raw).items()},
        _suspects(_after("suspect:", raw)),
        _suspects(_after("fault:", raw)),
        int(raw.get(_SLOW, 0)),
        raw.get(SETUP, ""),
        json.loads(raw.get(MISFITS, "{}")),
        EffectFacts.from_text(raw.get(EFFECT, "{}")),
        {
            (kind, rung): known_part(ActedBefore, json.loads(text))
            for name, text in _after(_ACTED, raw).items()
            for kind, _, rung in [name.partition("|")]
        },
        int(raw.get(_SLOW_SEARCH, 0)),
        _after(_LEFT, raw),
        unclear_clients_of(raw.get(UNCLEAR_CLIENTS)),
    )


def unclear_clients_of(text: str | None) -> Mapping[str, str] | None:
    """What the field of a router's hash says; None: it is absent."""
    return None if text is None else json.loads(text)


def _after(prefix: str, raw: Mapping[str, str]) -> dict[str, str]:
    """The fields that begin so, by what follows."""
    return {k.removeprefix(prefix): text for k, text in raw.items() if k.startswith(prefix)}


def _suspects(texts: Mapping[str, str]) -> dict[str, Suspect]:
    return {service: known_part(Suspect, json.loads(text)) for service, text in texts.items()}


class RouterMemory(StorePart):
    """One hash a router; it goes a week after its last change."""

    def note_missing(self, router: str, missing: Mapping[str, int]) -> None:
        """Remember what the router lacks, and when that was notified (ms)."""
        self._set(
            router, {_MISSING + what: str(notified_ms) for what, notified_ms in missing.items()}
        )

    def forget_missing(self, router: str, missing: Collection[str]) -> None:
        """The router has it now."""
        self._drop(router, [_MISSING + what for what in missing])

    def note_suspects(
        self, router: str, kind: SuspectKind, suspects: Mapping[str, Suspect]
    ) -> None:
        """Remember the services of which one is to blame for a failure."""
        fields = {f"{kind}:{service}": json.dumps(count) for service, count in suspects.items()}
        self._set(router, fields)

    def forget_suspects(self, router: str, kind: SuspectKind, services: Collection[str]) -> None:
        """They succeeded, or were given up."""
        self._drop(router, [f"{kind}:{service}" for service in services])

    def note_slow(self, router: str, slow: int) -> None:
        """Remember how often the time for an answer to a write was doubled."""
        self._set(router, {_SLOW: str(slow)})

    def note_slow_search(self, router: str, until_ms: int) -> None:
        """Remember until when not to search its tracked connections: it took too long."""
        self._set(router, {_SLOW_SEARCH: str(until_ms)})

    def note_acted(self, router: str, acted: Mapping[tuple[str, str], ActedBefore]) -> None:
        """Remember how fast changes acted, by kind and rung."""
        fields = {
            f"{_ACTED}{kind}|{rung}": json.dumps(seen) for (kind, rung), seen in acted.items()
        }
        self._set(router, fields)

    def known(self, router: str) -> Known:
        """What is remembered of a router."""
        return known_of(self._all(router))

    def note_left(self, router: str, services: Mapping[str, str]) -> None:
        """Remember addresses with connections that a pass had to leave, each with its service."""
        self._set(router, {_LEFT + address: service for address, service in services.items()})

    def forget_left(self, router: str, addresses: Collection[str]) -> None:
        """Their connections are removed, or are another's by now."""
        self._drop(router, [_LEFT + address for address in addresses])

    def note_setup(self, router: str, text: str) -> None:
        """Remember its DHCP setup, for commands that do not ask the router."""
        self._set(router, {SETUP: text})

    def setup(self, router: str) -> DhcpSetup:
        """As it was last remembered; nothing is known where it was not."""
        return self.setups([router])[router]

    def setups(self, routers: Collection[str]) -> dict[str, DhcpSetup]:
        """The same of several routers, with one round trip."""
        pipe = self._client.pipeline(transaction=False)
        for router in routers:
            pipe.hget(self._keys.router(router).memory, SETUP)
        found = zip(routers, pipe.execute(), strict=True)
        return {name: DhcpSetup.from_text(text) if text else DhcpSetup() for name, text in found}

    def note_misfits(self, router: str, misfits: Mapping[str, str]) -> None:
        """Remember whose address no device can use, and why."""
        self._set(router, {MISFITS: json.dumps(misfits)})

    def note_unclear_clients(self, router: str, unclear: Mapping[str, str]) -> None:
        """Remember that services there have IPv6, and of which the client cannot be told."""
        self._set(router, {UNCLEAR_CLIENTS: json.dumps(unclear)})

    def note_effect(self, router: str, facts: EffectFacts) -> None:
        """Remember what decides there when a change acts."""
        self._set(router, {EFFECT: facts.to_text()})

    def effect(self, router: str) -> EffectFacts:
        """As the last full read found it; nothing is known where none was."""
        text = self._client.hget(self._keys.router(router).memory, EFFECT)
        return EffectFacts.from_text(text) if text else EffectFacts()

    def unnamed_options(self, router: str) -> frozenset[str]:
        """Our DHCP options that nothing used at the last check."""
        return frozenset(_after(_UNNAMED, self._all(router)))

    def set_unnamed_options(self, router: str, options: Collection[str]) -> None:
        """Remember the unused options of this check, and forget the others."""
        gone = self.unnamed_options(router) - set(options)
        self._drop(router, [_UNNAMED + option for option in gone])
        self._set(router, dict.fromkeys((_UNNAMED + option for option in options), "1"))

    def _all(self, router: str) -> dict[str, str]:
        return self._client.hgetall(self._keys.router(router).memory)

    def _set(self, router: str, fields: Mapping[str, str]) -> None:
        if fields:
            key = self._keys.router(router).memory
            pipe = self._client.pipeline()
            for name, value in fields.items():
                pipe.hset(key, name, value)
            pipe.expire(key, KEPT_S)
            pipe.execute()

    def _drop(self, router: str, fields: Collection[str]) -> None:
        if fields:
            self._client.hdel(self._keys.router(router).memory, *fields)
