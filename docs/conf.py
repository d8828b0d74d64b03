"""How Sphinx makes the site of the documents, see `make docs`; it reads the whole repository."""

import tomllib
from pathlib import Path

project = "Leasewire"
release = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text("utf-8"))[
    "project"
]["version"]
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "clients/python/README.md",
    "contracts/README.md",
    "deploy/runbooks/*.md",
    "docs/*.md",
    "docs/**/*.md",
    "gateway/*/README.md",
    "producers/README.md",
    "simulator/README.md",
]
exclude_patterns = [".venv*", "build", "lab", "**/node_modules"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"Leasewire {release}"
html_copy_source = False
