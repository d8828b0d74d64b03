"""What a router's DHCP is set up with, as words of the API and back."""

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Final

from worker.core.entry.dhcp_setup import DhcpSetup
from worker.core.rows.rows import is_host_address
from worker.routeros.connection import Command, Reply

SETUP_PRINTS: Final[tuple[Command, ...]] = (
    ("/ip/dhcp-server/print", "=.proplist=name"),
    ("/ip/pool/print", "=.proplist=name"),
    ("/ip/dhcp-server/network/print", "=.proplist=address,gateway"),
    ("/ip/address/print", "=.proplist=address,interface,disabled"),
)


def setup_of(replies: Sequence[Reply]) -> DhcpSetup:
    """The answers to `SETUP_PRINTS`. What the router refuses to tell is not known."""
    servers, pools, networks, addresses = replies
    return DhcpSetup(
        _names(servers),
        _names(pools),
        tuple(_networks(networks)),
        _gateways(networks) | _own(addresses),
    )


def _names(reply: Reply) -> frozenset[str] | None:
    return None if reply.traps else frozenset(row.get("name", "") for row in reply.rows)


def _gateways(reply: Reply) -> dict[str, str]:
    return {
        gateway: f"the gateway of {row.get('address')}"
        for row in reply.rows
        for gateway in row.get("gateway", "").split(",")
        if is_host_address(gateway)
    }


def _own(reply: Reply) -> dict[str, str]:
    return {
        row.get("address", "").partition("/")[0]: f"the router's own address on {on}"
        for row in reply.rows
        for on in [row.get("interface", "an interface")]
        if row.get("disabled") != "true"
    }


def _networks(reply: Reply) -> list[IPv4Network]:
    found = []
    for row in reply.rows:
        try:
            found.append(IPv4Network(row.get("address", ""), strict=False))
        except ValueError:
            continue  # `0.0.0.0/0` aside, a form that no version is known to print
    return found
