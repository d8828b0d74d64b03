"""Runs the self-test: makes the lab, asks each question, removes the lab, whatever happens."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Final, NamedTuple

from worker.errors import RouterBlocked, RouterUnreachable
from worker.selftest import bound_rows, connections, moments, writes
from worker.selftest.device import LabDevice, NoDeviceError
from worker.selftest.lab import Ports, build, clean
from worker.selftest.lab_router import LabRefused, LabRouter
from worker.selftest.questions import ProbeResult, Question
from worker.selftest.report import Answered

QUESTIONS: Final[Sequence[Question]] = (
    *writes.QUESTIONS,
    *moments.QUESTIONS,
    *bound_rows.QUESTIONS,
    *connections.QUESTIONS,
)


class NotCleanedError(Exception):
    """Rows of the self-test stayed on the router; the message names them, or says why."""


def chosen(names: Collection[str]) -> list[Question]:
    """The questions of these names; none: all."""
    return [question for question in QUESTIONS if not names or question.name in names]


def seconds_of(questions: Sequence[Question], *, by_rest: bool) -> int:
    """How long they take on a real router at most, more or less."""
    asked = (question for question in questions if by_rest or not question.only_by_rest)
    return 20 + sum(question.seconds for question in asked)


class Place(NamedTuple):
    """Where a lab is made.

    Attributes:
        router: logged in.
        again: logs in anew, to remove the lab after the connection was lost.
        ports: two ports with a cable between them; None: the lab has a virtual one.
    """

    router: LabRouter
    again: Callable[[], LabRouter]
    ports: Ports | None


def run(
    place: Place,
    questions: Sequence[Question],
    progress: Callable[[Answered], None],
    cleaning: Callable[[], None] = lambda: None,
) -> list[Answered]:
    """Ask the questions in a lab that is removed afterwards.

    `progress` is called with each answer, `cleaning` before the lab is removed.

    Raises:
        LabRefused: the router refused a part of the lab.
        NotCleanedError: rows of the lab stayed.
    """
    answered: list[Answered] = []
    with _lab(place, cleaning):
        device = LabDevice(place.router)
        bound = None
        for question in questions:
            if question.needs_device and bound is None:
                bound = _binds(device)
            if question.needs_device and not bound:
                finding = ProbeResult.of(None, _NO_WIRE)
            else:
                finding = _ask(device, question)
            answered.append(Answered(question, finding))
            progress(answered[-1])
    return answered


_NO_WIRE: Final = "the lab's device cannot bind here: join two spare ports by a cable (--ports)"


def _binds(device: LabDevice) -> bool:
    try:
        with device.lent() as address:
            device.lease(address=address)
            device.bind(address)
    except NoDeviceError:
        return False
    return True


def _ask(device: LabDevice, question: Question) -> ProbeResult:
    try:
        return question.ask(device)
    except (NoDeviceError, LabRefused) as error:
        return ProbeResult.of(None, str(error))


@contextmanager
def _lab(place: Place, cleaning: Callable[[], None]) -> Iterator[None]:
    try:
        build(place.router, place.ports)
        yield
    finally:
        cleaning()
        _remove(place)


def _remove(place: Place) -> None:
    """Remove the lab over a connection of its own: the other may have ended in the middle."""
    place.router.close()
    try:
        with closing(place.again()) as fresh:
            left = clean(fresh)
    except (RouterUnreachable, RouterBlocked, LabRefused) as error:
        raise NotCleanedError(str(error)) from error
    if left:
        raise NotCleanedError(f"still there: {', '.join(left[:10])}")
