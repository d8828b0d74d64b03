"""Everything that can be set from outside: the only reader of the environment.

Each setting is the variable `LEASEWIRE_<NAME>` (`connect_timeout_s` is
`LEASEWIRE_CONNECT_TIMEOUT_S`); an empty variable counts as not set.
"""

import difflib
import ipaddress
import os
import ssl
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from contracts.broker import RedisLogin
from worker.errors import ConfigurationError

PREFIX: Final = "LEASEWIRE_"

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=100_000)]


def environment() -> Mapping[str, str]:
    """The variables of this process."""
    return os.environ


def is_open_to_others(file: Path) -> bool:
    """Whether every user of this host may read a file that holds a secret."""
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:  # whoever needs it says so
        return False


def _is_here(host: str | None) -> bool:
    try:
        return host in (None, "localhost") or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class Settings(BaseModel):
    """What this process works with. Times in seconds; every default has its reason beside it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True
    )

    redis_url: str = "redis://127.0.0.1:6379/0"
    """`redis://`, `rediss://` or `unix://`. Loopback: what is not asked for is not exposed."""
    redis_username: str | None = None
    """ACL user; None is Redis's own default user."""
    redis_password_file: Path | None = None
    """File with the password: neither in a URL nor in a variable, which tools print."""
    redis_ca_file: Path | None = None
    """PEM file of the authority behind a `rediss://` server; None: those the system trusts."""
    redis_trusted_network: bool = False
    """Nobody else hears the way to a `redis://` server, such as an internal network of containers:
    no start warns of the password on it."""
    key_prefix: str = Field("lw:", pattern=r"^[A-Za-z0-9:_-]{0,64}$")
    """First part of every key, so that one Redis can serve several installations."""
    inventory: Path = Path("routers.toml")
    """The routers and their policies; relative to the working directory."""
    actor: str | None = None
    """Who is named for what people do by the command, where `--actor` does not say."""

    connect_timeout_s: Seconds = 3
    """Name look-up, TCP and TLS together: a silent router must not hold a slot for long."""
    first_reply_timeout_s: Seconds = 5
    """Login and identity: more than slow boards need, little beside the time a slot is worth."""
    router_lock_s: Seconds = 30
    """The timed lock on a router: how long a router waits after its worker was killed."""
    command_timeout_s: Seconds = 10
    """Longest silence after a command: writes of 1.5 s were seen on slow boards. A router that
    takes none in time is given twice as long for each, up to half of the lock."""
    read_timeout_s: Seconds = 120
    """A whole table in one answer: 3,000 rows took 2.7 s on a small router."""
    write_window: int = Field(64, ge=1, le=1024)
    """Writes in flight on a connection: fills 5 ms round trips without flooding small boards."""
    read_terms_per_print: int = Field(1024, ge=1, le=10_000)
    """Conditions of one query: a sentence stays in the tens of kilobytes."""
    idle_session_s: float = Field(60, ge=0, le=86_400, allow_inf_nan=False)
    """How long a session without work is kept: a login for each event floods the router's log."""

    pass_time_box_s: Seconds = 20
    """A pass ends then and rings again, so that no router holds a slot for ever."""
    batch_services: Count = 500
    """Services of one read-plan-write round: memory and the lease stay bounded."""
    backoff_first_s: Seconds = 1
    """Wait after the first failure of a router; doubles, with full jitter."""
    backoff_cap_s: Seconds = 300
    """Longest wait: a router that is back is found within five minutes."""
    blocked_retry_s: Seconds = 300
    """Between looks at a router that refuses us: a person acts meanwhile."""
    router_recheck_s: Seconds = 60
    """Until a service is looked at again that waits for what a person does on the router."""
    report_every_s: Seconds = 3_600
    """Between two full reads of a router that say what was changed there by hand."""
    alerts_every_s: Seconds = 5
    """Between two rounds of telling people of alerts: what begins meanwhile is one message."""
    device_online_every_s: Seconds = 5
    """Between two rounds of looking which devices have the address that was applied for them."""
    watch_every_s: Seconds = 20
    """Between two looks at a router's leases. An unknown device is told within a minute: this, 15 s
    until it counts, a few until a round of telling, and 10 that a silent router may hold it up."""
    waiting_alert_s: Seconds = 3_600
    """A service that waits so long is told of, once: most waits end by themselves before."""
    journal_grace_s: Seconds = 2
    """An event that waited longer in the journal is rung for again by the sweep."""
    worker_silent_s: Seconds = 8
    """A worker with work and a free slot that begins no task for so long ends itself, to be
    started anew: longer than Celery needs to find a Redis that was restarted."""
    router_threads: Count = 256
    """Routers in work at once in one process: more than can be slow or fall silent together."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto`: columns on a terminal, else one JSON object a line."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Below INFO the libraries speak too."""
    mask_macs: bool = True
    """MAC addresses are personal data: logs keep the maker's part and a keyed hash."""
    mac_mask_key_file: Path | None = None
    """Key of that hash. None: random, so hashes agree only within one run of one process."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("redis_url")
    @classmethod
    def _url_without_password(cls, value: str) -> str:
        try:
            url = urlsplit(value)
            url.port  # noqa: B018 - reading it checks it
        except ValueError:
            raise ValueError("is no URL: write redis://HOST:PORT/0 or unix:///PATH") from None
        if url.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must start with redis://, rediss:// or unix://")
        if url.password or url.username or {"password", "username"} & set(parse_qs(url.query)):
            raise ValueError(
                "must hold no user and no password: name the file of the password in "
                f"{PREFIX}REDIS_PASSWORD_FILE and the user in {PREFIX}REDIS_USERNAME"
            )
        return value

    @field_validator("redis_password_file", "mac_mask_key_file")
    @classmethod
    def _readable_secret(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                if not value.read_bytes().strip():
                    raise ValueError(f"names {value}, which is empty")
            except OSError as error:
                raise ValueError(
                    f"names {value}, which cannot be read: {error.strerror}"
                ) from error
        return value

    @field_validator("redis_ca_file")
    @classmethod
    def _an_authority(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        if not info.data.get("redis_url", "rediss:").startswith("rediss:"):
            raise ValueError(f"speaks of TLS, so {PREFIX}REDIS_URL must start with rediss://")
        try:
            ssl.create_default_context(cafile=value)
        except OSError as error:  # what `ssl` says of a broken file is one too
            raise ValueError(f"names {value}, which is no PEM file of certificates") from error
        return value

    @field_validator("command_timeout_s")
    @classmethod
    def _fits_the_lease(cls, value: float, info: ValidationInfo) -> float:
        lease_s = info.data.get("router_lock_s")
        if lease_s is not None and value * 2 > lease_s:
            raise ValueError(
                f"must be at most half of {PREFIX}ROUTER_LOCK_S ({lease_s:g}): a write must end "
                "while the router is still ours"
            )
        return value

    @field_validator("backoff_cap_s")
    @classmethod
    def _not_under_the_first(cls, value: float, info: ValidationInfo) -> float:
        first_s = info.data.get("backoff_first_s")
        if first_s is not None and value < first_s:
            raise ValueError(f"must not be under {PREFIX}BACKOFF_FIRST_S ({first_s:g})")
        return value

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Build the settings from variables.

        Args:
            environ: as `environment()` gives them; those that are not ours are ignored.

        Raises:
            ConfigurationError: with every mistake, a line each. A variable that is almost one of
                ours is a mistake too; no line holds a value.
        """
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environ.items()
            if name.startswith(PREFIX) and value
        }
        known: dict[str, Any] = {k: v for k, v in given.items() if k in cls.model_fields}
        problems = []
        for name in sorted(given.keys() - known.keys()):
            near = difflib.get_close_matches(name, cls.model_fields, n=1, cutoff=0.8)
            if near:
                problems.append(
                    f"{PREFIX}{name.upper()}: is no setting; did you mean "
                    f"{PREFIX}{near[0].upper()}?"
                )
        try:
            settings = cls(**known)
        except ValidationError as error:
            for found in error.errors():
                variable = f"{PREFIX}{str(found['loc'][0]).upper()}"
                problems.append(f"{variable}: {found['msg'].removeprefix('Value error, ')}")
            raise ConfigurationError(problems) from None
        if problems:
            raise ConfigurationError(problems)
        return settings

    @property
    def doubts(self) -> list[str]:
        """What is unsafe about the way to Redis, though it works; a line each, no secret."""
        found = []
        url, file = urlsplit(self.redis_url), self.redis_password_file
        bare = url.scheme == "redis" and not _is_here(url.hostname)
        if file and bare and not self.redis_trusted_network:
            found.append(
                f"{PREFIX}REDIS_URL: the password goes to {url.hostname} unencrypted; use "
                f"rediss://, or {PREFIX}REDIS_TRUSTED_NETWORK=true where nobody else is on the way"
            )
        if parse_qs(url.query).get("ssl_cert_reqs", ["required"]) != ["required"]:
            found.append(
                f"{PREFIX}REDIS_URL: ssl_cert_reqs switches off that Redis's certificate is "
                f"verified; leave it out, and name its authority in {PREFIX}REDIS_CA_FILE"
            )
        if file and is_open_to_others(file):
            found.append(f"{PREFIX}REDIS_PASSWORD_FILE: every user may read {file}; chmod o= it")
        return found

    @property
    def redis_password(self) -> SecretStr | None:
        """The password in `redis_password_file`, read anew at each look."""
        file = self.redis_password_file
        return SecretStr(file.read_text().strip()) if file else None

    @property
    def redis_login(self) -> RedisLogin:
        """What connecting to `redis_url` needs besides; holds the password as it is."""
        password = self.redis_password
        return RedisLogin(
            username=self.redis_username,
            password=password.get_secret_value() if password else None,
            ca_file=str(self.redis_ca_file) if self.redis_ca_file else None,
        )

    def refusal(self, message: str, advice: str, origin: str = f"{PREFIX}REDIS_URL") -> list[str]:
        """What to tell a person when Redis refuses us, a line each; no secret.

        Args:
            message: Redis's own.
            advice: what to do.
            origin: where `redis_url` was taken from.
        """
        user, file = self.redis_username, self.redis_password_file
        names = f"{PREFIX}REDIS_USERNAME", f"{PREFIX}REDIS_PASSWORD_FILE"
        who = f"user {user} ({names[0]})" if user else f"the default user ({names[0]} is not set)"
        how = (
            f"the password in {file} ({names[1]})"
            if file
            else f"no password ({names[1]} is not set)"
        )
        return [
            f"Redis at {self.redis_url} ({origin}) refuses us: {message}",
            f"We log in as {who} with {how}.",
            f"What to do: {advice}.",
        ]

    @property
    def mac_mask_key(self) -> bytes | None:
        """The key in `mac_mask_key_file`."""
        file = self.mac_mask_key_file
        return file.read_bytes().strip() if file else None

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """The effective settings for the log of a start; secrets are named by their file only."""
        return self.model_dump(mode="json")
