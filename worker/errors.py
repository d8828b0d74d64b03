"""The exceptions of the worker: each says what has to happen next.

Only `worker/routeros/failures.py` and `worker/store/` turn foreign exceptions into these. Any other
exception is a bug, and is logged as one.
"""

import os


def system_text(error: OSError) -> str:
    """Return what the system says of an error.

    Python puts the address behind it, or a text of its own in its place.
    """
    text = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return text or str(error)


class LeasewireError(Exception):
    """Base class of all of them."""


class RouterUnreachable(LeasewireError):  # noqa: N818 - named by what happened
    """Connecting, login or reading failed: try again soon; the work items stay.

    Attributes:
        router: name in the inventory.
        message: what went wrong, from the router or the system.
        cause: `takes-no-writes`, or empty.
        failed: a REST request was abandoned before its answer. The router must rest, because it may
            send that answer, or its status, to the next request.
    """

    failed = False

    def __init__(self, router: str, message: str, cause: str = "") -> None:
        super().__init__(f"router {router} is unreachable: {message}")
        self.router = router
        self.message = message
        self.cause = cause


class ReadTooLong(RouterUnreachable):
    """A whole table could not be read in the time (s) that a read may take."""

    def __init__(self, router: str, seconds: float) -> None:
        super().__init__(router, f"reading all leases: not complete after {seconds:g} s")


class Postponed(LeasewireError):  # noqa: N818
    """Work that can wait was not possible: release the router; the next pass does the rest.

    The session is closed, and nothing is wrong with the router.
    """


class OutcomeUnknown(RouterUnreachable):
    """A write got no answer: close the connection, and read before writing again."""


class RouterBlocked(LeasewireError):  # noqa: N818
    """The router refuses us or is another device: keep the work items, and alert a person.

    Attributes:
        router: name in the inventory.
        cause: `login-refused`, `certificate-mismatch`, `certificate-not-pinned`,
            `certificate-invalid`, `identity-mismatch`, `serial-mismatch`, `serial-shared`,
            `orphans`, `rows-of-another`, `rebuild`, `not-permitted`,
            `credentials-missing`, `mass-refusal` or, without the router's fault, `internal-error`.
        message: the router's message, or what was expected and found.
        advice: what the person should do.
    """

    def __init__(self, router: str, cause: str, message: str, advice: str) -> None:
        super().__init__(f"router {router} is blocked ({cause}): {message}. {advice}")
        self.router = router
        self.cause = cause
        self.message = message
        self.advice = advice


class StoreUnavailable(LeasewireError):  # noqa: N818
    """Redis cannot be reached or refuses writes: nothing was changed; try again later."""

    def __init__(self, message: str = "", advice: str = "") -> None:
        super().__init__(message)
        start = "start it (`leasewire up` brings one along)"
        self.advice = advice or f"{start}, or name another in LEASEWIRE_REDIS_URL"


class StoreRefused(StoreUnavailable):
    """Redis refuses our login, or does not permit a command that we need: nothing was changed.

    Only a person can repair it, so a process that is starting ends. A running process waits as if
    Redis were unavailable, and loses nothing.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"it refuses us: {message}", advice)
        self.message = message


class NotReplicated(LeasewireError):  # noqa: N818
    """Too few replicas of Redis confirmed what was decided: write nothing, and try again soon."""


class LockLost(LeasewireError):  # noqa: N818
    """The router lock expired or went to another worker: stop at once, and write nothing more."""

    def __init__(self, router: str) -> None:
        super().__init__(f"the lock of router {router} was lost")
        self.router = router


class RouterBusy(LeasewireError):  # noqa: N818
    """Another pass of this process is still working on the router: try again in a moment."""

    def __init__(self, router: str) -> None:
        super().__init__(f"another pass of this process is still working on router {router}")
        self.router = router


class NotPossible(LeasewireError):  # noqa: N818
    """What a person asks for cannot be done now: the message says why, and maybe what to do."""


class ConfigurationError(LeasewireError):
    """A configuration file or a setting is wrong. `problems` has one line for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UnreadableStoreError(ConfigurationError):
    """The store has a format that this version does not read: run another version here."""
