import re
from pathlib import Path

import pytest

from config.settings import SettingRow, describe

ROWS = describe()


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_readme_has_the_line_of_every_setting(root: Path, row: SettingRow):
    """Put the output of `config.settings.markdown_table()` into the README again."""
    line = f"| `{row.name}` | {row.default} | {row.unit} | {row.why} |"
    assert line in (root / "README.md").read_text().splitlines()


def test_the_readme_has_no_setting_that_does_not_exist(root: Path):
    shown = set(re.findall(r"REFUNDS_[A-Z_]*[A-Z]", (root / "README.md").read_text()))
    assert shown <= {row.name for row in ROWS}
