"""Rows and tables: what one router holds, with the indexes its rules and queries need.

Knows nothing of menus: a row's values are in the form that menus store (references as
ids); how a row reads is the menu's business and is only cached here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Values = dict[str, str]
Watcher = Callable[["Row", bool], None]


@dataclass(eq=False, slots=True)
class Row:
    """One row.

    Attributes:
        id: `*HEX`, never used twice in one table.
        values: properties as stored, what was configured and what the router itself sets.
        times: properties that read as a duration, by the moment (router's clock, seconds)
            they count from or to.
        view, words: how it reads, cached until something changes.
        packed: the last answer to one proplist, encoded.
    """

    id: str
    values: Values
    times: dict[str, float] = field(default_factory=dict)
    view: Values | None = None
    words: dict[str, bytes] | None = None
    packed: tuple[object, bytes] | None = None

    @property
    def dynamic(self) -> bool:
        """Whether the router made this row itself."""
        return self.values.get("dynamic") == "true"

    @property
    def disabled(self) -> bool:
        """Whether it is switched off."""
        return self.values.get("disabled") == "true"

    def forget_view(self) -> None:
        """Let it be built again when they are read next."""
        self.view = None
        self.words = None
        self.packed = None


class Table:
    """Rows of one menu in order, indexed by some properties as they are stored."""

    def __init__(self, indexed: Iterable[str] = ()) -> None:
        self.rows: dict[str, Row] = {}
        self.indexes: dict[str, dict[str, dict[str, Row]]] = {name: {} for name in indexed}
        self.watchers: list[Watcher] = []
        self.next_id = 1
        self.next_expiry = float("inf")  # router's clock: nothing expires before

    def insert(self, values: Values) -> Row:
        """Append a row under the next id."""
        row = Row(f"*{self.next_id:X}", values)
        self.next_id += 1
        self.put(row)
        self._notify(row, dead=False)
        return row

    def put(self, row: Row) -> None:
        """Append a row that has its id."""
        self.rows[row.id] = row
        self._index(row)

    def update(self, row: Row, values: Values) -> None:
        """Give a row other values."""
        if self.indexes:
            self._unindex(row)
        row.values = values
        row.forget_view()
        if self.indexes:
            self._index(row)
        self._notify(row, dead=False)

    def delete(self, row: Row) -> None:
        """Take a row out."""
        del self.rows[row.id]
        self._unindex(row)
        self._notify(row, dead=True)

    def move(self, row: Row, before: Row | None) -> None:
        """Put a row before another one, or last."""
        del self.rows[row.id]
        ordered = list(self.rows.values())
        place = len(ordered) if before is None else ordered.index(before)
        ordered.insert(place, row)
        self.rows = {row.id: row for row in ordered}

    def having(self, name: str, value: str) -> list[Row]:
        """Give the rows whose indexed property has this value, in no special order."""
        return list(self.indexes[name].get(value, {}).values())

    def having_any(self, name: str, values: Iterable[str]) -> list[Row]:
        """Give the rows whose indexed property has one of these values, in their order."""
        index = self.indexes[name]
        return [row for value in values if value in index for row in index[value].values()]

    def expire_at(self, row: Row, name: str, moment: float) -> None:
        """Let a row's time run to a moment."""
        row.times[name] = moment
        self.next_expiry = min(self.next_expiry, moment)

    def forget_views(self) -> None:
        """Build all rows again when they are read next: something they refer to has changed."""
        for row in self.rows.values():
            row.forget_view()

    def _index(self, row: Row) -> None:
        for name, index in self.indexes.items():
            value = row.values.get(name)
            if value is not None:
                index.setdefault(value, {})[row.id] = row

    def _unindex(self, row: Row) -> None:
        for name, index in self.indexes.items():
            value = row.values.get(name)
            if value is not None:
                held = index[value]
                del held[row.id]
                if not held:
                    del index[value]

    def _notify(self, row: Row, *, dead: bool) -> None:
        for watcher in tuple(self.watchers):
            watcher(row, dead)
