"""`refunds campaign`: many refunds from a file, as one piece of work. Each command is a module of its own."""

import typer

from worker.cli import campaign_report, campaign_start, campaign_status, campaign_steer


def register(cli: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Campaigns: many refunds from a file; see, start, stop and prove them.", no_args_is_help=True
    )
    for module in (campaign_start, campaign_status, campaign_steer, campaign_report):
        module.register(group)
    cli.add_typer(group, name="campaign")
