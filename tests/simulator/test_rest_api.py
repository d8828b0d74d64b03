import base64
import http.client
import json
import ssl
import threading
import time

import pytest

from simulator.testing import running
from tests.waiting import eventually

pytestmark = pytest.mark.router
LEASE = "/rest/ip/dhcp-server/lease"
ROW = {"mac-address": "00:00:5e:00:53:01", "address": "223.203.225.10", "comment": "Zürich"}


class Rest:
    """A client on one kept connection."""

    def __init__(self, sim, *, tls=True):
        router = sim.router
        if tls:
            context = ssl.create_default_context(cadata=router.certificate_pem)
            self.wire = http.client.HTTPSConnection(
                router.host, router.rest_port, context=context, timeout=10
            )
        else:
            self.wire = http.client.HTTPConnection(router.host, router.rest_http_port, timeout=10)
        self.user = f"{sim.user}:{sim.password}"
        self.headers = {}

    def ask(self, method, path, body=None, **headers):
        token = base64.b64encode(self.user.encode()).decode()
        sent = {"Authorization": f"Basic {token}"}
        if body is not None:
            sent["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.wire.request(method, path, body, sent | headers)
        response = self.wire.getresponse()
        self.headers = response.headers
        text = response.read()
        return response.status, json.loads(text) if text else None


@pytest.fixture
def sim():
    with running(rest_port=0, rest_http_port=0, seed_guide=True) as simulation:
        yield simulation


@pytest.fixture(params=["https", "http"])
def rest(sim, request):
    client = Rest(sim, tls=request.param == "https")
    yield client
    client.wire.close()


def test_a_row_is_made_read_changed_and_removed(rest, sim):
    status, made = rest.ask("PUT", LEASE, ROW)
    assert (status, made["mac-address"], made["comment"]) == (201, "00:00:5E:00:53:01", "Zürich")
    assert rest.headers["Location"] == f"{LEASE}/*1"
    assert rest.ask("GET", LEASE) == (200, [made])
    assert rest.ask("GET", f"{LEASE}/*1") == (200, made)
    status, changed = rest.ask("PATCH", f"{LEASE}/*1", {"comment": "x", "disabled": True})
    assert (status, changed) == (200, {**made, "comment": "x", "disabled": "true"})
    assert rest.ask("DELETE", f"{LEASE}/*1") == (204, None)
    assert rest.ask("DELETE", f"{LEASE}/*1") == (404, {"error": 404, "message": "Not Found"})
    assert sim.router.counters()["/ip/dhcp-server/lease/add"] == 1
    assert {entry["session"] for entry in sim.router.journal()} == {"rest:1"}


def test_singletons_are_objects_and_are_set_by_post(rest):
    assert rest.ask("GET", "/rest/system/identity") == (200, {"name": "MikroTik"})
    assert rest.ask("PATCH", "/rest/system/identity", {"name": "x"}) == (
        400,
        {
            "error": 400,
            "message": "Bad Request",
            "detail": "missing or invalid resource identifier",
        },
    )
    assert rest.ask("POST", "/rest/system/identity/set", {"name": "x"}) == (200, [])
    assert rest.ask("GET", "/rest/system/identity") == (200, {"name": "x"})


def test_lists_are_filtered_by_query_and_proplist(rest):
    for n in (1, 2):
        rest.ask("PUT", LEASE, {"address": f"10.0.0.{n}", "comment": "c"})
    assert rest.ask("GET", f"{LEASE}?comment=c&address=10.0.0.2&.proplist=address") == (
        200,
        [{".id": "*2", "address": "10.0.0.2"}],
    )
    words = ["address=10.0.0.1", "address=10.0.0.2", "#|"]
    assert rest.ask("POST", f"{LEASE}/print", {".query": words, ".proplist": ["comment"]}) == (
        200,
        [{"comment": "c"}, {"comment": "c"}],
    )
    assert rest.ask("POST", f"{LEASE}/print", {"count-only": ""}) == (200, {"ret": "2"})
    assert rest.ask("POST", f"{LEASE}/add", {"address": "10.0.0.3"}) == (200, {"ret": "*3"})
    assert rest.ask("POST", f"{LEASE}/remove", {"numbers": "*1,*2,*3"}) == (200, [])


def test_named_rows_are_found_by_name(rest):
    status, server = rest.ask("GET", "/rest/ip/dhcp-server/dhcp-vlan-32")
    assert (status, server["interface"]) == (200, "vlan-32")
    assert rest.ask("GET", "/rest/ip/dhcp-server/other")[0] == 404
    status, renamed = rest.ask("PATCH", "/rest/ip/dhcp-server/dhcp-vlan-32", {"name": "other"})
    assert (status, renamed["name"]) == (200, "other")


def test_changes_of_a_user_apply_at_once_and_of_a_group_at_the_next_login(rest, sim):
    sim.router.add_row("/user/group", {"name": "g", "policy": "read,write,api,rest-api"})
    user = sim.router.add_row("/user", {"name": "u", "group": "g", "password": "p"})
    rest.user = "u:p"
    assert rest.ask("GET", LEASE)[0] == 200
    sim.router.set_row("/user/group", "g", {"policy": "!write"})
    assert rest.ask("PUT", LEASE, ROW)[0] == 201
    sim.router.set_row("/user", user, {"password": "q"})
    assert rest.ask("GET", LEASE)[0] == 401
    rest.user = "u:q"
    assert rest.ask("GET", LEASE)[0] == 200
    sim.router.reset_sessions()
    assert rest.ask("PUT", LEASE, ROW)[0] == 500
    sim.router.run("/user/disable", {".id": user})
    assert rest.ask("GET", LEASE)[0] == 401


@pytest.mark.parametrize(
    "case",
    [
        ("GET", "/rest/nonexistent/path", None, 400, "no such command or directory (nonexistent)"),
        ("GET", "/rest/ip/mac-server", None, 400, "no such command or directory (mac-server)"),
        ("POST", f"{LEASE}/frob", {}, 400, "no such command or directory (frob)"),
        ("GET", f"{LEASE}/make-static", None, 400, "no such command"),
        ("GET", f"{LEASE}/name", None, 400, "no such command prefix"),
        ("GET", f"{LEASE}/%2A1", None, 400, "no such command prefix"),
        ("GET", f"{LEASE}/*99", None, 404, None),
        ("PUT", LEASE, {"x": "1"}, 400, "unknown parameter x"),
        ("PUT", LEASE, {"server": "no"}, 400, "input does not match any value of server"),
        ("PUT", LEASE, b"{nonsense", 400, "Failed to parse json"),
        ("PATCH", LEASE, {}, 400, "missing or invalid resource identifier"),
        ("OPTIONS", LEASE, None, 503, None),
    ],
)
def test_a_refusal_has_its_code_and_message(rest, case):
    method, path, body, status, detail = case
    expected = {"error": status, "message": http.client.responses[status]}
    if detail:
        expected["detail"] = detail
    assert rest.ask(method, path, body) == (status, expected)


@pytest.mark.parametrize(
    "body",
    [
        {".query": 5},
        {".query": [1, None]},
        {".proplist": 7},
        {".proplist": [7, []]},
        {".query": {}},
        {"x": {}},
    ],
)
def test_json_of_odd_shapes_is_answered(rest, body):
    rest.ask("PUT", LEASE, ROW)
    assert rest.ask("POST", f"{LEASE}/print", body)[0] in (200, 400)
    assert rest.ask("GET", f"{LEASE}/*1")[0] == 200


def test_a_body_needs_its_type_and_a_user_the_password(rest):
    kind = {"Content-Type": "text/plain"}
    assert rest.ask("PUT", LEASE, b"{}", **kind)[0] == 415
    rest.user = "leasewire:wrong"
    assert rest.ask("GET", LEASE) == (401, {"error": 401, "message": "Unauthorized"})


def test_missing_rights_are_answered_with_500(rest, sim):
    sim.router.add_row("/user/group", {"name": "look", "policy": "read,api,rest-api"})
    sim.router.add_row("/user/group", {"name": "half", "policy": "read,rest-api"})
    for name in ("look", "half"):
        sim.router.add_row("/user", {"name": name, "group": name, "password": "p"})
    rest.user = "look:p"
    assert rest.ask("GET", LEASE) == (200, [])
    assert rest.ask("PUT", LEASE, ROW)[1]["detail"] == "not enough permissions (9)"
    assert rest.ask("PUT", LEASE, ROW)[0] == 500
    rest.user = "half:p"
    assert rest.ask("GET", LEASE)[1]["detail"] == "std failure: not allowed (9)"


def test_one_users_requests_run_in_series_and_stop_at_the_limit(sim):
    sim.router.set_faults(service_ms_by_command={"/ip/dhcp-server/lease/print": 150})
    clients = [Rest(sim) for _ in range(4)]
    start = time.monotonic()
    threads = [threading.Thread(target=client.ask, args=("GET", LEASE)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - start >= 0.6
    sim.router.add_row("/user", {"name": "other", "group": "full", "password": "p"})
    sim.router.set_faults(service_ms_by_command={"/ip/dhcp-server/lease/print": 2000})
    clients[0].user = "other:p"  # another user's runs beside it
    sim.router.reset_counters()
    slow = threading.Thread(target=clients[0].ask, args=("GET", LEASE))
    slow.start()
    eventually(lambda: sim.router.counters().get("/login"), "the slow request has come")
    assert clients[1].ask("GET", "/rest/system/identity")[0] == 200
    assert slow.is_alive()
    slow.join()
    sim.router.set_switches(rest_limit_s=0.05)
    status, body = clients[0].ask("GET", LEASE)
    assert (status, body["detail"]) == (400, "Session closed")
    for client in clients:
        client.wire.close()


@pytest.mark.parametrize(("version", "status"), [("6.48.6", 404), ("7.1.5", 200)])
def test_version_6_has_no_rest_and_plain_http_came_with_79(version, status):
    with running(version=version, rest_port=0, rest_http_port=0) as sim:
        client = Rest(sim)
        assert client.ask("GET", "/rest/system/identity")[0] == status
        client.wire.close()
        assert sim.router.rest_http_port is None


def test_a_lost_reply_leaves_the_write_done(rest, sim):
    sim.router.set_faults(lose_replies=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        rest.ask("PUT", LEASE, ROW)
    assert len(sim.router.rows("/ip/dhcp-server/lease")) == 1


def test_requests_may_be_chunked_and_nonsense_ends_the_connection(rest, sim):
    rest.wire.request(
        "PUT",
        LEASE,
        iter([b'{"address"', b': "10.0.0.9"}']),
        {
            "Authorization": f"Basic {base64.b64encode(rest.user.encode()).decode()}",
            "Content-Type": "application/json",
        },
        encode_chunked=True,
    )
    assert rest.wire.getresponse().read()
    assert sim.router.rows("/ip/dhcp-server/lease")[0]["address"] == "10.0.0.9"
    rest.wire.sock.sendall(b"nonsense\r\n\r\n")
    with pytest.raises((OSError, http.client.HTTPException)):
        rest.ask("GET", LEASE)


def test_the_menu_of_the_guide_answers_as_in_the_guide():
    with running(rest_port=0, with_mac_server=True) as sim:
        rest = Rest(sim)
        menu = "/rest/ip/mac-server"
        assert rest.ask("GET", menu) == (200, [{"enabled": "true", ".id": "*0"}])
        assert rest.ask("POST", f"{menu}/set", {"enabled": "no"}) == (200, [])
        assert rest.ask("GET", menu) == (200, [{"enabled": "false", ".id": "*0"}])
        entry = {**ROW, "dns-server": "8.8.8.8"}
        assert rest.ask("POST", f"{menu}/entry", entry) == (200, {"message": "added", "id": "*0"})
        status, body = rest.ask("POST", f"{menu}/entry", entry)
        assert (status, body["detail"]) == (
            400,
            "could not add item - item with such MAC address already exists",
        )
        other = {"mac-address": "00:00:5E:00:53:02", "address": "223.203.225.11"}
        assert rest.ask("POST", f"{menu}/entry", other)[1]["id"] == "*1"
        shown = {".id": "*0", **entry, "mac-address": "00:00:5E:00:53:01"}
        status, (row,) = rest.ask("GET", f"{menu}/entry/*0")
        assert (status, row) == (200, shown)
        rest.wire.close()


def test_it_can_answer_with_another_menus_rows(rest, sim):
    asked = {".proplist": ["address"], ".query": ["address=223.203.225.10"]}
    sim.router.set_faults(wrong_bodies=2, fault_command="lease/print")
    status, rows = rest.ask("POST", f"{LEASE}/print", asked)
    assert (status, [row["name"] for row in rows]) == (200, [sim.user])
    sim.router.set_faults(wrong_body_of="/system/identity")
    assert rest.ask("POST", f"{LEASE}/print", asked) == (200, {"name": "MikroTik"})
    assert rest.ask("POST", f"{LEASE}/print", asked) == (200, [])


def test_for_so_many_requests_after_each_start(rest, sim):
    sim.router.set_faults(wrong_bodies_after_boot=1)
    for _ in range(2):
        sim.router.power_off()
        sim.router.power_on()
        rest.wire.close()
        assert rest.ask("GET", LEASE)[1][0]["name"] == sim.user
        assert rest.ask("GET", LEASE) == (200, [])


def test_a_request_can_get_the_status_of_another(rest, sim):
    sim.router.set_faults(wrong_unauthorized=1, fault_command="lease")
    assert rest.ask("PUT", LEASE, ROW)[0] == 401
    assert len(sim.router.rows(LEASE.removeprefix("/rest"))) == 1
    assert rest.ask("GET", LEASE)[0] == 200
