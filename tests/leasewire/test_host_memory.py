"""How much memory there is here, by host and cgroups."""

import os

import pytest

from leasewire.host.embedded import memory_here

HOST = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
MB = 1 << 20


@pytest.fixture
def here(tmp_path):
    def ask(own, **limits):
        (tmp_path / "own").write_text(own)
        for path, limit in limits.items():
            file = tmp_path / "groups" / path.replace("__", "/").replace("_dot_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{limit}\n")
        return memory_here(tmp_path / "own", tmp_path / "groups")

    return ask


def test_without_a_limit_it_is_the_hosts(here, tmp_path):
    assert here("0::/\n") == HOST
    assert here("0::/system.slice/a.service\n", memory_dot_max="max") == HOST
    assert memory_here(tmp_path / "no such file") == HOST


def test_the_narrowest_group_counts(here):
    limits = {"up__memory_dot_max": 300 * MB, "up__down__memory_dot_max": "max"}
    assert here("0::/up/down\n", **limits) == 300 * MB
    assert here("0::/up/down\n", up__down__memory_dot_max=200 * MB) == 200 * MB


def test_a_container_sees_its_own_group_at_the_root(here):
    own = "0::/docker/0123456789ab\n"
    assert here(own, memory_dot_max=100 * MB) == 100 * MB


def test_version_1(here):
    own = "3:cpu,cpuacct:/x\n2:memory:/docker/0123\n1:name=systemd:/x\n"
    assert here(own, memory__memory_dot_limit_in_bytes=2**63 - 4096) == HOST
    assert here(own, memory__docker__0123__memory_dot_limit_in_bytes=50 * MB) == 50 * MB
