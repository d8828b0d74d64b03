"""Judges what a running session shows: a device that logs in has what was so when it did."""

from worker.core.effect.verdict import EffectVerdict, acts, not_yet
from worker.core.rows.observed import SeenRow
from worker.core.rows.rows import is_host_address


def ended(session: SeenRow | None) -> EffectVerdict:
    """Return whether a device has no session any more.

    Args:
        session: the oldest one of the device.
    """
    if session is None:
        return acts("no session of its device goes on")
    detail = f"its session with {session.active_address} goes on until it ends"
    return not_yet("session-goes-on", detail)


def logged_in(session: SeenRow | None, address: str, age_ms: int) -> EffectVerdict:
    """Return whether a device has logged in since a change.

    `address` is what it should have; empty, or that of a pool: any.
    """
    if session is None:
        return not_yet("device-offline", "its device is not logged in: it acts when it is")
    # The uptime is in whole seconds, rounded down.
    if session.last_seen_s is None or (session.last_seen_s + 1) * 1000 > age_ms:
        detail = "its session is older than the change, and has what was so when it began"
        return not_yet("older-session", detail)
    held = session.active_address
    if is_host_address(address) and held != address:
        return not_yet("other-address", f"its session has {held}, not {address}")
    return acts(f"the device logged in since then and has {held}")
