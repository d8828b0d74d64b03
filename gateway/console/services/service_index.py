"""An index of all services in memory, for the search: SQLite with trigrams of what people type."""

import sqlite3
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Network
from typing import Any, Final

from contracts.values import Ipv4, Mac48
from worker.core.service.record import ServiceRecord
from worker.errors import ConfigurationError
from worker.store.records import Stored

SHORTEST_PART: Final = 3
"""Characters of a part that can be found: trigrams have as many."""
MOST_FOUND: Final = 1_000
"""Services with one part that are sorted and paged: who finds more types more."""

_SCHEMA: Final = """
CREATE TABLE services (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL,
  round INTEGER NOT NULL, router TEXT, mac TEXT, address TEXT, prefix TEXT, customer TEXT,
  words TEXT NOT NULL
);
CREATE INDEX by_mac ON services (mac);
CREATE INDEX by_address ON services (address);
CREATE INDEX by_prefix ON services (prefix);
CREATE INDEX by_customer ON services (customer);
CREATE INDEX by_router ON services (router, id);
CREATE VIRTUAL TABLE parts USING fts5 (
  words, content='services', content_rowid='number', tokenize='trigram'
);
CREATE TRIGGER added AFTER INSERT ON services BEGIN
  INSERT INTO parts (rowid, words) VALUES (new.number, new.words);
END;
CREATE TRIGGER removed AFTER DELETE ON services BEGIN
  INSERT INTO parts (parts, rowid, words) VALUES ('delete', old.number, old.words);
END;
CREATE TRIGGER changed AFTER UPDATE OF words ON services WHEN old.words <> new.words BEGIN
  INSERT INTO parts (parts, rowid, words) VALUES ('delete', old.number, old.words);
  INSERT INTO parts (rowid, words) VALUES (new.number, new.words);
END;
"""
_PUT: Final = """
INSERT INTO services (id, generation, round, router, mac, address, prefix, customer, words)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, round = excluded.round,
  router = excluded.router, mac = excluded.mac, address = excluded.address,
  prefix = excluded.prefix, customer = excluded.customer, words = excluded.words
"""
_LENGTHS: Final = range(16, 65)
"""Of prefixes in which an address may lie."""
_FIND: Final = f"""
WITH found (id, place) AS (
  SELECT id, 0 FROM services WHERE id = :id OR mac = :mac OR address = :address OR customer = :id
  OR prefix IN ({", ".join(f":prefix_{length}" for length in _LENGTHS)})
  UNION ALL
  SELECT services.id, 1
  FROM (SELECT rowid FROM parts WHERE words MATCH :part LIMIT :most_found) AS hits
  JOIN services ON services.number = hits.rowid
)
SELECT id FROM found GROUP BY id ORDER BY min(place), id LIMIT :most OFFSET :start
"""  # noqa: S608 - names of parameters
_OF_ROUTER: Final = """
SELECT id FROM services WHERE router = :router ORDER BY id LIMIT :most OFFSET :start
"""
_NO_PART: Final = '"\x01\x01\x01"'
"""A part that no service has: what is too short is compared as a whole. So is a whole address, with
columns, and with `_whole` of further devices."""


