"""A menu: which properties its rows have, and the commands that all menus share.

Menus are stateless and serve every router; the rows are in the router's tables. A
subclass in `menus/` says what is special: uniqueness, read-only properties, commands.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator import errors
from simulator.protocol import encode_word, to_bytes
from simulator.query import compile_query, select
from simulator.schema import Version
from simulator.state import Row, Table, Values
from simulator.values import TEXT, Bool, Kind, format_duration

if TYPE_CHECKING:
    from simulator.router import Router

READING = frozenset({"print", "getall", "get", "listen", "find", "monitor"})
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


@dataclass(frozen=True, slots=True)
class Field:
    """One property.

    Attributes:
        name: on the wire.
        kind: how values are read and shown.
        default: stored by `add` when not given; None leaves the property absent.
        hidden: not shown while it has this stored value.
        required: `add` without it is refused.
        readonly: set by the router alone.
        secret: never shown.
        since: first version that has it.
    """

    name: str
    kind: Kind = TEXT
    default: str | None = None
    hidden: str | None = None
    required: bool = False
    readonly: bool = False
    secret: bool = False
    since: Version = ()


COMMENT = Field("comment", default="", hidden="")
DISABLED = Field("disabled", Bool(), default="false")


def state(name: str, default: str | None = None, since: Version = ()) -> Field:
    """Declare a property that only the router sets."""
    return Field(name, default=default, readonly=True, since=since)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who runs a command: session id (`api:3`, `rest:1`, `operator`, `dhcp`), user, rights."""

    session: str
    user: str = ""
    policies: frozenset[str] = frozenset()


@dataclass(slots=True)
class Request:
    """One command, taken apart."""

    router: "Router"
    menu: "Menu"
    command: str
    arguments: Values
    query: Sequence[str]
    proplist: Sequence[str] | None
    caller: Caller

    @property
    def path(self) -> str:
        """The command as the client named it."""
        return f"{self.menu.path}/{self.command}"


@dataclass(slots=True)
class Result:
    """What a command answers: rows, each shown as the proplist says, or a `=ret=`."""

    rows: Iterable[Row] = ()
    ret: str | None = None
    printed: bool = False


