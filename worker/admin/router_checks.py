"""Why workers write nothing to a router, which the router itself cannot tell."""

from collections.abc import Callable, Iterator

from worker.core.alerting.alerts import AWAY
from worker.core.policy.router_check import CheckLine
from worker.errors import StoreUnavailable
from worker.store.store import Store


def state_checks(
    store: Callable[[], Store], name: str, when: Callable[[int], str]
) -> Iterator[CheckLine]:
    """Check what workers last found at a router, and what people decided about it.

    `when` formats a time (ms since 1970) for a person.
    """
    try:
        state = store().views.state(name)
        found = store().alerts.all_open()
        alerts = [alert for alert in found if alert.router == name and alert.kind in AWAY]
    except StoreUnavailable as error:
        message = f"Redis is not available, so the workers' view is unknown: {error}"
        yield CheckLine("warn", "workers", message, "See `leasewire status`")
        return
    match state.state:
        case "blocked":
            texts = (alert.text.partition(f"{state.message}. ")[2] for alert in alerts)
            advice = next((text for text in texts if text), "see `leasewire alerts list`")
            # What was read just now may be mended already: this is what workers go by.
            seen = f"workers found it at {when(state.since_ms)}, and try again at "
            message = f"{state.message} ({seen}{when(state.next_at_ms)})"
            advice = advice.partition(" (waiting services: ")[0].removesuffix(".")
            yield CheckLine("fail", state.cause, message, advice)
        case "paused":
            advice = f"`leasewire routers resume {name}` lets workers write to it again"
            yield CheckLine("fail", "paused", state.message, advice)
        case "policy-changed":
            advice = f"`leasewire routers apply {name}` shows what the new policy changes"
            yield CheckLine("fail", "policy-changed", state.message, advice)
        case "unreachable":
            since, next_try = when(state.since_ms), when(state.next_at_ms)
            message = f"unreachable for the workers since {since}: {state.message}"
            yield CheckLine("warn", "workers", message, f"Next automatic retry: {next_try}")
        case "up" | "new" | "unknown":
            pass
