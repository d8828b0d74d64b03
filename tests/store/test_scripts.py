"""What scripts are made of: what they use of the shared parts, and nothing else."""

import re
from importlib.resources import files

import pytest

from worker.store import scripts
from worker.store.keys import Keys

LUA = files(scripts.__package__) / "lua"
FILES = sorted(path.name.removesuffix(".lua") for path in LUA.iterdir())
FUNCTION = re.compile(r"^local function (\w+)", re.MULTILINE)
PARTS = [name for name in FILES if name.startswith("_")]
SHARED = {made for part in PARTS for made in FUNCTION.findall((LUA / f"{part}.lua").read_text())}


def bare(name):
    """The text of a script without comments and texts."""
    return re.sub(r"^ *--.*|'[^'\n]*'", "", scripts.source(name), flags=re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("_")])
def test_a_script_has_the_functions_that_it_names_and_no_others(name):
    text = bare(name)
    made, words = set(FUNCTION.findall(text)) & SHARED, re.findall(r"\w+", text)
    assert SHARED & set(re.findall(r"(?<![.\w])(\w+)\(", FUNCTION.sub("", text))) <= made
    assert {function for function in made if words.count(function) == 1} == set()


def test_a_script_has_the_keys_that_it_uses():
    text = scripts.source("release")
    assert "':lock')" in text
    assert "':work-items')" not in text


def test_a_script_that_goes_through_a_group_has_all_of_it():
    text = scripts.source("forget_router")
    for at in Keys("").router("?"):
        assert f"':{at.rpartition(':')[2]}')" in text


@pytest.mark.redis
def test_redis_takes_every_script(client):
    for name in FILES:
        if not name.startswith("_"):
            client.script_load(scripts.source(name))
