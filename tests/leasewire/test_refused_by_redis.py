"""A Redis that refuses us is told at once, with what we log in with but for the password."""

import pytest

from worker.store.connection import connect

PASSWORD = "never-to-be-seen-4c1d"
USER, FILE = "LEASEWIRE_REDIS_USERNAME", "LEASEWIRE_REDIS_PASSWORD_FILE"
INVENTORY = """\
[installation]
id = "acme"
[sources."urn:isp:bss:example"]
order = "times"
"""
OUTCOMES = """\
[targets.billing]
url = "http://127.0.0.1:1/"
sources = ["urn:isp:bss:example"]
secret_env = "WEBHOOK_SECRET"
"""
COMMANDS = [
    "worker",
    "gateway --port 0",
    "outcomes deliver",
    "outbox relay --database postgresql://nobody@127.0.0.1:1/none",
    "publish cancelled --service SVC-1",
    "services list",
    "services show SVC-1",
    "routers list",
    "hooks list",
    "keys list",
    "outcomes targets",
    "dead-letters list",
    "alerts list",
    "brake list",
    "schedule list",
    "plan",
    "health",
    "backup all.backup",
]

pytestmark = pytest.mark.redis


@pytest.fixture
def refusing(own_valkey, tmp_path, monkeypatch):
    """A Redis with the user `leasewire`, and an environment that names it."""
    with own_valkey.client() as client:
        client.acl_setuser("leasewire", enabled=True, passwords=["+right"], categories=["+@all"])
        client.acl_setuser("default", enabled=False)
    (tmp_path / "routers.toml").write_text(INVENTORY)
    (tmp_path / "outcomes.toml").write_text(OUTCOMES)
    (tmp_path / "password").write_text(PASSWORD)
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", own_valkey.url)
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_" + "A" * 32)


@pytest.fixture
def wrong_password(refusing, monkeypatch, tmp_path):
    monkeypatch.setenv(USER, "leasewire")
    monkeypatch.setenv(FILE, str(tmp_path / "password"))


@pytest.mark.usefixtures("wrong_password")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_password_ends_every_command(leasewire, own_valkey, tmp_path, command):
    shown = leasewire(*command.split())
    assert shown.code == 2
    assert f"Redis at {own_valkey.url} (LEASEWIRE_REDIS_URL) refuses us: invalid" in shown.err
    assert f"user leasewire ({USER}) with the password in {tmp_path}/password ({FILE})" in shown.err
    assert "What to do: mend" in shown.err or "the login: correct user and password" in shown.err
    assert PASSWORD not in shown.out + shown.err
    assert "Traceback" not in shown.err


@pytest.mark.usefixtures("refusing")
def test_who_names_no_password_is_told_so(leasewire):
    shown = leasewire("services", "list")
    assert shown.code == 2
    assert "refuses us: it requires a password" in shown.err
    assert f"the default user ({USER} is not set) with no password ({FILE} is not set)" in shown.err


@pytest.mark.usefixtures("wrong_password")
@pytest.mark.parametrize(
    ("command", "forbidden"),
    [
        ("worker", "-ping"),
        ("gateway --port 0", "-hlen"),
        ("services list", "-@read"),
        ("publish cancelled --service SVC-1", "-evalsha"),
        ("publish cancelled --service SVC-1", "-zadd"),
    ],
)
def test_what_the_rules_forbid_is_told_with_the_rules_that_are_needed(
    leasewire, own_valkey, monkeypatch, command, forbidden
):
    with connect(own_valkey.url, username="leasewire", password="right") as client:
        client.acl_setuser(
            "poor",
            enabled=True,
            passwords=["+" + PASSWORD],
            keys=["*"],
            channels=["*"],
            categories=["+@all"],
            commands=[forbidden],
        )
    monkeypatch.setenv(USER, "poor")
    shown = leasewire(*command.split())
    assert shown.code == 2
    assert "deploy/redis/users.acl" in shown.err
    assert f"user poor ({USER})" in shown.err
    assert PASSWORD not in shown.err


@pytest.mark.usefixtures("wrong_password")
def test_status_tells_monitoring_that_it_is_no_server_that_is_away(leasewire):
    shown = leasewire("status", "--json")
    assert shown.code == 2
    [finding] = shown.document["findings"]
    assert (finding["level"], finding["what"]) == ("critical", "redis")
    assert f"user leasewire ({USER})" in finding["detail"]
    assert "mend" in finding["advice"]
    assert PASSWORD not in shown.out


@pytest.mark.parametrize("there", [False, True])
def test_where_the_url_comes_from_is_told(leasewire, own_valkey, tmp_path, monkeypatch, there):
    monkeypatch.delenv("LEASEWIRE_REDIS_URL", raising=False)
    with own_valkey.client() as client:
        client.acl_setuser(
            "default", reset=True, enabled=True, passwords=["+x"], categories=["+@all"]
        )
        if there:
            (tmp_path / "leasewire-data").symlink_to(own_valkey.directory)
        else:
            monkeypatch.setattr("leasewire.context.DATA", own_valkey.directory)
        shown = leasewire("services", "list")
        client.acl_setuser("default", nopass=True)
    assert shown.code == 2
    assert "of `leasewire up` in ./" in shown.err
    assert "LEASEWIRE_REDIS_URL is not set" in shown.err
