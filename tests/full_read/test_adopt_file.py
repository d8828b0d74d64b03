"""The file of a BSS that `leasewire adopt` reads: a table, or events as they are published."""

import json
from datetime import UTC, datetime

import pytest

from leasewire.routers.adopt_services import events_of_file, folded
from producers.connection import open_publisher
from tests.builders import activated, event, mac
from worker.errors import ConfigurationError

pytestmark = pytest.mark.redis


@pytest.fixture
def read(valkey, prefix, tmp_path):
    with open_publisher(valkey.url, clock=lambda: datetime.now(UTC), prefix=prefix) as publisher:

        def read(text, name="bss"):
            (tmp_path / name).write_text(text)
            return events_of_file(tmp_path / name, publisher, "eva")

        yield read


def test_a_manifest_among_events_is_no_service(read, store):
    manifest = {
        "manifest_id": "m",
        "part": 1,
        "parts": 1,
        "taken_at": "2026-11-24T09:15:00Z",
        "missing": "report",
        "services": [{"service_id": "SVC-1"}],
    }
    said = event("x") | {"id": "m-1", "type": "leasewire.inventory.manifest.v1"}
    said |= {"subject": "inventory/m", "data": manifest}
    (record,) = folded(store, read("\n".join(map(json.dumps, (said, activated())))), {})
    assert (record.service_id, record.value("mac")) == ("SVC-1", mac(1))


def test_a_table_is_read_as_import_reads_it_whatever_its_name(read, store):
    text = f"service_id;router;mac;ipv4;label\nSVC-1;R1;{mac(1)};198.51.100.10;'=SUM(A1)\n"
    (record,) = folded(store, read(text), {})
    assert record.value("label") == "=SUM(A1)"
    with pytest.raises(ConfigurationError) as refused:
        read(text + f"SVC-2;R1;{mac(2)}\n")
    assert ":3: has 3 cells, the header has 5" in refused.value.problems[0]
