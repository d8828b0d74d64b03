"""Our profile of the CloudEvents 1.0 envelope, and the common part of `data`."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from contracts.service import Part, Service
from contracts.values import Code, CustomerId, Revision, ServiceId, Time

EventId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_:-]{1,128}$")]
"""Without a full stop, which separates id, time and body in signed webhooks."""

Source = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+$", max_length=256
    ),
]
"""An absolute URI or URN, such as `urn:isp:bss:example`."""

Reference = Annotated[str, Field(min_length=1, max_length=256)]


MOST_NOTE: Final = 200
"""Characters of the note of a reason."""


class Reason(Part):
    """Why the BSS sent the event: a code from an open list, and a note without personal data."""

    code: Code
    note: Annotated[str, Field(max_length=MOST_NOTE)] | None = None


class Data(Part):
    """The part of `data` that all events about a service have."""

    service_id: ServiceId
    customer_id: CustomerId | None = None
    revision: Revision | None = None
    effective_at: Time | None = None
    reason: Reason | None = None
    service: Service | None = None


class Attributes(Part):
    """A CloudEvent without its data. Unknown extension attributes are accepted."""

    model_config = ConfigDict(extra="allow")

    specversion: Literal["1.0"]
    id: EventId
    source: Source
    type: str
    subject: Annotated[str, Field(description="service/<service_id>, or inventory/<manifest_id>")]
    time: Annotated[Time, Field(description="When it happened, RFC 3339 with offset.")]
    datacontenttype: Literal["application/json"]
    dataschema: Annotated[Reference | None, Field(description="Not used.")] = None
    correlationid: Annotated[
        Reference | None, Field(description="Id of the business transaction.")
    ] = None
    causationid: Annotated[
        Reference | None, Field(description="Id of the event that caused this one.")
    ] = None
    recordedtime: Annotated[Time | None, Field(description="When the event was created.")] = None
    expirytime: Annotated[Time | None, Field(description="The event expires at this time.")] = None
    traceparent: Reference | None = None
    asof: Annotated[
        Time | None,
        Field(
            description="The time at which a row of a file was true. Without a revision, fields "
            "that were written by later events stay."
        ),
    ] = None


class Envelope(Attributes):
    """An event about one service."""

    data: Data
