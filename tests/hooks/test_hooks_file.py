"""`hooks.toml`: every mistake is told, with its place; the command shows what there is."""

import json
import re
from pathlib import Path

import pytest

import gateway.hooks
from gateway.hooks.config import load_hooks
from leasewire.cli import main
from tests.hooks.conftest import BILLING, PATH, SECRET, SPLYNX, UISP
from worker.errors import ConfigurationError

SOURCES = {UISP: "revisions", SPLYNX: "revisions", BILLING: "times"}


def mistakes(folder, text, environ=None):
    (folder / "hooks.toml").write_text(text)
    with pytest.raises(ConfigurationError) as said:
        load_hooks(folder / "hooks.toml", sources=SOURCES, environ=environ or {})
    assert SECRET not in str(said.value)
    return [line.removeprefix(f"{folder}/hooks.toml: ") for line in said.value.problems]


def test_the_example_is_right(folder):
    hooks = load_hooks(folder / "hooks.toml", sources=SOURCES, environ={"BILLING_SECRET": SECRET})
    assert hooks["uisp"].path == f"/v1/hooks/uisp/{PATH}"
    assert hooks["splynx"].path == "/v1/hooks/splynx/splynx"


def test_a_mark_of_windows_editors_before_the_file_is_no_mistake(folder):
    path = folder / "hooks.toml"
    path.write_text(f"\ufeff{path.read_text()}")
    assert "uisp" in load_hooks(path, sources=SOURCES, environ={"BILLING_SECRET": SECRET})


def test_every_mistake_is_reported(folder):
    text = """
[hooks.a]
adapter = "uisp"
source = "urn:isp:bss:unknown"
api = { url = "uisp.example.net", secret.file = "key" }
attributes = { ipv4 = 12 }
[hooks.b]
adapter = "sonar"
[hooks.c]
adapter = "generic"
source = "urn:isp:bss:billing"
path_secret = { file = "nowhere" }
fields = { event = "a", color = "c", mac = "..m" }
events = { }
[hooks.d]
adapter = "uisp"
source = "urn:isp:bss:billing"
api = { url = "https://uisp.example.net", secret = { env = "A", file = "key" } }
attributes = { ipv4 = 12 }
"""
    lines = mistakes(folder, text)
    assert lines[0].startswith("hooks.a.api.url: ")
    assert "hooks.b.adapter: must be uisp, splynx or generic" in lines
    assert any(line.startswith("hooks.c.fields.color: is not a field") for line in lines)
    assert any(line.startswith("hooks.c.fields.mac: is not a path") for line in lines)
    assert "hooks.c.fields.service_id: is missing" in lines
    assert any(line.startswith("hooks.c.fields.time: is missing") for line in lines)
    assert f"hooks.c.path_secret: the file {folder}/nowhere is empty or cannot be read" in lines
    assert "hooks.d.api.secret: give either env, the name of a variable, or file" in lines
    assert any(line.startswith("hooks.d.path_secret: is missing") for line in lines)
    assert any('must have order = "revisions"' in line for line in lines)


@pytest.mark.parametrize("url", ["http://uisp.example.net/crm", "http://u:p@127.0.0.1/crm"])
def test_a_key_is_not_sent_in_clear_beyond_this_host(folder, url):
    text = f"""
[hooks.a]
adapter = "uisp"
source = "urn:isp:bss:uisp"
path_secret.file = "path"
api = {{ url = "{url}", secret.file = "key" }}
attributes = {{ mac = 1, router = 2 }}
"""
    (mistake,) = mistakes(folder, text)
    assert mistake.startswith("hooks.a.api.url: ")
    assert "https://" in mistake or "no user" in mistake


def test_a_key_that_is_not_a_hook_is_reported(folder):
    assert mistakes(folder, "[[[") != []
    assert mistakes(folder, "[splynx]\n")[0].startswith("splynx: is not a key here")
    for given in ("hooks = 3", "[hooks]\na = 3"):
        assert mistakes(folder, given)


@pytest.fixture
def command(environ, valkey, folder, monkeypatch, capsys):
    monkeypatch.setenv("LEASEWIRE_REDIS_URL", valkey.url)
    monkeypatch.setenv("LEASEWIRE_INVENTORY", str(folder / "routers.toml"))

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["leasewire", "hooks", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return run


@pytest.mark.redis
def test_the_command_lists_hooks_and_tries_bodies(command, folder):
    code, out, _ = command("list", "--json")
    assert code == 0
    paths = {each["hook"]: each["path"] for each in json.loads(out)["hooks"]}
    assert paths["uisp"] == "/v1/hooks/uisp/…"
    assert PATH in command("list", "--paths")[1]
    body = folder / "body.json"
    body.write_text('{"action": "stop", "service": {"id": 7}, "how": "soft", "at": "x"}')
    code, out, _ = command("try", "billing", str(body))
    assert code == 0
    assert json.loads(out)["data"] == {
        "service_id": "7",
        "suspension": {"mode": "walled_garden"},
    }
    body.write_text('{"action": "device", "service": {"id": 7}}')
    code, _, err = command("try", "billing", str(body))
    assert (code, err) == (1, "dead letter: mac is missing\n")
    assert command("try", "nobody", str(body))[0] == 2


def test_the_example_of_the_readme_is_right(tmp_path):
    readme = (Path(gateway.hooks.__file__).parent / "README.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "hooks.toml").write_text(example)
    (tmp_path / "secrets").mkdir()
    for name in re.findall(r'file = "(.*?)"', example):
        (tmp_path / name).write_text("x" * 20)
    sources = {f"urn:isp:bss:{name}:acme": "revisions" for name in ("uisp", "splynx")}
    hooks = load_hooks(
        tmp_path / "hooks.toml",
        sources=sources | {"urn:isp:bss:billing": "times"},
        environ={"SPLYNX_API_SECRET": "x"},
    )
    assert sorted(hooks) == ["billing", "splynx", "uisp"]
