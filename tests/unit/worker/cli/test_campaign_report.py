"""Where the files of a report go."""

from pathlib import Path

import pytest

from worker.cli.campaign_report import Form, paths_of
from worker.cli.failure import Exit, Failure


def names(out: str | None, form: Form) -> list[str]:
    return [str(path) for _, path in paths_of("spring", out, form)]


def test_without_a_place_it_goes_into_this_directory():
    assert names(None, Form.HTML) == ["spring.html"]


def test_all_forms_go_into_one_directory_also_a_new_one(tmp_path: Path):
    new = f"{tmp_path}/new"
    assert names(new, Form.ALL) == [f"{new}/spring.{form}" for form in ("html", "csv", "json")]
    assert not Path(new).exists(), "nothing is made before the campaign was found"


def test_one_form_goes_into_a_file_or_into_a_directory(tmp_path: Path):
    assert names(f"{tmp_path}/for-finance.csv", Form.CSV) == [f"{tmp_path}/for-finance.csv"]
    assert names(f"{tmp_path}/new/", Form.CSV) == [f"{tmp_path}/new/spring.csv"]
    assert names(str(tmp_path), Form.CSV) == [f"{tmp_path}/spring.csv"]


@pytest.mark.parametrize(
    ("out", "form"), [("no/such/file.csv", Form.CSV), (__file__, Form.ALL)], ids=["missing", "file"]
)
def test_a_place_that_cannot_be_is_told(out: str, form: Form):
    with pytest.raises(Failure) as told:
        paths_of("spring", out, form)
    assert told.value.code is Exit.INVALID


@pytest.mark.parametrize("name", ["../etc", "/x", ".."])
def test_a_name_is_no_path(name: str):
    with pytest.raises(Failure, match="there is no campaign"):
        paths_of(name, None, Form.HTML)
