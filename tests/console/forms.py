"""Reads the links and forms of a page, as a browser does that runs no script."""

from html.parser import HTMLParser
from typing import NamedTuple


class PageForm(NamedTuple):
    """A form with the fields that it would send as it is."""

    method: str
    action: str
    fields: dict


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []
        self.forms = []
        self._select = None

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        fields = self.forms[-1].fields if self.forms else {}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "form":
            self.forms.append(PageForm(given.get("method", "get"), given["action"], {}))
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and (self._select not in fields or "selected" in given):
            fields[self._select] = given.get("value", "")
        elif tag == "textarea" and "name" in given:
            fields[given["name"]] = ""
        elif tag in ("input", "button") and "name" in given:
            is_chosen = given.get("type") not in ("checkbox", "radio") or "checked" in given
            if is_chosen:
                fields[given["name"]] = given.get("value", "")


def read_page(text):
    """The addresses that a page links to, and its forms."""
    reader = _Reader()
    reader.feed(text)
    return reader.links, reader.forms


def crawl(client, starts, filled, skipped=()):
    """Follow all links of the console from some pages, then send each form once.

    Args:
        client: logged in; it follows redirects.
        starts: addresses of the first pages.
        filled: what a person types into fields, by name.
        skipped: actions that are not posted.

    Returns:
        The status of each (method, path).
    """
    statuses, waiting, seen, posted, forms = {}, list(starts), set(), set(), []

    def take(answer):
        links, found = read_page(answer.text)
        waiting.extend(link for link in links if link.startswith("/console/"))
        forms.extend(form for form in found if form.method == "post")

    while waiting or forms:
        while waiting:
            address = waiting.pop(0)
            path = address.partition("?")[0]
            if address not in seen and sum(each.startswith(f"{path}?") for each in seen) < 3:
                seen.add(address)
                answer = client.get(address)
                statuses["GET", path] = max(statuses.get(("GET", path), 0), answer.status_code)
                take(answer)
        form = forms.pop(0)
        if form.action not in posted | set(skipped):
            posted.add(form.action)
            fields = form.fields | {n: v for n, v in filled.items() if not form.fields.get(n)}
            answer = client.post(form.action, data=fields)
            statuses["POST", form.action] = answer.status_code
            take(answer)
    return statuses