class Menu:
    """A table of rows; see `Singleton` for menus with one.

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
        expires: the time property at whose end a row expires, if there is one.
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
    expires: str = ""

    def __init__(self) -> None:
        self.by_name = {each.name: each for each in self.fields}
        self._fields_of: dict[Version, tuple[Field, ...]] = {}

    # --- which commands and arguments there are -------------------------------------------

    def exists(self, router: "Router") -> bool:
        """Say whether this router has the menu."""
        if router.schema.knows(self.path):
            return router.schema.has(self.path)
        return router.version >= self.since

    def handler(self, router: "Router", command: str) -> Callable[[Request], Result]:
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

    def allowed(self, router: "Router", command: str) -> frozenset[str]:
        """Give the arguments that a command takes."""
        if command in ("getall", "listen"):
            command = "print"
        if router.schema.knows(self.path):
            return router.schema.arguments(self.path, command)
        if command in ("add", "set"):
            common = {"copy-from"} if command == "add" else {"numbers"}
            return frozenset(common.union(f.name for f in self._writable(router)))
        return _ARGUMENTS.get(command, frozenset({"numbers"}))

    def fields_of(self, router: "Router") -> tuple[Field, ...]:
        """Give the fields that the router's version has."""
        version = router.version
        if version not in self._fields_of:
            self._fields_of[version] = tuple(f for f in self.fields if version >= f.since)
        return self._fields_of[version]

    # --- how rows read --------------------------------------------------------------------

    def build(self, router: "Router", row: Row) -> Values:
        """Make the view of a row, but for what changes with time."""
        view = {".id": row.id}
        values = row.values
        for each in self.fields_of(router):
            stored = values.get(each.name)
            if stored is not None and stored != each.hidden and not each.secret:
                view[each.name] = each.kind.show(stored, router)
        return view

    def view(self, router: "Router", row: Row) -> Values:
        """Give what a client reads of a row; not to be changed."""
        if row.view is None or self.volatile:
            row.view = self.build(router, row)
        return row.view | self._timed(router, row) if row.times else row.view

    def words(self, router: "Router", row: Row) -> dict[str, bytes]:
        """Give the same as encoded API words by property."""
        if row.words is None or self.volatile:
            if row.view is None or self.volatile:
                row.view = self.build(router, row)
            row.words = encode_view(row.view)
        return row.words | encode_view(self._timed(router, row)) if row.times else row.words

    def packed(self, router: "Router", row: Row, proplist: Sequence[str] | None) -> bytes:
        """Give what a client reads of a row as API words, joined; None is everything."""
        held = row.packed
        if held is not None and held[0] == proplist and not row.times and not self.volatile:
            return held[1]
        words = self.words(router, row)
        if proplist is None:
            packed = b"".join(words.values())
        else:
            packed = b"".join([words[name] for name in proplist if name in words])
        row.packed = (proplist, packed)
        return packed

    def _timed(self, router: "Router", row: Row) -> Values:
        now = router.now()
        return {name: format_duration(abs(now - moment)) for name, moment in row.times.items()}

    # --- what subclasses say ---------------------------------------------------------------

    def seed(self, router: "Router") -> None:
        """Fill in the rows of a fresh router."""

    def booted(self, router: "Router", table: Table) -> None:
        """Do to the rows what a restart does."""

    def rows(self, router: "Router") -> Table:
        """Give the rows, the expired ones seen to; overridden where they are computed."""
        table = router.table(self.path)
        if table.next_expiry <= router.now():
            self._expire(router, table)
        return table

    def _expire(self, router: "Router", table: Table) -> None:
        now, table.next_expiry = router.now(), float("inf")
        for row in list(table.rows.values()):
            until = row.times.get(self.expires)
            if until is not None and until <= now:
                self.expired(router, table, row)
            elif until is not None:
                table.next_expiry = min(table.next_expiry, until)

    def expired(self, router: "Router", table: Table, row: Row) -> None:
        """Do to a row what the end of its time does."""
        table.delete(row)
        self.removed(router, row)

    def fresh(self, router: "Router") -> Values:
        """Give the values of a row before arguments are applied."""
        return {f.name: f.default for f in self.fields_of(router) if f.default is not None}

    def check(self, router: "Router", row: Row | None, values: Values) -> None:
        """Refuse values that break the menu's rules, or complete them (row None: a new one).

        Raises:
            RouterError: in the router's words.
        """

    def check_change(self, router: "Router", row: Row) -> None:
        """Refuse changes to a row as such.

        Raises:
            RouterError: in the router's words.
        """

    def check_removal(self, router: "Router", row: Row) -> None:
        """Refuse the removal of a row.

        Raises:
            RouterError: in the router's words.
        """

    def changed(self, router: "Router", before: Values | None, row: Row) -> None:
        """Do what follows from a new or changed row."""

    def removed(self, router: "Router", row: Row) -> None:
        """Do what follows from a removal."""

    # --- commands ----------------------------------------------------------------------------

    def do_print(self, request: Request) -> Result:
        """Give the rows that the query selects, or only how many."""
        router, table = request.router, self.rows(request.router)
        selected: Iterable[Row] = table.rows.values()
        if request.query:
            steps = compile_query(request.query, self._normalise)
            selected = select(steps, table, lambda row: self.view(router, row))
        if "from" in request.arguments:
            wanted = {row.id for row in self.find(request, request.arguments["from"])}
            selected = [row for row in selected if row.id in wanted]
        selected = self.printed(request, selected)
        if "count-only" in request.arguments:
            return Result(ret=str(len(list(selected))))
        return Result(selected, printed=True)

    def printed(self, request: Request, rows: Iterable[Row]) -> Iterable[Row]:  # noqa: ARG002 - for subclasses
        """Filter rows by arguments of `print` that a menu has of its own."""
        return rows

    def do_get(self, request: Request) -> Result:
        """Give one property of one row."""
        ids = request.arguments.get("number", request.arguments.get("numbers"))
        row = next(iter(self.find(request, ids)))
        name = request.arguments.get("value-name")
        if name is None:
            raise errors.missing("value-name")
        view = self.view(request.router, row)
        if name not in self.by_name and name != ".id":
            raise errors.unknown_parameter(name)
        return Result(ret=view.get(name, ""))

    def do_find(self, request: Request) -> Result:
        """Refuse: scripting commands are not for the API (WIKI API_command_notes)."""
        del request
        raise errors.no_such_command()

    def do_add(self, request: Request) -> Result:
        """Make a row."""
        router, arguments = request.router, dict(request.arguments)
        values = self.fresh(router)
        copied = arguments.pop("copy-from", None)
        if copied is not None:
            source = self.find(request, copied)[0].values
            values |= {f.name: source[f.name] for f in self._writable(router) if f.name in source}
        place = arguments.pop("place-before", None)
        before = None if place is None else self.find(request, place)[0]
        values |= self.parse(router, arguments)
        for each in self.fields:
            if each.required and each.name not in values:
                raise errors.missing(each.name)
        self.check(router, None, values)
        row = self.rows(router).insert(values)
        if before is not None:
            self.rows(router).move(row, before)
        self.changed(router, None, row)
        router.wrote(request, None, self.view(router, row))
        return Result(ret=row.id)

    def do_set(self, request: Request) -> Result:
        """Change rows."""
        arguments = dict(request.arguments)
        rows = self.find(request, arguments.pop("numbers", None))
        changes = self.parse(request.router, arguments)
        for row in rows:
            self.change(request, row, changes)
        return Result()

    def do_unset(self, request: Request) -> Result:
        """Make optional properties absent."""
        names = request.arguments.get("value-name")
        if names is None:
            raise errors.missing("value-name")
        unsettable = self.unsettable(request.router)
        for name in names.split(","):
            if name not in unsettable:
                raise errors.no_match("value-name")
        for row in self.find(request, request.arguments.get("numbers")):
            kept = {k: v for k, v in row.values.items() if k not in names.split(",")}
            self.change(request, row, {}, kept)
        return Result()

    def unsettable(self, router: "Router") -> frozenset[str]:
        """Give the properties that `unset` takes."""
        return frozenset(f.name for f in self._writable(router) if f.default is None)

    def do_remove(self, request: Request) -> Result:
        """Take rows away; none of them when one id is unknown."""
        router = request.router
        rows = self.find(request, request.arguments.get("numbers"))
        for row in rows:
            self.check_removal(router, row)
        for row in rows:
            before = self.view(router, row)
            self.rows(router).delete(row)
            self.removed(router, row)
            router.forget_references(self.home or self.path)
            router.wrote(request, before, None)
        return Result()

    def do_enable(self, request: Request) -> Result:
        """Switch rows on."""
        return self._switch(request, "false")

    def do_disable(self, request: Request) -> Result:
        """Switch rows off."""
        return self._switch(request, "true")

    def do_comment(self, request: Request) -> Result:
        """Set the comment alone."""
        for row in self.find(request, request.arguments.get("numbers")):
            self.change(request, row, {"comment": request.arguments.get("comment", "")})
        return Result()

    def do_move(self, request: Request) -> Result:
        """Put rows before another one (LAB: not before themselves), or last."""
        rows = self.find(request, request.arguments.get("numbers"))
        place = request.arguments.get("destination")
        before = None if place is None else self.find(request, place)[0]
        if before in rows:
            raise errors.RouterError(errors.MOVE_BEFORE_SELF)
        for row in rows:
            self.rows(request.router).move(row, before)
            view = self.view(request.router, row)
            request.router.wrote(request, view, view)
        return Result()

    # --- what commands are made of ---------------------------------------------------------

    def change(
        self, request: Request, row: Row, changes: Values, base: Values | None = None
    ) -> None:
        """Apply stored values to a row (over `base`, or over what it has).

        Raises:
            RouterError: the menu's rules refuse it.
        """
        router = request.router
        self.check_change(router, row)
        values = {**(row.values if base is None else base), **changes}
        self.check(router, row, values)
        before, old = self.view(router, row), row.values
        self.rows(router).update(row, values)
        self.changed(router, old, row)
        if values.get("name") != old.get("name"):
            router.forget_references(self.home or self.path)
        router.wrote(request, before, self.view(router, row))

    def find(self, request: Request, ids: str | None) -> list[Row]:
        """Find rows by a comma list of ids, or of names where the menu has names.

        Raises:
            RouterError: none given, or one that is not there.
        """
        if ids is None:
            raise errors.missing(".id")
        rows = self.rows(request.router).rows
        found = []
        for each in ids.split(","):
            row = rows.get(each)
            if row is None and self.named:
                row_id = request.router.id_of(self.path, each)
                row = rows.get(row_id) if row_id else None
            if row is None:
                raise errors.no_such_item()
            found.append(row)
        return found

    def parse(self, router: "Router", arguments: Values) -> Values:
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

    def _writable(self, router: "Router") -> Iterable[Field]:
        return (f for f in self.fields_of(router) if not f.readonly)

    def _switch(self, request: Request, disabled: str) -> Result:
        for row in self.find(request, request.arguments.get("numbers")):
            self.change(request, row, {"disabled": disabled})
        return Result()

    def _normalise(self, name: str, value: str) -> str:
        each = self.by_name.get(name)
        return value if each is None else each.kind.normalise(value)


