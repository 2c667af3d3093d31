"""No reason code can be produced that is not in the table, and the runbook has a row for each."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from worker.domain import would_refuse
from worker.domain.answer_row import Row
from worker.domain.answer_table import SENDS
from worker.domain.answers import AnswerClass
from worker.domain.outcome import Verdict
from worker.domain.reasons import REASONS, next_step, runbook

#: Where a reason is handed on that came from a place which is looked at here too.
_HANDED_ON = {
    *("refusal.reason", "refused.reason", "error.reason", "reading.reason"),
    "reason or a.entry.reason or 'unknown_refusal'",
    "'outcome_unknown' if is_unknown else refusal.reason",
    "'order_not_found' if not orders else 'order_number_ambiguous'",
}
#: Calls that make the reason of a dead letter, and which argument it is.
_MAKERS = {"PreflightRefusal": 0, "NotFound": 1, "DeadLettered": 0, "GiveUp": 1}


def reasons_in_calls(root: Path) -> Iterator[ast.expr]:
    for path in (root / "worker").rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MAKERS:
                named = [one.value for one in node.keywords if one.arg == "reason"]
                at = _MAKERS[node.func.id]
                yield from named or ([node.args[at]] if len(node.args) > at else [])


def literals(expression: ast.expr) -> set[str]:
    return {
        node.value
        for node in ast.walk(expression)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value
    }


def after_a_call() -> set[str]:
    """Reasons that come from the table of answers: refusals, and doubts that absence turns into one."""

    def makes_a_letter(row: Row) -> bool:
        is_doubt = row.kind is AnswerClass.IN_DOUBT and row.after_absence == "refuse" and row.online is not True
        return row.kind is AnswerClass.REFUSED or is_doubt

    return {row.reason for row in SENDS if makes_a_letter(row)} | {"unknown_answer", "other_order"}


def foretold() -> set[str]:
    return set(would_refuse._REASONS.values()) | {"validation"}  # noqa: SLF001 - the table itself


def in_lua(root: Path) -> set[str]:
    texts = [re.sub(r"--.*", "", path.read_text()) for path in (root / "worker").rglob("*.lua")]
    return {code for text in texts for code in re.findall(r"\bbury\([^()]*?, '(\w+)',", text)}


def produced(root: Path) -> set[str]:
    calls = {code for one in reasons_in_calls(root) for code in literals(one)}
    return calls | after_a_call() | foretold() | in_lua(root) | {"invalid", "key_conflict"}


def test_every_reason_that_is_not_a_literal_is_handed_on_from_a_known_place(root: Path):
    others = {ast.unparse(one) for one in reasons_in_calls(root) if not isinstance(one, ast.Constant)}
    assert others <= _HANDED_ON


def test_the_table_holds_exactly_the_reasons_that_can_be_produced(root: Path):
    assert set(REASONS) == produced(root)


def test_lua_buries_with_reasons_of_the_table(root: Path):
    assert in_lua(root) >= {"poison", "internal_error"}


def test_every_reason_says_what_happened_and_what_to_do_in_one_sentence_each():
    for one in REASONS.values():
        assert one.verdicts <= set(Verdict)
        assert one.verdicts
        assert one.means.endswith("."), one.code
        assert one.next_step.endswith("."), one.code
        assert ". " not in one.next_step, one.code
        assert next_step(one.code) == one.next_step
    assert next_step("of-an-older-version")


def test_the_runbook_is_the_table(root: Path):
    text = (root / "docs" / "dead-letters.md").read_text()
    assert runbook() in text, "put the output of worker.domain.reasons.runbook() there"
