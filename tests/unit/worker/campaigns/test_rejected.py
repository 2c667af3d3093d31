"""The list of rejected lines."""

import csv
from pathlib import Path

import pytest

from worker.campaigns.rejected import Rejected, safe_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_read_as_a_formula(text: str):
    assert safe_cell(text) == f"'{text}"
    assert safe_cell(f"x{text}") == f"x{text}"


def test_the_list_appears_when_it_is_complete(tmp_path: Path):
    with Rejected(tmp_path / "a.csv") as rejected:
        rejected.add(7, "k", "amount is wrong", '=1,"x"')
        assert not rejected.path.exists()
    assert rejected.path == tmp_path / "a.csv.rejected.csv"
    with rejected.path.open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["line", "key", "reason", "raw"],
            ["7", "k", "amount is wrong", '\'=1,"x"'],
        ]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv.rejected.csv"]


def test_a_list_of_an_earlier_run_goes_when_nothing_is_rejected_and_stays_when_the_run_fails(tmp_path: Path):
    old = tmp_path / "a.csv.rejected.csv"
    old.write_text("old")
    with pytest.raises(ValueError, match="x"), Rejected(tmp_path / "a.csv"):
        raise ValueError("x")
    assert old.read_text() == "old"
    with Rejected(tmp_path / "a.csv"):
        pass
    assert list(tmp_path.iterdir()) == []
