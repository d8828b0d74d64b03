"""`/queue/simple`: in strict order, the first that fits takes the packet."""

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

from simulator import errors
from simulator.errors import RouterError
from simulator.fields import COMMENT, DISABLED, Field, state
from simulator.menu import Menu
from simulator.menus.made_rows import MARK, QUEUE
from simulator.rates import RATES, pair
from simulator.router_state import RouterState
from simulator.state import Row, Values
from simulator.values import Kind, Names, Ref

# those that every router has (ANS)
_TYPES = frozenset(
    {
        *("default", "ethernet-default", "wireless-default", "synchronous-default"),
        *("hotspot-default", "pcq-upload-default", "pcq-download-default"),
        *("only-hardware-queue", "multi-queue-ethernet-default", "default-small"),
    }
)
_PAIRS = (
    *("bytes", "dropped", "packet-rate", "packets", "pcq-queues"),
    *("queued-bytes", "queued-packets", "rate"),
)


class Parent(Ref):
    """Another queue; refused without a category, as recorded."""

    def parse(self, text: str, name: str, names: Names, /) -> str:
        """Accept a name that is there."""
        try:
            return super().parse(text, name, names)
        except RouterError as error:
            raise RouterError(error.text) from None


class QueueTypes(Kind):
    """`rx/tx` names of queue types."""

    def parse(self, text: str, name: str, names: Names, /) -> str:
        """Accept names that are there (words: those of a parent)."""
        for queue_type in text.split("/"):
            if queue_type not in _TYPES and names.id_of("/queue/type", queue_type) is None:
                raise RouterError(errors.no_match(name).text)
        return text


class QueueMenu(Menu):
    """Simple queues; leases with a rate limit make dynamic ones (defaults: ANS, TF)."""

    path = QUEUE
    named = True
    double = errors.DUPLICATE_QUEUE
    dynamic_refusal = errors.READ_ONLY_ROW  # text assumed
    indexed = (MARK,)
    fields = (
        Field("name"),
        Field("target", required=True),
        Field("dst", hidden=""),
        Field("parent", Parent(QUEUE, "none"), default="none"),
        Field("packet-marks", default=""),
        Field("priority", default="8/8"),
        Field("queue", QueueTypes(), default="default-small/default-small"),
        Field("limit-at", RATES, default="0/0"),
        Field("max-limit", RATES, default="0/0"),
        Field("burst-limit", RATES, default="0/0"),
        Field("burst-threshold", RATES, default="0/0"),
        Field("burst-time", default="0s/0s"),
        Field("bucket-size", default="0.1/0.1"),
        *(Field(f"total-{name}") for name in ("limit-at", "max-limit", "priority", "queue")),
        *(Field(f"total-burst-{name}") for name in ("limit", "threshold", "time")),
        Field("total-bucket-size"),
        Field("time", hidden=""),
        *(state(name, "0/0") for name in _PAIRS),
        *(state(f"total-{name}", "0") for name in _PAIRS),
        state("dynamic", "false"),
        state("invalid", "false"),
        DISABLED,
        COMMENT,
    )

    def check(self, router: RouterState, row: Row | None, values: Values) -> None:
        """Refuse limits above the most, too; make a name up (assumed: queueN)."""
        rows = self.rows(router)
        if not values.get("name"):
            values["name"] = next(
                name
                for n in range(1, len(rows.rows) + 2)
                if not rows.having("name", name := f"queue{n}")
            )
        super().check(router, row, values)
        ways = zip(pair(values["limit-at"]), pair(values["max-limit"]), strict=True)
        for way, (least, most) in zip(("upload", "download"), ways, strict=True):
            if 0 < int(most) < int(least):
                raise RouterError(f"failure: {way}-max-limit less than {way}-limit")
        values["target"] = ",".join(_with_length(target) for target in values["target"].split(","))


def _with_length(target: str) -> str:
    """Write a single address as a prefix; names of interfaces stay."""
    if "/" not in target:
        for kind, length in ((IPv4Address, 32), (IPv6Address, 128)):
            with suppress(ValueError):
                return f"{kind(target)}/{length}"
    return target


MENUS = (QueueMenu(),)
