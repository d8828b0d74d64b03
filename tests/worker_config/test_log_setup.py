"""What every log line looks like, and what is in none."""

import io
import json
import logging
import re
import subprocess
import sys
import warnings

import pytest
import structlog
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import setup_logging
from hypothesis import given
from hypothesis import strategies as st

from worker import log_setup
from worker.log_setup import Mask, configure_logging, hide_secret
from worker.runtime.celery_app import make_app
from worker.settings import Settings

MAC = "00:00:5E:00:53:A1"
SPELLINGS = [
    MAC,
    MAC.lower(),
    "0:0:5e:0:53:a1",
    "00-00-5E-00-53-A1",
    "00.00.5E.00.53.A1",
    "0000.5e00.53a1",
    "0000-5e00-53a1",
    "00005E0053A1",
    "1:0:0:5e:0:53:a1",
    f"{MAC}:added",
    f"mac:{MAC}",
    f"{MAC}:{MAC}",
]
WHOLE = re.compile(r"(?i)0?0[:.-]?53[:.-]?a1|5300a1")


@pytest.fixture
def lines(monkeypatch):
    """Configures logging into a buffer, gives back what was there before at the end."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    hooks = sys.excepthook, log_setup.threading.excepthook
    monkeypatch.setattr(log_setup, "_known_secrets", set())
    stream = io.StringIO()

    def configure(**changes):
        values = {f"LEASEWIRE_{k.upper()}": str(v) for k, v in changes.items()}
        configure_logging(Settings.load({"LEASEWIRE_LOG_FORMAT": "json", **values}), stream)
        return stream

    yield configure
    logging.captureWarnings(capture=False)
    root.handlers, level = before
    root.setLevel(level)
    sys.excepthook, log_setup.threading.excepthook = hooks
    structlog.reset_defaults()


def records(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_ours_and_the_libraries_lines_have_one_form(lines):
    stream = lines()
    structlog.contextvars.bind_contextvars(router="tower-7")
    structlog.get_logger("worker.x").info("router.recovered", elapsed_ms=12)
    structlog.contextvars.clear_contextvars()
    logging.getLogger("celery.worker").warning("lost %s of %d", "one", 3)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    ours, foreign, warned = records(stream)
    assert ours.pop("timestamp").endswith("Z")
    assert ours == {
        "event": "router.recovered",
        "level": "info",
        "logger": "worker.x",
        "router": "tower-7",
        "elapsed_ms": 12,
    }
    assert (foreign["event"], foreign["logger"]) == ("lost one of 3", "celery.worker")
    assert (warned["level"], warned["logger"]) == ("warning", "py.warnings")


def test_what_celery_says_of_its_next_version_is_no_line(lines):
    stream = lines()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("it will be True", CPendingDeprecationWarning, stacklevel=1)
        warnings.warn("old", UserWarning, stacklevel=1)
    (only,) = records(stream)
    assert "UserWarning: old" in only["event"]


def test_levels_hold_and_librouteros_never_speaks_of_words(lines):
    stream = lines(log_level="DEBUG")
    structlog.get_logger("worker").debug("seen")
    logging.getLogger("librouteros").debug("<--- '=password=hunter2'")
    lines(log_level="WARNING")
    structlog.get_logger("worker").info("below the level")
    logging.getLogger("kombu").info("below the level")
    assert [record["event"] for record in records(stream)] == ["seen"]


def test_a_terminal_gets_columns(lines):
    stream = lines(log_format="console")
    structlog.get_logger("worker").info("service.converged", service_id="S-1", mac=MAC)
    assert "service.converged" in stream.getvalue()
    assert "service_id=S-1" in stream.getvalue()
    assert not WHOLE.search(stream.getvalue())


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_a_mac_passes(lines, spelling):
    stream = lines()
    log = structlog.get_logger("worker")
    log.info(
        "seen %s.", spelling, mac=spelling, deep=[{"x": (spelling,)}, {spelling}], at=Path(spelling)
    )
    logging.getLogger("celery").error("args: %r", {"mac": spelling})
    try:
        fail(spelling)
    except OSError:
        log.exception("failed")
        logging.getLogger("celery").exception("failed too")
    assert len(records(stream)) == 4
    assert not WHOLE.search(stream.getvalue())
    assert "~" in stream.getvalue()


def fail(message):
    raise OSError(message)


class Path:
    """Some object whose repr tells a MAC."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return f"<at {self.text}>"


def test_masked_macs_are_still_told_apart(lines, tmp_path):
    (tmp_path / "key").write_text("a key")
    mask = Mask(b"a key")
    assert mask.text(MAC) == mask.text(MAC.lower()) == mask.text("0000.5e00.53a1")
    assert mask.text(MAC).startswith("00:00:5E:~")
    assert mask.text(MAC) != mask.text("00:00:5E:00:53:A2")
    assert mask.text(MAC) != Mask(None).text(MAC)
    stream = lines(mac_mask_key_file=tmp_path / "key")
    structlog.get_logger("worker").info("seen", mac=MAC)
    assert records(stream)[0]["mac"] == mask.text(MAC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-09T12:30:45.123456Z",
        "7d3c1f43-8f6d-5d0e-9d7c-8a1c3f0f5b26",
        "198.51.100.10",
        "123456789012",
        "2001:db8::1",
        "ab" * 16,
        "*1A 12:30:45",
    ],
)
def test_what_is_no_mac_stays(text):
    assert Mask(None).text(text) == text


