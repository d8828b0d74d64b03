"""The routers that we may touch, how to reach them and what to manage there: `routers.toml`."""

from worker.inventory.config import CLI_SOURCE, Inventory, RouterConfig, SourceConfig
from worker.inventory.file import load_inventory

__all__ = ["CLI_SOURCE", "Inventory", "RouterConfig", "SourceConfig", "load_inventory"]
