"""The keys of `routers.toml` for the pools from which Leasewire assigns addresses."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from contracts.values import Code
from worker.core.policy.address_pool import (
    AddressPool,
    AddressPools,
    PoolKind,
    Span,
    problems_of_pools,
    range_of,
    span_of,
)
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.normal import duration, seconds
from worker.inventory.policy_keys import Time, TomlTable

_SHORTEST: Final = 16
_LONGEST: Final = 64


def _readable(read: Callable[[str, PoolKind], Span]) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:
            read(text, _kind_of(text))
        except ValueError as error:
            raise ValueError(f"must be FIRST-LAST, a network or one address: {error}") from None
        return text

    return check


def _kind_of(text: str) -> PoolKind:
    return "prefix" if ":" in text else "address"


PoolRange = Annotated[str, AfterValidator(_readable(range_of))]
PoolExclusion = Annotated[str, AfterValidator(_readable(span_of))]
RouterPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:*?\[\]!-]{1,64}$")]


class PoolKeys(TomlTable):
    """`[pools.NAME]`: addresses or prefixes that Leasewire assigns to services."""

    ranges: Annotated[list[PoolRange], Field(min_length=1)]
    prefix_length: Annotated[int, Field(ge=_SHORTEST, le=_LONGEST)] | None = None
    exclude: list[PoolExclusion] = Field(default_factory=list)
    routers: Annotated[list[RouterPattern], Field(min_length=1)] | None = None
    quarantine: Time = "1d"
    known_as: Code | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = {_kind_of(text) for text in [*self.ranges, *self.exclude]}
        if len(kinds) > 1:
            raise ValueError("ranges and exclude mix IPv4 and IPv6: make a pool of each")
        if kinds == {"address"} and self.prefix_length is not None:
            raise ValueError("prefix_length is for pools of IPv6 prefixes: remove it")
        if kinds == {"prefix"} and self.prefix_length is None:
            raise ValueError("prefix_length is missing: how long the prefixes are, such as 56")
        spans = sorted(range_of(text, _kind_of(text)) for text in self.ranges)
        if any(b.first <= a.last for a, b in pairwise(spans)):
            raise ValueError("ranges overlap with each other")
        return self

    def pool(self, name: str) -> AddressPool:
        """Return the pool."""
        kind = _kind_of(self.ranges[0])
        return AddressPool(
            name,
            kind,
            tuple(sorted(range_of(text, kind) for text in self.ranges)),
            prefix_length=self.prefix_length or 32,
            exclude=tuple(span_of(text, kind) for text in self.exclude),
            routers=tuple(self.routers or ()),
            quarantine_ms=(seconds(self.quarantine) or 0) * 1000,
            known_as=self.known_as or "",
        )


def pools_of(keys: Mapping[str, PoolKeys]) -> AddressPools:
    """Return the pools of the tables `[pools]`."""
    return AddressPools({name: pool.pool(name) for name, pool in keys.items()})


def problems_between_pools(
    pools: AddressPools, policies: Mapping[str, RouterPolicy]
) -> Iterator[str]:
    """Yield what is wrong between the pools, and between them and the routers."""
    yield from problems_of_pools(pools.pools.values(), policies)
    for pool in pools.pools.values():
        if not pool.size:
            yield f"pools.{pool.name}.ranges: no address is left to assign"
        for name, policy in policies.items():
            lease_ms = (seconds(policy.lease_time) or 0) * 1000
            if pool.serves(name) and pool.quarantine_ms < lease_ms:
                time = duration(str(pool.quarantine_ms // 1000))
                yield (
                    f"pools.{pool.name}.quarantine: {time} is shorter than the lease time of "
                    f"router {name}, {policy.lease_time}: a device may use the address still"
                )
