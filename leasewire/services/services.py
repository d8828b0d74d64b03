"""`leasewire services`: what is known of a service, and whether its routers have it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import typer

from leasewire.context import Context, InventoryOption
from leasewire.printing import (
    JsonOption,
    local_time,
    print_fields,
    print_json,
    print_table,
    utc_time,
    without_nothing,
)
from leasewire.services import follow, purge, restore, verify
from leasewire.services.events import document_of as event_document
from leasewire.services.schedule import COLUMNS as SCHEDULE
from leasewire.services.schedule import documents_of as scheduled_documents
from leasewire.services.schedule import row_of as scheduled_row
from leasewire.services.why import diagnosis
from leasewire.services.why import document_of as why_document
from worker.core.entry.dhcp_setup import DhcpSetup
from worker.core.entry.entry import address_field
from worker.core.policy.circuit import RouterState
from worker.core.rows.operations import Note
from worker.core.service.record import DEFAULTS, Placement, ServiceRecord, Status
from worker.errors import ConfigurationError
from worker.store.store import Store
from worker.store.views import ServiceView

app = typer.Typer(no_args_is_help=True, help="Services, and whether their routers have them.")

Sync = Literal[
    "in_sync", "observed", "observed: differs", "pending", "waiting", "circuit_open", "failed"
]


class AtRouter(NamedTuple):
    """How far a router is with one service.

    Attributes:
        sync: `in_sync` (nothing is left to do), `observed` or `observed: differs` (nothing is
            written there, and when it was last looked at all was, or was not, as it is to be),
            `pending` (a pass will look), `waiting` (it
            cannot go on, `why` says why, it is checked again by itself), `circuit_open` (the
            router is out of reach or refuses us), `failed` (given up until its next event).
        why: {reason, detail, since_ms} of the last look that did not end in sync.
    """

    sync: Sync
    why: Mapping[str, Any]


def sync_at(
    state: RouterState,
    why: Mapping[str, Any] | None,
    *,
    queued: bool,
    observed: Placement | None = None,
) -> AtRouter:
    """How far a router is with a service, from the router's state and the service's mark there.

    Args:
        state: the router's.
        why: its last look did not end in sync.
        queued: it is to be looked at.
        observed: where the service has it, if nothing is written to the router.
    """
    if not queued and not why and observed is not None:
        return AtRouter("observed" if observed.seen_ms else "observed: differs", {})
    if not queued:
        return AtRouter("failed" if why else "in_sync", why or {})
    if state.state != "up":
        circuit_open = {"reason": state.cause or state.state, "detail": state.message}
        return AtRouter("circuit_open", circuit_open | {"since_ms": state.since_ms})
    return AtRouter("waiting" if why else "pending", why or {})


@app.command("list")
def list_(
    *,
    router: Annotated[
        str | None, typer.Option(help="Only those that are, or may still be, on this router.")
    ] = None,
    status: Annotated[
        Status | None, typer.Option(help="Only those with this status.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List services.

    Example: leasewire services list --router tower-7 --status suspended
    """
    store = Context().store
    stored = store.views.services() if router is None else store.views.router_services(router)
    records = sorted((each.record for each in stored), key=lambda record: record.service_id)
    listing = Listing(store)
    services = [
        listing.document_of(record) for record in records if status in (None, record.status)
    ]
    if as_json:
        print_json({"services": services})
        return
    columns = ("service", "status", "router", "mac", "address", "sync", "reason")
    print_table(
        columns, ([each.get(name) for name in columns] for each in services), "No services."
    )


class Listing:
    """Tells services in a line each; asks each router once for all of them.

    Args:
        store: has them.
        page: the services that will be told, where they are few: only of them routers are asked.
    """

    def __init__(self, store: Store, page: Sequence[ServiceRecord] | None = None) -> None:
        self._store = store
        self._page = page
        self._observed = observed_routers(store)
        self._setups: dict[str, DhcpSetup] = {}
        self._routers: dict[str, tuple[RouterState, dict[str, dict[str, Any]], frozenset[str]]] = {}

    def document_of(self, record: ServiceRecord) -> dict[str, Any]:
        """A service in short, for programs."""
        looks = [self._at(record, name) for name in record.placements]
        # What says most about why a service is not in sync stands for all of its routers.
        order: tuple[Sync, ...] = (
            *("failed", "waiting", "circuit_open", "pending"),
            *("observed: differs", "observed", "in_sync"),
        )
        worst = min(looks, key=lambda look: order.index(look.sync), default=None)
        note = self._misfit(record)
        return without_nothing(
            {
                "service": record.service_id,
                "status": record.status,
                "router": record.router,
                "mac": record.value("mac"),
                "address": address_of(record),
                "sync": worst and worst.sync,
                "reason": (worst and worst.why.get("reason")) or (note and note.kind),
                "detail": (worst and worst.why.get("detail")) or (note and note.detail),
            }
        )

    def _misfit(self, record: ServiceRecord) -> Note | None:
        """Why no device can use the address of a service that is in use."""
        router, address = record.router, address_field(record.value("address"))
        if router is None or address is None or record.status not in ("active", "suspended"):
            return None
        if router not in self._setups:
            self._setups[router] = self._store.memory.setup(router)
        return self._setups[router].misfit(record.service_id, address)

    def _at(self, record: ServiceRecord, router: str) -> AtRouter:
        if router not in self._routers:
            views = self._store.views
            if self._page is None:
                state = views.router(router).state
                seen = (state, views.router_waiting(router), views.router_queued(router))
            else:
                ids = [each.service_id for each in self._page if router in each.placements]
                seen = views.looks_at(router, ids)
            self._routers[router] = seen
        state, waiting, queued = self._routers[router]
        service = record.service_id
        return sync_at(
            state,
            waiting.get(service),
            queued=service in queued,
            observed=record.placements[router] if router in self._observed else None,
        )


