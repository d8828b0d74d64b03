"""Requests to a gateway, and what is expected of a refusal."""

import json

STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}


def post(client, event, path="/v1/events", **headers):
    return client.post(path, content=json.dumps(event), headers=STRUCTURED | headers)


def post_batch(client, events, path="/v1/events", **headers):
    return client.post(path, content=json.dumps(events), headers=BATCH | headers)


def refusal(answer, status, kind):
    """Checks that it is a problem document as RFC 9457 has it; returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["type"] == f"/problems/{kind}"
    assert document["code"] == kind
    assert document["status"] == status
    assert document["instance"] == answer.request.url.path
    return document
