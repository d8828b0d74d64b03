"""`/system`: which router this is."""

import hashlib
from collections.abc import Iterator

from simulator.command import Request, Result
from simulator.fields import Field
from simulator.menu import ComputedSingleton, Menu, Singleton
from simulator.router_state import RouterState
from simulator.state import Values
from simulator.values import format_duration


class IdentityMenu(Singleton):
    """The router's own name."""

    path = "/system/identity"
    fields = (Field("name", default="MikroTik"),)

    def fresh(self, router: RouterState) -> Values:
        """Take the name from the options."""
        return {"name": router.options.identity}


class RouterboardMenu(ComputedSingleton):
    """The board's serial number; absent on CHR (RR)."""

    def exists(self, router: RouterState) -> bool:
        """Not on a virtual router."""
        return router.options.board != "chr"


def _resource(router: RouterState) -> Iterator[Values]:
    """Give numbers of a small router; the version carries its channel (LAB)."""
    yield {
        "uptime": format_duration(router.now() - router.booted),
        "version": f"{router.options.version} (stable)",
        "build-time": "2025-02-27 15:43:23",
        "free-memory": "926941184",
        "total-memory": "1073741824",
        "cpu": "ARM64",
        "cpu-count": "4",
        "cpu-frequency": "1400",
        "cpu-load": "3",
        "free-hdd-space": "1045700608",
        "total-hdd-space": "1073741824",
        "architecture-name": "x86_64" if router.options.board == "chr" else "arm64",
        "board-name": "CHR" if router.options.board == "chr" else router.options.board,
        "platform": "MikroTik",
    }


def _board(router: RouterState) -> Iterator[Values]:
    yield {
        "routerboard": "true",
        "board-name": router.options.board,
        "model": router.options.board,
        "serial-number": router.serial,
        "firmware-type": "70x0",
        "factory-firmware": "6.48.6",
        "current-firmware": router.options.version,
        "upgrade-firmware": router.options.version,
    }


def _license(router: RouterState) -> Iterator[Values]:
    """Give a system id on CHR, a software id on boards (fields assumed); two routers differ."""
    digest = hashlib.sha256(router.serial.encode()).hexdigest().upper()
    if router.options.board == "chr":
        yield {"system-id": digest[:11], "level": "free"}
    else:
        yield {"software-id": f"{digest[:4]}-{digest[4:8]}", "nlevel": "5"}


class SystemMenu(Menu):
    """`/system/reboot` and `/system/shutdown`."""

    path = "/system"
    write_policy = "reboot"
    commands = frozenset({"reboot"})

    def do_reboot(self, request: Request) -> Result:
        """Restart: the caller's session dies with all others."""
        request.router.boot()
        return Result()


MENUS = (
    IdentityMenu(),
    ComputedSingleton(  # fields: RR
        "/system/resource",
        "uptime version build-time factory-software free-memory total-memory cpu cpu-count"
        " cpu-frequency cpu-load free-hdd-space total-hdd-space architecture-name board-name"
        " platform",
        _resource,
    ),
    RouterboardMenu(
        "/system/routerboard",
        "routerboard board-name model serial-number firmware-type factory-firmware"
        " current-firmware upgrade-firmware",
        _board,
    ),
    ComputedSingleton("/system/license", "system-id software-id level nlevel", _license),
    SystemMenu(),
)
