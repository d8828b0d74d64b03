"""Asks a gateway all that its OpenAPI document names, by schemathesis."""

from contextlib import suppress

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

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def ask_all(url, document, token, examples):
    """Each operation in each mode, and check each answer; returns how many were asked.

    Args:
        url: of the gateway.
        document: its document.
        token: of the key.
        examples: for each operation and mode, at most.
    """
    headers = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
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
        # Where nothing can be wrong, Hypothesis looks for it for seconds.
        any_is_right = all(each.location == "path" for each in operation.iter_parameters()) and all(
            body.media_type == "*/*" for body in operation.body
        )
        for mode in [GenerationMode.POSITIVE] if any_is_right else GenerationMode:
            with suppress(Unsatisfiable):  # as above
                run(given(case=operation.as_strategy(generation_mode=mode))(ask))()
    return asked
