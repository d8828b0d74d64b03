"""Login, sessions, roles and the headers of every answer."""

import re

import httpx
import pytest

from gateway.console.people import People, Role
from gateway.keys import GatewayKeys
from tests.console.conftest import PASSWORD, csrf_of
from worker.errors import ConfigurationError

pytestmark = pytest.mark.redis


def log_in(client, name, password, **more):
    return client.post("/console/login", data={"name": name, "password": password} | more)


def test_a_person_logs_in_and_out(console):
    console.person("anna", "viewer")
    client = console.browser()
    assert client.get("/console").headers["location"] == "/console/"
    first = client.get("/console/now?x=1")
    assert first.status_code == 303
    assert first.headers["location"] == "/console/login?next=%2Fconsole%2Fnow%3Fx%3D1"
    answer = log_in(client, " Anna", PASSWORD, next="/console/now?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/now?x=1")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/console" in cookie
    assert "anna, viewer" in client.get("/console/nothing-here").text
    token = csrf_of(client, "/console/nothing-here")
    assert client.post("/console/logout", data={"csrf": token}).status_code == 303
    assert client.get("/console/nothing-here").status_code == 303
    assert not console.store.client.keys(f"{console.store.keys.prefix}gateway:session:*")


def test_a_session_holds_at_every_gateway_and_ends_at_all(console_at):
    here, there = console_at(), console_at()
    here.person("anna", "operator")
    client, elsewhere = here.logged_in("anna"), there.browser()
    elsewhere.cookies.update(client.cookies)
    assert "anna, operator" in elsewhere.get("/console/nothing-here").text
    token = csrf_of(client, "/console/nothing-here")
    assert elsewhere.post("/console/logout", data={"csrf": token}).status_code == 303
    assert client.get("/console/nothing-here").status_code == 303


def test_a_cookie_goes_over_tls_alone_where_a_proxy_ends_it(console):
    console.person("anna", "viewer")
    form = {"name": "anna", "password": PASSWORD}
    headers = {"x-forwarded-proto": "https"}
    answer = console.browser().post("/console/login", data=form, headers=headers)
    assert "; Secure" in answer.headers["set-cookie"]


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(console):
    console.person("anna", "viewer")
    client = console.browser()
    texts = {log_in(client, name, "not this one").text for name in ("anna", "nobody")}
    assert len(texts) == 1
    assert "There is no person with this name and password." in texts.pop()
    assert "leasewire_session" not in client.cookies


def test_who_guesses_must_wait(console):
    console.person("anna", "viewer")
    client = console.browser()
    statuses = [log_in(client, "anna", f"guess {n}").status_code for n in range(7)]
    assert statuses[:5] == [401] * 5
    assert statuses[-1] == 429
    refused = log_in(client, "anna", PASSWORD)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert re.search(r"Too many attempts: wait \d+ s, then try again\.", refused.text)
    console.person("bert", "viewer")
    assert log_in(client, "bert", PASSWORD).status_code == 303


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example/", "/v1/events", "/console/\\evil", ""]
)
def test_login_never_leads_elsewhere(console, onward):
    console.person("anna", "viewer")
    answer = log_in(console.browser(), "anna", PASSWORD, next=onward)
    assert answer.headers["location"] == "/console/now"


def test_a_session_ends_with_its_person_password_and_time(console):
    people, client = console.people, console.store.client
    console.person("anna", "viewer")
    session = console.logged_in("anna")
    assert session.get("/console/nothing-here").status_code == 404
    people.set_role("anna", Role.ADMIN)
    assert "anna, admin" in session.get("/console/nothing-here").text
    people.set_password("anna", "another long password")
    assert session.get("/console/nothing-here").status_code == 303

    console.person("bert", "viewer")
    session = console.logged_in("bert")
    (key,) = client.keys(f"{console.store.keys.prefix}gateway:session:*")
    assert 0 < client.ttl(key) <= 2 * 3600
    client.hset(key, "ends_ms", client.time()[0] * 1000 - 1)
    assert session.get("/console/nothing-here").status_code == 303
    assert not client.exists(key)

    console.person("carl", "viewer")
    session = console.logged_in("carl")
    people.remove("carl")
    assert session.get("/console/nothing-here").status_code == 303


def test_no_session_is_said_to_each_in_its_own_form(console):
    client = console.browser()
    assert client.get("/console/now.json").json()["code"] == "no-session"
    part = client.get("/console/now", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"][:14]) == (401, "/console/login")
    written = client.post("/console/router/pause", data={"name": "r1"})
    assert written.status_code == 401
    assert "Nothing was changed." in written.text


def test_every_answer_has_the_headers_that_keep_others_out(console):
    client = console.browser()
    for path in ("/console/login", "/console/now", "/console/now.json", "/console/static/none"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
    assert client.get("/console/login").headers["cache-control"] == "no-store"


def test_a_form_of_another_site_is_refused(console):
    console.person("anna", "viewer")
    form = {"name": "anna", "password": PASSWORD}
    headers = {"sec-fetch-site": "cross-site"}
    answer = console.browser().post("/console/login", data=form, headers=headers)
    assert answer.status_code == 403
    client = console.logged_in("anna")
    assert client.post("/console/logout", data={"csrf": "x"}).status_code == 403
    assert client.get("/console/nothing-here").status_code == 404


def test_nothing_is_loaded_from_elsewhere(console):
    client = console.browser()
    page = client.get("/console/login").text
    assert not re.search(r"""(src|href|action)=["'](?!/console/|#)""", page)
    assert "style=" not in page
    assert not re.search(r"<script(?![^>]*src=)", page)
    for name in ("console.css", "console.js", "htmx.min.js", "icon.svg"):
        assert client.get(f"/console/static/{name}").status_code == 200
    for name in ("../app.py", "%2e%2e/app.py", "..%2fapp.py"):
        assert client.get(f"/console/static/{name}").status_code in (303, 404)


def test_what_is_not_a_form_is_refused(console):
    client = console.viewer
    for content in (b"\xff\xfe", b"&".join(b"a%d=1" % n for n in range(200))):
        answer = client.post("/console/logout", content=content)
        assert answer.status_code == 400
    answer = client.post("/console/logout", content=b"x" * 300_000)
    assert answer.status_code == 413


def test_names_and_passwords_are_checked(console):
    with pytest.raises(ConfigurationError, match="12 to 200"):
        console.people.add("anna", Role.VIEWER, "short", "2026-11-30T00:00:00Z")
    for name in ("", "Anna", "a b", "x" * 65, "anna\n"):
        with pytest.raises(ConfigurationError, match="a name has"):
            console.people.add(name, Role.VIEWER, PASSWORD, "2026-11-30T00:00:00Z")
    console.person("anna", "viewer")
    with pytest.raises(ConfigurationError, match="already"):
        console.person("anna", "admin")
    people = People(console.store.client, console.store.keys.prefix)
    people.add("bert", Role.VIEWER, PASSWORD, "2026-11-30T00:00:00Z")
    stored = console.store.client.hget(GatewayKeys(console.store.keys.prefix).people, "bert")
    assert PASSWORD not in stored
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in stored


def test_without_console_there_is_none(console_at, valkey):
    """The API alone serves no page below /console."""
    from leasewire.host.gateway import running_gateway  # noqa: PLC0415 - beside the fixture's

    console = console_at()
    with running_gateway(console.context, "127.0.0.1", 0) as server:
        assert httpx.get(f"{server.url}/console/login").status_code == 404
