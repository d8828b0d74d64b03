"""The inventory as frozen values: routers, sources, the installation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from worker.core.entry.brake import BrakeLimits
from worker.core.policy.address_pool import AddressPools
from worker.core.policy.policy import RouterPolicy
from worker.core.policy.setup_spec import SetupSpec
from worker.errors import RouterBlocked
from worker.inventory.alert_keys import AlertTarget, look_up
from worker.unsafe_settings import is_open_to_others

Transport = Literal["api-ssl", "api", "rest"]
Order = Literal["revisions", "times"]
Scope = Literal["publish", "override"]

CLI_SOURCE: Final = "urn:leasewire:cli"
OPERATOR_SCOPES: Final[frozenset[Scope]] = frozenset({"override"})
"""Events of the command line are an operator's: their source owns no service."""
DEFAULT_PORT: Final[Mapping[Transport, int]] = {"api-ssl": 8729, "api": 8728, "rest": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterConfig:
    """How to reach one router, how to recognise it, and what to manage there.

    Attributes:
        name: as events name it.
        host: host name or address.
        transport: `api-ssl`; `rest`, over HTTPS; or `api`, which is not encrypted.
        username: RouterOS user.
        password_env: variable with the password; else `password_file` is set.
        password_file: file with the password.
        fingerprint: SHA-256 of the DER certificate, 64 hex digits; None where a CA signed it.
        ca_file: certificates of the authority that signed the router's certificate.
        server_name: name in the certificate; None: `host`.
        radius_secret_file: file with the secret that it shares with its User Manager, for
            `routers setup`; None: people set RADIUS up.
        expect_identity: the `/system/identity` that it must have; None: any.
        expect_serial: its serial number or system id; None: any.
        behind: the router through which it is reached; None: no other of ours.
        unknown_devices: `alert` for dynamic leases without a service; `ignore` is for pools that
            serve others too.
        policy: what we manage there, and how.
        setup: what `routers setup` should create; None: people set it up.
    """

    name: str
    host: str
    port: int
    transport: Transport
    username: str
    password_env: str | None = None
    password_file: Path | None = None
    fingerprint: str | None = None
    ca_file: Path | None = None
    server_name: str | None = None
    radius_secret_file: Path | None = None
    expect_identity: str | None = None
    expect_serial: str | None = None
    behind: str | None = None
    unknown_devices: Literal["alert", "ignore"] = "alert"
    policy: RouterPolicy
    setup: SetupSpec | None = None
    _environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    _on_secret: Callable[[str], None] = field(default=lambda _: None, repr=False, compare=False)

    @property
    def pinned(self) -> bool:
        """Whether an impostor would be noticed, or the plain API was chosen, which cannot tell."""
        return self.transport == "api" or bool(self.fingerprint or self.ca_file)

    @property
    def is_exposed(self) -> bool:
        """Whether every user of this host may read its password file."""
        return self.password_file is not None and is_open_to_others(self.password_file)

    def password(self) -> SecretStr:
        """Look the password up.

        Raises:
            RouterBlocked: `credentials-missing`: the variable or file is missing or empty.
        """
        # any bytes make a password
        where, found = look_up(
            self.password_env, self.password_file, self._environ, "surrogateescape"
        )
        advice = f"Put the password of user {self.username} there"
        return SecretStr(self._checked(found.rstrip("\r\n"), where, advice))

    def radius_secret(self) -> str:
        """Look up the secret that the router shares with its User Manager; empty: none is named.

        Raises:
            RouterBlocked: `credentials-missing`: the file is missing or empty.
        """
        if self.radius_secret_file is None:
            return ""
        where, found = look_up(None, self.radius_secret_file, self._environ)
        advice = "Put the secret there that it shares with its User Manager"
        return self._checked(found.strip(), where, advice)

    def _checked(self, secret: str, where: str, advice: str) -> str:
        if not secret:
            problem = f"{where} is empty or cannot be read"
            raise RouterBlocked(self.name, "credentials-missing", problem, advice)
        self._on_secret(secret)
        return secret


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One publisher of events.

    Attributes:
        source: its URI, as in its events.
        order: `revisions` or `times`: what tells the newer of its events.
        unmanaged: registers that it does not know: its `service` blocks do not write them.
        scopes: `publish` may own services; `override` may change services of others, and those
            without an owner, in an operator's name.
        isolated: it sees only its own services, and not who owns others. One with `override`
            never is.
        services: patterns of ids, `acme-*`, that only it may use; empty: all that no other
            source has.
        routers: on which it may place services; empty: all.
    """

    source: str
    order: Order
    unmanaged: frozenset[str] = frozenset()
    scopes: frozenset[Scope] = frozenset({"publish"})
    isolated: bool = True
    services: tuple[str, ...] = ()
    routers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Inventory:
    """The content of `routers.toml`; routers and alert targets by name, sources by URI.

    `brake` is None where it is disabled; `pools` are those from which Leasewire assigns.
    """

    installation: str
    routers: Mapping[str, RouterConfig]
    sources: Mapping[str, SourceConfig]
    brake: BrakeLimits | None = None
    alerts: Mapping[str, AlertTarget] = field(default_factory=dict)
    pools: AddressPools = field(default_factory=AddressPools)

    @property
    def policies(self) -> dict[str, RouterPolicy]:
        """Name of a router -> its policy."""
        return {name: router.policy for name, router in self.routers.items()}

    @property
    def behind(self) -> dict[str, str]:
        """Name of a router -> the one through which it is reached; without loops."""
        return {name: router.behind for name, router in self.routers.items() if router.behind}

    @property
    def ignoring(self) -> frozenset[str]:
        """The routers whose unknown devices make no alerts."""
        return frozenset(
            name for name, router in self.routers.items() if router.unknown_devices == "ignore"
        )
