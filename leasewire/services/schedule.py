"""`leasewire schedule`: what is to take effect later, and who is cut off by it."""

from typing import Annotated, Any, Final

import typer

from leasewire.context import Context
from leasewire.printing import JsonOption, local_time, print_json, print_table
from worker.admin.documents import scheduled_documents
from worker.admin.json_fields import without_empty

app = typer.Typer(no_args_is_help=True, help="Events that are to take effect later.")

_DAY_MS: Final = 86_400_000
COLUMNS: Final = ("takes effect", "", "event", "type", "state", "by")


@app.callback()
def _group() -> None:
    """Keeps `list` a command of its own while it is the only one."""


@app.command("list")
def list_(
    *,
    days: Annotated[int, typer.Option(help="How far to look ahead.", min=1, max=400)] = 7,
    as_json: JsonOption = False,
) -> None:
    """List what takes effect in the next days, by time; "cut off" marks who loses the network.

    What was superseded or withdrawn is shown with the event that did it, as long as it is
    remembered (40 days) and its time has not come.

    Example: leasewire schedule list --days 7
    """
    store = Context().store
    now_ms = store.records.now_ms()
    until_ms = now_ms + days * _DAY_MS
    found = [
        {"service": stored.record.service_id, "customer": stored.record.value("customer_id")} | each
        for stored in store.views.services()
        for each in scheduled_documents(stored.record, now_ms)
        if each["at_ms"] <= until_ms
    ]
    found.sort(key=lambda each: (each["at_ms"], each["service"]))
    entries = [without_empty({k: v for k, v in e.items() if k != "at_ms"}) for e in found]
    if as_json:
        print_json({"scheduled": entries})
        return
    print_table(
        ("service", *COLUMNS),
        ((each["service"], *row_of(each)) for each in entries),
        f"Nothing takes effect in the next {days} days.",
    )


def row_of(document: dict[str, Any]) -> tuple[object, ...]:
    """The cells of one, under `COLUMNS`."""
    return (
        local_time(document["effective_at"]),
        "cut off" if document.get("cuts_off") else "",
        *(document.get(name) for name in ("event", "type", "state", "by")),
    )
