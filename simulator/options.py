"""Options of a simulated router, for the command line and for tests."""

from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class RouterOptions:
    """One router.

    Attributes:
        version: RouterOS version.
        user: name of the one administrator.
        password: the administrator's.
        identity: `/system/identity` name.
        serial: `/system/routerboard` serial-number; None makes one up.
        board: model name, or `chr` for the virtual router, which has no routerboard menu.
        listen: address to listen on.
        own_addresses: whether each of several routers has an address of its own, counting
            up from `listen`, instead of ports that count up.
        api_port: 0 takes a free one, None serves no plain API.
        api_ssl_port: the same for the API over TLS.
        rest_port: the same for REST over HTTPS (version 7).
        rest_http_port: the same for REST over HTTP (since 7.9).
        certificate: PEM file with certificate and key, made there on first start; None for
            one that is made at each start; `none` for anonymous Diffie-Hellman.
        seed_guide: whether the founding situation's DHCP server is there at start.
        with_mac_server: whether `/ip/mac-server` is there (no RouterOS has it).
        dhcp: interface of this machine that DHCP is answered on, `veth0`, or with the
            router's interface that it is plugged into, `veth0=vlan-32`; empty is none.
        dhcp6: the same for DHCPv6.
        forward: interfaces of this machine between which traffic is forwarded, with the router's
            interfaces that they are plugged into, `veth0=vlan-32,veth1=ether1`; empty is none.
        cable: two of its ports that a cable joins, `ether4=ether5`; empty is none.
        seed: of all that is random in this router.
        switches: what no source decides, by name (see `faults.Switches`).
        faults: what goes wrong from the start, by name (see `faults.Faults`).
    """

    version: str = "7.18.2"
    user: str = "leasewire"
    password: str = field(default="", repr=False)
    identity: str = "MikroTik"
    serial: str | None = None
    board: str = "RB5009UG+S+"
    listen: str = LOOPBACK
    own_addresses: bool = False
    api_port: int | None = 0
    api_ssl_port: int | None = 0
    rest_port: int | None = None
    rest_http_port: int | None = None
    certificate: str | None = None
    seed_guide: bool = False
    with_mac_server: bool = False
    dhcp: str = ""
    dhcp6: str = ""
    forward: str = ""
    cable: str = ""
    seed: int = 0
    switches: dict[str, object] = field(default_factory=dict)
    faults: dict[str, object] = field(default_factory=dict)
