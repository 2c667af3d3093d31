import re
from pathlib import Path

import pytest

REQUIREMENTS = [f"requirements/{name}.txt" for name in ("locked", "runtime", "bench", "bench-arq")]
SETUP_FILES = [*REQUIREMENTS, "pyproject.toml", "Makefile", "Procfile", ".ci/run", ".ci/venv", "deploy/Dockerfile"]

#: Where packages come from is the business of the machine, never of the repository.
REGISTRY = re.compile(
    r"pyp[i]|pythonhoste[d]|--(extra-)?index-url|--find-links|--trusted-host|file://|https?://", re.IGNORECASE
)
#: A path that only one machine has.
HOME = re.compile(r"(?<![\w.])/(root|home|Users|work|mnt)/")


@pytest.mark.parametrize("name", SETUP_FILES)
def test_no_file_names_a_registry_or_a_machine(root: Path, name: str):
    text = (root / name).read_text()
    assert not REGISTRY.search(text)
    assert not HOME.search(text)


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_requirement_has_one_version_and_hashes(root: Path, name: str):
    lines = (root / name).read_text().splitlines()
    requirements = [line for line in lines if re.match(r"\w", line)]
    assert requirements
    for line in requirements:
        assert re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==\S+ \\", line), line


def test_the_runtime_lock_is_a_part_of_the_whole_lock(root: Path):
    def pinned(name: str) -> set[str]:
        return set(re.findall(r"^[\w.-]+==\S+", (root / name).read_text(), flags=re.MULTILINE))

    assert pinned("requirements/runtime.txt") < pinned("requirements/locked.txt")


@pytest.mark.parametrize("name", [".ci/run", ".ci/venv"])
def test_scripts_can_be_run(root: Path, name: str):
    assert (root / name).stat().st_mode & 0o111
