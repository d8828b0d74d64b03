"""`leasewire schedule`: events that take effect later, and who is cut off by them."""

from typing import Annotated, Final

import typer

from leasewire.answer import Answer, App, TextTable
from leasewire.context import Context
from worker.admin.calendar import schedule_documents

app = App("Events that take effect later.")

_DAY_MS: Final = 86_400_000
COLUMNS: Final = "takes effect=effective_at, cuts off=cuts_off, event, type, state, by, lease"


@app.command("list")
def list_(
    *,
    days: Annotated[int, typer.Option(help="How far to look ahead.", min=1, max=400)] = 7,
) -> Answer:
    """List what takes effect in the next days, by time, and who is cut off by it.

    Superseded and withdrawn events are shown with the event that ended them, for 40 days at most
    and until their time has come.

    Example: leasewire schedule list --days 7
    """
    store = Context().store
    now_ms = store.records.now_ms()
    documents = schedule_documents(store, now_ms + days * _DAY_MS)
    empty = f"Nothing takes effect in the next {days} days."
    return Answer({"scheduled": documents}, [TextTable(documents, f"service, {COLUMNS}", empty)])
