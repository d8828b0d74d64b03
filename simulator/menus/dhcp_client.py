"""`/ip/dhcp-client`: DHCP clients of the router itself; `dhcp_clients` plays them.

Fields and commands: RR 7.9.2 to 7.24, MANE dhcp.md and cli-reference/ip/dhcp-client.md.
"""

from simulator.command import Request, Result
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu
from simulator.router_state import RouterState
from simulator.state import Row, Values
from simulator.values import BOOL, Enum, Number, Ref

CLIENT = "/ip/dhcp-client"
# what a client has only while it holds a lease
HELD = ("address", "gateway", "dhcp-server", "primary-dns")


class DhcpClientMenu(Menu):
    """DHCP clients."""

    path = CLIENT
    unique = ("interface",)
    double = "failure: dhcp-client on that interface already exists"  # public forums
    fields = (
        Field("name", since=(7, 24)),
        Field("interface", Ref("/interface"), required=True),
        Field("add-default-route", Enum("yes", "no", "special-classless"), default="yes"),
        Field("default-route-distance", Number(1, 255), default="1"),
        Field("use-peer-dns", BOOL, default="true"),
        Field("use-peer-ntp", BOOL, default="true"),
        Field("allow-reconfigure", BOOL, default="false", since=(7, 19)),
        Field("dhcp-options", default="hostname,clientid"),
        Field("script", default="", hidden=""),
        state("status", "stopped"),
        *(state(name) for name in (*HELD, "expires-after")),
        state("invalid", "false"),
        state("dynamic", "false"),
        DISABLED,
        COMMENT,
    )
    commands = Menu.commands | {"renew", "release"}

    def changed(self, router: RouterState, before: Values | None, row: Row) -> None:
        """Begin anew with other settings; a comment alone changes nothing."""
        settings = [field.name for field in self.writable(router) if field.name != "comment"]
        if before is None or any(before.get(name) != row.values.get(name) for name in settings):
            router.command_client("start", row)

    def removed(self, router: RouterState, row: Row) -> None:
        """Drop what it held; no message is sent (assumed)."""
        router.command_client("stop", row)

    def _pass_on(self, request: Request) -> Result:
        """Ask for the lease again, or give it back and begin anew (MANE)."""
        for row in self.find(request, request.arguments.get("numbers")):
            request.router.command_client(request.command, row)
        return Result()

    do_renew = do_release = _pass_on


MENUS = (DhcpClientMenu(),)
