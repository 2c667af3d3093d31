"""The examples at the end of each command's help."""


def examples(*lines: str) -> str:
    """Write examples as an epilog: typer keeps line breaks only where a line is empty."""
    return "\n\n".join(["Examples:", *(f"  $ {line}" for line in lines)])
