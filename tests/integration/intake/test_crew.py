"""Helpers of a command that judges many documents: real processes beside it."""

from importlib import import_module
from pathlib import Path

import pytest

from worker.intake.crew import Crew

pytestmark = pytest.mark.integration


async def test_helpers_find_modules_where_their_process_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "only_on_our_path.py").write_text("def count(batch):\n    return len(batch)\n")
    monkeypatch.syspath_prepend(tmp_path)
    count = import_module("only_on_our_path").count

    with Crew[int, int](count, 2) as crew:
        answers = [answer async for answer in crew.answers(iter([(1,), (1, 2), (1, 2, 3)]))]

    assert answers == [1, 2, 3]
