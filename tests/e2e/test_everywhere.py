"""What `make e2e-all` makes of the runs of its tests."""

import pytest

from tests.e2e.everywhere import Found, table
from tests.installation import names_both

pytestmark = names_both

REPORT = """<testsuites><testsuite>
<testcase classname="tests.e2e.test_a" name="test_well" time="1"/>
<testcase classname="tests.e2e.test_a" name="test_ill[x]"><failure message="no"/></testcase>
<testcase classname="tests.e2e.test_a" name="test_b"><skipped message="about leases"/></testcase>
<testcase classname="tests.e2e.test_a" name="test_c"><skipped message="about leases"/></testcase>
</testsuite></testsuites>"""


def test_each_run_is_told_in_the_table(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    found = Found.read(report, 1, 60)
    assert str(found) == "1 passed, 1 failed, 2 skipped"
    said = table({("lease", "rest"): found}).splitlines()
    assert said[1].split() == ["lease", *["not", "run"] * 2, *str(found).split()]
    assert said[-3:] == [
        "FAILED lease, rest: tests/e2e/test_a.py::test_ill[x]",
        "skipped lease: 2 rest: about leases",
        "1 minutes",
    ]


@pytest.mark.parametrize(("report", "status"), [(None, 4), ("<testsuites/>", 5), (REPORT, 2)])
def test_a_run_without_an_end_has_failed(tmp_path, report, status):
    file = tmp_path / "report.xml"
    if report:
        file.write_text(report)
    assert Found.read(file, status, 0).failed[-1].startswith("no report")
