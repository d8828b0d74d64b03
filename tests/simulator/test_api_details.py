import hashlib

import pytest

from simulator.protocol import encode_sentence
from simulator.testing import running

pytestmark = pytest.mark.router
LEASE = "/ip/dhcp-server/lease"


def words_of(sentences, key):
    prefix = f"={key}="
    return [w.removeprefix(prefix) for s in sentences for w in s if w.startswith(prefix)]


def length_forms(word):
    """The same length in all forms that can carry it."""
    n = len(word)
    yield bytes((n,))
    yield (n | 0x8000).to_bytes(2, "big")
    yield (n | 0xC00000).to_bytes(3, "big")
    yield (n | 0xE0000000).to_bytes(4, "big")
    yield b"\xf0" + n.to_bytes(4, "big")


def test_every_form_of_a_words_length_is_read(sim, connect):
    raw = connect(sim)
    command = b"/system/identity/print"
    for length in length_forms(command):
        raw.sock.sendall(length + command + b"\0")
        assert raw.until_done()[-1] == ["!done"]


@pytest.mark.parametrize("size", [100, 0x80, 0x3FFF, 0x4000, 0x1FFFFF, 0x200000])
def test_long_words_come_back_whole(sim, connect, size):
    raw = connect(sim)
    raw.talk(f"{LEASE}/add", "=comment=" + "x" * (size - len("=comment=")))
    (comment,) = words_of(raw.talk(f"{LEASE}/print", "=.proplist=comment"), "comment")
    assert len(comment) == size - len("=comment=")


def test_bytes_that_are_no_text_come_back_as_they_were(sim, connect):
    raw = connect(sim)
    comment = bytes(range(1, 256))
    raw.sock.sendall(encode_sentence([f"{LEASE}/add".encode(), b"=comment=" + comment]))
    raw.read()
    raw.send((f"{LEASE}/print", "=.proplist=comment"))
    got = b""
    while not got.endswith(b"!done\0"):
        got += raw.sock.recv(65536)
    assert comment in got


def test_sentences_may_arrive_byte_by_byte_and_empty_ones_mean_nothing(sim, connect):
    raw = connect(sim)
    for byte in b"\0\0\x16/system/identity/print\0":
        raw.sock.sendall(bytes((byte,)))
    assert raw.until_done() == [["!re", "=name=MikroTik"], ["!done"]]


@pytest.mark.parametrize(("version", "empty"), [("7.17.1", []), ("7.18.2", [["!empty"]])])
def test_an_empty_answer_is_announced_from_718_on(connect, version, empty):
    with running(version=version, seed_guide=True) as sim:
        raw = connect(sim)
        assert raw.talk(f"{LEASE}/print") == [*empty, ["!done"]]
        assert raw.talk(f"{LEASE}/print", "?.id=*9") == [*empty, ["!done"]]
        assert raw.talk(f"{LEASE}/print", "=count-only=") == [["!done", "=ret=0"]]


def test_a_proplist_shows_what_rows_have_of_it(sim, connect):
    raw = connect(sim)
    raw.talk(f"{LEASE}/add", "=address=10.0.0.1")
    assert raw.talk(f"{LEASE}/print", "=.proplist=comment") == [["!re"], ["!done"]]
    assert raw.talk(f"{LEASE}/print", "=.proplist=address,.id,nothing")[0] == [
        "!re",
        "=address=10.0.0.1",
        "=.id=*1",
    ]


