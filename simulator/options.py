"""Options of a simulated router, for the command line and for tests."""

from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class RouterOptions:
    """One router."""

    version: str = "7.18.2"
    user: str = "leasewire"  # name of the one administrator
    password: str = field(default="", repr=False)
    identity: str = "MikroTik"
    serial: str | None = None  # None makes one up
    board: str = "RB5009UG+S+"  # `chr` is the virtual router, without a routerboard menu
    listen: str = LOOPBACK
    # each of several routers has an address of its own, counting up, in place of its own ports
    own_addresses: bool = False
    # of ports, 0 takes a free one, and None does not serve it
    api_port: int | None = 0
    api_ssl_port: int | None = 0
    rest_port: int | None = None  # over HTTPS (version 7)
    rest_http_port: int | None = None  # since 7.9
    # PEM file with certificate and key, made there on first start; None for one that is made at
    # each start; `none` for anonymous Diffie-Hellman
    certificate: str | None = None
    seed_guide: bool = False  # whether the founding situation's DHCP server is there at start
    with_mac_server: bool = False  # whether `/ip/mac-server` is there (no RouterOS has it)
    # interfaces of this machine, alone or with those of the router that they are plugged into:
    # `veth0=vlan-32,veth1=ether1`; empty is none
    dhcp: str = ""
    dhcp6: str = ""
    forward: str = ""
    cable: str = ""  # two of its ports that a cable joins, `ether4=ether5`
    seed: int = 0  # of all that is random in this router
    switches: dict[str, object] = field(default_factory=dict)  # see `faults.Switches`
    faults: dict[str, object] = field(default_factory=dict)  # see `faults.Faults`
