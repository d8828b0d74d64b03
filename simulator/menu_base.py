"""What a menu is: its properties, how its rows read, what it refuses.

Menus are stateless and serve every router; the rows are in the router's tables. A
subclass in `menus/` says what is special: uniqueness, read-only properties, commands.
"""

from collections.abc import Callable, Iterable, Sequence

from simulator import errors
from simulator.command import Request, Result
from simulator.errors import RouterError
from simulator.fields import Field
from simulator.protocol import encode_attribute
from simulator.router_state import RouterState
from simulator.schema import Version
from simulator.state import Row, Table, Values
from simulator.values import format_duration

# arguments of tables that no recorded tree speaks of (assumed: those of all others)
_ARGUMENTS = {
    "print": frozenset(
        {"count-only", "detail", "from", "stats", "without-paging", "follow", "interval"}
    ),
    "unset": frozenset({"numbers", "value-name"}),
    "get": frozenset({"number", "value-name"}),
    "comment": frozenset({"numbers", "comment"}),
    "move": frozenset({"numbers", "destination"}),
}


class MenuBase:
    """What a menu has and how its rows read; `menu.Menu` adds the commands.

    Attributes:
        path: such as `/ip/dhcp-server/lease`.
        fields: in the order in which rows show them.
        indexed: properties to keep an index of.
        named: whether a name can stand for an id.
        commands: where no recorded tree says it.
        write_policy: what a user needs to change rows.
        since: first version that has the menu.
        home: path of the menu whose rows these are, where it is another.
        volatile: whether rows read otherwise without having changed.
        guide_rest: whether REST speaks to it as the guide has it (see `menus.mac_server`).
        first_id: number of the first row's id.
        expires: the time property at whose end a row expires, if there is one.
        double: refusal of a row that is like another one; empty: there may be such rows.
        unique: the properties that count for that.
        dynamic_refusal: of a change of a dynamic row; empty: it may be changed.
    """

    path: str = ""
    fields: tuple[Field, ...] = ()
    indexed: tuple[str, ...] = ()
    named: bool = False
    commands: frozenset[str] = frozenset(
        {"add", "set", "unset", "remove", "print", "get", "find", "enable", "disable", "comment"}
    )
    write_policy: str = "write"
    since: Version = ()
    home: str = ""
    volatile: bool = False
    guide_rest: bool = False
    first_id: int = 1
    expires: str = ""
    double: str = ""
    unique: tuple[str, ...] = ("name",)
    dynamic_refusal: str = ""

    def __init__(self, path: str = "", fields: tuple[Field, ...] = ()) -> None:
        self.path, self.fields = path or self.path, fields or self.fields
        self.by_name = {field.name: field for field in self.fields}
        self.refers_to = frozenset(
            field.kind.refers_to for field in self.fields if field.kind.refers_to is not None
        )
        self._fields_of: dict[Version, tuple[Field, ...]] = {}

    # --- which commands and arguments there are -------------------------------------------

    def exists(self, router: RouterState) -> bool:
        """Say whether this router has the menu."""
        for missing in router.faults.missing_menus:
            if f"{self.path}/".startswith(f"{missing}/"):
                return False
        if router.schema.knows(self.path):
            return router.schema.has(self.path)
        return router.version >= self.since

    def handler(self, router: RouterState, command: str) -> Callable[[Request], Result]:
        """Find what runs a command.

        Raises:
            RouterError: the menu has no such command.
        """
        known = (
            router.schema.commands(self.path) if router.schema.knows(self.path) else self.commands
        )
        if command in ("getall", "listen"):
            command = "print"
        handler = getattr(self, "do_" + command.replace("-", "_"), None)
        if handler is None or command not in known:
            raise errors.no_such_command()
        found: Callable[[Request], Result] = handler
        return found

    def allowed(self, router: RouterState, command: str) -> frozenset[str]:
        """Give the arguments that a command takes."""
        if command in ("getall", "listen"):
            command = "print"
        if router.schema.knows(self.path):
            return router.schema.arguments(self.path, command)
        if command in ("add", "set"):
            common = {"copy-from"} if command == "add" else {"numbers"}
            return frozenset(common.union(f.name for f in self.writable(router)))
        return _ARGUMENTS.get(command, frozenset({"numbers"}))

    def fields_of(self, router: RouterState) -> tuple[Field, ...]:
        """Give the fields that the router's version has."""
        version = router.version
        if version not in self._fields_of:
            self._fields_of[version] = tuple(f for f in self.fields if version >= f.since)
        return self._fields_of[version]

    # --- how rows read --------------------------------------------------------------------

    def build(self, router: RouterState, row: Row) -> Values:
        """Make the view of a row, but for what changes with time."""
        view = {".id": row.id}
        values = row.values
        for field in self.fields_of(router):
            stored = values.get(field.name)
            if stored is not None and stored != field.hidden and not field.secret:
                view[field.name] = field.kind.show(stored, router)
        return view

    def view(self, router: RouterState, row: Row) -> Values:
        """Give what a client reads of a row; not to be changed."""
        if row.view is None or self.volatile:
            row.view = self.build(router, row)
        return row.view | self._timed(router, row) if row.times else row.view

    def words(self, router: RouterState, row: Row) -> dict[str, bytes]:
        """Give the same as encoded API words by property."""
        if row.words is None or self.volatile:
            if row.view is None or self.volatile:
                row.view = self.build(router, row)
            row.words = encode_view(row.view)
        return row.words | encode_view(self._timed(router, row)) if row.times else row.words

    def packed(self, router: RouterState, row: Row, proplist: Sequence[str] | None) -> bytes:
        """Give what a client reads of a row as API words, joined; None is everything."""
        held = row.packed
        if held is not None and held[0] == proplist and not row.times and not self.volatile:
            return held[1]
        if proplist is None:
            packed = b"".join(self.words(router, row).values())
        elif row.words is None:  # a first print encodes what was asked for, no more
            view = self.view(router, row)
            packed = b"".join(
                [encode_attribute(name, view[name]) for name in proplist if name in view]
            )
        else:
            words = self.words(router, row)
            packed = b"".join([words[name] for name in proplist if name in words])
        row.packed = (proplist, packed)
        return packed

    def _timed(self, router: RouterState, row: Row) -> Values:
        now = router.now()
        return {name: format_duration(abs(now - moment)) for name, moment in row.times.items()}

    # --- what subclasses say ---------------------------------------------------------------

    def seed(self, router: RouterState) -> None:
        """Fill in the rows of a fresh router."""

    def booted(self, router: RouterState, table: Table) -> None:
        """Do to the rows what a restart does."""

    def rows(self, router: RouterState) -> Table:
        """Give the rows, the expired ones seen to; overridden where they are computed."""
        table = router.table(self.path)
        if table.next_expiry <= router.now():
            self._expire(router, table)
        return table

    def _expire(self, router: RouterState, table: Table) -> None:
        now, table.next_expiry = router.now(), float("inf")
        for row in list(table.rows.values()):
            until = row.times.get(self.expires)
            if until is not None and until <= now:
                self.expired(router, table, row)
            elif until is not None:
                table.next_expiry = min(table.next_expiry, until)

    def expired(self, router: RouterState, table: Table, row: Row) -> None:
        """Do to a row what the end of its time does."""
        table.delete(row)
        self.removed(router, row)

    def fresh(self, router: RouterState) -> Values:
        """Give the values of a row before arguments are applied."""
        return {f.name: f.default for f in self.fields_of(router) if f.default is not None}

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Refuse values that break the menu's rules, or complete them (row None: a new one)."""
        if not self.double:
            return
        table, first = self.rows(router), self.unique[0]
        indexed = first in table.indexes
        alike = table.having(first, values.get(first, "")) if indexed else table.rows.values()
        for other in alike:
            same = all(other.values.get(name) == values.get(name) for name in self.unique)
            if same and other is not row:
                raise RouterError(self.double)

    def check_change(self, row: Row) -> None:
        """Refuse changes to a row as such."""
        if self.dynamic_refusal and row.dynamic:
            raise RouterError(self.dynamic_refusal)

    def check_removal(self, router: RouterState, row: Row) -> None:
        """Refuse the removal of a row."""

    def changed(self, router: RouterState, before: Values | None, row: Row) -> None:
        """Do what follows from a new or changed row."""

    def removed(self, router: RouterState, row: Row) -> None:
        """Do what follows from a removal."""

    def unsettable(self, router: RouterState) -> frozenset[str]:
        """Give the properties that `unset` takes."""
        return frozenset(f.name for f in self.writable(router) if f.default is None)

    def writable(self, router: RouterState) -> Iterable[Field]:
        """Give the fields that clients may set."""
        return (f for f in self.fields_of(router) if not f.readonly)

    # --- from words to values ------------------------------------------------------------

    def find(self, request: Request, ids: str | None) -> list[Row]:
        """Find rows by a comma list of ids, or of names where the menu has names.

        Raises:
            RouterError: none given, or one that is not there.
        """
        if ids is None:
            raise errors.missing(".id")
        rows = self.rows(request.router).rows
        found = []
        for id_or_name in ids.split(","):
            row = rows.get(id_or_name)
            if row is None and self.named:
                row = request.router.named(self.path, id_or_name)
            if row is None:
                raise errors.no_such_item()
            found.append(row)
        return found

    def parse(self, router: RouterState, arguments: Values) -> Values:
        """Turn arguments into stored values.

        Raises:
            RouterError: a value of the wrong kind.
        """
        arguments = router.faulty_values(self.path, arguments)
        values = {}
        for name, text in arguments.items():
            each = self.by_name.get(name)
            values[name] = text if each is None else each.kind.parse(text, name, router)
        return values

    def normalise(self, name: str, value: str) -> str:
        """Turn a query's value into the form that rows show."""
        each = self.by_name.get(name)
        return value if each is None else each.kind.normalise(value)


def encode_view(view: Values) -> dict[str, bytes]:
    """Encode a row as read to API words by property."""
    return {name: encode_attribute(name, value) for name, value in view.items()}
