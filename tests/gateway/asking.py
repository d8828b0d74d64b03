"""Requests to a gateway, and what is expected of a refusal."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from urllib.parse import quote

import httpx

from gateway.api.api_keys import ApiKeys
from leasewire.host.gateway import running_gateway
from tests.gateway.shared import TRUST

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


@contextmanager
def asking(context, *scopes, sources):
    """A client with a key of these scopes and sources, of a gateway that runs meanwhile."""
    keys = ApiKeys(context.store.client, context.settings.key_prefix)
    now = datetime.now(UTC).isoformat()
    token = keys.create("a key", sources, scopes, rate=1e6, created_at=now, actor="ann").token
    headers = {"Authorization": f"Bearer {token}"}
    with (
        running_gateway(context, "127.0.0.1", 0, 1000) as server,
        httpx.Client(base_url=server.url, headers=headers, timeout=30, verify=TRUST) as client,
    ):
        yield client


def ask_all(client, values):
    """Ask every GET route of the document, with each value of each parameter by itself.

    Args:
        client: with a key.
        values: parameter -> what it is to be; those of a path in all combinations. A route whose
            parameter is not here fails the test: say what it is to be asked.

    Yields:
        (path, its parameters, query, answer).
    """
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        if "get" not in operations:
            continue
        names = {"path": [], "query": []}
        for each in operations["get"].get("parameters", []):
            if each["in"] in names:
                names[each["in"]].append(each["name"])
        queries = [{}] + [{name: value} for name in names["query"] for value in values[name]]
        for given in product(*(values[name] for name in names["path"])):
            named = dict(zip(names["path"], given, strict=True))
            url = path.format_map({name: quote(each, safe="") for name, each in named.items()})
            for query in queries:
                yield path, named, query, client.get(url, params=query)
