"""The verdicts: every failure says what has to happen next.

A foreign exception becomes one of these in `worker/routeros/failures.py` or in `worker/store/`
and nowhere else. What is none of them is a bug, and is shown as one.
"""


class LeasewireError(Exception):
    """Root of what this project raises on purpose."""


class RouterUnreachable(LeasewireError):  # noqa: N818 - a verdict, named by what happened
    """No connection, login or read: try this router again soon; its marks stay.

    Attributes:
        router: its name in the inventory.
        message: what went wrong, in the words of whoever said so.
        cause: `takes-no-writes`, or nothing; more hangs on it than when it is tried next.
        failed: a request over REST was left before its answer: let the router rest, as it may
            give that answer, or its status, to the next request.
    """

    failed = False

    def __init__(self, router: str, message: str, cause: str = "") -> None:
        super().__init__(f"router {router} is unreachable: {message}")
        self.router = router
        self.message = message
        self.cause = cause


class ReadTooLong(RouterUnreachable):
    """A whole table did not come to its end in the time (s) that a read may take."""

    def __init__(self, router: str, seconds: float) -> None:
        super().__init__(router, f"reading all leases: not over in {seconds:g} s")


class Postponed(LeasewireError):  # noqa: N818
    """What can wait did not go: give the router back, and let the next pass do the rest.

    The session is closed, and the router is well.
    """


class OutcomeUnknown(RouterUnreachable):
    """Written, but no answer was seen: throw the connection away and read before writing again."""


class RouterBlocked(LeasewireError):  # noqa: N818
    """The router refuses us or is not who it should be: keep the marks, go slow, call a person.

    Attributes:
        router: its name in the inventory.
        cause: `login-refused`, `certificate-mismatch`, `certificate-not-pinned`,
            `certificate-invalid`, `identity-mismatch`, `serial-mismatch`, `serial-shared`,
            `orphans`, `rows-of-another`, `rebuild`, `not-permitted`,
            `credentials-missing`, `mass-refusal` or, by no fault of its own, `internal-error`.
        message: the router's own words, or what was expected and seen.
        advice: what the person is to do.
    """

    def __init__(self, router: str, cause: str, message: str, advice: str) -> None:
        super().__init__(f"router {router} is blocked ({cause}): {message}. {advice}")
        self.router = router
        self.cause = cause
        self.message = message
        self.advice = advice


class StoreUnavailable(LeasewireError):  # noqa: N818
    """Redis cannot be reached or refuses writes: nothing was changed; try again later.

    Attributes:
        advice: what a person is to do.
    """

    def __init__(self, message: str = "", advice: str = "") -> None:
        super().__init__(message)
        start = "start it (`leasewire up` brings one along)"
        self.advice = advice or f"{start}, or name another in LEASEWIRE_REDIS_URL"


class StoreRefused(StoreUnavailable):
    """Redis refuses our login, or forbids our user what is needed: nothing was changed.

    Only a person can mend it, so that what starts ends with it. What ran before goes on as with a
    Redis that is away: nothing is lost meanwhile.

    Attributes:
        message: Redis's own.
        advice: what the person is to do.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"it refuses us: {message}", advice)
        self.message = message


class LockLost(LeasewireError):  # noqa: N818
    """The timed lock on the router went to another worker: stop at once, write nothing more."""

    def __init__(self, router: str) -> None:
        super().__init__(f"the lease on router {router} was lost")
        self.router = router


class RouterBusy(LeasewireError):  # noqa: N818
    """A pass of this process is at the router still: put it off; nothing is known of the router."""

    def __init__(self, router: str) -> None:
        super().__init__(f"another pass of this process is at router {router} still")
        self.router = router


class ConfigurationError(LeasewireError):
    """A configuration file or setting is wrong. `problems` lists every mistake, a line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
