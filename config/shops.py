"""Which Magento shops there are, how to reach them, and what may be asked of them."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from config.secret import read_secret

#: Payment methods that Magento cannot refund through a gateway.
OFFLINE_METHODS: Final = frozenset({"checkmo", "banktransfer", "cashondelivery", "purchaseorder"})

_SHOP_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_STORE_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_CREDENTIALS: Final[Mapping[str, tuple[str, ...]]] = {
    "oauth1": ("consumer_key", "consumer_secret", "access_token", "access_secret"),
    "bearer": ("token",),
    "admin": ("username", "password"),
}
_SECRETS: Final = tuple(name for names in _CREDENTIALS.values() for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth1Credentials:
    """An integration that signs every request (OAuth 1.0a). The only one whose nonce guards against a second send."""

    consumer_key: SecretStr
    consumer_secret: SecretStr
    access_token: SecretStr
    access_secret: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerCredentials:
    """An integration's access token, sent as it is."""

    token: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminCredentials:
    """An admin user, exchanged for a token that lives some hours."""

    username: SecretStr
    password: SecretStr


Credentials = OAuth1Credentials | BearerCredentials | AdminCredentials


def _base_url(text: str) -> str:
    """Accept the root of a shop; give it without a slash at its end."""
    text = text.rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must start with https:// (or http://) and name a host, as https://shop.example")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password; give the credentials in their own fields")
    if parts.query or parts.fragment:
        raise ValueError("must not hold a query or fragment")
    if "/rest" in f"{parts.path}/".replace("/rest/", "/rest"):
        raise ValueError("must be the root of the shop, without /rest")
    return text


