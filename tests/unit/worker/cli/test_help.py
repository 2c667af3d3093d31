from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from worker.cli.main import make_cli


def commands(cli: typer.Typer, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for command in cli.registered_commands:
        yield (*before, command.name or command.callback.__name__)  # type: ignore[union-attr]
    for group in cli.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, (*before, str(group.name)))


ALL = [" ".join(words) for words in commands(make_cli())]


def test_every_command_that_is_promised_is_there():
    assert set(ALL) >= {
        *("demo", "sandbox", "redis", "worker", "upkeep", "intake", "submit", "explain", "show", "doctor"),
        *("dead list", "dead show", "dead replay", "ledger init", "ledger status"),
    }


@pytest.mark.parametrize("asked", sorted({command.split()[0] for command in ALL}))
def test_a_command_is_found_though_only_its_own_module_is_loaded(asked: str):
    found = {" ".join(words) for words in commands(make_cli(asked))}
    own = {command for command in ALL if command.split()[0] == asked}
    assert own <= found < set(ALL)
    for command in own:
        assert f"root {command} " in CliRunner().invoke(make_cli(asked), [*command.split(), "--help"]).output


@pytest.mark.parametrize("command", ALL)
def test_the_help_has_an_example(command: str):
    answer = CliRunner().invoke(make_cli(), [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert answer.exit_code == 0
    assert f"$ refunds {command}" in answer.output or "| refunds" in answer.output


@pytest.mark.parametrize("command", ["explain", "show", "dead list", "dead show", "ledger status", "doctor", "demo"])
def test_reading_commands_have_json(command: str):
    assert "--json" in CliRunner().invoke(make_cli(), [*command.split(), "--help"], env={"COLUMNS": "200"}).output


@pytest.mark.parametrize(
    "line", ["no-such-command", "submit", "submit --no-such-option x", "sandbox --faults nonsense"]
)
def test_wrong_usage_is_code_2(line: str):
    assert CliRunner().invoke(make_cli(), line.split()).exit_code == 2
