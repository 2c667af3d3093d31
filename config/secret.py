"""Text that must not show up in a log: URLs with passwords, and files that hold one secret each."""

from pathlib import Path
from typing import Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

#: Above this size, in bytes, a file is not a secret but a mistake.
MAX_SECRET_BYTES = 65_536


class SecretUrl(str):
    """A URL that is used whole but printed without its password.

    It is a `str`, so that it can be handed to redis-py and Celery as it is; `repr` (and so the `repr` of Settings, and
    of every exception that holds it) shows `masked`. In a log line write `url.masked`.
    """

    __slots__ = ()

    @property
    def masked(self) -> str:
        """The URL with `***` in the place of a password, and of a query, which may hold one."""
        scheme, mark, rest = self.partition("://")
        address, question, query = rest.partition("?")
        account, at, host = address.rpartition("@")
        user, colon, _password = account.partition(":")
        shown = f"{user}:***@{host}" if colon else f"{account}{at}{host}"
        return f"{scheme}{mark}{shown}{question}{'***' if 'password' in query else query}"

    def __repr__(self) -> str:
        """Show the masked form."""
        return f"SecretUrl({self.masked!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Let pydantic take any string."""
        return core_schema.no_info_after_validator_function(cls._of, core_schema.str_schema())

    @classmethod
    def _of(cls, text: str) -> Self:
        return cls(text)


def read_secret(path: Path) -> str:
    """Give the content of a secret file without the newline at its end.

    Raises:
        ValueError: the file cannot be read, is empty, too big, or not UTF-8. The text names the path only.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as exc:
        raise ValueError(f"cannot read the secret file {path}: {exc.strerror}") from exc
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"the secret file {path} is larger than {MAX_SECRET_BYTES} bytes")
    try:
        secret = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"the secret file {path} is not UTF-8 text") from None
    if not secret:
        raise ValueError(f"the secret file {path} is empty")
    return secret
