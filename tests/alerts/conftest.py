"""Routers, an inventory, a store and the command, as the tests of the command line have them."""

from tests.leasewire.conftest import edited, short_path, world

__all__ = ["edited", "short_path", "world"]
