"""What a source says of all its services at once: which there are."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.envelope import Attributes
from contracts.service import Part
from contracts.values import RouterName, ServiceId, Time

MOST_SERVICES = 500
"""Of one part."""

_PartNumber = Annotated[int, Field(strict=True, ge=1, le=10_000)]


class Listed(Part):
    """One service that there is."""

    service_id: ServiceId
    status: Literal["active", "suspended"] | None = None


class Scope(Part):
    """Of which services a manifest is all; without routers, of all that the source owns."""

    routers: tuple[RouterName, ...] | None = None


class ManifestData(Part):
    """Of `Manifest`. Nothing happens before all its parts are there.

    All parts carry one `taken_at`, `parts`, `scope` and `missing`. A list that is made anew has a
    `taken_at` of its own: parts of two lists are never joined.
    """

    manifest_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
    part: _PartNumber
    parts: _PartNumber
    taken_at: Annotated[
        Time,
        Field(
            description="The same in all parts. What changed after it, or in the 5 minutes before, "
            "as clocks may differ, is left alone."
        ),
    ]
    scope: Scope = Scope()
    missing: Annotated[
        Literal["report", "suspend", "cancel"],
        Field(description="What becomes of services that it does not list."),
    ] = "report"
    services: Annotated[tuple[Listed, ...], Field(max_length=MOST_SERVICES)]

    @model_validator(mode="after")
    def _part_of_parts(self) -> Self:
        if self.part > self.parts:
            raise PydanticCustomError("out-of-range", "has a part beyond its parts; mend the count")
        return self


class Manifest(Attributes):
    """The services that exist in a scope: it closes a resync, and finds those that are missing."""

    type: Literal["leasewire.inventory.manifest.v1"]
    data: ManifestData
