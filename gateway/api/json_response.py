"""How the gateway writes JSON: with nothing in it that a terminal would act upon."""

import json
from typing import Any

from fastapi.responses import JSONResponse

from producers.files.cells import printable


class ShownJson(JSONResponse):
    """What routers, devices and BSSs said is in answers, and people look at them with `curl`."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - as its base has it
        """The content, with escapes for characters that nobody sees; programs read the same."""
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return printable(text).encode()