class ShopSettings(BaseModel):
    """One Magento. Not a store view: one shop has one database of orders.

    Each credential may also be given as `<name>_file`, the path of a file that holds it and nothing else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    name: str = Field(default="default", description="How jobs name this shop; the key of its table.")
    base_url: Annotated[str, AfterValidator(_base_url)] = Field(description="Root of the shop, without /rest.")
    allow_http: bool = Field(default=False, description="Accept http:// for a host that is not this machine.")
    store_code: str = Field(default="all", description="Store view in the REST path; `all` sees every order.")

    auth: Literal["oauth1", "bearer", "admin"] = Field(description="How we prove who we are.")
    consumer_key: SecretStr | None = None
    consumer_secret: SecretStr | None = None
    access_token: SecretStr | None = None
    access_secret: SecretStr | None = None
    token: SecretStr | None = None
    username: SecretStr | None = None
    password: SecretStr | None = None

    max_concurrency: int = Field(default=8, ge=1, le=1000, description="Calls at once, all workers together.")
    rate_per_second: float | None = Field(default=None, gt=0, description="Calls a second, all workers together.")
    rate_counts: Literal["refunds", "calls"] = Field(
        default="refunds", description="What the rate is about: refund calls, or look-ups as well."
    )
    request_timeout_seconds: float = Field(
        default=60, gt=0, le=3600, description="How long we wait for the answer of one call."
    )
    connect_timeout_seconds: float = Field(default=5, gt=0, le=300, description="How long we wait for a connection.")
    longest_request_seconds: float = Field(
        default=120,
        gt=0,
        le=86_400,
        description="How long a request may run inside the shop (PHP, proxies); absence is not proven before.",
    )
    offline_methods: frozenset[str] = Field(
        default=OFFLINE_METHODS, description="Payment methods that cannot refund online."
    )
    marker_increment_id: bool = Field(
        default=False, description="May we choose the increment ids of credit memos? They then prove a refund."
    )
    preflight: Literal["never", "auto", "always"] = Field(
        default="auto",
        description="Read the order and quote the refund first: always; auto: where a job is relative (full, amount, "
        "sku, order_number, expected_total, a deduction) or may have been sent before; never: only where it must be.",
    )
    confirm: bool = Field(default=True, description="Read credit memos back, up to 100 in a call, and compare them.")
    max_amount: Decimal | None = Field(
        default=None, gt=0, decimal_places=2, description="Largest refund of one job, in base currency."
    )
    max_amount_per_day: Decimal | None = Field(
        default=None, gt=0, decimal_places=2, description="Largest sum of one day (UTC), in base currency."
    )
    max_amount_per_campaign: Decimal | None = Field(
        default=None, gt=0, decimal_places=2, description="Largest sum of one campaign, in base currency."
    )

    secret_files: dict[str, Path] = Field(
        default={}, exclude=True, description="Where credentials came from, to read them again; not to be given."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, data: Any) -> Any:  # noqa: ANN401  # whatever the file held
        if not isinstance(data, Mapping):
            return data
        fields, files = dict(data), {}
        if fields.pop("secret_files", None):
            raise ValueError("secret_files is not to be given; give each credential as <name>_file")
        for name in _SECRETS:
            path = fields.pop(f"{name}_file", None)
            if path is None:
                continue
            if fields.get(name) is not None:
                raise ValueError(f"{name} and {name}_file are both given; keep one")
            if not isinstance(path, str | Path):
                raise ValueError(f"{name}_file must be the path of a file")  # pydantic wants ValueError
            fields[name], files[name] = read_secret(Path(path)), Path(path)
        return {**fields, "secret_files": files}

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if not _SHOP_NAME.fullmatch(name):
            raise ValueError("must be 1 to 63 lower-case letters, digits, - or _, and start with a letter or digit")
        return name

    @field_validator("store_code")
    @classmethod
    def _code(cls, code: str) -> str:
        if not _STORE_CODE.fullmatch(code):
            raise ValueError("must be `all` or the code of a store view (letters, digits and _)")
        return code

    @field_validator(*_SECRETS)
    @classmethod
    def _secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and (not secret.get_secret_value().strip() or "\n" in secret.get_secret_value()):
            raise ValueError("must be one line of text, not empty")
        return secret

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        needed = _CREDENTIALS[self.auth]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"auth {self.auth!r} also needs {', '.join(missing)} (or {missing[0]}_file)")
        surplus = [name for name in _SECRETS if name not in needed and getattr(self, name) is not None]
        if surplus:
            raise ValueError(f"auth {self.auth!r} does not use {', '.join(surplus)}; remove it or change auth")
        if urlsplit(self.base_url).scheme == "http" and not self.allow_http and not _is_this_machine(self.base_url):
            raise ValueError("base_url sends credentials unencrypted; use https://, or say allow_http = true")
        if self.connect_timeout_seconds > self.request_timeout_seconds:
            raise ValueError("connect_timeout_seconds must not be longer than request_timeout_seconds")
        if self.longest_request_seconds < self.request_timeout_seconds:
            raise ValueError("longest_request_seconds must be at least request_timeout_seconds")
        return self

    @property
    def credentials(self) -> Credentials:
        """What `auth` needs, and nothing that may be absent."""
        values = {name: getattr(self, name) for name in _CREDENTIALS[self.auth]}
        match self.auth:
            case "oauth1":
                return OAuth1Credentials(**values)
            case "bearer":
                return BearerCredentials(**values)
            case "admin":
                return AdminCredentials(**values)


def reread(settings: ShopSettings) -> Credentials:
    """Give the credentials as their files hold them now; those without a file, or whose file is gone, stay."""
    values: dict[str, SecretStr] = {}
    for name, path in settings.secret_files.items():
        try:
            values[name] = SecretStr(read_secret(path))
        except ValueError:  # being replaced at this moment
            continue
    return settings.model_copy(update=values).credentials


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def parse_shops(text: str) -> dict[str, dict[str, object]]:
    """Read `REFUNDS_SHOPS`: JSON, or the path of a TOML file. Nothing is validated yet.

    Relative paths of secret files start from the folder of the TOML file (for JSON: from the working folder).

    Returns:
        The tables by shop name; each knows its name.

    Raises:
        ValueError: neither; the text says why and where, and repeats nothing of the content.
    """
    is_json = text.lstrip().startswith("{")
    tables = _read_json(text) if is_json else _read_toml(Path(text.strip()))
    if set(tables) == {"shops"}:
        tables = tables["shops"]
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ValueError('must hold one table per shop, as {"default": {"base_url": ..., "auth": ...}}')
    folder = Path() if is_json else Path(text.strip()).parent
    return {name: {"name": name, **_with_paths_from(folder, table)} for name, table in tables.items()}


def _read_json(text: str) -> Any:  # noqa: ANN401  # JSON
    try:
        return json.loads(text, parse_float=Decimal, object_pairs_hook=_each_once)
    except json.JSONDecodeError as exc:
        raise ValueError(f"is not valid JSON (line {exc.lineno}, column {exc.colno})") from None


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a name that is given twice, as TOML does: JSON would keep the last one, and lose a shop."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name in found if [given for given, _ in pairs].count(name) > 1)
        raise ValueError(f"names {twice!r} twice")
    return found


def _read_toml(path: Path) -> Any:  # noqa: ANN401  # TOML
    try:
        with path.open("rb") as file:
            return tomllib.load(file, parse_float=Decimal)
    except OSError as exc:
        raise ValueError(f"is neither JSON (no {{ at its start) nor a file that can be read: {exc.strerror}") from None
    except ValueError as exc:  # also for what is not UTF-8
        where = re.search(r"\(at [^()]*\)", str(exc))
        raise ValueError(f"{path} is not valid TOML {where[0] if where else ''}".rstrip()) from None


def _with_paths_from(folder: Path, table: dict[str, object]) -> dict[str, object]:
    return {
        name: str(folder / value) if name.endswith("_file") and isinstance(value, str) else value
        for name, value in table.items()
    }
