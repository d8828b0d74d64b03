"""The tables of `hooks.toml`."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from contracts.values import AssignedPoolName, RouterName
from producers.endpoints import safe_url

EventName = Literal[
    "activated",
    "snapshot",
    "mac_changed",
    "device_swapped",
    "address_changed",
    "plan_changed",
    "moved",
    "suspended",
    "resumed",
    "cancelled",
    "ignored",
]
Status = Literal["active", "suspended", "cancelled", "ignored"]
_UISP: Final[dict[str, Status]] = {
    "0": "ignored",  # prepared, a quote
    "1": "active",
    "2": "cancelled",
    "3": "suspended",
}
_SPLYNX: Final[dict[str, Status]] = {
    "active": "active",
    "blocked": "suspended",
    "stopped": "suspended",
    "pending": "ignored",
}


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Secret(_Table):
    """The variable or the file that holds a secret."""

    env: str | None = None
    file: str | None = None


class Signature(_Table):
    """How the sender signs."""

    scheme: Literal["hmac", "standard-webhooks", "token"] = "hmac"
    header: str = "X-Signature"
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    secret: Secret


_Attribute = Literal[
    "mac",
    "ipv4",
    "pool",
    "router",
    "dhcp_server",
    "serial",
    "assigned_pool",
    "ipv6_prefix",
    "assigned_ipv6_pool",
    "ipv6_address",
    "duid",
    "iaid",
]


class Api(_Table):
    """The vendor's API. `secret` is its key; Splynx also has a `key`."""

    url: Annotated[
        str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$"), AfterValidator(safe_url)
    ]
    secret: Secret
    key: str = ""
    ca_file: str | None = None
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 10


class _Hook(_Table):
    source: str
    rate: Annotated[float, Field(gt=0)] = 50
    # People save a service several times while they edit it.
    coalesce_s: Annotated[float, Field(ge=0, le=60)] = 2
    service_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{0,32}$")] = ""
    routers: dict[str, RouterName] = Field(default_factory=dict)
    router: RouterName | None = None
    dhcp_server: str | None = None
    path_secret: Secret | None = None


class _Vendor(_Hook):
    """Its API gives services. Those without an address get one of a pool of ours, if it is set."""

    assigned_pool: AssignedPoolName | None = None
    assigned_ipv6_pool: AssignedPoolName | None = None

    def with_pools(self, fields: dict[str, object]) -> dict[str, object]:
        """Return the flat fields of a service with the pools of what the vendor does not give."""
        if self.assigned_pool and not fields.keys() & {"ipv4", "pool", "assigned_pool"}:
            fields = fields | {"assigned_pool": self.assigned_pool}
        if self.assigned_ipv6_pool and not fields.keys() & {"ipv6_prefix", "assigned_ipv6_pool"}:
            fields = fields | {"assigned_ipv6_pool": self.assigned_ipv6_pool}
        return fields


class Uisp(_Vendor):
    """UISP: not signed; each webhook is read back by its uuid."""

    adapter: Literal["uisp"]
    api: Api
    attributes: dict[_Attribute, int | str]
    statuses: dict[str, Status] = _UISP


class Splynx(_Vendor):
    """Splynx: signed; the service is read at the vendor."""

    adapter: Literal["splynx"]
    api: Api
    signature: Signature
    models: Annotated[list[str], Field(min_length=1)]
    pools: dict[str, str] = Field(default_factory=dict)
    statuses: dict[str, Status] = _SPLYNX


class Generic(_Hook):
    """Any other BSS: the body is mapped to an event, nothing is read at the vendor."""

    adapter: Literal["generic"]
    signature: Signature | None = None
    success: Literal[200, 201, 202, 204] = 200
    fields: dict[str, str]
    events: dict[str, EventName]
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    constants: dict[str, str] = Field(default_factory=dict)


Settings = Uisp | Splynx | Generic
SETTINGS: Final[TypeAdapter[Settings]] = TypeAdapter(
    Annotated[Settings, Field(discriminator="adapter")]
)
