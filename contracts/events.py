"""One model for each event type, named for what happened in the business; and their union.

A new type is a data class, an event class and its place in `Event`; its schema and its tests
follow from that.
"""

from typing import Final, Literal, get_args

from contracts.envelope import Data, Envelope
from contracts.service import ActiveService, Service, SuspendedService, Suspension
from contracts.values import Mac48


class ActivatedData(Data):
    """Of `Activated`."""

    service: ActiveService


class Activated(Envelope):
    """The service may use the network. Sets every field of the service."""

    type: Literal["leasewire.service.activated.v1"]
    data: ActivatedData


class SnapshotData(Data):
    """Of `Snapshot`."""

    service: Service


class Snapshot(Envelope):
    """The full desired state, as adapters, imports and resyncs send it. Sets every field."""

    type: Literal["leasewire.service.snapshot.v1"]
    data: SnapshotData


class MacChangedData(Data):
    """Of `MacChanged`; `previous_mac` is a cross-check that only warns."""

    mac: Mac48
    previous_mac: Mac48 | None = None


class MacChanged(Envelope):
    """The device has another MAC address."""

    type: Literal["leasewire.service.mac_changed.v1"]
    data: MacChangedData


class SuspendedData(Data):
    """Of `Suspended`; without `suspension` the router's policy says how."""

    suspension: Suspension | None = None
    service: SuspendedService | None = None


class Suspended(Envelope):
    """The service is suspended until it is resumed."""

    type: Literal["leasewire.service.suspended.v1"]
    data: SuspendedData


class ResumedData(Data):
    """Of `Resumed`."""

    service: ActiveService | None = None


class Resumed(Envelope):
    """The service is no longer suspended."""

    type: Literal["leasewire.service.resumed.v1"]
    data: ResumedData


class Cancelled(Envelope):
    """The service has ended; its MAC address and its address are free at once."""

    type: Literal["leasewire.service.cancelled.v1"]
    data: Data


Event = Activated | Snapshot | MacChanged | Suspended | Resumed | Cancelled

EVENT_TYPES: Final[dict[str, type[Event]]] = {
    get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(Event)
}
"""Each event class by its type."""
