"""Requests signed as Standard Webhooks has it."""

import json
import time

import pytest

from contracts.webhook_signature import sign
from tests import builders
from tests.gateway.asking import STRUCTURED, post, refusal

pytestmark = pytest.mark.redis


def signed(client, made, event, *, at=None, secret=None, id_=None):  # noqa: PLR0913 - all that can be wrong
    body = json.dumps(event).encode()
    at = int(time.time()) if at is None else at
    signature = sign(secret or made.key.signing_secret, id_ or event["id"], at, body)
    headers = {
        "webhook-id": id_ or event["id"],
        "webhook-timestamp": str(at),
        "webhook-signature": signature,
    }
    return client.post("/v1/events", content=body, headers=STRUCTURED | headers)


def test_a_key_may_require_signatures(gateway):
    made = gateway.key(signature_required=True)
    client, event = gateway.client_of(made.token), builders.mac_changed(id_="e-1")
    refusal(post(client, event), 401, "bad-signature")
    other = gateway.key().key.signing_secret
    refusal(signed(client, made, event, secret=other), 401, "bad-signature")
    refusal(signed(client, made, event, at=int(time.time()) - 302), 401, "bad-timestamp")
    refusal(signed(client, made, event, id_="e-2"), 401, "bad-signature")
    assert gateway.journaled() == 0
    assert signed(client, made, event).status_code == 202


def test_a_wrong_signature_is_refused_even_if_none_is_required(gateway):
    made = gateway.key()
    client, other = gateway.client_of(made.token), gateway.key().key.signing_secret
    refusal(signed(client, made, builders.mac_changed(), secret=other), 401, "bad-signature")
    assert signed(client, made, builders.mac_changed()).status_code == 202
