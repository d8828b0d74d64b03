"""What of a service no event gave yet."""

from functools import partial

from worker.core.entry.entry import address_of, device_in
from worker.core.rows.rows import DEVICE_FIELDS
from worker.core.service.record import ServiceRecord


def lacking(record: ServiceRecord) -> str:
    """Return what no event gave yet and a router needs; empty: nothing.

    A source may leave registers to others (`unmanaged`), whose events have not come yet.
    """
    if record.value("lifecycle") == "cancelled":
        return ""
    if record.value("lifecycle") is None:
        return "the service was not activated yet"
    known = {
        "router": record.router,
        "MAC": any(map(partial(device_in, record), DEVICE_FIELDS)),
        "address": address_of(record),
    }
    missing = [name for name, value in known.items() if not value]
    if missing == ["address"] and "address" in record.unassigned:
        return record.unassigned["address"].detail
    verb = "is" if len(missing) == 1 else "are"
    return f"its {' and '.join(missing)} {verb} not known yet" if missing else ""
