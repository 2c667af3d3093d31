from pathlib import Path

import pytest

from config.shops import ShopSettings

OPTIONS = {name: info for name, info in ShopSettings.model_fields.items() if name not in {"name", "secret_files"}}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_a_shop_is_in_the_docs_with_its_meaning(root: Path, name: str):
    text, meaning = (root / "docs/shops.md").read_text(), OPTIONS[name].description
    if meaning is None:  # a credential: its scheme says what it is
        assert f"`{name}`" in text
    else:
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` | ")]
        assert line.endswith(f" | {meaning} |")


def test_the_docs_have_no_option_that_does_not_exist(root: Path):
    table = (root / "docs/shops.md").read_text().partition("## Credentials")[0]
    assert {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")} <= set(OPTIONS)
