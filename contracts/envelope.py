"""Our profile of the CloudEvents 1.0 envelope, and what the data of every event has in common."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from contracts.service import Part, Service
from contracts.values import Code, CustomerId, Revision, ServiceId, Time

EventId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_:-]{1,128}$")]
"""Without full stop: signed webhooks join id, time and body with it."""

Source = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+$", max_length=256
    ),
]
"""An absolute URI or URN, such as `urn:isp:bss:example`."""

Reference = Annotated[str, Field(min_length=1, max_length=256)]


class Reason(Part):
    """Why the BSS said it: a word of an open list, and a note without personal data."""

    code: Code
    note: Annotated[str, Field(max_length=200)] | None = None


class Data(Part):
    """What every event says of one service."""

    service_id: ServiceId
    customer_id: CustomerId | None = None
    revision: Revision | None = None
    effective_at: Time | None = None
    reason: Reason | None = None
    service: Service | None = None


class Attributes(Part):
    """A CloudEvent without its data. Extension attributes that we do not know are accepted."""

    model_config = ConfigDict(extra="allow")

    specversion: Literal["1.0"]
    id: EventId
    source: Source
    type: str
    subject: Annotated[str, Field(description="service/<service_id>, or inventory/<manifest_id>")]
    time: Annotated[Time, Field(description="When it happened.")]
    datacontenttype: Literal["application/json"]
    dataschema: Annotated[Reference | None, Field(description="Never fetched.")] = None
    correlationid: Annotated[Reference | None, Field(description="Business transaction.")] = None
    causationid: Annotated[Reference | None, Field(description="Id of the causing event.")] = None
    recordedtime: Annotated[Time | None, Field(description="When the event was built.")] = None
    expirytime: Annotated[Time | None, Field(description="The event is dropped after it.")] = None
    traceparent: Reference | None = None
    asof: Annotated[
        Time | None,
        Field(
            description="Of a row of a file: when the file was true. Without a revision it is "
            "written only if nothing that came later was."
        ),
    ] = None


class Envelope(Attributes):
    """An event about one service."""

    data: Data

    @property
    def service_id(self) -> str:
        """The service that the event is about."""
        return self.data.service_id
