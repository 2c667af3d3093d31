"""`refunds dead`: the jobs that will not succeed by themselves. Each command is a module of its own."""

import typer

from worker.cli import dead_list, dead_replay, dead_show


def commands() -> typer.Typer:
    """Put the commands together."""
    group = typer.Typer(help="Dead letters: list them, look at one, send jobs again.", no_args_is_help=True)
    for module in (dead_list, dead_show, dead_replay):
        module.register(group)
    return group
