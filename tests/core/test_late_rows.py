"""Several rows have the tag of a service, and some of them may have landed late."""

import pytest

from tests.builders import lease, mac
from worker.core.entry.entry import Entry
from worker.core.plan.member import Wanted
from worker.core.plan.planner import plan
from worker.core.policy.policy import RouterPolicy
from worker.core.rows.operations import Remove
from worker.core.rows.row_index import RowIndex


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_change_that_landed_late_is_its_own_beside_a_row_as_last_written(is_noted):
    """Its add landed again, after a pass whose change nobody confirmed had made room for it."""
    changed, late = lease("*1", mac=mac(2), service_id="SVC-1"), lease("*2", service_id="SVC-1")
    service = Wanted(
        Entry("SVC-1", changed.fields),
        late.fields,
        sent=frozenset({late.identity} if is_noted else ()),
    )
    made = plan([service], RowIndex([changed, late], "acme"), RouterPolicy("acme"))
    if is_noted:
        assert [(type(o), o.row_id) for o in made.operations] == [(Remove, "*2")]
    else:  # a person copied one of them
        assert made.notes[0].kind == "duplicate-row"
