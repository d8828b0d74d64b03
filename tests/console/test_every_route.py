"""Every route of the console, tried by those who may not."""

import httpx
import pytest

from gateway.api.api_keys import ApiKeys
from gateway.console.app import make_console
from gateway.console.console import Console
from tests.console.conftest import csrf_of

pytestmark = pytest.mark.redis

OPEN = {"/login", "/static"}
FORM = "application/x-www-form-urlencoded"
NO_WRITES = {"/console/logout", "/console/router/read", "/console/router/check"}
"""Posted by viewers too: they have a router read again, and change nothing."""
MOST_BYTES = 256 * 1024
"""No form is larger, and those that are not listed with more are much smaller."""


def flat(routes):
    """The routes, and those of the routers among them."""
    for route in routes:
        if router := getattr(route, "original_router", None):
            yield from flat(router.routes)
        else:
            yield route


@pytest.fixture
def routes(console):
    """All (method, path) of the console but the open ones; a mounted folder has no methods."""
    context = console.context
    app = make_console(
        Console(
            store=console.store,
            inventory=lambda: context.inventory,
            publisher=None,
            settings=context.settings,
            api_keys=ApiKeys(console.store.client, context.settings.key_prefix),
            people=console.people,
        )
    ).app
    found = {
        (method, f"/console{route.path}")
        for route in flat(app.routes)
        if route.path not in OPEN
        for method in route.methods - {"HEAD"}
    }
    assert len(found) > 1
    assert {path for _, path in found} >= {"/console/", "/console/logout"}
    return sorted(found)


@pytest.fixture
def posts(routes):
    found = [path for method, path in routes if method == "POST"]
    assert len(found) > 0
    return found


def test_without_a_session_every_route_asks_for_login(console, routes):
    ended = console.logged_in(console.person("gone", "admin").name)
    console.people.remove("gone")
    never = console.browser()
    forged = console.browser()
    forged.cookies.set("leasewire_session", "x" * 43, path="/console")
    for client in (never, ended, forged):
        for method, path in [*routes, ("GET", "/console/no-such-page"), ("PUT", "/console/now")]:
            answer = client.request(method, path)
            if method == "GET" and answer.status_code == 303:
                assert answer.headers["location"].startswith("/console/login?next="), path
            else:
                assert answer.status_code == 401, (method, path)
            assert "leasewire_session" not in answer.headers.get("set-cookie", "")
            assert_hardened(answer)
    assert never.get("/console/now.json").status_code == 401


def test_a_wrong_method_is_refused(console, routes):
    known = set(routes)
    for path in sorted({path for _, path in routes}):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            if (method, path) not in known:
                answer = console.admin.request(method, path)
                assert answer.status_code == 405, (method, path)


def test_a_body_that_is_too_large_is_refused(console, posts):
    for path in [*posts, "/console/login"]:
        for body in (b"x" * (MOST_BYTES + 1), iter([b"x=" * (MOST_BYTES // 2), b"y" * 2])):
            answer = console.admin.post(path, content=body, headers={"content-type": FORM})
            assert answer.status_code == 413, path
            assert "html" not in answer.headers["content-type"] or assert_hardened(answer) is None
    for method, path in (("POST", "/console/now"), ("POST", "/console/no-such-page")):
        answer = console.browser().request(method, path, content=b"x" * (MOST_BYTES + 1))
        assert answer.status_code in (401, 413)


def test_a_viewer_writes_nothing_and_no_form_goes_without_its_token(console, routes, posts):
    token = csrf_of(console.viewer)
    for path in posts:
        if path not in NO_WRITES:
            answer = console.viewer.post(path, data={"csrf": token})
            assert answer.status_code == 403, path
            assert "This needs a person with the role" in answer.text, path
        for form in ({}, {"csrf": ""}, {"csrf": "x" * 43}, {"csrf": token}, {"csrf": "ü"}):
            answer = console.admin.post(path, data=form)
            assert answer.status_code == 403, path
            assert "The form is not of this session" in answer.text, path
        answer = console.admin.post(
            path, data={"csrf": csrf_of(console.admin)}, headers={"sec-fetch-site": "cross-site"}
        )
        assert answer.status_code == 403, path
    for method, path in routes:
        if method == "GET" and "/people" in path:
            assert console.viewer.get(path).status_code == 403
            assert console.operator.get(path).status_code == 403
    assert list(console.store.audit.entries()) == []


def assert_hardened(answer: httpx.Response):
    """Nothing runs and nothing is loaded but from here; nothing is kept by a cache."""
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
