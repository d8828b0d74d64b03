"""What webhooks of strangers cost, and what Redis keeps of those that wait."""

import json

import pytest

from gateway.dead_letters import retry
from gateway.hooks import inbox as inbox_module
from gateway.hooks.inbox import Inbox, Posted
from gateway.keys import GatewayKeys
from leasewire.context import Context
from leasewire.host.gateway import running_gateway
from tests.hooks.conftest import PATH, Desk
from tests.hooks.vendors import uisp_event
from tests.waiting import eventually
from worker.core.service.outcome import DeadLetter

pytestmark = pytest.mark.redis


@pytest.fixture
def few_a_second(folder):
    """Billing may post five a second."""
    file = folder / "hooks.toml"
    file.write_text(file.read_text().replace("success = 202\n", "success = 202\nrate = 5\n"))


def test_wrong_signatures_do_not_use_up_the_rate_of_the_hook(few_a_second, desk):
    wrong = [desk.billing({"action": "note"}, secret="of-somebody-else") for _ in range(40)]
    right = [desk.billing({"action": "note", "n": n}) for n in range(5)]
    assert [answer.status_code for answer in right] == [202] * 5
    assert {answer.status_code for answer in wrong} == {401, 429}
    assert wrong[0].json()["code"] == "bad-signature"
    over = next(answer for answer in wrong if answer.status_code == 429)
    assert int(over.headers["retry-after"]) >= 1


def test_a_redis_that_is_nearly_full_takes_no_webhook(own_valkey, environ, folder, vendor):
    context = Context(folder / "routers.toml", redis_url=own_valkey.url)
    with running_gateway(context, "127.0.0.1", 0, 1000) as server:
        desk = Desk(server.url, vendor, context)
        used = context.store.client.info("memory")["used_memory"]
        context.store.client.config_set("maxmemory", int(used / 0.85))
        answer = desk.billing({"action": "note"})
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert 5 <= int(answer.headers["retry-after"]) <= 30
        context.store.client.config_set("maxmemory", 0)
        eventually(lambda: desk.billing({"action": "note"}).status_code == 202, "there is room")
        desk.client.close()
    context.store.client.close()


def posted(number, body):
    return Posted(f"id-{number}", "billing", body, "application/json")


def test_the_inbox_is_bounded_in_bytes(client, prefix, monkeypatch):
    monkeypatch.setattr(inbox_module, "MOST_BYTES", 10_000)
    inbox = Inbox(client, prefix)
    kept = [posted(n, "x" * 2_000) for n in range(4)]
    assert [inbox.put(each) for each in kept] == [""] * 4
    assert inbox.put(kept[0]) == ""  # it waits already
    assert "wait" in inbox.put(posted(9, "x" * 2_000))
    assert inbox.put(posted(10, "x")) == ""
    inbox.later(kept[0], 0)
    inbox.done(kept[0])
    assert inbox.put(posted(9, "x" * 2_000)) == ""
    for each in (*kept, posted(9, ""), posted(10, "")):
        inbox.done(each)
    assert not client.exists(GatewayKeys(prefix).hooks.inbox_bytes)


def test_of_unsigned_webhooks_only_the_uuid_is_stored(desk):
    desk.vendor.down = True
    uuid = "0b6f4f0e-5d5e-5f37-9a39-000000000001"
    event = uisp_event(uuid, "service.edit", 2002) | {"extraData": {"x": "y" * 100_000}}
    desk.uisp(event)
    for body in (b"[" + b"1," * 50_000 + b"1]", b"x" * 100_000, b"\xff" * 1000):
        assert desk.client.post(f"/v1/hooks/uisp/{PATH}", content=body).status_code == 200
    inbox = GatewayKeys(desk.context.settings.key_prefix).hooks.inbox
    # A webhook is set aside first, and leaves the inbox after that.
    eventually(lambda: desk.store.client.hlen(inbox) == 1, "what is no webhook leaves the inbox")
    kept = desk.store.client.hvals(inbox)
    assert len(desk.dead_letters()) == 3
    assert [json.loads(json.loads(each)["body"]) for each in kept] == [{"uuid": uuid}]
    assert all(len(each.body) < 2_000 for each in desk.dead_letters().values())


def test_a_dead_letter_stays_while_the_inbox_has_no_room(desk, monkeypatch):
    body = json.dumps(posted(1, "{}")._replace(attempts=0)._asdict())
    dead_letter = DeadLetter("hook-1", "hook", "mapping-incomplete", "x", body=body, at_ms=1)
    monkeypatch.setattr(inbox_module, "MOST_WAITING", 0)
    with desk.context.publisher() as publisher:
        assert "wait" in retry(desk.context.store, publisher, dead_letter, "ann")