def test_ids_come_as_id_or_numbers_one_or_many_or_names(sim, connect):
    raw = connect(sim)
    for n in (1, 2, 3):
        raw.talk(f"{LEASE}/add", f"=address=10.0.0.{n}")
    assert raw.talk(f"{LEASE}/set", "=numbers=*1,*2", "=comment=a") == [["!done"]]
    assert words_of(raw.talk(f"{LEASE}/print"), "comment") == ["a", "a"]
    trap = raw.talk(f"{LEASE}/remove", "=.id=*1,*9")[0]
    assert trap == ["!trap", "=category=0", "=message=no such item (4)"]
    assert len(sim.router.rows(LEASE)) == 3
    assert raw.talk(f"{LEASE}/remove", "=.id=*1,*3") == [["!done"]]
    assert [row[".id"] for row in sim.router.rows(LEASE)] == ["*2"]
    assert raw.talk("/ip/dhcp-server/set", "=.id=dhcp-vlan-32", "=lease-time=600") == [["!done"]]
    assert words_of(raw.talk("/ip/dhcp-server/print"), "lease-time") == ["10m"]
    assert raw.talk(f"{LEASE}/set", "=comment=x")[0] == ["!trap", "=message=missing =.id="]


def test_unknown_menus_commands_and_flags_have_different_messages(sim, connect):
    raw = connect(sim)

    def message(*words):
        return words_of(raw.talk(*words), "message")

    assert message("/ip/mac-server/print") == ["no such command prefix"]
    assert message(f"{LEASE}/frobnicate") == ["no such command"]
    assert message("/ip/print") == ["no such command"]
    assert message(f"{LEASE}/print", "=loud=") == ["unknown parameter loud"]
    assert message(f"{LEASE}/find") == ["no such command"]
    assert raw.talk(f"{LEASE}/print", "=detail", "=active")[-1] == ["!done"]


def test_listen_reports_changes_until_it_is_cancelled(sim, connect):
    raw = connect(sim)
    raw.send((f"{LEASE}/listen", "=.proplist=.id,comment", ".tag=L"))
    raw.talk(f"{LEASE}/print")  # the listening has begun
    row_id = sim.router.add_row(LEASE, {"comment": "one"})
    assert raw.read() == ["!re", f"=.id={row_id}", "=comment=one", ".tag=L"]
    sim.router.set_row(LEASE, row_id, {"comment": "two"})
    assert raw.read() == ["!re", f"=.id={row_id}", "=comment=two", ".tag=L"]
    sim.router.remove_row(LEASE, row_id)
    assert raw.read() == ["!re", f"=.id={row_id}", "=.dead=true", ".tag=L"]
    raw.send(("/cancel", "=tag=L", ".tag=C"))
    assert raw.read() == ["!trap", "=category=2", "=message=interrupted", ".tag=L"]
    assert raw.read() == ["!done", ".tag=L"]
    assert raw.read() == ["!done", ".tag=C"]
    sim.router.add_row(LEASE, {"comment": "three"})
    assert raw.talk("/system/identity/print")[0] == ["!re", "=name=MikroTik"]


def test_a_command_that_waits_can_be_cancelled(sim, connect):
    raw = connect(sim)
    sim.router.set_faults(service_ms=300)
    raw.send((f"{LEASE}/add", "=comment=first", ".tag=1"), (f"{LEASE}/add", ".tag=2"))
    raw.send(("/cancel", "=tag=2", ".tag=3"))
    assert raw.until_done("1")[-1] == ["!done", "=ret=*1", ".tag=1"]
    raw.talk(f"{LEASE}/print")
    assert [row["comment"] for row in sim.router.rows(LEASE)] == ["first"]


def test_quit_ends_the_session(sim, connect):
    raw = connect(sim)
    assert raw.talk("/quit") == [["!fatal", "session terminated on request"]]
    with pytest.raises(EOFError):
        raw.read()


def challenge_login(raw, user, password):
    (done,) = raw.talk("/login")
    assert done[0] == "!done"
    challenge = bytes.fromhex(done[1].removeprefix("=ret="))
    digest = hashlib.md5(b"\0" + password.encode() + challenge).hexdigest()  # noqa: S324 - the protocol
    return raw.talk("/login", f"=name={user}", f"=response=00{digest}")


