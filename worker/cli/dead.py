"""`refunds dead`: the jobs that will not succeed by themselves. Each command is a module of its own."""

import typer

from worker.cli import (
    dead_edit,
    dead_export,
    dead_list,
    dead_reindex,
    dead_replay,
    dead_resolve,
    dead_selection,
    dead_show,
)


def register(cli: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Dead letters: list them, look at one, correct it, send jobs again, close it.", no_args_is_help=True
    )
    for module in (
        dead_list,
        dead_show,
        dead_edit,
        dead_replay,
        dead_selection,
        dead_resolve,
        dead_export,
        dead_reindex,
    ):
        module.register(group)
    cli.add_typer(group, name="dead")
