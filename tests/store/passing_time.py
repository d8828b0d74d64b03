"""Time passes for a store without anybody waiting: all that it holds of time moves to the past."""

from contracts import names


def let_pass(store, ms, routers=("R1",)):
    """As if `ms` milliseconds had gone by for journal, sweep, signs of life and these routers."""
    client, keys = store.client, store.keys
    flags = [keys.sweep, *(names.journal_rung(keys.prefix, lane) for lane in names.LANES)]
    journals = [names.journal_due(keys.prefix, lane) for lane in names.LANES]
    times = [keys.routers_due, keys.workers, *journals]
    for router in routers:
        due, _, lease, rung, inflight, *_ = keys.router_block(router)
        flags += [lease, rung]
        times.append(due)
        for service, note in client.hgetall(inflight).items():
            token, look, sent = note.split("|", 2)
            if int(look) > 1:
                client.hset(inflight, service, f"{token}|{max(2, int(look) - ms)}|{sent}")
    with client.pipeline(transaction=True) as pipe:
        for key in times:
            pipe.zrange(key, 0, -1)
        for key in flags:
            pipe.pttl(key)
        found = pipe.execute()
        for key, members in zip(times, found, strict=False):
            for member in members:
                pipe.zincrby(key, -ms, member)
        for key, left in zip(flags, found[len(times) :], strict=True):
            if left >= 0:
                pipe.pexpire(key, max(0, left - ms))
        pipe.execute()
