"""Lines on a terminal hold nothing that the terminal would act upon."""

import io
import logging

import structlog

from worker.log_setup import configure_logging
from worker.settings import Settings

HOSTILE = "\x1b]0;PWNED\x07\x9b2J\u202e\u2028"


def test_hostile_words_of_a_router_move_no_cursor(quiet_logging):
    stream = io.StringIO()
    configure_logging(Settings(log_format="console"), stream)
    log = structlog.get_logger("routers")
    log.warning("router.blocked", message=HOSTILE, more=[HOSTILE], a={"b": HOSTILE})
    log.error("router.failed", exc_info=ValueError(HOSTILE))
    logging.getLogger("celery").error(HOSTILE)
    said = stream.getvalue()
    assert "PWNED" in said
    assert [c for c in said if not c.isprintable() and c != "\n"] == []
