"""What is put before a move is what it names, and no more: Redis runs all of it at each call."""

import re
from importlib.resources import files

import pytest

from worker.ledger.scripts import behind_shared, source_of

LUA = files("worker.ledger") / "lua"
SHARED = ("letters", "money", "prelude")
MOVES = sorted(path.name.removesuffix(".lua") for path in LUA.iterdir() if path.name.removesuffix(".lua") not in SHARED)
TEXT = "".join((LUA / f"{name}.lua").read_text() for name in SHARED)
NAMES = set(re.findall(r"^local (?:function )?(\w+)", TEXT, re.MULTILINE))


@pytest.mark.parametrize("move", MOVES)
def test_each_shared_name_stands_behind_its_definition(move: str):
    defined: set[str] = set()
    for line in source_of(move).splitlines():
        defined |= set(re.findall(r"^ *local (?:function )?(\w+)", line))
        called = {name for name in re.findall(r"(?<![.:\w])(\w+)\(", line.partition("--")[0]) if name in NAMES}
        assert called <= defined


def test_what_a_script_names_brings_what_that_names():
    source = behind_shared("give_back('entry')")
    assert re.findall(r"^local function (\w+)", source, re.MULTILINE) == ["add_spent", "give_back"]


def test_a_name_in_a_comment_brings_nothing():
    assert behind_shared("return 1 -- no letters") == "return 1 -- no letters"
