"""`leasewire outcomes`: what a person sees of deliveries, and does about them."""

import json

import pytest
from typer.testing import CliRunner

from gateway.outcomes.deliveries import Deliveries, Undelivered
from gateway.outcomes.targets import load_targets
from leasewire import cli
from tests import builders
from worker.errors import ConfigurationError

pytestmark = pytest.mark.redis

INVENTORY = f"""\
[installation]
id = "acme"
[sources."{builders.SOURCE}"]
order = "revisions"
"""
TARGETS = f"""\
[targets.billing]
url = "https://bss.example.net/never-to-be-seen"
sources = ["{builders.SOURCE}"]
secret_env = "WEBHOOK_SECRET"
"""


@pytest.fixture
def run(quiet_logging, valkey, prefix, tmp_path, monkeypatch):
    (tmp_path / "routers.toml").write_text(INVENTORY)
    (tmp_path / "outcomes.toml").write_text(TARGETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)
    monkeypatch.setenv("LEASEWIRE_KEY_PREFIX", prefix)

    def run(*arguments):
        return CliRunner().invoke(cli.app, ["outcomes", *arguments])

    return run


@pytest.fixture
def deliveries(client, prefix):
    found = Deliveries(client, prefix, "billing")
    assert found.hold()
    return found


def undelivered(number):
    data = {"service": "SVC-1", "event": f"e-{number}", "state": "applied"}
    return Undelivered({"id": f"outcome-{number}-0", "data": data}, 1, 12, "answered 500")


def test_failed_outcomes_are_listed_and_retried_in_a_persons_name(run, deliveries, client, prefix):
    for number in (1, 2, 3):
        deliveries.give_up(undelivered(number), number)
    listed = json.loads(run("failed", "billing", "--json").stdout)["failed"]
    assert [each["event"] for each in listed] == ["e-1", "e-2", "e-3"]
    assert "answered 500" in run("failed", "billing").stdout

    assert run("retry", "billing", "outcome-2-0", "--actor", "ada").exit_code == 0
    assert [each.id for each in deliveries.dead()] == ["outcome-1-0", "outcome-3-0"]
    assert deliveries.due(10**15).tries == 0
    ((_, fields),) = client.xrange(f"{prefix}audit")
    entry = ["ada", "delivery.retried", "billing", "1 outcomes"]
    assert json.loads(fields["entry"])[1:] == entry

    answer = run("retry", "billing", "outcome-9-0")
    assert answer.exit_code == 1
    assert "0 of 1" in answer.stdout
    assert run("retry", "billing", "--all").exit_code == 0
    assert "Nothing failed." in run("failed", "billing").stdout


def test_the_query_of_a_target_url_is_not_shown(run, tmp_path):
    """Some receivers want their key there."""
    file = tmp_path / "outcomes.toml"
    file.write_text(file.read_text().replace("/never-to-be-seen", "/hear?key=never-to-be-seen"))
    shown = run("targets", "--json").stdout
    assert json.loads(shown)["targets"][0]["url"] == "https://bss.example.net/hear"
    assert "never-to-be-seen" not in shown + run("targets").stdout


def test_targets_show_their_state(run, deliveries):
    (before,) = json.loads(run("targets", "--json").stdout)["targets"]
    assert (before["state"], before["failed"]) == ("nothing yet", 0)
    deliveries.go_on("5-0", delivered_ms=1_764_000_000_000)
    deliveries.note_failing("answered 503", 1_764_000_000_000, 1_764_000_005_000)
    (target,) = json.loads(run("targets", "--json").stdout)["targets"]
    assert (target["state"], target["delivered"], target["message"]) == (
        "failing",
        1,
        "answered 503",
    )
    assert "failing" in run("targets").stdout


@pytest.mark.parametrize("arguments", [(), ("outcome-1-0", "--all")])
def test_retry_needs_ids_or_all(run, arguments):
    answer = run("retry", "billing", *arguments)
    assert answer.exit_code == 2
    assert "--all" in answer.output


def test_an_unknown_target_is_refused_with_the_known_ones(run):
    answer = run("failed", "x")
    assert isinstance(answer.exception, ConfigurationError)
    assert "targets: billing" in str(answer.exception)


def test_outcomes_secret_makes_a_valid_secret(run, tmp_path):
    made = run("secret").stdout.strip()
    (target,) = load_targets(
        tmp_path / "outcomes.toml",
        sources=frozenset({builders.SOURCE}),
        environ={"WEBHOOK_SECRET": made},
    )
    assert target.secret.get_secret_value() == made
