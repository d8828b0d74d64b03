"""What `routers.toml` may say, and how mistakes in it are told."""

from pathlib import Path

import pytest

from worker.core.policy.policy import RouterPolicy
from worker.errors import ConfigurationError, RouterBlocked
from worker.inventory import CLI_SOURCE, SourceConfig, load_inventory

PIN = ":".join(["Ab"] * 32)
SMALL = f"""
[installation]
id = "acme"
[routers.tower-7]
host = "192.0.2.1"
password_env = "TOWER7_PASSWORD"
fingerprint = "{PIN}"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "routers.toml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str, **options) -> list[str]:
    path = write(folder, text)
    with pytest.raises(ConfigurationError) as raised:
        load_inventory(path, **options)
    assert all(line.startswith(f"{path}: ") for line in raised.value.problems)
    return [line.removeprefix(f"{path}: ") for line in raised.value.problems]


def test_a_small_file_gives_a_router_with_defaults(tmp_path):
    inventory = load_inventory(write(tmp_path, SMALL))
    router = inventory.routers["tower-7"]
    assert inventory.installation == "acme"
    assert (router.host, router.port, router.transport) == ("192.0.2.1", 8729, "api-ssl")
    assert router.fingerprint == "ab" * 32
    assert router.pinned
    assert router.policy == RouterPolicy(installation="acme")
    assert inventory.sources == {
        CLI_SOURCE: SourceConfig(CLI_SOURCE, "times", scopes=frozenset({"override"}))
    }


def test_a_mark_of_windows_editors_before_the_file_is_no_mistake(tmp_path):
    assert load_inventory(write(tmp_path, f"\ufeff{SMALL}")).installation == "acme"


def test_defaults_hold_for_every_router_that_does_not_say_otherwise(tmp_path):
    (tmp_path / "ca.pem").write_text("")
    text = (
        SMALL
        + """
        [defaults]
        transport = "api-ssl"
        ca_file = "ca.pem"
        username = "lw"
        dhcp_server = "dhcp-cust"
        on_dynamic = "wait"
        label = true
        [routers.b]
        host = "b.example"
        password_file = "secrets/b"
        username = "other"
        [routers.c]
        host = "c.example"
        password_file = "secrets/c"
        transport = "api"
        expect_identity = "c"
        expect_serial = "HEX"
        """
    )
    routers = load_inventory(write(tmp_path, text)).routers
    assert routers["tower-7"].ca_file is None
    assert routers["tower-7"].username == "lw"
    assert routers["b"].ca_file == tmp_path / "ca.pem"
    assert routers["b"].username == "other"
    assert routers["b"].password_file == tmp_path / "secrets/b"
    assert routers["b"].policy == RouterPolicy("acme", "dhcp-cust", on_dynamic="wait", label=True)
    assert routers["c"].port == 8728
    assert (routers["c"].expect_identity, routers["c"].expect_serial) == ("c", "HEX")


def with_ways(**behind: str) -> str:
    """Tower 7, and a router for each word, behind the one that it names."""
    tables = [
        f'[routers.{name}]\nhost = "{name}.example"\npassword_env = "P"\n'
        f'fingerprint = "{PIN}"\nbehind = "{other}"\n'
        for name, other in behind.items()
    ]
    return SMALL + "".join(tables)


def test_a_router_may_be_behind_another(tmp_path):
    inventory = load_inventory(write(tmp_path, with_ways(a="b", b="tower-7", c="tower-7")))
    assert inventory.routers["tower-7"].behind is None
    assert inventory.behind == {"a": "b", "b": "tower-7", "c": "tower-7"}


def with_user_managers(**routers: str) -> str:
    """Routers with these lines in their tables."""
    tables = (
        f'[routers.{name}]\nhost = "{name}.example"\npassword_file = "p"\n'
        f'fingerprint = "{PIN}"\n{lines}\n'
        for name, lines in routers.items()
    )
    return "\n".join([SMALL, *tables])


ASKS = 'entries = "user-manager"\nuser_manager = "um"'
RUNS = 'entries = "user-manager"'


def test_a_router_may_ask_the_user_manager_of_another(tmp_path):
    text = with_user_managers(a=ASKS, b=ASKS, um=RUNS)
    policies = load_inventory(write(tmp_path, text)).policies
    assert (policies["um"].entries, policies["um"].user_manager) == ("user-manager", "")
    # what devices have on the access router itself are leases
    assert (policies["a"].entries, policies["a"].user_manager) == ("lease", "um")


@pytest.mark.parametrize(
    ("routers", "where", "said"),
    [
        ({"a": ASKS, "umm": RUNS}, "a.user_manager", "there is no router um; did you mean umm?"),
        ({"um": ASKS}, "um.user_manager", "names the router itself"),
        (
            {"a": ASKS, "um": ASKS.replace("um", "top"), "top": RUNS},
            "a.user_manager",
            "um has a user_manager itself; name top, or remove it there",
        ),
        (
            {"a": ASKS, "um": 'entries = "lease"'},
            "a.user_manager",
            'um must have entries = "user-manager" too',
        ),
        (
            {"a": 'user_manager = "um"', "um": RUNS},
            "a.user_manager",
            'needs entries = "user-manager"',
        ),
        (
            {"a": f'{ASKS}\nmode = "observe"', "um": RUNS},
            "a.mode",
            "um holds the rows of a, so its table decides this",
        ),
        ({"um": f'{RUNS}\nrates = "queue"'}, "um.rates", "users have rates themselves"),
    ],
)
def test_a_user_manager_must_be_one(tmp_path, routers, where, said):
    (problem,) = problems(tmp_path, with_user_managers(**routers))
    assert problem.startswith(f"routers.{where}: {said}")


def test_defaults_name_no_user_manager(tmp_path):
    text = f'[defaults]\nuser_manager = "um"\n{SMALL}'
    assert problems(tmp_path, text)[0] == "defaults.user_manager: set this for each router"


def test_what_a_router_is_behind_must_be_another_that_leads_on(tmp_path):
    assert problems(tmp_path, with_ways(a="tower-8", b="b", c="elsewhere")) == [
        "routers.a.behind: there is no router tower-8; did you mean tower-7?",
        "routers.b.behind: names the router itself; name the one through which it is reached",
        "routers.c.behind: there is no router elsewhere; list it, or remove this key",
    ]
    (notify,) = problems(tmp_path, with_ways(d="c", c="b", b="a", a="c"))
    assert notify.startswith("routers.a.behind: makes a loop: a behind c behind b behind a; ")
    text = SMALL + '[defaults]\nbehind = "tower-7"\n'
    assert problems(tmp_path, text) == ["defaults.behind: set this for each router"]
    assert any("must match" in line for line in problems(tmp_path, with_ways(a="no name")))


def test_rest_has_a_port_of_its_own_and_needs_a_pin_as_well(tmp_path):
    rest = SMALL.replace("[routers.tower-7]", '[routers.tower-7]\ntransport = "rest"')
    router = load_inventory(write(tmp_path, rest)).routers["tower-7"]
    assert (router.transport, router.port, router.pinned) == ("rest", 443, True)
    unpinned = "\n".join(line for line in rest.splitlines() if "fingerprint" not in line)
    (problem,) = problems(tmp_path, unpinned)
    assert "has neither fingerprint nor ca_file" in problem


def test_sources_say_how_they_count_and_the_command_line_may_too(tmp_path):
    text = (
        SMALL
        + f'[sources."urn:x:y"]\norder = "revisions"\n[sources."{CLI_SOURCE}"]\norder = "revisions"'
    )
    sources = load_inventory(write(tmp_path, text)).sources
    assert {name: source.order for name, source in sources.items()} == {
        "urn:x:y": "revisions",
        CLI_SOURCE: "revisions",
    }


def test_a_source_may_leave_registers_to_others_and_speak_of_services_of_others(tmp_path):
    text = (
        SMALL
        + """
