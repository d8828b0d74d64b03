"""Simulated routers beside a test, or `leasewire up --lab`: in a thread of their own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.control import ControlError, RouterControl
from simulator.fleet import Fleet
from simulator.listening import RouterServer
from simulator.operator_side import perform
from simulator.options import RouterOptions

_ANSWER_S = 30
PASSWORD = "correct horse"  # noqa: S105 - of simulated routers in tests


class RouterHandle(RouterControl):
    """A router in a thread of this process; methods may be called from any other thread."""

    def __init__(self, server: RouterServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._refresh()

    def _do(self, do: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON either way
        running = asyncio.run_coroutine_threadsafe(perform(self._server, do, arguments), self._loop)
        try:
            return running.result(_ANSWER_S)
        except ValueError as error:
            raise ControlError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Simulation:
    """Routers that run now.

    Attributes:
        routers: in order; the first is R1.
        user, password: of the one administrator of each.
    """

    routers: tuple[RouterHandle, ...]
    user: str
    password: str

    @property
    def router(self) -> RouterHandle:
        """The first, or only, router."""
        return self.routers[0]

    def __getitem__(self, name: str) -> RouterHandle:
        return next(router for router in self.routers if router.name == name)


@contextmanager
def running(
    routers: int = 1,
    *,
    control: Path | None = None,
    state: Path | None = None,
    **options: Any,  # noqa: ANN401 - fields of RouterOptions
) -> Iterator[Simulation]:
    """Run simulated routers while the block runs.

    Args:
        routers: how many.
        control: path of a control socket, where other processes are to reach them.
        state: file that keeps the routers' states between runs.
        options: fields of `options.RouterOptions`; the password is `PASSWORD` if not given.

    Raises:
        OSError: a port cannot be had.
        ExceptionGroup: at the end, if something in the simulator failed by itself.
    """
    how = RouterOptions(**{"password": PASSWORD, **options})
    loop, failures = asyncio.new_event_loop(), list[Exception]()
    loop.set_exception_handler(lambda _, context: failures.append(_failure(context)))
    thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
    thread.start()
    fleet = Fleet(how, routers, control, state)
    try:
        asyncio.run_coroutine_threadsafe(fleet.start(), loop).result(_ANSWER_S)
        handles = tuple(RouterHandle(server, loop) for server in fleet.servers.values())
        yield Simulation(handles, how.user, how.password)
    finally:
        asyncio.run_coroutine_threadsafe(_stop(fleet), loop).result(_ANSWER_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_ANSWER_S)
        loop.close()
    if failures:
        raise ExceptionGroup("the simulator failed", failures)


def _failure(context: dict[str, Any]) -> Exception:
    error = context.get("exception")
    return error if isinstance(error, Exception) else RuntimeError(context["message"])


async def _stop(fleet: Fleet) -> None:
    await fleet.stop()
    await asyncio.sleep(0)  # lets transports close their sockets
