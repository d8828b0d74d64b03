"""Manifests: lists of all services of a source."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.envelope import Attributes
from contracts.service import Part
from contracts.values import RouterName, ServiceId, Time

MOST_SERVICES = 500
"""In one part."""

_PartNumber = Annotated[int, Field(strict=True, ge=1, le=10_000)]


class Listed(Part):
    """One service that exists."""

    service_id: ServiceId
    status: Literal["active", "suspended"] | None = None


class ManifestScope(Part):
    """What a manifest lists completely; without `routers`, all services of the source."""

    routers: tuple[RouterName, ...] | None = None


class ManifestData(Part):
    """Data of `Manifest`. It takes effect when all its parts have arrived.

    All parts have the same `taken_at`, `parts`, `scope` and `missing`. A new list needs a new
    `taken_at`: parts of two lists are never combined.
    """

    manifest_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
    part: _PartNumber
    parts: _PartNumber
    taken_at: Annotated[
        Time,
        Field(
            description="When the list was made; the same in all parts. Services that changed "
            "after it, or in the 5 minutes before (clocks may differ), are not affected."
        ),
    ]
    scope: ManifestScope = ManifestScope()
    missing: Annotated[
        Literal["report", "suspend", "cancel"],
        Field(description="What happens to services that are not listed."),
    ] = "report"
    services: Annotated[tuple[Listed, ...], Field(max_length=MOST_SERVICES)]

    @model_validator(mode="after")
    def _part_of_parts(self) -> Self:
        if self.part > self.parts:
            raise PydanticCustomError(
                "out-of-range", "has a part number greater than parts; correct the count"
            )
        return self


class Manifest(Attributes):
    """All services that exist in a scope. It ends a resync, and finds services that are missing."""

    type: Literal["leasewire.inventory.manifest.v1"]
    data: ManifestData