app.command("events")(follow.events_command)
app.command("purge")(purge.purge_command)
app.command("restore")(restore.restore_command)
app.command("verify")(verify.verify_command)


@app.command()
def show(
    service_id: Annotated[str, typer.Argument(metavar="ID", help="The BSS's id of the service.")],
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Also ask its routers for its rows and its device.")
    ] = False,
    as_json: JsonOption = False,
    inventory: InventoryOption = None,
) -> None:
    """Show all that is known of a service.

    Why its customer has no address, or that all is well; what it is (each value with the event
    that set it), how far its routers are with it (in_sync, pending, waiting, failed; where
    nothing is written, observed or observed: differs), who has what it waits for, its last events
    and what happened to it.

    Example: leasewire services show SVC-1001 --live
    """
    context = Context(inventory)
    store = context.store
    record = store.records.read([service_id])[service_id].record
    view = store.views.service(service_id, record.placements)
    if view is None:
        typer.echo(f"No service {service_id} is known; see `leasewire services list`.", err=True)
        raise typer.Exit(1)
    try:
        answer = why_document(diagnosis(context, offline=not live).service(service_id))
    except ConfigurationError as error:
        answer = {}
        typer.echo(f"Why it is so cannot be told without the inventory: {error}", err=True)
    document = document_of(view, store) | {
        "why": {name: answer.get(name, "") for name in ("code", "sentence", "advice")},
        "waits_for": answer.get("waits_for", []),
        "rows": answer.get("rows", []),
    }
    if as_json:
        print_json(document)
    else:
        _print(document)


def document_of(view: ServiceView, store: Store) -> dict[str, Any]:
    """All that is known of a service, for programs."""
    record = view.stored.record
    routers, observed = [], observed_routers(store)
    for name, placement in record.placements.items():
        look = sync_at(
            store.views.router(name).state,
            view.waiting.get(name),
            queued=name in view.queued,
            observed=placement if name in observed else None,
        )
        wanted = name == record.router and record.status in ("active", "suspended")
        routers.append(
            without_nothing(
                {
                    "router": name,
                    "wanted": wanted,
                    "sync": look.sync,
                    "reason": look.why.get("reason"),
                    "detail": look.why.get("detail"),
                    "since": utc_time(look.why.get("since_ms", 0)),
                    "written": dict(placement.written) if placement.written else None,
                }
            )
        )
    return {
        "service": record.service_id,
        "status": record.status,
        "owner": record.owner,
        "registers": {
            name: {
                "value": record.registers[name].value,
                "event": record.registers[name].event,
                "revision": record.registers[name].version.revision,
            }
            for name in DEFAULTS
            if name in record.registers
        },
        "routers": routers,
        "pending": [each.event_id for each in record.pending],
        "scheduled": [
            without_nothing({name: value for name, value in each.items() if name != "at_ms"})
            for each in scheduled_documents(record, store.records.now_ms())
        ],
        "events": [event_document(outcome) for outcome in view.events],
        "history": [
            {"at": utc_time(line["at_ms"])} | {k: v for k, v in line.items() if k != "at_ms"}
            for line in view.history
        ],
    }


def observed_routers(store: Store) -> frozenset[str]:
    """The routers to which nothing is written, by the policies that were applied."""
    policies = store.fleet.policies()
    return frozenset(name for name, applied in policies.items() if applied.observes)


def address_of(record: ServiceRecord) -> str | None:
    """The address that a service is to have, or the pool that gives it one."""
    match record.value("address"):
        case {"mode": "static", "ipv4": str(address)}:
            return address
        case {"mode": "pool", "pool": str(pool)}:
            return f"pool {pool}"
        case _:
            return None


def _print(document: dict[str, Any]) -> None:
    print_fields((name, document[name]) for name in ("service", "status", "owner"))
    print_fields((("why", document["why"]["sentence"]), ("to do", document["why"]["advice"])))
    typer.echo()
    print_table(
        ("register", "value", "set by event"),
        (
            (name, _plain(register["value"]), register["event"])
            for name, register in document["registers"].items()
            if register["value"] not in (None, [])
        ),
        "No registers.",
    )
    print_table(
        ("router", "", "sync", "since", "reason", "detail"),
        (
            (
                each["router"],
                "" if each["wanted"] else "to clean",
                each["sync"],
                local_time(each.get("since")),
                each.get("reason"),
                each.get("detail"),
            )
            for each in document["routers"]
        ),
        "On no router.",
    )
    if document["scheduled"]:
        print_table(SCHEDULE, (scheduled_row(each) for each in document["scheduled"]), "")
    print_table(
        ("event", "type", "state", "at", "reason", "detail"),
        (
            (
                *(each.get(name) for name in ("event", "type", "state")),
                local_time(each.get("at")),
                *(each.get(name) for name in ("reason", "detail")),
            )
            for each in document["events"]
        ),
        "No events are remembered.",
    )
    print_table(
        ("at", "what happened", ""),
        (
            (
                local_time(line["at"]),
                line["what"],
                "; ".join(
                    f"{name} {_plain(value)}"
                    for name, value in line.items()
                    if name not in ("at", "what") and value
                ),
            )
            for line in document["history"]
        ),
        "No history.",
    )


def _plain(value: object) -> str:
    match value:
        case dict():
            return " ".join(f"{name}={_plain(each)}" for name, each in value.items() if each)
        case list():
            return ", ".join(_plain(each) for each in value)
        case _:
            return str(value)
