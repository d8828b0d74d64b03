"""Names of our packages stand in imports alone, and the build moves each import."""

import ast

import pytest

from setup import MOVED, moved
from tests.packages.building import FOLDERS, ROOT

MODULES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("from worker.store import keys\n", "from p.worker.store import keys\n"),
        ("from worker import store\n", "from p.worker import store\n"),
        ("import worker\n", "from p import worker\n"),
        ("import worker as w\n", "from p import worker as w\n"),
        ("import worker.store as s\n", "import p.worker.store as s\n"),
        ("x = 'é'; import worker\n", "x = 'é'; from p import worker\n"),
        ("if x:\n    from worker import a; from worker import b\n",
         "if x:\n    from p.worker import a; from p.worker import b\n"),
        ("from worker import (\r\n    a,\r\n)\r\n", "from p.worker import (\r\n    a,\r\n)\r\n"),
    ],
)  # fmt: skip
def test_an_import_leads_below_the_package(source, wanted):
    assert moved(source.encode(), "p", ["worker"]).decode() == wanted


@pytest.mark.parametrize(
    "source",
    [
        "import workers\n",
        "from workers import a\n",
        "from . import worker\n",
        "from .worker import a\n",
        "import os, re\n",
        "'''\nfrom worker import a\n'''\n# import worker\nworker = 'worker.store'\n",
        "text = '''\f\x0b\x1c'''\nfrom os import path\n",
    ],
)
def test_all_else_stays(source):
    assert moved(source.encode(), "p", ["worker"]).decode() == source


@pytest.mark.parametrize(
    "source", ["import worker.store\n", "import os, worker\n", "from  worker import a\n"]
)
def test_an_import_that_cannot_be_moved_is_refused(source):
    with pytest.raises(ValueError, match="import"):
        moved(source.encode(), "p", ["worker"])


def test_no_text_names_a_module_that_the_build_moves():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {text}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_bytes()))
        for text in names_in(node)
    ]
    assert found == [], "write __package__, or import the module and use its __name__"


def names_in(node):
    """Names of modules of ours in a text, and names of packages that are looked up by a text."""
    match node:
        case ast.Constant(value=str(text)):
            module = text.partition(":")[0]
            if "." in module and module.partition(".")[0] in MOVED:
                path = ROOT / module.replace(".", "/")
                if (path.parent / f"{path.name}.py").is_file() or (path / "__init__.py").is_file():
                    yield text
        case ast.Call(
            func=ast.Name(id="files" | "import_module" | "find_spec"),
            args=[ast.Constant(value=str(text))],
        ) if text in MOVED:
            yield text
