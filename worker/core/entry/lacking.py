"""What of a service no event gave yet."""

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
        "MAC": record.names_a_device,
        "address": record.address,
    }
    missing = [name for name, value in known.items() if not value]
    if missing == ["address"] and "address" in record.unassigned:
        return record.unassigned["address"].detail
    verb = "is" if len(missing) == 1 else "are"
    return f"its {' and '.join(missing)} {verb} not known yet" if missing else ""
