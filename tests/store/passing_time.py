"""Time passes for a store without anybody waiting: all that it holds of time moves to the past."""

from contracts import names


def let_pass(store, ms, routers=("R1",)):
    """As if `ms` milliseconds had gone by for journal, sweep, signs of life and these routers."""
    client, keys = store.client, store.keys
    journals = [names.journal_due(keys.prefix, lane) for lane in names.LANES]
    times = [keys.routers_due, keys.processes, *journals]
    flags = [names.journal_notified(keys.prefix, lane) for lane in names.LANES]
    for router in routers:
        block = keys.router(router)
        flags += [block.lock, block.notified]
        times.append(block.due)
        for service, note in client.hgetall(block.inflight).items():
            token, look, sent = note.split("|", 2)
            if int(look) > 1:
                client.hset(block.inflight, service, f"{token}|{max(2, int(look) - ms)}|{sent}")
    swept = client.get(keys.sweep)
    if swept is not None:
        client.set(keys.sweep, int(swept) - ms)
    _move(client, times, flags, ms)


def set_back(store, ms, routers=("R1",)):
    """As if Redis's clock had been set back by `ms` milliseconds: all that it holds is later."""
    keys = store.keys
    let_pass(store, -ms, routers)
    reports_look, reports_due, _ = keys.reports
    times = [
        reports_due,
        keys.alerts_not_notified,
        keys.watches_due,
        keys.manifests,
        keys.schedule,
    ]
    flags = [
        keys.canary_claim,
        keys.maintenance,
        keys.alert_check,
        keys.notifications,
        reports_look,
    ]
    _move(store.client, times, [*flags, *(keys.watched(each) for each in routers)], -ms)
    for queue, at_ms in store.client.hgetall(keys.canaries).items():
        store.client.hset(keys.canaries, queue, int(at_ms) + ms)


def _move(client, times, flags, ms):
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