@pytest.mark.parametrize(
    ("version", "old", "new"),
    [("6.42", True, False), ("6.43", True, True), ("6.48.6", False, True), ("7.18.2", False, True)],
)
def test_the_logins_of_old_and_new_versions(connect, version, old, new):
    with running(version=version) as sim:
        if old:
            raw = connect(sim, login=False)
            assert challenge_login(raw, sim.user, sim.password) == [["!done"]]
            refused = connect(sim, login=False)
            assert challenge_login(refused, sim.user, "wrong")[0][0] == "!trap"
        else:
            assert connect(sim, login=False).talk("/login")[0][0] == "!trap"
        raw = connect(sim, login=False)
        answer = raw.login(sim.user, sim.password)
        assert (answer == [["!done"]]) is new
        assert raw.talk("/system/identity/print")[-1] == (
            ["!done"] if new else ["!fatal", "not logged in"]
        )


def test_rights_are_those_of_the_users_group(sim, connect):
    admin = connect(sim)
    admin.talk("/user/group/add", "=name=look", "=policy=read,api")
    admin.talk("/user/group/add", "=name=web", "=policy=read,write,web")
    for name in ("look", "web"):
        admin.talk("/user/add", f"=name={name}", f"=group={name}", "=password=pw")
    looker = connect(sim, login=False)
    assert looker.login("look", "pw") == [["!done"]]
    assert looker.talk(f"{LEASE}/print")[-1] == ["!done"]
    assert words_of(looker.talk(f"{LEASE}/add"), "message") == ["not enough permissions (9)"]
    assert connect(sim, login=False).login("web", "pw")[0][0] == "!trap"
    shown = admin.talk("/user/print", "?name=look")
    assert not any("pw" in word for sentence in shown for word in sentence)
    assert "pw" not in str(sim.router.journal())
    assert words_of(admin.talk("/user/group/remove", "=.id=look"), "message") == [
        "failure: group has some users"
    ]
    # `set` is cumulative, `!` takes away
    admin.talk("/user/group/set", "=.id=look", "=policy=write,!read")
    (policy,) = words_of(admin.talk("/user/group/print", "?name=look"), "policy")
    assert {"write", "api", "!read"} <= set(policy.split(","))


def test_who_is_logged_in_is_shown(sim, connect):
    raw = connect(sim)
    assert words_of(raw.talk("/user/active/print"), "name") == ["leasewire"]
    assert words_of(raw.talk("/log/print"), "message") == [
        "user leasewire logged in from 127.0.0.1 via api"
    ]


@pytest.mark.parametrize(("version", "name"), [("7.19.6", "request-logout"), ("7.20.8", "remove")])
def test_a_session_can_be_ended_from_another(connect, version, name):
    with running(version=version) as sim:
        raw, other = connect(sim), connect(sim)
        unknown = raw.talk(f"/user/active/{name}", "=.id=*77")
        assert unknown[0][-1] == "=message=no such item (4)"
        raw.talk(f"/user/active/{name}", "=.id=*2")
        with pytest.raises((EOFError, ConnectionResetError)):
            other.read()
        assert words_of(raw.talk("/user/active/print"), ".id") == ["*1"]


@pytest.mark.parametrize(("version", "there"), [("7.22.3", 0), ("7.23.3", 1)])
def test_the_reverse_proxy_is_a_service_from_723_on(version, there):
    with running(version=version) as sim:
        rows = sim.router.rows("/ip/service")
    assert [row["port"] for row in rows if row["name"] == "reverse-proxy"] == ["443"] * there


def test_a_first_print_of_some_fields_reads_like_later_ones(sim, connect):
    raw, router = connect(sim), sim.router
    row = {"mac-address": "00:00:5E:00:53:01", "address": "223.203.225.10", "comment": "ü" * 70}
    router.add_row(LEASE, row)
    router.device("00:00:5E:00:53:02", host_name="cpe")
    for menu in (LEASE, "/ip/pool", "/ip/dhcp-server"):
        fields = "=.proplist=comment,.id,address,mac-address,host-name,nothing,used,name"
        first = raw.talk(f"{menu}/print", fields)
        raw.talk(f"{menu}/print")
        raw.talk(f"{menu}/print", "=.proplist=.id")
        assert raw.talk(f"{menu}/print", fields) == first
    assert words_of(raw.talk(f"{LEASE}/print", "=.proplist=comment"), "comment") == ["ü" * 70]
