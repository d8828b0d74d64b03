"""Reads `routers.toml` and reports every mistake in it at once."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails

from contracts.values import Code, RouterName
from worker.core.entry.brake import BrakeLimits
from worker.core.service.writes import UNMANAGEABLE
from worker.core.texts import did_you_mean
from worker.errors import ConfigurationError
from worker.inventory.alert_keys import AlertKeys
from worker.inventory.config import (
    CLI_SOURCE,
    DEFAULT_PORT,
    OPERATOR_SCOPES,
    Inventory,
    Order,
    RouterConfig,
    Scope,
    SourceConfig,
    Transport,
)
from worker.inventory.policy_keys import PlanKeys, PolicyKeys, Text, TomlTable, problems_of_policy
from worker.inventory.pool_keys import PoolKeys, pools_of, problems_between_pools
from worker.inventory.row_routers import no_router, problems_between_policies
from worker.inventory.setup_keys import SetupKeys
from worker.settings import environment


def load_inventory(
    path: Path,
    *,
    allow_unpinned: bool = False,
    environ: Mapping[str, str] | None = None,
    on_secret: Callable[[str], None] = lambda _: None,
) -> Inventory:
    """Read the inventory.

    Args:
        path: the TOML file; files named in it are relative to its folder.
        allow_unpinned: accept routers without fingerprint or ca_file, so that `routers check` can
            show the fingerprint; a session with one is still refused. One with a `setup` is always
            accepted: it has no certificate before the set-up, and must not stop the others.
        environ: where passwords are looked up; None is the environment of this process.
        on_secret: called with each password, so that logs can mask it.

    Raises:
        ConfigurationError: with every mistake on its own line: file, key, problem, remedy.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        problem = f"{path}: there is no such file: `leasewire init` writes a first inventory; "
        raise ConfigurationError([f"{problem}LEASEWIRE_INVENTORY names another"]) from error
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise ConfigurationError([f"{path}: is not valid TOML: {error}"]) from None
    own = content.get("routers", {})
    defaults = content.get("defaults", {})
    if isinstance(own, dict) and isinstance(defaults, dict):
        content["routers"] = {name: _with_defaults(keys, defaults) for name, keys in own.items()}
    else:
        own = {}
    problems = list(
        _problems_between_keys(content, own, path.parent, pin_needed=not allow_unpinned)
    )
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        problems += [_line(found, own) for found in error.errors(include_input=False)]
        file = None
    pools = pools_of(file.pools if file else {})
    if file is not None:
        policies = {
            name: router.policy(file.installation.id, file.plans)
            for name, router in file.routers.items()
        }
        problems += problems_between_pools(pools, policies)
    if problems or file is None:
        raise ConfigurationError([f"{path}: {line}" for line in dict.fromkeys(problems)])

    environ = environment() if environ is None else environ

    def config(name: str, router: _Router) -> RouterConfig:
        keys: dict[str, Any] = {key: getattr(router, key) for key in _Router.__annotations__}
        for key in ("password_file", "ca_file", "radius_secret_file"):
            keys[key] = path.parent / keys[key] if keys[key] else None
        keys["port"] = router.port or DEFAULT_PORT[router.transport]
        keys["setup"] = router.setup.spec() if router.setup else None
        policy = policies[name]
        return RouterConfig(
            name=name, policy=policy, **keys, _environ=environ, _on_secret=on_secret
        )

    return Inventory(
        installation=file.installation.id,
        routers={name: config(name, router) for name, router in file.routers.items()},
        sources={
            CLI_SOURCE: SourceConfig(CLI_SOURCE, "times", scopes=OPERATOR_SCOPES),
            **{name: _source(name, source) for name, source in file.sources.items()},
        },
        brake=file.brake.limits(),
        pools=pools,
        alerts={
            name: keys.target(name, path.parent, environ, on_secret)
            for name, keys in file.alerts.items()
        },
    )


