"""What an operator set up: `routers.toml`, for what a history has."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from tests.simulation.bss import BY_REVISIONS, BY_TIMES, SERVERS
from tests.simulation.bss_service import POOL
from tests.simulation.forms import HOLDER, kind_at, rows_at
from tests.simulation.oracle import LISTED, PROFILES, RATES, THROTTLE, WALLED
from tests.simulation.scale import Scale
from worker.inventory import Inventory, load_inventory
from worker.settings import Settings

POOL_RANGE: Final = "10.80.0.0/28"
BRAKED: Final = 1
"""So many services may lose their entry within an hour, where there is a brake."""


class SetUp(NamedTuple):
    """The settings of processes, and the inventory."""

    settings: Settings
    inventory: Inventory


def set_up(directory: Path, scale: Scale, routers: Iterable[str]) -> SetUp:
    """Write the inventory, and read it as each process does."""
    (directory / "secret").write_text("secret")
    (directory / "secret").chmod(0o600)
    features = scale.features
    tables = [
        '[installation]\nid = "acme"',
        f"[defaults]\n{_defaults(features)}",
        f'[sources."{BY_REVISIONS}"]\norder = "revisions"\nservices = ["SVC-*"]',
        f'[sources."{BY_TIMES}"]\norder = "times"\nservices = ["T-*"]',
        _brake() if "brake" in features else "[brake]\nenabled = false",
        *(_router(name, features) for name in routers),
    ]
    if "plans" in features:
        tables += [
            f'[plans."{code}"]\nrate_limit = "{rate}"\nprofile = "{PROFILES[code]}"'
            for code, rate in RATES.items()
        ]
    if "pools" in features:
        tables.append(f'[pools.{POOL}]\nranges = ["{POOL_RANGE}"]\nquarantine = "30m"')
    path = directory / "routers.toml"
    path.write_text("\n".join(tables))
    keys = directory / "secret-keys"
    keys.write_text(f"{11:0128x}")
    keys.chmod(0o600)
    settings = {
        "LEASEWIRE_SECRET_KEYS_FILE": str(keys),
        "LEASEWIRE_INVENTORY": str(path),
        "LEASEWIRE_ROUTER_LOCK_S": f"{scale.lock_s}",
        "LEASEWIRE_COMMAND_TIMEOUT_S": f"{scale.lock_s / 3}",
    }
    return SetUp(Settings.load(settings), load_inventory(path))


def _router(name: str, features: Collection[str]) -> str:
    way = 'transport = "api"'
    if "rest" in features:
        way = f'transport = "rest"\nfingerprint = "{0:064x}"'
    keys = [f'[routers.{name}]\nhost = "{name}.test"\n{way}']
    match kind_at(name, features):
        case "secrets":
            keys.append('entries = "ppp-secret"')
            if "lists" not in features:
                keys.append(f'suspend_profile = "{WALLED}"')
        case "users":
            keys.append('entries = "user-manager"\nrates = "lease"')
        case "ids":
            keys.append('identify_by = "option-82"')
    if rows_at(name, features) != name:
        keys.append(f'entries = "user-manager"\nuser_manager = "{HOLDER}"\nrates = "lease"')
    return "\n".join(keys)


def _brake() -> str:
    limits = f"router_services = {BRAKED}\nrouter_percent = 1\nsource_services = {BRAKED}"
    return f"[brake]\n{limits}\nsource_percent = 1"


def _defaults(features: Collection[str]) -> str:
    keys = ['password_file = "secret"', f'dhcp_server = "{SERVERS[0]}"']
    if "hands" in features:
        keys.append('reconcile = "auto"')
    if "lists" in features:
        keys.append(f'suspend_list = "{LISTED}"')
    if "plans" in features:
        keys.append(f'throttle = "{THROTTLE}"')
    if "plans" in features and "queues" in features:
        keys.append('rates = "queue"')
    return "\n".join(keys)
