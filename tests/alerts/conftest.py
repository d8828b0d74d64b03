"""Routers, an inventory, a store and the command, as the tests of the command line have them."""

from tests.leasewire.conftest import edited, leasewire, short_path, world

__all__ = ["edited", "leasewire", "short_path", "world"]
