"""The targets of `outcomes.toml`, and the delivery of outcomes to them."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gateway.outcomes.deliveries import Deliveries
from gateway.outcomes.targets import Target, load_targets
from leasewire.context import Context
from worker.log_setup import hide_secret
from worker.settings import environment

if TYPE_CHECKING:
    from gateway.outcomes.delivery import Courier
    from gateway.outcomes.delivery_thread import Delivering

FILE: Final = "outcomes.toml"
"""Beside the inventory: the targets of outcomes."""


def targets_of(context: Context, *, signing: bool = True) -> list[Target]:
    """The targets of `outcomes.toml`, beside the inventory.

    Args:
        context: has the path of the inventory.
        signing: False: their secrets are not needed and not read.

    Raises:
        ConfigurationError: with every mistake in it.
    """
    return load_targets(
        context.settings.inventory.parent / FILE,
        sources=frozenset(context.inventory.sources),
        environ=environment(),
        on_secret=hide_secret,
        signing=signing,
    )


@contextmanager
def delivering(context: Context, targets: Sequence[Target]) -> Iterator["Delivering"]:
    """Deliver outcomes to targets while the block runs."""
    # An HTTP client takes a while to import, and other commands need none.
    from gateway.outcomes.delivery import Courier  # noqa: PLC0415 - see above
    from gateway.outcomes.delivery_thread import Delivering  # noqa: PLC0415 - see above

    installation = context.inventory.installation

    def couriers(stopping: asyncio.Event) -> list["Courier"]:
        return [
            Courier(
                target,
                deliveries=deliveries_to(context, target.name),
                feed=context.store.feed,
                installation=installation,
                clock_ms=context.any_store.heartbeats.clock.now_ms,
                stopping=stopping,
            )
            for target in targets
        ]

    with context.heartbeat("outcomes"), Delivering(couriers) as running:
        yield running


def deliveries_to(context: Context, target: str) -> Deliveries:
    """Return what is known of the deliveries to a target."""
    return Deliveries(context.store.client, context.settings.key_prefix, target)
