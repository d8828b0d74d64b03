"""schemathesis over the OpenAPI document: no server error, and no answer that it does not name."""

from contextlib import suppress

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.api.api_keys import KeyScope
from tests import builders

pytestmark = pytest.mark.redis

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize(("scopes", "examples"), [(tuple(KeyScope), 5), ((), 1)])
def test_every_answer_is_one_that_the_document_names(gateway, scopes, examples):
    token = gateway.key(*scopes, rate=1e6).token if scopes else "lw_none_x"
    headers = {"Authorization": f"Bearer {token}"}
    document = httpx.get(f"{gateway.url}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=gateway.url)
    gateway.client().post("/v1/events", json=builders.activated())
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        def ask(case):
            nonlocal asked
            if case.query:
                case.query.pop("wait", None)  # it would be kept waiting, as it asked
            case.call_and_validate(headers=headers, checks=CHECKS)
            asked += 1

        run = settings(
            max_examples=examples,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        for mode in GenerationMode:
            with suppress(Unsatisfiable):  # there is nothing that can be wrong
                run(given(case=operation.as_strategy(generation_mode=mode))(ask))()
    assert asked >= len(document["paths"])
