"""The targets of `outcomes.toml`, and the delivery of outcomes to them."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

from gateway.outcomes.deliveries import Deliveries
from gateway.outcomes.targets import Target, load_targets
from leasewire.context import Context
from worker.inventory import Inventory
from worker.inventory.changes import changes_of_table
from worker.log_setup import hide_secret
from worker.settings import environment

if TYPE_CHECKING:
    from gateway.outcomes.delivery import Courier
    from gateway.outcomes.delivery_thread import Delivering

FILE: Final = "outcomes.toml"
"""Beside the inventory: the targets of outcomes."""


def targets_of(
    context: Context, *, signing: bool = True, inventory: Inventory | None = None
) -> list[Target]:
    """The targets of `outcomes.toml`, beside the inventory.

    Args:
        context: has the path of the inventory.
        signing: False: their secrets are not needed and not read.
        inventory: has the sources; None: that of the context.

    Raises:
        ConfigurationError: with every mistake in it.
    """
    return load_targets(
        context.settings.inventory.parent / FILE,
        sources=frozenset((inventory or context.inventory).sources),
        environ=environment(),
        on_secret=hide_secret,
        signing=signing,
    )


class Targets:
    """The targets as they were read last by `targets_of`, together with the inventory."""

    def __init__(self, context: Context, *, signing: bool = True) -> None:
        self.context: Final = context
        self._signing = signing
        self.now = targets_of(context, signing=signing)

    def reload(self) -> bool:
        """Read both files again; if one of them is wrong both stay as they were: False."""
        read: list[Target] = []

        def check(inventory: Inventory) -> Iterable[str]:
            read.extend(targets_of(self.context, signing=self._signing, inventory=inventory))
            return changes_of_table("target", _by_name(self.now), _by_name(read))

        if not self.context.reload(check):
            return False
        self.now = read
        return True


class Delivery:
    """Delivers outcomes to the targets, if there are any, while a `with` block runs."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._couriers: Delivering | None = None
        self._started = ExitStack()

    @property
    def running(self) -> bool:
        """Whether all couriers go on."""
        return self._couriers is None or self._couriers.running

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._started.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def reload(self) -> None:
        """Read the targets again, and go on with what they are now."""
        if self._targets.reload():
            self._stop()
            self._start()

    def _start(self) -> None:
        """Start a courier for each target."""
        # An HTTP client takes a while to import, and other commands need none.
        from gateway.outcomes.delivery_thread import Delivering  # noqa: PLC0415 - see above

        if self._targets.now:
            self._started.enter_context(self._targets.context.heartbeat("outcomes"))
            self._couriers = self._started.enter_context(Delivering(self._make_couriers))

    def _stop(self) -> None:
        """Stop in order: attempts under way may end."""
        self._started.close()
        self._couriers = None

    def _make_couriers(self, stopping: asyncio.Event) -> "list[Courier]":
        from gateway.outcomes.delivery import Courier  # noqa: PLC0415 - as in `start`

        context = self._targets.context
        return [
            Courier(
                target,
                deliveries=deliveries_to(context, target.name),
                feed=context.store.feed,
                installation=context.inventory.installation,
                clock_ms=context.any_store.heartbeats.clock.now_ms,
                stopping=stopping,
            )
            for target in self._targets.now
        ]


def deliveries_to(context: Context, target: str) -> Deliveries:
    """Return what is known of the deliveries to a target."""
    return Deliveries(context.store.client, context.settings.key_prefix, target)


def _by_name(targets: Sequence[Target]) -> dict[str, Target]:
    return {target.name: target for target in targets}
