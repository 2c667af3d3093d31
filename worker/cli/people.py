"""Who gives a command."""

import getpass


def login() -> str:
    """The login of whoever runs this, or "somebody" where the machine does not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