def _source(name: str, source: "_Source") -> SourceConfig:
    usual: frozenset[Scope] = OPERATOR_SCOPES if name == CLI_SOURCE else frozenset({"publish"})
    scopes = usual if source.scopes is None else frozenset(source.scopes)
    return SourceConfig(
        name,
        source.order,
        frozenset(source.unmanaged),
        scopes,
        source.isolated,
        tuple(source.services),
        frozenset(source.routers),
    )


_SHA256_DIGITS: Final = 64
_RIVALS: Final = (("password_env", "password_file"), ("fingerprint", "ca_file"))
"""A router has one key of each pair; its own replaces the other one of the defaults."""


_OWN: Final = frozenset({"host", "behind", "user_manager"})
"""Keys that cannot be the same for all routers."""


class _Installation(TomlTable):
    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]


def _known_register(name: str) -> str:
    if name not in UNMANAGEABLE:
        raise ValueError(f"must be of {', '.join(sorted(UNMANAGEABLE))}")
    return name


class _Source(TomlTable):
    order: Order
    unmanaged: list[Annotated[str, AfterValidator(_known_register)]] = Field(default_factory=list)
    scopes: Annotated[list[Scope], Field(min_length=1)] | None = None
    isolated: bool = True
    services: list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:*-]{1,64}$")]] = Field(
        default_factory=list
    )
    routers: list[RouterName] = Field(default_factory=list)


class _Router(PolicyKeys):
    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:%-]{1,255}$")]
    transport: Transport = "api-ssl"
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    username: Text = "leasewire"
    password_env: Text | None = None
    password_file: Text | None = None
    fingerprint: Text | None = None
    ca_file: Text | None = None
    server_name: Text | None = None
    radius_secret_file: Text | None = None
    expect_identity: Text | None = None
    expect_serial: Text | None = None
    behind: RouterName | None = None
    unknown_devices: Literal["alert", "ignore"] = "alert"
    setup: SetupKeys | None = None

    @field_validator("fingerprint")
    @classmethod
    def _sha256(cls, value: str) -> str:
        digits = value.replace(":", "").lower()
        if len(digits) != _SHA256_DIGITS or set(digits) - set("0123456789abcdef"):
            raise ValueError("must be a SHA-256: 64 hex digits, with or without colons")
        return digits


_USUAL: Final = BrakeLimits()


class _Brake(TomlTable):
    """`[brake]`; see `worker.core.entry.brake.BrakeLimits`."""

    enabled: bool = True
    router_services: Annotated[int, Field(ge=0)] = _USUAL.router_services
    router_percent: Annotated[float, Field(ge=0, le=100)] = _USUAL.router_percent
    source_services: Annotated[int, Field(ge=0)] = _USUAL.source_services
    source_percent: Annotated[float, Field(ge=0, le=100)] = _USUAL.source_percent
    source_suspensions: Annotated[int, Field(ge=1)] = _USUAL.source_suspensions

    def limits(self) -> BrakeLimits | None:
        return BrakeLimits(**self.model_dump(exclude={"enabled"})) if self.enabled else None


class _File(TomlTable):
    installation: _Installation
    defaults: dict[str, Any] = Field(default_factory=dict)
    routers: dict[RouterName, _Router] = Field(default_factory=dict)
    sources: dict[Text, _Source] = Field(default_factory=dict)
    plans: dict[Code, PlanKeys] = Field(default_factory=dict)
    brake: _Brake = Field(default_factory=_Brake)
    pools: dict[Code, PoolKeys] = Field(default_factory=dict)
    alerts: dict[Code, AlertKeys] = Field(default_factory=dict)


def _with_defaults(router: object, defaults: Mapping[str, object]) -> object:
    if not isinstance(router, dict):
        return router
    replaced = {a for pair in _RIVALS for a, b in (pair, pair[::-1]) if b in router}
    inherited = {k: v for k, v in defaults.items() if k not in replaced | _OWN}
    return inherited | router


