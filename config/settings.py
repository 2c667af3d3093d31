"""Settings: one frozen model; `from_environ` is the only reader of the environment."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from redis.asyncio import BlockingConnectionPool

from config.secret import SecretUrl
from config.shops import ShopSettings, parse_shops

PREFIX: Final = "REFUNDS_"

#: Their values are never repeated in an error.
_SENSITIVE: Final = frozenset({"redis_url", "broker_url", "shops", "sentry_dsn"})


class SettingsError(Exception):
    """The environment does not describe a worker that may be started. The text names each variable."""


def _setting(default: Any, *, unit: str, why: str, **constraints: Any) -> Any:  # noqa: ANN401  # as pydantic's Field
    return Field(default=default, description=why, json_schema_extra={"unit": unit}, **constraints)


class Settings(BaseSettings):
    """Everything that differs between deploys. Build it with `from_environ`, or from keyword arguments in a test."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    # Where
    redis_url: SecretUrl = _setting(
        SecretUrl("redis://127.0.0.1:6379/0"),
        unit="redis://, rediss:// or unix:// URL",
        why="The ledger: what is known of every refund. Must be durable: `appendfsync always`, `noeviction`.",
    )
    broker_url: SecretUrl = _setting(
        SecretUrl(""),
        unit="redis://, rediss:// or unix:// URL",
        why="The Celery queues. The same Redis as the ledger if not given; a database that no other application uses.",
    )
    shops: dict[str, ShopSettings] = _setting(
        {},
        unit="JSON, or path of a TOML file",
        why="The Magento shops, one table each. Commands that call a shop need at least one.",
    )

    # Refunds
    max_attempts: int = _setting(
        5,
        ge=1,
        le=100,
        unit="sends",
        why="How often one job may be sent to Magento before it becomes a dead letter. Waiting does not count.",
    )
    max_amount: Decimal | None = _setting(
        None,
        gt=0,
        decimal_places=2,
        unit="base currency of the order",
        why="Largest refund of one job; a shop may set its own. Above it a job is held until somebody approves it.",
    )
    max_amount_per_day: Decimal | None = _setting(
        None,
        gt=0,
        decimal_places=2,
        unit="base currency of the shop",
        why="Largest sum of each shop for one day (UTC); a shop may set its own. What is over it is held.",
    )
    max_amount_per_campaign: Decimal | None = _setting(
        None,
        gt=0,
        decimal_places=2,
        unit="base currency of the shop",
        why="Largest sum of each campaign without a limit of its own; a shop may set another. What is over it is held.",
    )
    max_document_bytes: int = _setting(
        262_144,
        ge=1024,
        unit="bytes",
        why="Largest job document that is read. An order of 1,000 lines takes about 45,000.",
    )

    # Pace
    worker_threads: int = _setting(
        16,
        ge=1,
        le=1000,
        unit="threads",
        why="Messages (of 1 to 100 jobs) in hand per worker process. Threads only wait; the event loop works. "
        "With 32 a worker took 11 MB more and did no more.",
    )
    chunk_concurrency: int = _setting(
        200,
        ge=1,
        le=10_000,
        unit="jobs",
        why="Calls to one shop at once per worker process, whatever the shop allows. More gained nothing measured.",
    )
    intake_batch: int = _setting(
        100,
        ge=1,
        le=10_000,
        unit="documents",
        why="How many documents `refunds intake` takes from the stream at once.",
    )

    # Recovery
    heartbeat_seconds: float = _setting(
        2,
        gt=0,
        unit="seconds",
        why="How often a worker says that it is alive.",
    )
    lease_seconds: float = _setting(
        10,
        gt=0,
        unit="seconds",
        why="A worker whose heartbeat is older is dead and its jobs are taken over. At least 3 heartbeats.",
    )
    upkeep_interval_seconds: float = _setting(
        0.5,
        gt=0,
        le=60,
        unit="seconds",
        why="How often upkeep looks for jobs that are due. Retries are never earlier, and at most this much later.",
    )
    lost_message_seconds: float = _setting(
        5,
        gt=0,
        unit="seconds",
        why="A queued job whose lane moved on this long without it is published again. Too early costs only a message.",
    )
    upkeep_in_worker: bool = _setting(
        default=True,
        unit="true or false",
        why="Whether workers take part in upkeep. One process at a time acts; false needs a `refunds upkeep` process.",
    )
    wait_for_disk: bool = _setting(
        default=True,
        unit="true or false",
        why="Whether a send waits until its record is on disk (WAITAOF) where Redis does not fsync always: up to 1 s a "
        "job. With false, a crash of Redis costs look-ups instead.",
    )
    redis_timeout_seconds: float = _setting(
        5,
        gt=0,
        unit="seconds",
        why="How long one Redis command may take before the connection counts as lost.",
    )
    shutdown_grace_seconds: float = _setting(
        75,
        ge=0,
        unit="seconds",
        why="How long a stopping worker waits for calls in flight: one request timeout (60) and the settling after it. "
        "Whoever stops it must wait longer before SIGKILL.",
    )

    # Observation
    log_format: Literal["auto", "console", "json"] = _setting(
        "auto",
        unit="auto, console or json",
        why="`auto`: columns on a terminal, JSON elsewhere. Always on standard error.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info",
        unit="debug, info, warning or error",
        why="`info` is one line per attempt.",
    )
    sentry_dsn: SecretStr | None = _setting(
        None,
        unit="URL",
        why="Where unexpected errors go. Not given: nowhere.",
    )
    metrics_address: str | None = _setting(
        None,
        unit="host:port",
        why="Where this process serves its metrics to Prometheus; each process needs its own. Not given: nowhere.",
    )
    environment: str = _setting(
        "production",
        min_length=1,
        unit="name",
        why="Tells deploys apart in Sentry and logs.",
    )
    crash_point: str | None = _setting(
        None,
        unit="name",
        why="Kills the process at a named step. For tests of recovery only; never set it in production.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # named by pydantic-settings
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the same
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the same
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments only: a test must not change with the machine it runs on."""
        return (init_settings,)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from variables that start with `REFUNDS_`. An empty variable counts as not given.

        Args:
            environ: the variables; those of the process if not given.

        Raises:
            SettingsError: some are wrong; say so and stop. All of them are named, with what is expected.
        """
        environ = os.environ if environ is None else environ
        given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value.strip()}
        known = {variable(field): field for field in cls.model_fields}
        problems = [problem for name in sorted(given.keys() - known.keys()) if (problem := _misspelt(name, known))]
        values: dict[str, object] = {known[name]: value for name, value in given.items() if name in known}
        try:
            settings = cls(**values)  # type: ignore[arg-type]  # pydantic turns the text into each field's type
        except ValidationError as exc:
            problems += [_explain(error, given) for error in exc.errors(include_url=False, include_context=False)]
            raise SettingsError(_report(problems)) from None  # the cause would show the values
        if problems:
            raise SettingsError(_report(problems))
        return settings

    @model_validator(mode="before")
    @classmethod
    def _broker_defaults_to_the_ledger(cls, data: Any) -> Any:  # noqa: ANN401  # before validation
        if isinstance(data, dict) and not data.get("broker_url") and data.get("redis_url"):
            return {**data, "broker_url": data["redis_url"]}
        if isinstance(data, dict) and not data.get("broker_url"):
            return {**data, "broker_url": cls.model_fields["redis_url"].default}
        return data

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _redis_url(cls, url: SecretUrl) -> SecretUrl:
        try:
            parts = urlsplit(url)
            complete = bool(parts.path) if parts.scheme == "unix" else bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is none
            complete, parts = False, urlsplit("")
        if parts.scheme not in {"redis", "rediss", "unix"} or not complete:
            raise ValueError("must look like redis://host:6379/0, rediss://user:password@host/0 or unix:///path?db=0")
        database = parts.path.strip("/")
        if parts.scheme != "unix" and database and not database.isdecimal():
            raise ValueError("must end with the number of a database, as redis://host:6379/0")
        try:
            BlockingConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]  # opens nothing
        except (TypeError, ValueError):
            raise ValueError("has an option behind its ? that is unknown or cannot be read") from None
        return url

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, dsn: SecretStr | None) -> SecretStr | None:
        try:
            parts = urlsplit("" if dsn is None else dsn.get_secret_value())
            complete = bool(parts.hostname and parts.username) and parts.path.rpartition("/")[2].isdecimal()
        except ValueError:  # an address that is none
            complete, parts = False, urlsplit("")
        if dsn is not None and (parts.scheme not in {"http", "https"} or not complete):
            raise ValueError("must look like https://key@sentry.example/1")
        return dsn

    @field_validator("metrics_address")
    @classmethod
    def _host_and_port(cls, address: str | None) -> str | None:
        try:
            parts = urlsplit(f"//{address}")
            complete = parts.netloc == address and bool(parts.hostname and parts.port)
        except ValueError:  # the port is none
            complete = False
        if address is not None and not complete:
            raise ValueError("must look like 127.0.0.1:9464")
        return address

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:  # noqa: ANN401  # before validation
        return value.lower() if isinstance(value, str) else value

    @field_validator("shops", mode="before")
    @classmethod
    def _shops(cls, value: Any) -> Any:  # noqa: ANN401  # before validation
        return parse_shops(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lease_seconds < 3 * self.heartbeat_seconds:
            raise ValueError(
                f"{variable('lease_seconds')} must be at least 3 x {variable('heartbeat_seconds')}, "
                "or one late heartbeat makes a living worker look dead"
            )
        for name, shop in self.shops.items():
            if shop.name != name:
                raise ValueError(f"{variable('shops')}: shop {name!r} calls itself {shop.name!r}; names must agree")
            self._check_limits(shop)
        return self

    def _check_limits(self, shop: ShopSettings) -> None:
        job = shop.max_amount or self.max_amount
        for what in ("max_amount_per_day", "max_amount_per_campaign"):
            limit = getattr(shop, what) or getattr(self, what)
            if job is not None and limit is not None and job > limit:
                raise ValueError(
                    f"{variable('max_amount')} ({job}) is above {variable(what)} ({limit}) for shop {shop.name!r}: "
                    "the limit of one job must not be larger than that of many"
                )


def child_environ(changes: Mapping[str, str]) -> dict[str, str]:
    """Give the environment for a process with other settings: none of our own `REFUNDS_` variables is handed on."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**kept, **changes}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One line of the settings table in the README."""

    name: str
    default: str
    unit: str
    why: str


def describe() -> list[SettingRow]:
    """Give the settings as the README shows them, in the order of the class."""
    return [
        SettingRow(
            name=variable(field),
            default=_default_text(field, info.default),
            unit=_unit(field),
            why=info.description or "",
        )
        for field, info in Settings.model_fields.items()
    ]


def markdown_table() -> str:
    """Give the settings table of the README, which a test compares with it."""
    rows = (f"| `{row.name}` | {row.default} | {row.unit} | {row.why} |" for row in describe())
    return "\n".join(["| variable | default | unit | why |", "|---|---|---|---|", *rows])


def variable(field: str) -> str:
    """Give the environment variable of a field."""
    return PREFIX + field.upper()


def _unit(field: str) -> str:
    extra = Settings.model_fields[field].json_schema_extra
    return str(extra["unit"]) if isinstance(extra, dict) else ""


def _default_text(field: str, default: object) -> str:
    match default:
        case None | {}:
            return "none"
        case "" if field == "broker_url":
            return f"as `{variable('redis_url')}`"
        case str():
            return f"`{default!s}`"
        case _:
            return f"{default}"


def _misspelt(name: str, known: Mapping[str, str]) -> str | None:
    """Say what an unknown variable was meant to be; the ones that resemble none of ours belong to somebody else."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
    return f"{name}: there is no such setting; did you mean {close[0]}?" if close else None


def _explain(error: ErrorDetails, given: Mapping[str, str]) -> str:
    """Put one validation error into words, without the value where it may be secret."""
    said = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return said  # names its variables itself
    field, *inside = (str(part) for part in error["loc"])
    name = variable(field)
    if field == "shops" and inside:
        where = ": ".join(part for part in inside[1:] if part != "[key]")
        return f"{name}: shop {inside[0]!r}: {where + ': ' if where else ''}{said}"
    default = _default_text(field, Settings.model_fields[field].default)
    value = f" (it is {given[name]!r})" if field not in _SENSITIVE and name in given else ""
    return f"{name}: {said}{value}. Expected: {_unit(field)}; default: {default}."


def _report(problems: list[str]) -> str:
    return "\n".join([f"{len(problems)} wrong setting(s):", *(f"  {problem}" for problem in problems)])
