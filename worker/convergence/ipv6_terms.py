"""Which rows of the IPv6 menus concern a service; for one without IPv6 there are none."""

from collections.abc import Iterator

from worker.convergence.batch_item import BatchItem
from worker.core.rows.rows import comment_for, tag_text
from worker.ports import FieldEquals

_HOST = "/128"


def binding_terms(item: BatchItem, installation: str) -> Iterator[FieldEquals]:
    """Return which bindings may be the service's, or in its way."""
    for comment in _comments(item, installation):
        yield FieldEquals("comment", comment)
    for binding in (*item.entry.bindings, *item.at.bindings):
        for address in filter(None, _spellings(binding.address)):
            yield FieldEquals("address", address)
        if binding.duid:  # RouterOS 6 shows it without 0x
            yield FieldEquals("duid", binding.duid)
            yield FieldEquals("duid", binding.duid.removeprefix("0x"))


def list_terms6(item: BatchItem, installation: str) -> Iterator[FieldEquals]:
    """Return which rows of IPv6 address lists may be the service's, or stand where they belong."""
    addresses = item.listed6
    # No record knows a row that landed late.
    closely = item.work_item.sent is not None
    if closely:
        addresses |= {binding.address for binding in (*item.entry.bindings, *item.at.bindings)}
        addresses |= item.sent6
        addresses.discard("")
    for address in sorted(addresses):
        for spelling in _spellings(address):
            yield FieldEquals("address", spelling)
    if addresses or closely:
        for comment in _comments(item, installation):
            yield FieldEquals("comment", comment)


def may_need_any(item: BatchItem) -> bool:
    """Return whether any binding may matter: that of a client to learn, or one that overlaps.

    No query finds either of them.
    """
    for wanted in item.entry.bindings:
        at = next((at for at in item.at.bindings if at.ia == wanted.ia and at.is_known), None)
        if at is None or at.address != wanted.address:
            return True
        if not wanted.is_known and (at.mac != wanted.mac or item.work_item.sent is not None):
            return True
    return False


def _comments(item: BatchItem, installation: str) -> tuple[str, ...]:
    tag = tag_text(installation, item.service_id)
    labelled = comment_for(installation, item.service_id, item.entry.label)
    return tuple(dict.fromkeys((tag, labelled)))


def _spellings(address: str) -> tuple[str, ...]:
    """A single address is read back with its length or without, as the version has it."""
    return (address, address.removesuffix(_HOST)) if address.endswith(_HOST) else (address,)
