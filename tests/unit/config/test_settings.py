import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from config.secret import SecretUrl
from config.settings import Settings, SettingsError, describe, variable
from config.shops import AdminCredentials, BearerCredentials, OAuth1Credentials, ShopSettings

BEARER = {"base_url": "https://shop.example", "auth": "bearer", "token": "s3cret-token"}
OAUTH1 = {
    "base_url": "https://shop.example/",
    "auth": "oauth1",
    "consumer_key": "ck",
    "consumer_secret": "cs",
    "access_token": "at",
    "access_secret": "as",
}
ADMIN = {"base_url": "https://shop.example", "auth": "admin", "username": "refunds", "password": "pw"}


def shops(**tables: Mapping[str, object]) -> dict[str, str]:
    return {"REFUNDS_SHOPS": json.dumps(tables)}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environ(environ)
    return str(refused.value)


class TestReading:
    def test_everything_has_a_default(self):
        settings = Settings.from_environ({})
        assert settings.redis_url == "redis://127.0.0.1:6379/0"
        assert settings.broker_url == settings.redis_url
        assert settings.shops == {}
        assert settings.max_attempts == 5

    def test_other_peoples_variables_are_ignored(self):
        environ = {"PATH": "/bin", "REFUNDS_SERVICE_HOST": "10.0.0.1", "REFUNDS_PORT": "tcp://10.0.0.1:80"}
        assert Settings.from_environ(environ) == Settings()

    def test_the_process_environment_is_read_only_by_from_environ(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("REFUNDS_MAX_ATTEMPTS", "7")
        assert Settings().max_attempts == 5
        assert Settings.from_environ().max_attempts == 7

    def test_an_empty_variable_counts_as_not_given(self):
        assert Settings.from_environ({"REFUNDS_SENTRY_DSN": "", "REFUNDS_MAX_AMOUNT": " "}) == Settings()

    def test_the_broker_follows_the_ledger_unless_it_is_given(self):
        url = {"REFUNDS_REDIS_URL": "redis://r/3"}
        assert Settings.from_environ(url).broker_url == "redis://r/3"
        assert Settings.from_environ({**url, "REFUNDS_BROKER_URL": "redis://b/1"}).broker_url == "redis://b/1"

    @pytest.mark.parametrize("url", ["rediss://h/0?ssl_cert_reqs=none&socket_timeout=3", "unix:///run/redis.sock?db=2"])
    def test_options_of_a_redis_url_may_be_given(self, url: str):
        assert Settings.from_environ({"REFUNDS_REDIS_URL": url}).redis_url == url

    def test_numbers_and_choices_are_converted(self):
        settings = Settings.from_environ(
            {"REFUNDS_MAX_AMOUNT": "250.50", "REFUNDS_LOG_LEVEL": "INFO", "REFUNDS_LEASE_SECONDS": "12.5"}
        )
        assert settings.max_amount == Decimal("250.50")
        assert settings.log_level == "info"
        assert settings.lease_seconds == 12.5

    def test_settings_cannot_be_changed(self):
        with pytest.raises(ValueError, match="frozen"):
            Settings().max_attempts = 6  # type: ignore[misc]  # that is the test


class TestRefusing:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("REFUNDS_MAX_ATTEMPTS", "many", "valid integer"),
            ("REFUNDS_MAX_ATTEMPTS", "0", "greater than or equal to 1"),
            ("REFUNDS_MAX_AMOUNT", "1.005", "2 decimal places"),
            ("REFUNDS_MAX_AMOUNT", "-1", "greater than 0"),
            ("REFUNDS_LOG_FORMAT", "xml", "'auto', 'console' or 'json'"),
            ("REFUNDS_REDIS_URL", "localhost:6379", "must look like redis://"),
            ("REFUNDS_REDIS_URL", "http://localhost", "must look like redis://"),
            ("REFUNDS_REDIS_URL", "redis://host:port/0", "must look like redis://"),
            ("REFUNDS_BROKER_URL", "redis://host/zero", "number of a database"),
            ("REFUNDS_LEASE_SECONDS", "5", "at least 3 x REFUNDS_HEARTBEAT_SECONDS"),
            ("REFUNDS_MAX_ATTEMTPS", "3", "did you mean REFUNDS_MAX_ATTEMPTS?"),
            ("REFUNDS_SHOPS", "/no/such/shops.toml", "neither JSON"),
            ("REFUNDS_SHOPS", '{"default": ', "not valid JSON"),
            ("REFUNDS_SHOPS", '{"default": 1}', "one table per shop"),
            ("REFUNDS_SHOPS", '{"eu": {}, "uk": {}, "eu": {}}', "names 'eu' twice"),
            ("REFUNDS_REDIS_URL", "redis://host/0?colour=red", "option behind its ?"),
            ("REFUNDS_BROKER_URL", "redis://host/0?socket_timeout=soon", "option behind its ?"),
            ("REFUNDS_LEASE_SECONDS", "inf", "finite number"),
            (
                "REFUNDS_SHOPS",
                json.dumps({"eu": BEARER | {"rate_per_second": float("inf")}}),
                "rate_per_second: Input should be a finite number",
            ),
            ("REFUNDS_SENTRY_DSN", "sentry.example", "must look like https://key@"),
            ("REFUNDS_SENTRY_DSN", "https://sentry.example/1", "must look like https://key@"),
            ("REFUNDS_METRICS_ADDRESS", "9464", "must look like 127.0.0.1:9464"),
            ("REFUNDS_METRICS_ADDRESS", "host:many", "must look like 127.0.0.1:9464"),
            ("REFUNDS_METRICS_ADDRESS", "http://host:9464", "must look like 127.0.0.1:9464"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_a_wrong_variable_is_named_with_what_is_expected(self, name: str, value: str, expected: str):
        text = refusal({name: value})
        assert name in text
        assert expected in text

    @pytest.mark.parametrize("many", ["max_amount_per_day", "max_amount_per_campaign"])
    def test_a_limit_of_one_job_above_that_of_many_is_named_with_the_shop(self, many: str):
        shop = {"base_url": "https://shop.example", "auth": "bearer", "token": "t", many: "50.00"}
        environ = {"REFUNDS_MAX_AMOUNT": "50.01", "REFUNDS_SHOPS": json.dumps({"eu": shop})}
        with pytest.raises(
            SettingsError, match=rf"REFUNDS_MAX_AMOUNT \(50.01\) is above .*{many.upper()} \(50.00\).*'eu'"
        ):
            Settings.from_environ(environ)
        assert Settings.from_environ({**environ, "REFUNDS_MAX_AMOUNT": "50.00"}).max_amount == Decimal("50.00")

    def test_all_wrong_variables_are_named_at_once(self):
        text = refusal({"REFUNDS_MAX_ATTEMPTS": "x", "REFUNDS_LOG_LEVEL": "loud", "REFUNDS_REDIS_ULR": "redis://h/0"})
        assert text.startswith("3 wrong setting(s):")

    def test_a_secret_is_never_repeated(self):
        secret = "hunter2"
        wrong = [
            {"REFUNDS_REDIS_URL": f"redis://:{secret}@host/zero"},
            {"REFUNDS_BROKER_URL": f"mysql://user:{secret}@host/0"},
            {"REFUNDS_REDIS_URL": f"redis://:{secret}@host/0?password={secret}&colour={secret}"},
            {"REFUNDS_SENTRY_DSN": f"https://{secret}@sentry.example"},
            {"REFUNDS_SHOPS": f'{{"default": {{"token": "{secret}" '},
            shops(default={**BEARER, "token": secret, "base_url": "shop"}),
            shops(default={**BEARER, "token": [secret]}),
            shops(default={**BEARER, "token": secret, "auth": secret}),
            shops(default={**BEARER, "base_url": f"https://user:{secret}@shop.example"}),
            shops(default={**OAUTH1, "token": secret}),
        ]
        for environ in wrong:
            assert secret not in refusal(environ)


class TestRepr:
    def test_it_shows_no_password(self):
        settings = Settings.from_environ(
            {
                "REFUNDS_REDIS_URL": "rediss://worker:hunter2@redis.example:6380/1",
                "REFUNDS_SENTRY_DSN": "https://hunter2@sentry.example/1",
                **shops(default={**BEARER, "token": "hunter2"}),
            }
        )
        assert "hunter2" not in repr(settings)
        assert "rediss://worker:***@redis.example:6380/1" in repr(settings)
        assert "hunter2" in settings.redis_url, "the URL itself is whole"

    @pytest.mark.parametrize(
        ("url", "masked"),
        [
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            ("redis://:pw@host/0", "redis://:***@host/0"),
            ("redis://us:p@w@host/0", "redis://us:***@host/0"),
            ("unix:///run/redis.sock?db=1&password=pw", "unix:///run/redis.sock?***"),
        ],
        ids=["none", "password", "at sign", "query"],
    )
    def test_a_url_masks_its_password(self, url: str, masked: str):
        assert SecretUrl(url).masked == masked


class TestShops:
    def test_a_shop_is_named_by_its_key(self):
        settings = Settings.from_environ(shops(de=BEARER, default=OAUTH1))
        assert {name: shop.name for name, shop in settings.shops.items()} == {"de": "de", "default": "default"}
        assert settings.shops["default"].base_url == "https://shop.example"

    @pytest.mark.parametrize(
        ("table", "expected"),
        [(BEARER, BearerCredentials), (OAUTH1, OAuth1Credentials), (ADMIN, AdminCredentials)],
        ids=["bearer", "oauth1", "admin"],
    )
    def test_credentials_are_those_of_the_auth(self, table: dict[str, object], expected: type):
        assert isinstance(ShopSettings.model_validate(table).credentials, expected)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"token": None}, "also needs token"),
            ({"auth": "oauth1"}, "also needs consumer_key"),
            ({"password": "pw"}, "does not use password"),
            ({"token": " "}, "not empty"),
            ({"base_url": "https://shop.example/rest/V1"}, "without /rest"),
            ({"base_url": "https://shop.example/?a=1"}, "query"),
            ({"base_url": "https://u:p@shop.example"}, "user or password"),
            ({"base_url": "http://shop.example"}, "allow_http"),
            ({"base_url": "ftp://shop.example"}, "https://"),
            ({"longest_request_seconds": 30}, "at least request_timeout_seconds"),
            ({"connect_timeout_seconds": 90}, "not be longer"),
            ({"max_concurrency": 0}, "greater than or equal to 1"),
            ({"store_code": "a/b"}, "store view"),
            ({"maximum": 3}, "not permitted"),
            ({"token_file": "t"}, "keep one"),
            ({"token": None, "token_file": "/no/such/file"}, "cannot read the secret file /no/such/file"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_a_wrong_shop_is_named_with_its_fault(self, changes: dict[str, object], expected: str):
        text = refusal(shops(outlet={**BEARER, **changes}))
        assert "REFUNDS_SHOPS: shop 'outlet'" in text
        assert expected in text

    def test_the_name_of_a_shop_is_checked(self):
        assert "lower-case" in refusal(shops(**{"My Shop": BEARER}))

    @pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:80", "shop.localhost"])
    def test_http_is_fine_on_this_machine(self, host: str):
        assert ShopSettings.model_validate({**BEARER, "base_url": f"http://{host}"}).base_url == f"http://{host}"

    def test_http_elsewhere_must_be_said(self):
        shop = ShopSettings.model_validate({**BEARER, "base_url": "http://sandbox:8080", "allow_http": True})
        assert shop.base_url == "http://sandbox:8080"

    @pytest.mark.parametrize("head", ["[shops.default]", "[default]"])
    def test_shops_are_read_from_a_toml_file(self, tmp_path: Path, head: str):
        (tmp_path / "token").write_text("from-file\n")
        (tmp_path / "shops.toml").write_text(
            f'{head}\nbase_url = "https://shop.example"\nauth = "bearer"\ntoken_file = "token"\nmax_amount = 99.90\n'
        )
        shop = Settings.from_environ({"REFUNDS_SHOPS": str(tmp_path / "shops.toml")}).shops["default"]
        assert shop.token == SecretStr("from-file")
        assert shop.max_amount == Decimal("99.90")

    def test_broken_toml_is_located_but_not_shown(self, tmp_path: Path):
        (tmp_path / "shops.toml").write_text('[default]\ntoken = "hunter2\n')
        text = refusal({"REFUNDS_SHOPS": str(tmp_path / "shops.toml")})
        assert "line 2" in text
        assert "hunter2" not in text

    def test_a_secret_file_must_hold_something(self, tmp_path: Path):
        (tmp_path / "token").write_text("\n")
        text = refusal(
            shops(default={"base_url": "https://s.example", "auth": "bearer", "token_file": f"{tmp_path}/token"})
        )
        assert "is empty" in text


class TestDescribing:
    def test_every_field_has_a_unit_and_a_reason(self):
        assert [row.name for row in describe()] == [variable(field) for field in Settings.model_fields]
        assert all(row.unit and row.why and row.default for row in describe())
