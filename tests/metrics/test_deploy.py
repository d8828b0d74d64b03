"""What `deploy/` has for Prometheus and Grafana names figures that there are, and files that do."""

import configparser
import json
import re
import shlex

import pytest
import typer
import yaml

from leasewire.cli import app
from leasewire.context import Context
from tests.leasewire.test_documents import ROOT
from tests.metrics.conftest import scrape

DEPLOY = ROOT / "deploy"
BOARD = json.loads((DEPLOY / "grafana" / "leasewire.json").read_text("utf-8"))
RULES = yaml.safe_load((DEPLOY / "prometheus" / "leasewire-rules.yml").read_text("utf-8"))
NAME = re.compile(r"\bleasewire_\w+")
SELECTOR = re.compile(r"\b(leasewire_\w+)\{([^}]*)\}")
LABEL = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


def panels():
    return [each for each in BOARD["panels"] if each["type"] != "row"]


def rules():
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def expressions():
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    yield from (each["query"]["query"] for each in BOARD["templating"]["list"][1:])
    yield from (rule["expr"] for rule in rules())


@pytest.fixture
def given(valkey, tmp_path, exporter):
    """Name of each sample -> the values of its labels that there are, where nothing happened."""
    (tmp_path / "routers.toml").write_text('[installation]\nid = "acme"\n')
    with exporter(Context(tmp_path / "routers.toml", redis_url=valkey.url)) as url:
        families = scrape(url).families.values()
    found = {}
    for family in families:
        ends = {"counter": "_total", "histogram": "_bucket"}
        of = found.setdefault(family.name + ends.get(family.type, ""), {})
        for sample in family.samples:
            for label, value in sample.labels.items():
                of.setdefault(label, set()).add(value)
    return found


@pytest.mark.redis
def test_each_figure_that_they_name_is_given_and_each_that_is_given_is_shown(given):
    named = {name for expression in expressions() for name in NAME.findall(expression)}
    assert sorted(named - given.keys()) == []
    assert sorted(given.keys() - named) == []


@pytest.mark.redis
def test_each_value_of_a_closed_label_that_they_select_is_given(given):
    for expression in expressions():
        for name, labels in SELECTOR.findall(expression):
            for label, how, value in LABEL.findall(labels):
                there = given[name].get(label)
                if there is not None:
                    wanted = value.split("|") if "~" in how else [value]
                    assert set(wanted) <= there, expression


def test_a_dashboard_of_its_parts():
    ids = [each["id"] for each in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert BOARD["uid"] == "leasewire"
    variables = {each["name"] for each in BOARD["templating"]["list"]} | {"__rate_interval"}
    places = set()
    for panel in panels():
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        mine = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not mine & places, panel["title"]
        places |= mine
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables


def test_the_rules_say_what_to_do_and_there_are_few_of_them():
    assert 1 < len(rules()) <= 5, "what our own alerts tell is not told twice"
    for rule in rules():
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"[0-9]+m", rule["for"])
        assert rule["labels"] == {"severity": "critical"}
        message = rule["annotations"]["description"]
        pages = re.findall(r"`leasewire runbook ([\w-]+)`", message)
        assert all((DEPLOY / "runbooks" / f"{page}.md").is_file() for page in pages)
        assert "`leasewire " in message
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert config["rule_files"] == ["leasewire-rules.yml"]
    (job,) = config["scrape_configs"]
    assert job["job_name"] in rules()[0]["expr"]
    assert job["static_configs"] == [{"targets": [default_bind()]}]


def test_the_service_and_the_container_run_a_command_that_there_is():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(DEPLOY / "systemd" / "leasewire-metrics.service")
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/leasewire")
    assert arguments == ["metrics", "--bind", default_bind()]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    ours = services["metrics"]
    assert ours["command"] == ["metrics", "--bind=0.0.0.0:9464"]
    assert ours["ports"] == ["127.0.0.1:${LEASEWIRE_METRICS_PORT:-9464}:9464"]
    assert "store" in ours["networks"]


def default_bind():
    command = typer.main.get_command(app).commands["metrics"]
    (bind,) = (each for each in command.params if each.name == "bind")
    return bind.default
