import pytest

pytestmark = pytest.mark.router
LEASE = "/ip/dhcp-server/lease"
ONE = ("=mac-address=00:00:5e:00:53:01", "=address=223.203.225.10", "=server=dhcp-vlan-32")


def test_an_added_lease_reads_back_as_a_router_shows_it(sim, connect):
    raw = connect(sim)
    assert raw.talk(f"{LEASE}/add", *ONE, "=comment=Device A") == [["!done", "=ret=*1"]]
    assert raw.talk(f"{LEASE}/print") == [
        [
            "!re",
            "=.id=*1",
            "=address=223.203.225.10",
            "=mac-address=00:00:5E:00:53:01",
            "=address-lists=",
            "=server=dhcp-vlan-32",
            "=dhcp-option=",
            "=status=waiting",
            "=last-seen=never",
            "=blocked=false",
            "=radius=false",
            "=disabled=false",
            "=dynamic=false",
            "=comment=Device A",
        ],
        ["!done"],
    ]


def test_a_tag_comes_back_with_every_sentence_of_its_command(sim, connect):
    raw = connect(sim, tls=True)
    assert raw.talk("/system/identity/print", ".tag=a b") == [
        ["!re", "=name=MikroTik", ".tag=a b"],
        ["!done", ".tag=a b"],
    ]
    assert raw.talk(f"{LEASE}/print", ".tag=2") == [["!empty", ".tag=2"], ["!done", ".tag=2"]]


def test_a_wrong_password_is_refused_and_a_command_before_login_ends_the_session(sim, connect):
    raw = connect(sim, login=False)
    assert raw.login(sim.user, "wrong") == [
        ["!trap", "=message=invalid user name or password (6)"],
        ["!done"],
    ]
    assert raw.talk("/system/identity/print") == [["!fatal", "not logged in"]]
    with pytest.raises(EOFError):
        raw.read()


@pytest.mark.parametrize(
    ("words", "message", "category"),
    [
        (ONE, "failure: already have static lease for this client", None),
        (
            ("=address=223.203.225.10",),
            "failure: already have static lease with this IP address",
            None,
        ),
        (("=server=nowhere",), "input does not match any value of server", "1"),
        (("=dns-server=192.0.2.1",), "unknown parameter dns-server", None),
        (("=address=1.2.3",), "invalid value for argument address", "1"),
        (("=mac-address=zz",), "invalid value for argument mac-address", "1"),
    ],
)
def test_refusals_have_the_message_of_a_router(sim, connect, words, message, category):
    raw = connect(sim)
    raw.talk(f"{LEASE}/add", *ONE)
    trap, done = raw.talk(f"{LEASE}/add", *words)
    expected = ["!trap"] + ([f"=category={category}"] if category else [])
    assert trap == [*expected, f"=message={message}"]
    assert done == ["!done"]
    assert len(sim.router.rows(LEASE)) == 1


def test_counters_and_journal_show_what_was_done(sim, connect):
    raw = connect(sim)
    raw.talk(f"{LEASE}/add", *ONE)
    raw.talk(f"{LEASE}/set", "=.id=*1", "=comment=x")
    raw.talk(f"{LEASE}/remove", "=.id=*1")
    raw.talk(f"{LEASE}/remove", "=.id=*1")
    assert sim.router.counters() == {
        "/login": 1,
        f"{LEASE}/add": 1,
        f"{LEASE}/set": 1,
        f"{LEASE}/remove": 2,
    }
    assert sim.router.refusals() == {"no such item (4)": 1}
    added, changed, removed, refused = sim.router.journal()
    assert added["before"] is None
    assert added["after"] == changed["before"]
    assert changed["after"] == removed["before"] == {**added["after"], "comment": "x"}
    assert removed["after"] is None
    assert refused["error"] == "no such item (4)"
    assert [entry["seq"] for entry in sim.router.journal()] == [1, 2, 3, 4]