def test_masking_can_be_switched_off(lines):
    stream = lines(mask_macs="no")
    structlog.get_logger("worker").info("seen", mac=MAC)
    assert records(stream)[0]["mac"] == MAC


@pytest.mark.parametrize("secret", ["hunter2", 'qu"ote\\d', "pässwörd", "pa\udcffss", "l1\nl2"])
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_known_secret_passes(lines, secret, log_format):
    hide_secret(secret)
    stream = lines(log_format=log_format)
    log = structlog.get_logger("worker")
    log.info(
        "is %s", secret, other=secret, deep={"x": [secret]}, key={secret: 1}, path=Path(secret)
    )
    logging.getLogger("celery").error("args %r", (secret, secret.encode("utf-8", "replace")))
    try:
        fail(secret)
    except OSError:
        log.exception("failed")
        logging.getLogger("celery").exception("failed too")
    text = stream.getvalue()
    for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        assert form not in text
    assert "[redacted]" in text


def test_fields_named_like_secrets_are_never_shown(lines):
    stream = lines()
    named = dict.fromkeys(["password", "api_token", "redis-secret"], "a1b2")
    path = {"password_file": "/run/a", "password_env": "TOWER7"}
    structlog.get_logger("worker").info("x", **named, **path, deep={"Secret": "a1b2"})
    (record,) = records(stream)
    assert "a1b2" not in str(record)
    assert path.items() <= record.items()


def test_bytes_that_are_no_text_are_logged_all_the_same(lines):
    for log_format in ("json", "console"):
        stream = lines(log_format=log_format)
        structlog.get_logger("worker").info("seen", comment="caf\udce9", raw=b"\xff")
    assert stream.getvalue().count("\\udce9") == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    value=json_values, before=st.text(), after=st.text(), spelling=st.sampled_from(SPELLINGS[:8])
)
def test_any_value_can_be_logged_and_no_mac_in_it_is_whole(value, before, after, spelling):
    hexadecimal = set("0123456789abcdefABCDEF")
    around = f"{before} {spelling} {after}"
    event = Mask(b"k")(None, "info", {"event": around, "value": [value, {around: around}]})
    line = structlog.processors.JSONRenderer()(None, "info", event)
    if not hexadecimal & set(before + after):
        assert not WHOLE.search(str(line))


def test_celery_gets_the_same_pipeline(lines):
    stream = io.StringIO()
    make_app(Settings.load({"LEASEWIRE_LOG_FORMAT": "json"}))
    lines()
    sys.stderr, stderr = stream, sys.stderr
    try:
        setup_logging.send(sender=None, loglevel=20)
        logging.getLogger("celery").warning("hello")
    finally:
        sys.stderr = stderr
    assert records(stream)[0]["event"] == "hello"


@pytest.mark.parametrize("where", ["", "import threading; threading.Thread(target=fail).start()"])
def test_a_crash_is_a_line_without_secrets_too(where):
    code = f"""
from worker.log_setup import configure_logging, hide_secret
from worker.settings import Settings
configure_logging(Settings.load({{"LEASEWIRE_LOG_FORMAT": "json"}}))
hide_secret("hunter2")
def fail():
    raise OSError("hunter" + "2", "00:00:5E:00:53:A1")
{where or "fail()"}
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == (0 if where else 1), ran.stderr
    (line,) = ran.stderr.splitlines()
    record = json.loads(line)
    assert record["event"] in {"process.crashed", "thread.crashed"}
    assert "Traceback" in record["exception"]
    assert "hunter2" not in line
    assert not WHOLE.search(line)


def test_urls_of_webhooks_are_not_logged(lines):
    stream = lines(log_level="DEBUG")
    for name in ("httpx", "httpcore.http11"):
        logging.getLogger(name).info("POST https://bss.example.net/secret-path")
    assert records(stream) == []


def test_the_name_of_this_host_is_no_mac_even_where_it_looks_like_one(monkeypatch):
    monkeypatch.setattr(log_setup, "_OWN_HOST", "3f2a9c1b7d4e")
    mask = Mask(b"key")
    assert mask.text("events@3f2a9c1b7d4e:12") == "events@3f2a9c1b7d4e:12"
    assert "5300a1" not in mask.text("of 00005e0053a1")
    assert mask.text("3f2a9c1b7d4f") != "3f2a9c1b7d4f"


def test_celery_says_nothing_of_each_task_unless_all_is_asked_for(lines):
    for level, said in (("INFO", False), ("DEBUG", True)):
        logger = logging.getLogger("celery.app.trace")
        logger.setLevel(logging.NOTSET)
        configure_logging(Settings(log_level=level))
        assert logger.isEnabledFor(logging.INFO) is said
        assert logger.isEnabledFor(logging.WARNING)
        logger.setLevel(logging.NOTSET)
