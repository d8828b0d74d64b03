"""`leasewire routers setup` and `routers check` for a router with PPPoE customers."""

import secrets

import pytest

pytestmark = [pytest.mark.redis, pytest.mark.router]

SPEC = """
[routers.R1.setup]
manage_from = ["127.0.0.0/8"]
walled_garden = ["198.51.100.53"]
[plans.GOLD]
profile = "p-gold"
"""
KIND = ('entries = "ppp-secret"', 'suspend_profile = "walled"')
LACKS = "/ppp/profile lacks 'p-gold', 'walled': services that need it wait"


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """Gives the command the keys for passwords."""

    def give():
        (tmp_path / "keys").write_text(secrets.token_hex(64))
        monkeypatch.setenv("LEASEWIRE_SECRET_KEYS_FILE", str(tmp_path / "keys"))

    return give


def test_it_lets_us_read_passwords_and_says_which_profiles_are_missing(
    inventory, setup, leasewire, router, keys
):
    inventory(*KIND, spec=SPEC)
    assert f"! {LACKS}; add it" in setup().out
    done = setup("--apply")
    assert done.code == 0, done
    (group,) = [row for row in router.rows("/user/group") if row["name"] == "leasewire"]
    allowed = {word for word in group["policy"].split(",") if word[0] != "!"}
    assert allowed == {"read", "write", "api", "sensitive"}
    chains = [row["src-address-list"] for row in router.rows("/ip/firewall/filter")][:1]
    assert chains == ["suspended"]
    assert router.rows("/ip/dhcp-server") == []
    (certificate,) = router.rows("/certificate")
    inventory(*KIND, f'fingerprint = "{certificate["fingerprint"]}"', spec=SPEC)

    keyless = leasewire("routers", "check", "R1")
    assert keyless.code == 1
    assert "no-secret-keys" in keyless.out
    keys()
    checked = leasewire("routers", "check", "R1")
    assert LACKS in checked.out
    assert "dhcp" not in checked.out, "who dials in needs no DHCP server"
    for name in ("p-gold", "walled"):
        router.add_row("/ppp/profile", {"name": name})
    checked = leasewire("routers", "check", "R1")
    assert checked.code == 0, checked.out
    assert "/ppp/profile has p-gold, walled" in checked.out
    assert setup().out.endswith("R1: nothing to do.\n")

    router.set_row("/user/group", group[".id"], {"policy": "read,write,api,!sensitive"})
    refused = leasewire("routers", "check", "R1")
    assert refused.code == 1
    assert "sensitive" in refused.out
    assert [step for step in setup().out.splitlines() if "sensitive" in step]