def _problems_between_keys(
    content: Mapping[str, Any], own: Mapping[str, Any], folder: Path, *, pin_needed: bool
) -> Iterator[str]:
    """Yield the problems between keys, from raw values, so that all are reported together."""
    defaults = content.get("defaults", {})
    for key in sorted(_OWN & defaults.keys()) if isinstance(defaults, dict) else ():
        yield f"defaults.{key}: set this for each router"
    at: dict[tuple[object, object], str] = {}
    for name, keys in own.items():
        if isinstance(keys, dict):
            merged = content["routers"][name]
            for message in _problems_of_router(keys, merged, folder, pin_needed=pin_needed):
                yield f"routers.{name}{message}".replace("NAME", name)
            port = merged.get("port", DEFAULT_PORT.get(merged.get("transport", "api-ssl")))
            first = at.setdefault((merged.get("host"), port), name)
            if first != name:
                yield f"routers.{name}.host: has host and port of {first}; list each router once"
    yield from _problems_of_ways(own)
    yield from problems_between_policies(own, content.get("routers", {}))


def _problems_of_ways(own: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems of `behind`: it must name another router and make no loop."""
    behind = {
        name: keys["behind"]
        for name, keys in own.items()
        if isinstance(keys, dict) and isinstance(keys.get("behind"), str)
    }
    for name, other in behind.items():
        where = f"routers.{name}.behind"
        if other == name:
            yield f"{where}: names the router itself; name the one through which it is reached"
        elif other not in own:
            yield f"{where}: {no_router(other, own)}"
        else:
            way = [name]
            while (other := behind.get(way[-1], "")) and other not in way:
                way.append(other)
            if other == name == min(way):  # report each loop once
                loop = " behind ".join([*way, name])
                yield f"{where}: makes a loop: {loop}; remove it from the router nearest to you"


def _problems_of_router(
    own: Mapping[str, Any], merged: Mapping[str, Any], folder: Path, *, pin_needed: bool
) -> Iterator[str]:
    for one, other in _RIVALS:
        if one in own and other in own:
            yield f".{one}: conflicts with {other}; keep one of them"
    if not {"password_env", "password_file", "password"} & merged.keys():
        yield ": has no password; set password_env or password_file"
    certificate_keys = {"fingerprint", "ca_file"}
    if merged.get("transport", "api-ssl") == "api":
        if certificate_keys & own.keys():
            yield ": has fingerprint or ca_file, but transport api has no certificate"
    elif pin_needed and "setup" not in merged and not certificate_keys & merged.keys():
        yield (
            ": has neither fingerprint nor ca_file, so an impostor would not be noticed; run "
            "`leasewire routers check NAME`, compare the fingerprint with the router's and set it"
        )
    yield from problems_of_policy(merged)
    ca_file = merged.get("ca_file")
    if isinstance(ca_file, str) and not (folder / ca_file).is_file():
        yield f".ca_file: there is no file {folder / ca_file}"


def _line(found: ErrorDetails, own: Mapping[str, Any]) -> str:
    """Describe one problem, at the key where it was written."""
    location = [str(part) for part in found["loc"] if part != "[key]"]
    match location:
        case ["routers", name, key, *rest] if found["type"] != "missing" and key not in own.get(
            name, {}
        ):
            location = ["defaults", key, *rest]
    where, key = ".".join(location), location[-1]
    known: dict[str, type[TomlTable]] = {
        "routers": _Router,
        "defaults": _Router,
        "sources": _Source,
        "installation": _Installation,
        "plans": PlanKeys,
        "brake": _Brake,
        "pools": PoolKeys,
        "alerts": AlertKeys,
    }
    if found["type"] == "extra_forbidden":
        if key == "password":
            return f"{where}: must not be in this file; set password_env or password_file"
        table = known[location[0]] if len(location) > 1 else _File
        hint = did_you_mean(key, table.model_fields)
        return f"{where}: unknown key" + (f"; {hint}" if hint else "")
    if found["type"] == "missing":
        return f"{where}: is missing"
    if found["type"] == "string_type":
        return f"{where}: must be text, in quotes"
    if found["type"] == "string_pattern_mismatch":
        return f"{where}: must match {found['ctx']['pattern']}"
    return f"{where}: {found['msg'].removeprefix('Value error, ')}"
