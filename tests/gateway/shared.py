"""What gateways and clients of a process of pytest share: it took most of the time of a start."""

import json
import ssl
from typing import Any, Final

import pytest
from fastapi import FastAPI

TRUST: Final = ssl.create_default_context()
"""What clients trust. Each reads it from a file, for 20 ms, unless it is given."""


@pytest.fixture(scope="session", autouse=True)
def one_document():
    """The document of the API is made once, in 40 ms: each gateway has the same routes."""
    texts: list[str] = []
    make = FastAPI.openapi

    def openapi(app: FastAPI) -> dict[str, Any]:
        if not texts:
            texts.append(json.dumps(make(app)))
        app.openapi_schema = json.loads(texts[0])
        return app.openapi_schema

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastAPI, "openapi", openapi)
        yield
