import re
from pathlib import Path

SECTIONS = ["Context", "Decision", "Consequences", "Alternatives", "What enforces it"]


def decisions(root: Path) -> list[Path]:
    return sorted((root / "docs" / "adr").glob("*.md"))


def test_decisions_are_numbered_without_gaps(root: Path):
    assert [path.name[:4] for path in decisions(root)] == [f"{n:04}" for n in range(1, len(decisions(root)) + 1)]
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name) for path in decisions(root))


def test_every_decision_is_one_page_of_the_same_form(root: Path):
    for path in decisions(root):
        text = path.read_text()
        assert re.match(rf"# {int(path.name[:4])}\. .+\n\n\*\*Status:\*\* (accepted|superseded by \d+)\n", text), (
            path.name
        )
        assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == SECTIONS, path.name
        assert len(text.splitlines()) <= 60, path.name
