"""`outcomes.toml`: what is wrong with it is told all at once, and no secret is told at all."""

import pytest

from contracts.webhook_signature import new_secret
from gateway.outcomes.posting import Poster
from gateway.outcomes.targets import load_targets
from worker.errors import ConfigurationError

BSS = "urn:isp:bss"
GOOD = f"""\
[targets.billing]
url = "https://bss.example.net/hook"
sources = ["{BSS}"]
secret_env = "SECRET"
"""


def loaded(tmp_path, text, **environ):
    path = tmp_path / "outcomes.toml"
    path.write_text(text)
    environ = {"SECRET": new_secret()} | environ
    notified = []
    return load_targets(
        path, sources=frozenset({BSS}), environ=environ, on_secret=notified.append
    ), notified


def problems(tmp_path, text, **environ):
    with pytest.raises(ConfigurationError) as error:
        loaded(tmp_path, text, **environ)
    return error.value.problems


def test_a_target_is_what_the_file_says(tmp_path):
    secret = new_secret()
    (target,), notified = loaded(tmp_path, GOOD + 'states = ["applied"]\n', SECRET=secret)
    assert (target.name, target.sources, target.states) == ("billing", (BSS,), {"applied"})
    assert secret in notified
    assert secret not in repr(target)


def test_a_mark_of_windows_editors_before_the_file_is_no_mistake(tmp_path):
    (target,), _ = loaded(tmp_path, f"\ufeff{GOOD}")
    assert target.name == "billing"


def test_without_a_file_there_are_no_targets(tmp_path):
    assert load_targets(tmp_path / "none", sources=frozenset(), environ={}) == []


def test_a_secret_may_be_in_a_file(tmp_path):
    (tmp_path / "key").write_text(new_secret() + "\n")
    text = GOOD.replace('secret_env = "SECRET"', 'secret_file = "key"')
    (target,), _ = loaded(tmp_path, text)
    assert target.secret.get_secret_value().startswith("whsec_")


def test_without_signing_no_secret_is_read(tmp_path):
    (tmp_path / "outcomes.toml").write_text(GOOD)
    known = frozenset({BSS})
    (target,) = load_targets(tmp_path / "outcomes.toml", sources=known, environ={}, signing=False)
    assert (target.name, target.secret) == ("billing", None)
    with pytest.raises(ValueError, match="without a secret"):
        Poster(target)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("https://bss", "http://bss", "must begin with https://"),
        ("https://bss.example.net", "https://u:p@bss.example.net", "no user and no password"),
        ("https://bss.example.net/hook", "bss", "must be a URL"),
        ("https", "ftp", "must begin with https://"),
        (BSS, "urn:x", "is not in [sources] of the inventory"),
        ('secret_env = "SECRET"', "", "give either secret_file or secret_env"),
        ('secret_env = "SECRET"', 'secret_file = "gone"', "cannot be read"),
        ("secret_env", "secret", "is not a key here"),
        ("[targets.billing]", "[targets.B]", "should match pattern"),
        ("[targets", "[target", "is not a key here"),
        ("[targets", "[[[", "is not valid TOML"),
        ("secret_env", 'ca_file = "gone.pem"\nsecret_env', "there is no file"),
    ],
)
def test_mistakes_are_reported_with_their_place(tmp_path, old, new, message):
    found = problems(tmp_path, GOOD.replace(old, new))
    assert any(message in each for each in found), found
    assert all("outcomes.toml" in each for each in found)


@pytest.mark.parametrize("secret", ["", "never-to-be-seen", "whsec_c2hvcnQ=", "whsec_%%%"])
def test_a_bad_secret_is_refused_and_not_shown(tmp_path, secret):
    (found,) = problems(tmp_path, GOOD, SECRET=secret)
    assert "targets.billing.secret_env: the variable SECRET" in found
    assert not secret or secret not in found


@pytest.mark.parametrize("host", ["127.0.0.1:8", "localhost", "[::1]:9"])
def test_this_host_needs_no_tls(tmp_path, host):
    assert loaded(tmp_path, GOOD.replace("https://bss.example.net", f"http://{host}"))
