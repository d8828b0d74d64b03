"""Pages for a person in a browser: all of the document, no script, nothing from elsewhere."""

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser

import pytest

from gateway.api.problems import KINDS
from gateway.api.states import EVENT_STATES
from tests.gateway.asking import refusal

pytestmark = pytest.mark.redis

VOID = {"meta"}


class Page(HTMLParser):
    """Collects elements, links and anchors; fails where elements are not closed in order."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.links, self.anchors, self.open, self.attributes = (
            set(),
            [],
            set(),
            [],
            [],
        )
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes += [name for name, _ in attrs]
        given = dict(attrs)
        self.links += [given[name] for name in ("href", "src") if name in given]
        self.anchors |= {given["id"]} if "id" in given else set()
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def read(gateway):
    client = gateway.client_of("")

    def read(path):
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/html")
        return answer

    return read


@pytest.mark.parametrize("path", ["/", "/docs", "/problems/rate-limited"])
def test_a_page_needs_no_script_and_a_browser_would_run_none(read, path):
    answer = read(path)
    page = Page(answer.text)
    assert "script" not in page.elements
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
    assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in page.links)
    policy = answer.headers["content-security-policy"]
    (style,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "unsafe" not in policy
    assert "script-src" not in policy


def test_the_first_page_leads_to_the_others(read, gateway):
    links = Page(read("/").text).links
    assert "/docs" in links
    for link in links:
        assert gateway.client_of("").get(link).status_code == 200


def test_the_docs_page_has_everything_of_the_openapi_document(read, gateway):
    answer = read("/docs")
    page, text = Page(answer.text), unescape(answer.text)
    document = gateway.client_of("").get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f"{method.upper()} {path}</code>" in text
            assert operation["operationId"] in page.anchors
    assert {f"shape-{name}" for name in document["components"]["schemas"]} <= page.anchors
    for name, state in EVENT_STATES.items():
        assert f"<code>{name}</code> ({'final' if state.final else 'not final'})" in text
    for link in page.links:
        assert not link.startswith("#") or link[1:] in page.anchors, link
    assert "`" not in re.sub("<pre>.*?</pre>", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("kind", KINDS)
def test_the_type_of_each_problem_is_a_page(read, kind):
    text = unescape(read(f"/problems/{kind}").text)
    assert str(KINDS[kind].status) in text
    assert KINDS[kind].advice.split("`", maxsplit=1)[0] in text


def test_an_unknown_problem_kind_is_not_found(gateway):
    refusal(gateway.client_of("").get("/problems/x"), 404, "not-found")