class Singleton(Menu):
    """A menu with one row that is always there and shows no id."""

    commands = frozenset({"set", "print", "get"})

    def rows(self, router: "Router") -> Table:
        """Give the one row, made with defaults at first sight."""
        table = router.table(self.path)
        if not table.rows:
            table.insert(self.fresh(router))
        return table

    def build(self, router: "Router", row: Row) -> Values:
        """Leave the id out."""
        view = super().build(router, row)
        del view[".id"]
        return view

    def find(self, request: Request, ids: str | None) -> list[Row]:  # noqa: ARG002 - there is one
        """Give the one row, whatever was asked for."""
        return list(self.rows(request.router).rows.values())


class Computed(Menu):
    """A read-only menu whose rows are made up when read."""

    commands = frozenset({"print", "get"})

    def compute(self, router: "Router") -> Iterable[Values]:
        """Give the rows as they read, without ids."""
        raise NotImplementedError

    def rows(self, router: "Router") -> Table:
        """Fill a table for this one reading."""
        table = Table()
        for values in self.compute(router):
            table.insert(values)
        return table


class ComputedSingleton(Computed):
    """A read-only menu with one row and no id."""

    def build(self, router: "Router", row: Row) -> Values:
        """Leave the id out."""
        view = super().build(router, row)
        del view[".id"]
        return view

    def find(self, request: Request, ids: str | None) -> list[Row]:  # noqa: ARG002 - there is one
        """Give the one row, whatever was asked for."""
        return list(self.rows(request.router).rows.values())


def encode_view(view: Values) -> dict[str, bytes]:
    """Encode a row as read to API words by property."""
    return {name: encode_word(to_bytes(f"={name}={value}")) for name, value in view.items()}
