"""`leasewire keys`: shown once, hashed in Redis, gone when revoked."""

import pytest

from gateway.keys import GatewayKeys

pytestmark = pytest.mark.redis

CREATE = ("keys", "create", "billing", "--source", "urn:isp:bss:test", "--json")


@pytest.fixture(autouse=True)
def _redis(valkey, prefix, monkeypatch):
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)


def test_a_key_is_shown_once_and_kept_as_a_hash(leasewire, client, prefix):
    made = leasewire(*CREATE).document
    assert made["scopes"] == ["publish", "read"]
    secret = made["key"].split("_", 2)[2]
    kept = client.hget(GatewayKeys(prefix).api_keys, made["id"])
    assert secret not in kept
    (listed,) = leasewire("keys", "list", "--json").document["keys"]
    del made["key"], made["signing_secret"]
    assert listed == made | {"last_used": None}
    assert secret not in leasewire("keys", "list").out


def test_a_revoked_key_is_gone(leasewire):
    made = leasewire(*CREATE).document
    assert leasewire("keys", "revoke", made["id"]).code == 0
    assert leasewire("keys", "list", "--json").document == {"keys": []}
    assert leasewire("keys", "revoke", made["id"]).code == 1


def test_scopes_rate_and_signature_are_kept(leasewire):
    more = ("--scope", "publish", "--scope", "override", "--rate", "5", "--signed")
    assert leasewire(*CREATE, *more).code == 0
    (listed,) = leasewire("keys", "list", "--json").document["keys"]
    assert listed["scopes"] == ["override", "publish"]
    assert (listed["rate"], listed["signed"]) == (5, True)


@pytest.mark.parametrize(
    "arguments",
    [("nobody",), ("billing", "--source", "no uri"), ("x", "--scope", "ops", "--scope", "read")],
)
def test_a_key_that_speaks_for_nobody_is_refused(leasewire, arguments):
    done = leasewire("keys", "create", *arguments)
    assert done.code == 2
    assert "source" in done.err


def test_a_key_for_operations_needs_no_source(leasewire):
    assert leasewire("keys", "create", "noc", "--scope", "ops").code == 0


def test_only_the_key_can_be_printed(leasewire):
    done = leasewire(*CREATE[:-1], "--only-key")
    assert done.code == 0
    (listed,) = leasewire("keys", "list", "--json").document["keys"]
    assert done.out.split("_")[:2] == ["lw", listed["id"]]
    assert done.out.count("\n") == 1
    both = leasewire(*CREATE, "--only-key")
    assert both.document["key"].startswith("lw_")  # CREATE ends with --json


def test_a_source_that_the_inventory_does_not_know_is_warned_of(leasewire, tmp_path):
    no_inventory = leasewire(*CREATE)
    assert (no_inventory.code, no_inventory.err) == (0, "")
    (tmp_path / "routers.toml").write_text(
        '[installation]\nid = "acme"\n[sources."urn:isp:bss:known"]\norder = "revisions"\n'
    )
    done = leasewire(*CREATE)
    assert done.code == 0
    assert "urn:isp:bss:test is not in [sources] of" in done.err
    assert done.document["key"]
    assert leasewire(*CREATE[:4], "urn:isp:bss:known", "--json").err == ""
