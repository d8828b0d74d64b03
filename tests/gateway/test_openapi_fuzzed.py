"""schemathesis over the OpenAPI document: no server error, and no answer that it does not name."""

import httpx
import pytest

from gateway.api.api_keys import KeyScope
from tests import builders

pytestmark = pytest.mark.redis


@pytest.mark.parametrize(("scopes", "examples"), [(tuple(KeyScope), 5), ((), 1)])
def test_every_answer_is_one_that_the_document_names(gateway, scopes, examples):
    from tests.gateway.fuzzing import ask_all  # noqa: PLC0415 - its imports take a second

    token = gateway.key(*scopes, rate=1e6).token if scopes else "lw_none_x"
    document = httpx.get(f"{gateway.url}/openapi.json").json()
    gateway.client().post("/v1/events", json=builders.activated())
    assert ask_all(gateway.url, document, token, examples) >= len(document["paths"])
