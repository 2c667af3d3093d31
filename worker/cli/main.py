"""The `refunds` command: its commands, and how each way of failing is told."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import typer
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from typer.core import TyperGroup

from config.settings import SettingsError
from worker.cli.failure import Exit, Failure, Interrupted
from worker.cli.output import remark
from worker.domain.errors import RefundError
from worker.sandbox.redis_server import NoRedisServer, RedisDidNotStart

#: Modules with a `register(cli)` and the commands that they add; in the order of `refunds --help`.
_MODULES: Final = {
    "demo": {"demo"},
    "servers": {"redis", "sandbox"},
    "processes": {"worker", "upkeep", "intake"},
    "submit": {"submit"},
    "explain": {"explain"},
    "show": {"show"},
    "campaign": {"campaign"},
    "dead": {"dead"},
    "ledger": {"ledger"},
    "audit": {"audit"},
    "doctor": {"doctor"},
    "guards": {"shops", "pause", "resume"},
    "held": {"held", "approve", "decline"},
}
_HELP: Final = "Turn refund jobs into exactly one Magento credit memo each."


class Commands(TyperGroup):
    """Every command, with one place where errors become words and exit codes."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer keeps its context type to itself
        """Run a command; nothing that it raises is shown as a traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _end(Exit.INTERRUPTED, "interrupted")
        except Interrupted as error:
            _end(Exit.INTERRUPTED, f"interrupted: {error}")
        except BrokenPipeError:
            _end(Exit.BROKEN_PIPE)
        except Failure as error:
            _end(error.code, str(error))
        except SettingsError as error:
            _end(Exit.INVALID, str(error))
        except (NoRedisServer, RedisDidNotStart) as error:
            _end(Exit.UNREACHABLE, str(error))
        except (RedisError, OperationalError) as error:
            _end(Exit.UNREACHABLE, f"cannot reach Redis: {error} (REFUNDS_REDIS_URL says where it is)")
        except RefundError as error:
            _end(Exit.UNREACHABLE, f"cannot reach the shop: {error}")
        except OSError as error:
            _end(Exit.INVALID, str(error))


def _end(code: Exit, message: str = "") -> None:
    if message:
        _say(f"refunds: {message}")
    if code is Exit.BROKEN_PIPE:
        sys.stdout = None  # or Python complains when it flushes at exit
    raise SystemExit(int(code))


def _say(message: str) -> None:
    try:
        remark(message)
    except BrokenPipeError:
        sys.stderr = None


def make_cli(asked: str = "") -> typer.Typer:
    """Put the commands together.

    Args:
        asked: The command that will be run: no module of the others is loaded, which takes as long as many commands,
            and stays in the memory of a process for months. All of them for what is no command.
    """
    needed = [name for name, commands in _MODULES.items() if asked in commands] or _MODULES
    cli = typer.Typer(
        cls=Commands,
        help=_HELP,
        epilog="Exit codes: 0 done, 1 some jobs failed or differ, 2 wrong usage or input, 3 Redis or the shop is away.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    cli.callback()(_before_any)
    for name in needed:
        import_module(f"worker.cli.{name}").register(cli)
    return cli


def _before_any() -> None:
    """Nothing; but without it Typer takes a module's lone command for the whole command line."""


def run() -> None:
    """Run the command line; the console script."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - closed by `>&-`
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open to the end
    try:
        make_cli(sys.argv[1] if len(sys.argv) > 1 else "")()
    except Exception as error:  # noqa: BLE001 - the last resort: a sentence, never a traceback
        remark(f"refunds: this is a bug: {type(error).__name__}: {error}")
        sys.exit(int(Exit.SOME_FAILED))
