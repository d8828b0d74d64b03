"""Signs of life of processes that a test plays."""

from worker.core.alerting.processes import ProcessInfo
from worker.store.heartbeat import Heartbeat


def process(name, **fields):
    """A process by its name, `kind@host:pid`."""
    kind, _, where = name.partition("@")
    host, _, pid = where.rpartition(":")
    return ProcessInfo(kind, host, int(pid), **fields)


def give_signs(store, *names, **fields):
    """Leave a sign of life of each."""
    for name in names:
        store.heartbeats.give(process(name, **fields))


def give_sign_that_reads(store, name, *formats, ago_ms=0, **fields):
    """Leave the sign of a process that reads these store formats, as if so long ago."""
    give_signs(store, name, formats={"store": list(formats)}, **fields)
    store.client.zincrby(store.keys.processes, -ago_ms, name)


def heartbeat(store, name="events@here:1"):
    """The signs of life of a process."""
    return Heartbeat(store.heartbeats, process(name))
