"""`leasewire plan`: what would be written to the routers now."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from leasewire.answer import Answer, Exit, Line, Part
from leasewire.context import AnyRouterArgument, Context
from worker.admin.plan_documents import plan_document, plan_lines, plan_summary
from worker.admin.router_reads import ReadResult, errors_of, read_routers
from worker.convergence.full_read import FullRead
from worker.errors import RouterBlocked, RouterUnreachable

_COLOURS: Final = {"+": "green", "~": "yellow", "-": "red", "?": "magenta", "!": "cyan"}


def plan_command(context: Context, router: AnyRouterArgument = None) -> Answer:
    """Show what would be written to a router if all its services were checked now.

    Reads the router and writes nothing. `+` adds a row, `~` changes one, `-` removes one, `?` a
    service waits, `!` warning. Exit 0: nothing to write; 4: something to write; 1: a router refuses
    us; 3: a router or Redis cannot be reached.

    Example: leasewire plan tower-7
    """
    results = read(context, context.router_names(router))
    documents = [plan_document(name, result) for name, result in results.items()]
    return Answer(
        {"routers": documents},
        [part for document in documents for part in plan_text(document)],
        exit_code(results.values(), is_to_write),
        errors_of(results.values()),
    )


def read(context: Context, names: Sequence[str]) -> dict[str, ReadResult]:
    """Read routers, and plan for them; see `read_routers`."""
    return read_routers(context.store, context.inventory, context.settings, names)


def exit_code(results: Iterable[ReadResult], has_changes: Callable[[FullRead], object]) -> Exit:
    """The exit code of a command that reads routers to show what there is to do on them."""
    found = list(results)
    if any(isinstance(result, RouterBlocked) for result in found):
        return Exit.FAILED
    if any(isinstance(result, RouterUnreachable) for result in found):
        return Exit.UNREACHABLE
    changes = any(has_changes(result) for result in found if isinstance(result, FullRead))
    return Exit.CHANGES if changes else Exit.OK


def is_to_write(result: FullRead) -> bool:
    """Whether workers would write something to the router."""
    return bool(result.plan.phases)


def plan_text(document: Mapping[str, Any]) -> Iterator[Part]:
    """The plan of a router, for people; nothing where it could not be read."""
    if "error" in document:
        return
    yield Line(f"{document['router']}: {plan_summary(document)}", bold=True)
    for sign, service, text in plan_lines(document):
        yield Line(f"{sign} {service}: {text}" if service else f"{sign} {text}", _COLOURS[sign])
