import pytest

from worker.cli.failure import Exit
from worker.cli.output import clean, moment
from worker.cli.receipts import Receipts
from worker.intake.accept import Answer


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain é 中", "plain é 中"), ("\x1b[31mred", "\\x1b[31mred"), ("a\nb", "a\nb"), ("\udcff", "\\udcff")],
)
def test_what_could_command_a_terminal_is_shown_as_an_escape(text: str, shown: str):
    assert clean(text) == shown


def test_moments_are_utc():
    assert moment(1_700_000_000_000) == "2023-11-14 22:13:20"
    assert moment(0) == ""


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["accepted", "duplicate"], Exit.DONE),
        (["invalid"], Exit.INVALID),
        (["invalid", "invalid"], Exit.INVALID),
        (["accepted", "invalid"], Exit.SOME_FAILED),
        (["key_conflict"], Exit.SOME_FAILED),
        ([], Exit.INVALID),
    ],
)
def test_the_exit_code_follows_from_the_receipts(statuses: list[str], code: Exit, capsys: pytest.CaptureFixture[str]):
    receipts = Receipts(as_json=True)
    receipts.add(enumerate((Answer(idempotency_key="k", status=status) for status in statuses), start=1))
    assert receipts.exit_code is code
    assert len(capsys.readouterr().out.splitlines()) == len(statuses)
