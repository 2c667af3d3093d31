"""How a command ends when it does not end well: a sentence for people, and an exit code for scripts."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; the README promises them."""

    DONE = 0
    #: Some jobs failed, or differ from what they should be.
    SOME_FAILED = 1
    #: Wrong usage or invalid input: correct it and come again.
    INVALID = 2
    #: Redis or the shop cannot be reached: come again later.
    UNREACHABLE = 3
    #: Ctrl-C.
    INTERRUPTED = 130
    #: Whoever read our output has gone away, as after `| head`.
    BROKEN_PIPE = 141


class Failure(Exception):
    """Ends a command with a message on standard error.

    Attributes:
        code: The exit code.
    """

    def __init__(self, message: str, *, code: Exit) -> None:
        super().__init__(message)
        self.code = code


class Interrupted(Exception):
    """Ctrl-C, with a word on what goes on without us."""
