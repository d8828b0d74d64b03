"""The numbers of the texts of records, by the format of the store."""

from typing import Final, NamedTuple


class RecordFormats(NamedTuple):
    """Numbers of the record's text in one store format.

    Attributes:
        usual: of most records.
        short_lease: while a lease time is shortened: an older version would forget to put it back.
        ipv6: with registers or bindings of IPv6, or an assigned address: an older version would
            forget them.
        login: with a device that logs in or is known by option 82, or a row on another router: an
            older version knows no row without a MAC, and would move the row back.
        devices: with further devices, or what they had: an older version would remove their rows.
    """

    usual: int
    short_lease: int
    ipv6: int
    login: int
    devices: int


STORE_FORMATS: Final[dict[int, RecordFormats]] = {1: RecordFormats(2, 3, 4, 5, 6)}
"""Store format -> the numbers that are written then; this version reads them all. Where an older
reader would misread a new text, add a store format with a new number, and keep the old ones."""
RECORD_FORMATS: Final = frozenset(number for row in STORE_FORMATS.values() for number in row)
"""The numbers that this version reads."""
