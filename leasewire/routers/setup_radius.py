"""The part of `leasewire routers setup` for RADIUS: who secret whose User Manager."""

from dataclasses import replace
from ipaddress import ip_address

from leasewire.answer import bad_input
from worker.core.policy.setup_spec import RadiusPeer, RouterAccess
from worker.inventory import Inventory, RouterConfig


def with_radius(inventory: Inventory, config: RouterConfig, access: RouterAccess) -> RouterAccess:
    """Add whom the router asks over RADIUS, or who asks it, where a secret is named."""
    routers, holder = inventory.routers, config.policy.user_manager
    secret = config.radius_secret() if holder else ""
    asked_by = (
        RadiusPeer(name, _address_of(other), other.radius_secret())
        for name, other in routers.items()
        if other.policy.user_manager == config.name and other.radius_secret_file
    )
    return replace(
        access,
        user_manager=RadiusPeer(holder, _address_of(routers[holder]), secret) if secret else None,
        asked_by=tuple(asked_by),
    )


def _address_of(config: RouterConfig) -> str:
    try:
        return str(ip_address(config.host))
    except ValueError:
        bad_input(f"routers.{config.name}.host: must be an address: RADIUS is set up with it")