class ServiceIndex:
    """Finds the ids of services. Several threads may use it.

    Raises:
        ConfigurationError: this Python's SQLite has no trigrams.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        weakref.finalize(self, self._db.close)  # Python 3.13 and later warn of one left open
        try:
            self._db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            problem = (
                "the console's search needs SQLite 3.34 or later with FTS5: this Python has "
                f"SQLite {sqlite3.sqlite_version} ({error})"
            )
            raise ConfigurationError([problem]) from error

    def __len__(self) -> int:
        """How many services it has."""
        with self._lock:
            (count,) = self._db.execute("SELECT count(*) FROM services").fetchone()
        return int(count)

    def generations(self, service_ids: Collection[str]) -> dict[str, int]:
        """Those of the services that it has, with the generation of the record that was read."""
        places = ",".join("?" * len(service_ids))
        question = f"SELECT id, generation FROM services WHERE id IN ({places})"  # noqa: S608 - question signs
        with self._lock:
            return dict(self._db.execute(question, list(service_ids)).fetchall())

    def put(self, stored: Iterable[Stored], round_: int) -> None:
        """Add services, or replace what it has of them; `round_`: the walk that read them."""
        self._write(_PUT, [_row(read, round_) for read in stored])

    def keep(self, service_ids: Iterable[str], round_: int) -> None:
        """Note that a walk found services as the index has them."""
        rows = [(round_, service_id) for service_id in service_ids]
        self._write("UPDATE services SET round = ? WHERE id = ?", rows)

    def remove(self, service_ids: Iterable[str]) -> None:
        """Remove services."""
        rows = [(service_id,) for service_id in service_ids]
        self._write("DELETE FROM services WHERE id = ?", rows)

    def prune(self, round_: int) -> int:
        """Remove the services that neither this walk nor a later change found; returns how many."""
        with self._lock:
            cursor = self._db.execute("DELETE FROM services WHERE round < ?", (round_,))
            return cursor.rowcount

    def find(self, text: str, start: int, most: int) -> list[str]:
        """Ids of services, the exact matches first.

        Args:
            text: an id, a MAC in any spelling, an IP address, an IPv6 prefix or an address in it,
                a customer, or a part of one of these or of the label.
            start: how many to leave out.
            most: how many to return.
        """
        typed = text.replace("\0", "").strip()
        mac, address = _parsed(Mac48.parse, typed), _parsed(Ipv4.parse, typed)
        network = _as_network(typed)
        shown = str(network).removesuffix("/128") if network else typed
        part = shown.casefold().removeprefix("0x").replace('"', '""')  # of a DUID
        if mac or address:
            part = _whole(mac or address)
        values: dict[str, object] = {
            "id": typed,
            "mac": mac,
            "address": address or typed,
            "part": _NO_PART if len(typed) < SHORTEST_PART else f'"{part}"',
            "most_found": MOST_FOUND,
        }
        values |= {f"prefix_{length}": _around(network, length) for length in _LENGTHS}
        return self._ids(_FIND, values | {"most": most, "start": start})

    def of_router(self, router: str, start: int, most: int) -> list[str]:
        """Ids of the services that a router should serve, sorted; paged as by `find`."""
        return self._ids(_OF_ROUTER, {"router": router, "most": most, "start": start})

    def _ids(self, question: str, values: Mapping[str, object]) -> list[str]:
        with self._lock:
            return [service_id for (service_id,) in self._db.execute(question, values)]

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if not rows:
            return
        with self._lock:
            self._db.execute("BEGIN")
            self._db.executemany(statement, rows)
            self._db.execute("COMMIT")


def changed_of(texts: Mapping[str, str], known: Mapping[str, int]) -> dict[str, str]:
    """Those of the stored texts that are not as the index knows them, by generation."""
    return {
        service_id: text
        for service_id, text in texts.items()
        if text.partition("|")[0] != str(known.get(service_id, ""))
    }


def _row(stored: Stored, round_: int) -> tuple[object, ...]:
    record: ServiceRecord = stored.record
    mac, customer = (record.value(name) for name in ("mac", "customer_id"))
    address, prefix, label = record.address, record.prefix, record.value("label")
    parts = (record.service_id, customer, mac, address, prefix, *_ipv6_words(record), label)
    parts += tuple(_words_of_devices(record))
    words = "\n".join(str(part) for part in parts if part).casefold()
    service_id, router = record.service_id, record.router
    return (service_id, stored.generation, round_, router, mac, address, prefix, customer, words)


def _ipv6_words(record: ServiceRecord) -> Iterator[str]:
    """The IPv6 address of a service, and the DUIDs of its device: stated and learned."""
    ipv6: Any = record.value("ipv6")
    if ipv6:
        yield str(ipv6.get("address") or "")
        stated = record.value("duid")
        learned = (own.duid for at in record.placements.values() for own in at.bindings)
        yield from {str(stated or ""), *(duid.removeprefix("0x") for duid in learned)}


def _words_of_devices(record: ServiceRecord) -> Iterator[str]:
    """The MACs and addresses of its further devices, with what ends them."""
    devices: Any = record.devices
    for device in devices.values():
        yield from (
            _whole(one) for one in (device.get("mac"), device["address"].get("ipv4")) if one
        )


def _whole(text: str) -> str:
    """What is found by a whole MAC or address alone: not by the one that it is the start of."""
    return f"={text.casefold()};"


def _parsed(parse: Callable[[str], str], text: str) -> str:
    """A MAC or address as records have it; empty: it is none."""
    try:
        return parse(text)
    except ValueError:
        return ""


def _as_network(text: str) -> IPv6Network | None:
    """A prefix, or an address as a /128; None: it is neither, or has no colon."""
    try:
        return IPv6Network(text, strict=False) if ":" in text else None
    except ValueError:
        return None


def _around(network: IPv6Network | None, length: int) -> str:
    """The prefix of this length that a network lies in; empty: none does."""
    if network is None or network.prefixlen < length:
        return ""
    return str(network.supernet(new_prefix=length))
