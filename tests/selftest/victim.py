"""Processes of `leasewire` that kill themselves: `python -m tests.selftest.victim SOCKET`.

Each line that it reads is `[N, WHEN, ARGUMENTS]`; it answers with how a process with these
arguments ended, and how many exchanges with the router that one had. The process dies at the N-th,
`before` it or `after` it; 0: never. Waiting lets time pass on the simulated router at once.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from leasewire.cli import main
from leasewire.routers import selftest
from simulator.control import ControlClient
from tests.selftest.laboratory import clock_of
from worker.routeros.wire import RouterSocket


def be(control: str, dies_at: int, when: str, arguments: list[str]) -> None:
    """Be the process that dies."""
    exchange, count = RouterSocket.exchange, 0

    def counted(sock: RouterSocket, *given: Any) -> bytes:
        nonlocal count
        count += 1
        Path("exchanges").write_text(str(count))
        if count == dies_at and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        data = exchange(sock, *given)
        if count == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return data

    with ControlClient(control) as router:
        selftest.LabClock = lambda *_: clock_of(router)  # type: ignore[assignment,misc]  # as it is called
        RouterSocket.exchange = counted  # type: ignore[method-assign,assignment]  # as above
        sys.argv = ["leasewire", *arguments]
        main()


if __name__ == "__main__":
    for line in sys.stdin:
        if not (pid := os.fork()):
            with Path(os.devnull).open("w") as sys.stdout:
                try:
                    be(sys.argv[1], *json.loads(line))
                except SystemExit as ended:
                    os._exit(int(ended.code or 0))
        _, status = os.waitpid(pid, 0)
        answer = os.waitstatus_to_exitcode(status), int(Path("exchanges").read_text())
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
