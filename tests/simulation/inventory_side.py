"""What an operator set up: `routers.toml`, for what a history has."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from tests import builders
from tests.simulation.scale import Scale
from worker.inventory import Inventory, load_inventory
from worker.settings import Settings

SERVER: Final = "dhcp-vlan-32"


class SetUp(NamedTuple):
    """The settings of processes, and the inventory."""

    settings: Settings
    inventory: Inventory


def set_up(directory: Path, scale: Scale, routers: Iterable[str]) -> SetUp:
    """Write the inventory, and read it as each process does."""
    (directory / "secret").write_text("secret")
    (directory / "secret").chmod(0o600)
    tables = [
        '[installation]\nid = "acme"',
        f'[defaults]\npassword_file = "secret"\ndhcp_server = "{SERVER}"',
        f'[sources."{builders.SOURCE}"]\norder = "revisions"',
        "[brake]\nenabled = false",
        *(f'[routers.{name}]\nhost = "{name}.test"\ntransport = "api"' for name in routers),
    ]
    path = directory / "routers.toml"
    path.write_text("\n".join(tables))
    settings = {
        "LEASEWIRE_INVENTORY": str(path),
        "LEASEWIRE_ROUTER_LOCK_S": f"{scale.lock_s}",
        "LEASEWIRE_COMMAND_TIMEOUT_S": f"{scale.lock_s / 3}",
    }
    return SetUp(Settings.load(settings), load_inventory(path))
