"""What the README says to type works as it stands there."""

import re
import shlex

import pytest
from typer.main import get_command

from tests.stack import ROOT, Stack
from worker.cli.main import make_cli

TEXT = (ROOT / "README.md").read_text()
SESSION = next(block for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) if "refunds sandbox" in block)
COMMANDS = sorted(set(re.findall(r"`refunds ([a-z]+)", TEXT)))


def test_the_last_lines_of_the_session_refund_an_order(stack: Stack):
    """Redis, shop and worker of the session run already, on other ports."""
    lines = [line.partition("  #")[0] for line in SESSION.splitlines()]
    submit, show = lines[-2:]

    submitted, shown = stack.shell(submit), stack.shell(show)

    assert submitted.returncode == 0, submitted.stderr
    assert "accepted" in submitted.stdout
    assert shown.returncode == 0
    assert "settled" in shown.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_the_readme_names_exists(command: str):
    group = get_command(make_cli())

    assert command in getattr(group, "commands", {})


def test_every_variable_of_the_session_is_exported_as_the_shell_wants_it():
    (line,) = [line for line in SESSION.splitlines() if line.startswith("export")]

    assert len(shlex.split(line)) == 2
