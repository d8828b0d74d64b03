"""A gateway with the console, as `leasewire gateway --console` runs it, and people logged in."""

from datetime import UTC, datetime
from functools import cached_property

import httpx
import pytest
from argon2 import PasswordHasher

from gateway.console.people import People, Role
from leasewire.context import Context
from leasewire.host.gateway import running_gateway
from tests import builders
from tests.gateway.shared import TRUST, one_document

__all__ = ["one_document"]

INVENTORY = f"""\
[installation]
id = "acme"
[sources."{builders.SOURCE}"]
order = "revisions"
"""
PASSWORD = "correct horse battery"


class ConsoleUnderTest:
    """A running console.

    Args:
        url: of the gateway.
        context: what it works with.
    """

    def __init__(self, url, context):
        self.url = url
        self.context = context
        self.store = context.store
        quick = PasswordHasher(time_cost=1, memory_cost=64)  # a real one takes as long as a test
        self.people = People(context.store.client, context.settings.key_prefix, quick)
        self._clients = []

    def person(self, name, role):
        return self.people.add(name, Role(role), PASSWORD, datetime.now(UTC).isoformat())

    def browser(self):
        """A client without a session; it keeps cookies and follows no redirect."""
        client = httpx.Client(base_url=self.url, timeout=30, verify=TRUST)
        self._clients.append(client)
        return client

    def logged_in(self, name):
        client = self.browser()
        form = {"name": name, "password": PASSWORD}
        answer = client.post("/console/login", data=form)
        assert answer.status_code == 303, answer.text
        return client

    @cached_property
    def viewer(self):
        return self._of_role("viewer")

    @cached_property
    def operator(self):
        return self._of_role("operator")

    @cached_property
    def admin(self):
        return self._of_role("admin")

    def _of_role(self, role):
        self.person(f"the-{role}", role)
        return self.logged_in(f"the-{role}")

    def close(self):
        for client in self._clients:
            client.close()


def csrf_of(client, page="/console/now"):
    """The token that forms of this client's session send."""
    text = client.get(page).text
    return text.split('name="csrf" value="', 1)[1].split('"', 1)[0]


def post(client, path, **form):
    """Post a form as a page of this client's session does; follows to the page after it."""
    form = {name.removesuffix("_"): value for name, value in form.items()}
    return client.post(path, data={"csrf": csrf_of(client)} | form, follow_redirects=True)


@pytest.fixture
def console_at(quiet_logging, tmp_path, monkeypatch, prefix, valkey):
    """Starts a console for an inventory: `console_at(INVENTORY)`."""
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)
    started = []

    def start(inventory=INVENTORY):
        path = tmp_path / "routers.toml"
        path.write_text(inventory)
        context = Context(path, redis_url=valkey.url)
        running = running_gateway(context, "127.0.0.1", 0, console=True)
        console = ConsoleUnderTest(running.__enter__().url, context)
        started.append((running, console))
        return console

    yield start
    for running, console in started:
        console.close()
        running.__exit__(None, None, None)
        console.context.store.client.close()


@pytest.fixture
def console(console_at):
    """A console of an empty installation."""
    return console_at()
