"""Tasks that make the round trips of an event and decide nothing.

The journal is a list, a record a text, and a pass writes what it is told. As many calls go to Redis
and to the router as `docs/performance.md` lists, in batches as large; each text is read and written
as JSON once. There are no contracts, claims, outcomes, history, counters or logs, and nothing is
kept when a process dies.
"""

import json
import threading
from collections.abc import Sequence
from functools import cache
from typing import Final

from celery import shared_task
from redis import Redis

from contracts.message import envelope
from worker.inventory import load_inventory
from worker.inventory.config import RouterConfig
from worker.routeros.commands import Command, Pace
from worker.routeros.connection import RouterConnection
from worker.routeros.login import connect, log_in
from worker.settings import Settings, environment
from worker.store.connection import connect as connect_redis

TASK_FOLD: Final = "benchmarks.bare_fold"
TASK_CONVERGE: Final = "benchmarks.bare_pass"
NAMES: Final = (TASK_FOLD, TASK_CONVERGE)
BATCH: Final = 50
LEASES: Final = "/ip/dhcp-server/lease"
PREFIX: Final = "bare:"

# Appends to a list, and wakes a worker unless one is to come: ARGV 1 its message, then the texts.
PUBLISH: Final = """
for i = 2, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
if redis.call('SET', KEYS[2], '1', 'NX', 'PX', 10000) then
  local id = redis.sha1hex(ARGV[1] .. redis.call('INCR', KEYS[4]))
  local message = string.gsub(ARGV[1], '@id@', id)
  redis.call('LPUSH', KEYS[3], message)
end"""
TAKE: Final = """
redis.call('DEL', KEYS[2])
return redis.call('LPOP', KEYS[1], ARGV[1]) or {}"""
# ARGV: service, record, router, envelope, …: what `commit.lua` cannot do without.
COMMIT: Final = """
for i = 1, #ARGV, 4 do
  redis.call('SET', KEYS[1] .. 'record:' .. ARGV[i], ARGV[i + 1])
  redis.call('RPUSH', KEYS[1] .. 'work:' .. ARGV[i + 2], ARGV[i + 1])
  if redis.call('SET', KEYS[1] .. 'told:' .. ARGV[i + 2], '1', 'NX', 'PX', 10000) then
    local id = redis.sha1hex(ARGV[i] .. redis.call('INCR', KEYS[3]))
    redis.call('LPUSH', KEYS[2], (string.gsub(ARGV[i + 3], '@id@', id)))
  end
end"""
NOTE: Final = "redis.call('SET', KEYS[1], ARGV[1])"
CONCLUDE: Final = """
redis.call('DEL', KEYS[1])
for i = 1, #ARGV, 2 do redis.call('SET', KEYS[2] .. 'record:' .. ARGV[i], ARGV[i + 1]) end
redis.call('INCRBY', KEYS[2] .. 'done', #ARGV / 2)"""
NEXT: Final = "return redis.call('LLEN', KEYS[1])"


class _Bare:
    """What a process needs, made at its first task."""

    def __init__(self) -> None:
        self.settings = Settings.load(environment())
        self.redis: Redis = connect_redis(self.settings.redis_url, **self.settings.redis_login)
        self.routers = load_inventory(self.settings.inventory).routers
        self.pace = Pace(window=64, silence_s=10, total_s=60)
        self.open: dict[str, RouterConnection] = {}
        self.busy = {name: threading.Lock() for name in self.routers}
        self.queue = f"{self.settings.key_prefix}routers"
        scripts = {"take": TAKE, "commit": COMMIT, "note": NOTE, "conclude": CONCLUDE, "next": NEXT}
        self._scripts = {name: self.redis.register_script(text) for name, text in scripts.items()}

    def run(self, script: str, keys: Sequence[str], *values: str | int) -> list[bytes]:
        """Run a script: one round trip."""
        answer: list[bytes] = self._scripts[script](keys=keys, args=values)
        return answer

    def connection(self, config: RouterConfig) -> RouterConnection:
        """The connection to a router, logged in."""
        if config.name not in self.open:
            made = connect(config, self.settings)
            log_in(made, config, config.password().get_secret_value(), self.settings)
            self.open[config.name] = made
        return self.open[config.name]


_bare = cache(_Bare)


@shared_task(name=TASK_FOLD, ignore_result=True)  # type: ignore[untyped-decorator]
def bare_fold() -> None:
    """Take events, read what is known of their services, write it, wake the passes."""
    bare = _bare()
    while texts := bare.run("take", [f"{PREFIX}journal", f"{PREFIX}told"], BATCH):
        events = [json.loads(text)["data"] for text in texts]
        with bare.redis.pipeline(transaction=True) as asked:
            asked.mget([f"{PREFIX}record:{event['service_id']}" for event in events])
            asked.execute()
        values: list[str | int] = []
        for event in events:
            record, router = json.dumps(event), event["router"]
            message = envelope(TASK_CONVERGE, "routers").replace(
                "@body@", json.dumps(f'[["{router}"],{{}},{{}}]')[1:-1]
            )
            values += [event["service_id"], record, router, message]
        bare.run("commit", [PREFIX, bare.queue, f"{PREFIX}ids"], *values)


@shared_task(name=TASK_CONVERGE, ignore_result=True)  # type: ignore[untyped-decorator]
def bare_pass(router: str) -> None:
    """Read, write and read again what is to be on a router."""
    bare = _bare()
    work, told = f"{PREFIX}work:{router}", f"{PREFIX}told:{router}"
    with bare.busy[router]:
        while texts := bare.run("take", [work, told], BATCH):
            services = [json.loads(text) for text in texts]
            connection = bare.connection(bare.routers[router])
            rows = [_row(service) for service in services]
            connection.run("reading", [_print(rows)], bare.pace)
            bare.run(
                "note", [f"{PREFIX}writing:{router}"], ",".join(row["comment"] for row in rows)
            )
            adds = [
                (f"{LEASES}/add", *(f"={name}={value}" for name, value in row.items()))
                for row in rows
            ]
            for reply in connection.run("writing", adds, bare.pace, writing=True):
                if reply.traps:
                    raise AssertionError(reply.traps)
            connection.run("reading", [_print(rows)], bare.pace)
            done = [
                part
                for service in services
                for part in (service["service_id"], json.dumps(service))
            ]
            bare.run("conclude", [f"{PREFIX}writing:{router}", PREFIX], *done)
            if not bare.run("next", [work]):
                return


def _row(service: dict[str, str]) -> dict[str, str]:
    return {
        "address": service["ipv4"],
        "mac-address": service["mac"],
        "server": service["server"],
        "comment": f"bare {service['service_id']}",
    }


def _print(rows: Sequence[dict[str, str]]) -> Command:
    terms = [f"?mac-address={row['mac-address']}" for row in rows]
    return (
        f"{LEASES}/print",
        "=.proplist=.id,address,mac-address,server,comment",
        *terms,
        *["?#|"] * (len(terms) - 1),
    )