[sources."urn:bss"]
order = "revisions"
unmanaged = ["dns_servers", "label"]
[sources."urn:noc"]
order = "times"
scopes = ["override"]
"""
    )
    sources = load_inventory(write(tmp_path, text)).sources
    assert sources["urn:bss"] == SourceConfig(
        "urn:bss", "revisions", frozenset({"dns_servers", "label"}), frozenset({"publish"})
    )
    assert sources["urn:noc"].scopes == {"override"}


@pytest.mark.parametrize(
    ("line", "notified"),
    [
        (
            'unmanaged = ["lifecycle"]',
            "unmanaged.0: must be of address, circuit_id, devices, dhcp_server",
        ),
        ('scopes = ["admin"]', "scopes.0: Input should be 'publish' or 'override'"),
        ("scopes = []", "scopes: List should have at least 1 item"),
    ],
)
def test_a_mistake_in_a_source_is_told_at_its_key(tmp_path, line, notified):
    text = SMALL + f'[sources."urn:bss"]\norder = "revisions"\n{line}\n'
    with pytest.raises(ConfigurationError) as raised:
        load_inventory(write(tmp_path, text))
    (problem,) = raised.value.problems
    assert f"sources.urn:bss.{notified}" in problem


def test_no_name_ends_the_line_that_setup_prints_it_in(tmp_path):
    """What stands behind would be run by whoever pastes the script of `routers setup`."""
    notified = problems(tmp_path, SMALL + 'username = "lw\\n/user/add name=x group=full"\n')
    assert [line.split(": ")[0] for line in notified] == ["routers.tower-7.username"]


def test_every_mistake_is_told_at_once_with_its_key(tmp_path):
    notified = problems(
        tmp_path,
        """
        [installation]
        id = "Acme Ltd"
        [defaults]
        host = "192.0.2.9"
        on_dynamic = "drop"
        [routers.a]
        host = "192.0.2.1"
        port = "8729"
        fingerprnt = "x"
        fingerprint = "ab:cd"
        password = "hunter2"
        [routers.b]
        transport = "api"
        password_env = "B"
        password_file = "b"
        ca_file = "nope.pem"
        [routers."c d"]
        host = "192.0.2.1"
        [sources."urn:x"]
        order = "time"
        [router]
        """,
    )
    keys = [line.split(": ")[0] for line in notified]
    assert sorted(keys) == [
        "defaults.host",
        "defaults.on_dynamic",
        "installation.id",
        "router",
        "routers.a.fingerprint",
        "routers.a.fingerprnt",
        "routers.a.password",
        "routers.a.port",
        "routers.b",
        "routers.b.ca_file",
        "routers.b.host",
        "routers.b.password_env",
        "routers.c d",
        "routers.c d",
        "routers.c d",
        "sources.urn:x.order",
    ]
    text = "\n".join(notified)
    assert "hunter2" not in text
    assert "fingerprnt: unknown key; did you mean fingerprint?" in text
    assert "router: unknown key; did you mean routers?" in text
    assert "`leasewire routers check c d`" in text


@pytest.mark.parametrize(
    ("text", "notified"),
    [
        ("= 3", "is not valid TOML"),
        ("", "installation: is missing"),
        ("routers = 3\n[installation]\nid='a'", "routers: Input should be a valid dictionary"),
        (
            "defaults = 'host'\n[installation]\nid='a'",
            "defaults: Input should be a valid dictionary",
        ),
        ("[installation]\nid='a'\n[routers]\nx = 1", "routers.x: Input should be"),
        (SMALL.replace('"192.0.2.1"', '"https://192.0.2.1/"'), "routers.tower-7.host: must match"),
        (SMALL.replace(PIN, "sha1:" + "ab" * 20), "routers.tower-7.fingerprint: must be a SHA-256"),
        (SMALL.replace("host =", "# host ="), "routers.tower-7.host: is missing"),
    ],
)
def test_a_broken_file_says_what_is_wrong(tmp_path, text, notified):
    assert any(line.startswith(notified) for line in problems(tmp_path, text))


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(ConfigurationError, match=r"gone\.toml: there is no such file: .*init"):
        load_inventory(tmp_path / "gone.toml")


def test_one_place_is_one_router(tmp_path):
    again = SMALL + SMALL.partition('id = "acme"\n')[2].replace("tower-7", "tower-8")
    assert problems(tmp_path, again) == [
        "routers.tower-8.host: has host and port of tower-7; list each router once"
    ]


def test_a_router_that_nobody_vouches_for_passes_only_when_asked(tmp_path):
    text = SMALL.replace("fingerprint", "# fingerprint")
    (notified,) = problems(tmp_path, text)
    assert "`leasewire routers check tower-7`" in notified
    router = load_inventory(write(tmp_path, text), allow_unpinned=True).routers["tower-7"]
    assert not router.pinned


def test_a_password_is_looked_up_late_and_shown_nowhere(tmp_path):
    seen: list[str] = []
    environ = {"TOWER7_PASSWORD": "hunter2"}
    text = SMALL + '[routers.b]\nhost = "b"\npassword_file = "b"\ntransport = "api"'
    inventory = load_inventory(write(tmp_path, text), environ=environ, on_secret=seen.append)
    assert seen == []
    (tmp_path / "b").write_bytes("hünter3 \n".encode())
    assert inventory.routers["tower-7"].password().get_secret_value() == "hunter2"
    assert inventory.routers["b"].password().get_secret_value() == "hünter3 "
    assert seen == ["hunter2", "hünter3 "]
    assert "nter" not in f"{inventory!r} {inventory.routers['b'].password()!r}"


@pytest.mark.parametrize("keys", ['password_env = "NONE"', 'password_file = "none"'])
def test_a_missing_password_blocks_that_router(tmp_path, keys):
    text = SMALL.replace('password_env = "TOWER7_PASSWORD"', keys)
    router = load_inventory(write(tmp_path, text), environ={"NONE": ""}).routers["tower-7"]
    with pytest.raises(RouterBlocked) as raised:
        router.password()
    assert raised.value.cause == "credentials-missing"
    assert "none" in raised.value.message.lower()


def test_a_policy_says_what_is_managed_and_how_in_normal_form(tmp_path):
    text = (
        SMALL
        + """
        suspend = "throttle"
        throttle = "64000"
        suspend_list = "suspended"
        lease_time = "00:30:00"
        address_lists = ["vip", "customers"]
        plan_rates = "events"
        rates = "queue"
        queue_place = "before the site"
        queue_parent = "up link"
        force_options = true
        entries = "mac-server"
        manage = ["rate-limit", "dhcp-option"]
        [plans.HOME-50]
        rate_limit = "10000k/50M 20M/60M"
        """
    )
    assert load_inventory(write(tmp_path, text)).routers["tower-7"].policy == RouterPolicy(
        "acme",
        suspend="throttle",
        throttle="64k/64k",
        suspend_list="suspended",
        lease_time="30m",
        address_lists="customers,vip",
        plan_rates="events",
        rates="queue",
        queue_place="before the site",
        queue_parent="up link",
        force_options=True,
        entries="mac-server",
        manage=frozenset({"rate-limit", "dhcp-option"}),
        plans={"HOME-50": "10M/50M 20M/60M"},
    )


@pytest.mark.parametrize(
    ("keys", "notified"),
    [
        ('suspend = "walled_garden"', "suspend: walled_garden needs the key suspend_list"),
        ('suspend = "throttle"', "suspend: throttle needs the key throttle"),
        ('throttle = "slow"', "throttle: must be a rate such as 10M/50M, upload first"),
        ('throttle = "1M 1M 1M 1s 8 1M 1M"', "throttle: must be a rate such as 10M/50M"),
        ('queue_place = "behind a"', "queue_place: must be first, last, or before NAME, the name"),
        ('queue_place = "before "', "queue_place: must be first, last, or before NAME, the name"),
        ("lease_time = 30", "lease_time: must be text, in quotes"),
        ('rates = "queues"', "rates: Input should be 'lease' or 'queue'"),
        ('lease_time = "0s"', "lease_time: must be a time of more than 0s, such as 30m"),
        ('manage = ["lease-time"]', "manage: names lease-time, but lease_time is not set"),
        ('throttle = "64k"\nmanage = []', "manage: leaves out rate-limit, by which throttle"),
        ('manage = ["mac-address"]', "manage.0: Input should be 'rate-limit'"),
        (
            'suspend_list = "a"\naddress_lists = ["a"]',
            "address_lists: must not name the suspend_list",
        ),
        (
            'suspend_list = "a"\nipv6_suspend_list = "b"\naddress_lists = ["b"]',
            "address_lists: must not name the list of suspended services of IPv6",
        ),
        (
            'address_lists = ["leasewire-suspended"]',
            "address_lists: must not name the list of suspended services of IPv6",
        ),
        ('suspend_list = "a,b"', "suspend_list: must match"),
    ],
)
def test_a_policy_that_cannot_work_is_told(tmp_path, keys, notified):
    (line,) = problems(tmp_path, SMALL + keys)
    assert line.startswith(f"routers.tower-7.{notified}")


def test_a_plan_with_a_broken_rate_is_told(tmp_path):
    (line,) = problems(tmp_path, SMALL + '[plans.HOME]\nrate_limit = "fast"')
    assert line.startswith("plans.HOME.rate_limit: must be a rate")


def test_the_policy_of_the_guide_is_one(tmp_path):
    guide = Path(__file__).parents[2] / "docs" / "how-to" / "connect-a-router.md"
    (example,) = [
        part for part in guide.read_text("utf-8").split("```")[1::2] if "[plans.HOME-50]" in part
    ]
    policy = load_inventory(write(tmp_path, SMALL + example.removeprefix("toml")))
    assert policy.routers["tower-7"].policy.plans == {"HOME-50": "10M/50M"}


POOL = """
[pools.home]
ranges = ["100.64.0.10-100.64.3.250", "100.64.8.0/22"]
exclude = ["100.64.0.20"]
quarantine = "2d"
[pools.home6]
ranges = ["2001:db8:100::/40"]
prefix_length = 56
known_as = "home"
routers = ["tower-*"]
"""


def test_pools_are_read(tmp_path):
    pools = load_inventory(write(tmp_path, SMALL + POOL)).pools
    assert pools.pools["home"].size == (3 * 256 + 241 - 1) + 1022
    assert pools.pools["home"].quarantine_ms == 2 * 86_400_000
    assert pools.serving("home", "tower-7", "prefix") is pools.pools["home6"]
    assert pools.pools["home6"].at(1) == "2001:db8:100:100::/56"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ranges = ["10.0.0.1", "2001:db8::/40"]', "mix IPv4 and IPv6"),
        ('ranges = ["2001:db8::/40"]', "prefix_length is missing"),
        ('ranges = ["10.0.0.0/24"]\nprefix_length = 56', "prefix_length is for pools of IPv6"),
        ('ranges = ["10.0.0.0/24", "10.0.0.9"]', "ranges overlap"),
        ('ranges = ["10.0.0.0/33"]', "must be FIRST-LAST, a network or one address"),
        ('ranges = ["10.0.0.1"]\nexclude = ["10.0.0.1"]', "no address is left"),
        ('ranges = ["10.0.0.1"]\nquarantine = "1m"', "shorter than the lease time of router"),
        ('ranges = ["10.0.0.1"]\nrange = 1', "unknown key; did you mean ranges?"),
    ],
)
def test_mistakes_in_pools_are_named(tmp_path, text, expected):
    found = problems(tmp_path, SMALL + 'lease_time = "30m"\n' + f"[pools.home]\n{text}\n")
    assert len(found) == 1
    assert expected in found[0]
    assert found[0].startswith("pools.home")
