"""The commands that all menus share, and the shapes of menus.

`Menu` is a table that clients write; `Singleton` has one row that is always there;
`Computed` is made up when read.
"""

from collections.abc import Callable, Iterable

from simulator import errors
from simulator.command import Request, Result
from simulator.fields import state
from simulator.menu_base import MenuBase
from simulator.query import compile_query, select
from simulator.router_state import RouterState
from simulator.state import Row, Table, Values


class Menu(MenuBase):
    """A table of rows with the common commands."""

    def do_print(self, request: Request) -> Result:
        """Give the rows that the query selects, or only how many."""
        router, table = request.router, self.rows(request.router)
        selected: Iterable[Row] = table.rows.values()
        if request.query:
            steps = compile_query(request.query, self.normalise)
            selected = select(steps, table, lambda row: self.view(router, row))
        if "from" in request.arguments:
            wanted = {row.id for row in self.find(request, request.arguments["from"])}
            selected = [row for row in selected if row.id in wanted]
        selected = self.printed(request, selected)
        if "count-only" in request.arguments:
            return Result(ret=str(len(list(selected))))
        return Result(selected, printed=True)

    def printed(self, request: Request, rows: Iterable[Row]) -> Iterable[Row]:
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
        raise errors.no_such_command()

    def do_add(self, request: Request) -> Result:
        """Make a row."""
        router, arguments = request.router, dict(request.arguments)
        values = self.fresh(router)
        copied = arguments.pop("copy-from", None)
        if copied is not None:
            source = self.find(request, copied)[0].values
            values |= {f.name: source[f.name] for f in self.writable(router) if f.name in source}
        place = arguments.pop("place-before", None)
        before = None if place is None else self.find(request, place)[0]
        values |= self.parse(router, arguments)
        for field in self.fields:
            if field.required and field.name not in values:
                raise errors.missing(field.name)
        self.check(router, None, values)
        row = self.rows(router).insert(values)
        if before is not None:
            self.rows(router).move(row, before)
        self.changed(router, None, row)
        request.wrote(None, self.view(router, row))
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
            request.wrote(before, None)
        return Result()

    def do_enable(self, request: Request) -> Result:
        """Switch rows on."""
        return self._change_all(request, {"disabled": "false"})

    def do_disable(self, request: Request) -> Result:
        """Switch rows off."""
        return self._change_all(request, {"disabled": "true"})

    def do_comment(self, request: Request) -> Result:
        """Set the comment alone."""
        return self._change_all(request, {"comment": request.arguments.get("comment", "")})

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
            request.wrote(view, view)
        return Result()

    def change(
        self, request: Request, row: Row, changes: Values, base: Values | None = None
    ) -> None:
        """Apply stored values to a row (over `base`, or over what it has).

        Raises:
            RouterError: the menu's rules refuse it.
        """
        router = request.router
        self.check_change(row)
        values = {**(row.values if base is None else base), **changes}
        self.check(router, row, values)
        before, old = self.view(router, row), row.values
        self.rows(router).update(row, values)
        self.changed(router, old, row)
        if values.get("name") != old.get("name"):
            router.forget_references(self.home or self.path)
        request.wrote(before, self.view(router, row))

    def _change_all(self, request: Request, changes: Values) -> Result:
        for row in self.find(request, request.arguments.get("numbers")):
            self.change(request, row, changes)
        return Result()


class _OneRow(Menu):
    """One row that is always there and shows no id."""

    def build(self, router: RouterState, row: Row) -> Values:
        """Leave the id out."""
        view = super().build(router, row)
        del view[".id"]
        return view

    def find(self, request: Request, ids: str | None) -> list[Row]:
        """Give the one row, whatever was asked for."""
        return list(self.rows(request.router).rows.values())


class Singleton(_OneRow):
    """A menu with one row that is always there and shows no id."""

    commands = frozenset({"set", "print", "get"})

    def rows(self, router: RouterState) -> Table:
        """Give the one row, made with defaults at first sight."""
        table = router.table(self.path)
        if not table.rows:
            table.insert(self.fresh(router))
        return table


class Computed(Menu):
    """A read-only menu whose rows are made up when read.

    Args:
        path: such as `/ip/pool/used`.
        names: of its properties, with blanks between.
        compute: gives the rows as they read, without ids.
    """

    commands = frozenset({"print", "get"})

    def __init__(
        self, path: str, names: str, compute: Callable[[RouterState], Iterable[Values]]
    ) -> None:
        super().__init__(path, tuple(state(name) for name in names.split()))
        self._compute = compute

    def rows(self, router: RouterState) -> Table:
        """Fill a table for this one reading."""
        table = Table()
        for values in self._compute(router):
            table.insert(values)
        return table


class ComputedSingleton(Computed, _OneRow):
    """A read-only menu with one row and no id."""
