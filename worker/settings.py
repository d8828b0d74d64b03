"""All settings, read from environment variables. No other module reads the environment.

Each setting is the variable `LEASEWIRE_<NAME>`: `connect_timeout_s` is
`LEASEWIRE_CONNECT_TIMEOUT_S`. An empty variable counts as not set.
"""

import difflib
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import parse_qs

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from contracts.broker import RedisLogin, sentinel_place, split_url
from contracts.sealing import Sealer, SealError
from worker.errors import ConfigurationError

PREFIX: Final = "LEASEWIRE_"

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=100_000)]


def environment() -> Mapping[str, str]:
    """Return the environment variables of this process."""
    return os.environ


class Settings(BaseModel):
    """The settings of a process. Times are in seconds."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True
    )

    redis_url: str = "redis://127.0.0.1:6379/0"
    """Redis as `redis://`, `rediss://` or `unix://`, without user and password; or where Sentinel
    watches it `sentinel://HOST:PORT,HOST:PORT,HOST:PORT/NAME/0`, with TLS `sentinels://…`."""
    redis_username: str | None = None
    """Redis ACL user; not set: Redis's default user."""
    redis_password_file: Path | None = None
    """File with the Redis password. It is never in a URL or variable, because tools print those."""
    redis_ca_file: Path | None = None
    """PEM file with the certificate authority of a `rediss://` or `sentinels://` server; not set:
    the system's."""
    redis_sentinel_username: str | None = None
    """ACL user of the Sentinels, if they want a login; not set: their default user."""
    redis_sentinel_password_file: Path | None = None
    """File with the password of the Sentinels; not set: they want none."""
    redis_min_replicas: int = Field(0, ge=0, le=10)
    """An event counts as published once so many replicas of Redis have it too: with 1, no event is
    lost with one machine. Where they do not confirm it in a second it is published again. Workers
    write to a router only what so many replicas know: no row goes back at a failover."""
    redis_resend_s: float = Field(30, ge=0, le=600)
    """A publisher remembers accepted events for so long, and sends again by itself those that Redis
    lost at a failover or with its last writes; 0: none. At most 100,000 events, of 64 MB."""
    redis_trusted_network: bool = False
    """Nobody can listen on the network to a `redis://` server, such as an internal network of
    containers: do not warn that the password is sent unencrypted."""
    key_prefix: str = Field("lw:", pattern=r"^[A-Za-z0-9:_-]{0,64}$")
    """First part of every Redis key, so that several installations can share one Redis."""
    inventory: Path = Path("routers.toml")
    """File with the routers and their policies; relative to the working directory."""
    actor: str | None = None
    """Who is recorded for actions of the command line without `--actor`."""

    connect_timeout_s: Seconds = 3
    """Time limit for name look-up, TCP and TLS together. A silent router blocks a slot this
    long."""
    first_reply_timeout_s: Seconds = 5
    """Time limit for login and identity: more than slow boards need."""
    router_lock_s: Seconds = 30
    """Time limit of the router lock: a router waits this long after its worker was killed."""
    command_timeout_s: Seconds = 10
    """Longest wait for the answer to a command; slow boards took 1.5 s for a write. It is doubled
    for a router that answers no write in time, up to half of the router lock."""
    read_timeout_s: Seconds = 120
    """Time limit for reading a whole table: 3,000 rows took 2.7 s on a small router. Over REST at
    most a minute, after which RouterOS ends the request."""
    write_window: int = Field(64, ge=1, le=1024)
    """Writes in flight on a connection: enough for round trips of 5 ms, not too many for small
    boards."""
    read_terms_per_print: int = Field(1024, ge=1, le=10_000)
    """Conditions of one query: keeps an API sentence at tens of kilobytes."""
    idle_session_s: float = Field(60, ge=0, le=86_400, allow_inf_nan=False)
    """How long an idle session is kept: a login for each event would flood the router's log."""

    pass_time_box_s: Seconds = 20
    """A pass ends after this time and continues later, so that other routers get their turn."""
    batch_services: Count = 500
    """Services of one batch: limits memory, and the time between two renewals of the router
    lock."""
    backoff_first_s: Seconds = 1
    """Wait after the first failure of a router; it doubles each time, with full jitter."""
    backoff_cap_s: Seconds = 300
    """Longest wait after failures: a router that is back is found within this time."""
    blocked_retry_s: Seconds = 300
    """Time between two attempts at a blocked router, which needs a person."""
    router_recheck_s: Seconds = 60
    """Time until a service is checked again that waits for a change by hand on the router."""
    report_every_s: Seconds = 3_600
    """Time between two full reads of a router, which report what was changed there by hand."""
    alerts_every_s: Seconds = 5
    """Time between two rounds of notifications: alerts of one round are sent in one message."""
    effects_every_s: Seconds = 1
    """Time between two rounds of reads whether applied changes act; each reads 100 at most."""
    watch_every_s: Seconds = 20
    """Time between two reads of a router's leases. An unknown device is reported within a minute:
    this time, 15 s until it counts, some seconds until the next round of notifications, and 10 s
    that a silent router may cost."""
    waiting_alert_s: Seconds = 3_600
    """A service that waits longer opens an alert; most waits end by themselves before."""
    journal_grace_s: Seconds = 2
    """The sweep sends a new notification for events that waited longer in the journal."""
    worker_silent_s: Seconds = 8
    """A worker with messages in its queue and a free slot that starts no task for this time ends
    itself and is restarted. Celery needs less to reconnect to a restarted Redis."""
    router_threads: Count = 256
    """Routers that one process works on at the same time."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto`: columns on a terminal, otherwise one JSON object on each line."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """At DEBUG the libraries log too."""
    mask_macs: bool = True
    """Mask MAC addresses, which are personal data: logs keep the vendor part and a keyed hash."""
    mac_mask_key_file: Path | None = None
    """File with the key of that hash; not set: a random key for each run of each process."""
    secret_keys_file: Path | None = None
    """File with the keys that passwords in events are encrypted with, one on each line; the first
    encrypts, all decrypt. Make one with `openssl rand -hex 64`. Without it events with passwords
    are refused."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("redis_url")
    @classmethod
    def _url_without_password(cls, value: str) -> str:
        try:
            url = split_url(value)
            if not url.scheme.startswith("sentinel"):
                url.port  # noqa: B018 - reading it checks it
        except ValueError:
            raise ValueError("is not a URL: write redis://HOST:PORT/0 or unix:///PATH") from None
        if url.scheme not in {"redis", "rediss", "unix", "sentinel", "sentinels"}:
            raise ValueError(
                "must start with redis://, rediss://, unix://, sentinel:// or sentinels://"
            )
        if url.password or url.username or {"password", "username"} & set(parse_qs(url.query)):
            raise ValueError(
                "must not contain user or password: set the file with the password in "
                f"{PREFIX}REDIS_PASSWORD_FILE and the user in {PREFIX}REDIS_USERNAME"
            )
        sentinel_place(value)
        return value

    @field_validator("redis_password_file", "redis_sentinel_password_file", "mac_mask_key_file")
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

    @field_validator("secret_keys_file")
    @classmethod
    def _secret_keys(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                Sealer.from_text(value.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"names {value}, which cannot be read: {error}") from error
            except SealError as error:
                raise ValueError(f"names {value}: {error}") from None
        return value

    @field_validator("redis_ca_file")
    @classmethod
    def _an_authority(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        if not info.data.get("redis_url", "rediss:").startswith(("rediss:", "sentinels:")):
            raise ValueError(
                f"is about TLS, so {PREFIX}REDIS_URL must start with rediss:// or sentinels://"
            )
        try:
            ssl.create_default_context(cafile=value)
        except OSError as error:  # `ssl` raises one for a broken file too
            raise ValueError(f"names {value}, which is not a PEM file with certificates") from error
        return value

    @field_validator("command_timeout_s")
    @classmethod
    def _fits_the_lock(cls, value: float, info: ValidationInfo) -> float:
        lock_s = info.data.get("router_lock_s")
        if lock_s is not None and value * 2 > lock_s:
            raise ValueError(
                f"must be at most half of {PREFIX}ROUTER_LOCK_S ({lock_s:g}): a write must end "
                "before the lock expires"
            )
        return value

    @field_validator("backoff_cap_s")
    @classmethod
    def _not_under_the_first(cls, value: float, info: ValidationInfo) -> float:
        first_s = info.data.get("backoff_first_s")
        if first_s is not None and value < first_s:
            raise ValueError(f"must not be less than {PREFIX}BACKOFF_FIRST_S ({first_s:g})")
        return value

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Build the settings from environment variables; others are ignored.

        Raises:
            ConfigurationError: with one line for each mistake, and no values. A name that is almost
                that of a setting is a mistake too.
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
                    f"{PREFIX}{name.upper()}: is not a setting; did you mean "
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
    def redis_password(self) -> SecretStr | None:
        """The password in `redis_password_file`, read again at each access."""
        file = self.redis_password_file
        return SecretStr(file.read_text().strip()) if file else None

    @property
    def redis_login(self) -> RedisLogin:
        """User, password and authority for `redis_url`; the password is in clear."""
        password, sentinel_file = self.redis_password, self.redis_sentinel_password_file
        return RedisLogin(
            username=self.redis_username,
            password=password.get_secret_value() if password else None,
            ca_file=str(self.redis_ca_file) if self.redis_ca_file else None,
            sentinel_username=self.redis_sentinel_username,
            sentinel_password=sentinel_file.read_text().strip() if sentinel_file else None,
        )

    def refusal(self, message: str, advice: str, origin: str = f"{PREFIX}REDIS_URL") -> list[str]:
        """Describe for a person that Redis refuses us, in lines without secrets.

        `origin` is where `redis_url` was set.
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
    def sealer(self) -> Sealer | None:
        """Seals passwords with the keys in `secret_keys_file`, read again at each access."""
        file = self.secret_keys_file
        return Sealer.from_text(file.read_text(encoding="utf-8")) if file else None

    @property
    def mac_mask_key(self) -> bytes | None:
        """The key in `mac_mask_key_file`."""
        file = self.mac_mask_key_file
        return file.read_bytes().strip() if file else None

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """Return the settings that differ from their defaults; of secrets only the file names."""
        return self.model_dump(mode="json", exclude_defaults=True)
