"""One simulated router, which runs commands.

It knows no sockets: `api_server` and `rest_server` bring commands as text and return the answers;
`operator_side` is the person at the router.
"""

from collections.abc import Mapping, Sequence

from simulator import errors
from simulator.command import READING, Request, Result
from simulator.errors import RouterError
from simulator.menu import Menu
from simulator.router_state import OPERATOR, Caller, RouterState
from simulator.state import Values

_LEASE = "/ip/dhcp-server/lease"
_BINDING = "/ipv6/dhcp-server/binding"


class Router(RouterState):
    """A router with its menus."""

    menus: Mapping[str, Menu]

    def menu(self, path: str) -> Menu:
        """Find a menu.

        Raises:
            RouterError: this router has none there.
        """
        menu = self.menus.get(path)
        if menu is not None and menu.exists(self):
            return menu
        below = path + "/"
        if any(known.startswith(below) and menu.exists(self) for known, menu in self.menus.items()):
            raise errors.no_such_command()
        raise errors.no_such_menu()

    def catch_up(self) -> None:
        """Do what was due by now."""
        self.advance_clients()
        self.end_leases()

    def end_leases(self) -> None:
        """Let leases and bindings whose time is over take along what they made elsewhere."""
        self.menus[_LEASE].rows(self)
        self.menus[_BINDING].rows(self)

    def execute(
        self,
        command: str,
        arguments: Values,
        caller: Caller,
        query: Sequence[str] = (),
        proplist: Sequence[str] | None = None,
    ) -> tuple[Request, Result]:
        """Run one command, such as `/ip/dhcp-server/lease/add`.

        Raises:
            RouterError: it is refused, with the router's message.
        """
        counted = caller.session != OPERATOR
        if counted:
            self.commands_run[command] += 1
        path, _, name = command.rpartition("/")
        self.catch_up()
        try:
            menu = self.menu(path)
            handler = menu.handler(self, name)
        except RouterError as error:
            self.refusals[error.text] += counted
            raise
        request = Request(self, path, name, arguments, query, proplist, caller)
        try:
            self._check(request, menu)
            return request, handler(request)
        except RouterError as error:
            self.refusals[error.text] += counted
            if name not in READING:
                request.wrote(None, None, error.text)
            raise

    def _check(self, request: Request, menu: Menu) -> None:
        name = request.command
        policy = "read" if name in READING else menu.write_policy
        if policy not in request.caller.policies or policy in self.faults.denied_policies:
            raise errors.not_permitted()
        arguments = request.arguments
        row_id = arguments.pop(".id", None)
        allowed = menu.allowed(self, name)
        for argument in arguments:
            if argument not in allowed:
                raise errors.unknown_parameter(argument)
        if row_id is not None:
            arguments["number" if name == "get" else "numbers"] = row_id
