"""The list of libraries that image and package carry is that of the lock."""

import json

from packaging.requirements import Requirement

from deploy.debian.sbom import PYTHON, SBOM
from tests.leasewire.test_documents import ROOT
from worker.version import installed_version

IMAGE = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0", "sys_platform": "linux"}
IMAGE |= {"platform_system": "Linux", "os_name": "posix", "implementation_name": "cpython"}
IMAGE |= {"platform_python_implementation": "CPython", "platform_machine": "x86_64"}


def test_it_lists_what_the_lock_pins_each_with_its_licence():
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    pinned = [Requirement(line.rstrip("\\ ")) for line in lines if line[:1].isalnum()]
    wanted = {
        f"pkg:pypi/{requirement.name}@{str(requirement.specifier).removeprefix('==')}"
        for requirement in pinned
        if requirement.marker is None or requirement.marker.evaluate(IMAGE)
    }
    found = json.loads(SBOM.read_text("utf-8"))
    assert {library["purl"] for library in found["components"]} == wanted, "run `make sbom`"
    assert [library["name"] for library in found["components"] if not library.get("licenses")] == []
    assert found["metadata"]["component"]["version"] == installed_version()
    assert "externalReferences" not in SBOM.read_text("utf-8")


def test_the_image_has_it_and_the_python_that_it_is_for():
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    assert "COPY deploy /opt/leasewire/deploy" in dockerfile
    images = [line for line in dockerfile.splitlines() if line.startswith("FROM")]
    assert all(f"python:{PYTHON}-" in image for image in images)
