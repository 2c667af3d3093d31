"""Credentials from files: a new token is picked up when the shop refuses the old one, without a restart."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from config.shops import ShopSettings, reread
from tests.unit.worker.magento.test_auth import FakeRequest, let_in
from worker.magento.auth import Bearer
from worker.magento.call import Call
from worker.magento.reread import Reread


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("old\n")
    return path


def renew(token: Path) -> None:
    token.write_text("new\n")


def auth(token: Path) -> Reread[str]:
    return Reread("default", read=lambda: token.read_text().strip(), make=lambda text: Bearer(token=SecretStr(text)))


async def test_a_refused_call_is_repeated_with_what_the_file_holds_now(token: Path):
    scheme, call = auth(token), Call()
    renew(token)
    call.leave()
    sent, answer = await let_in(scheme, FakeRequest(), call=call, answers=[401, 200])
    assert (sent, answer.status) == (["Bearer old", "Bearer new"], 200)
    assert not call.may_have_left
    assert (await let_in(scheme, FakeRequest()))[0] == ["Bearer new"]


async def test_a_refused_call_is_not_repeated_while_the_file_is_the_same(token: Path):
    sent, answer = await let_in(auth(token), FakeRequest(), answers=[401])
    assert (sent, answer.status) == (["Bearer old"], 401)


async def test_another_error_does_not_read_the_file_again(token: Path):
    scheme = auth(token)
    renew(token)
    sent, _ = await let_in(scheme, FakeRequest(), answers=[500])
    assert sent == ["Bearer old"]


def test_settings_remember_where_a_secret_came_from_and_keep_it_while_the_file_is_gone(token: Path):
    settings = ShopSettings.model_validate({"base_url": "https://s.example", "auth": "bearer", "token_file": token})
    token.write_text("new\n")
    assert reread(settings) != settings.credentials
    token.unlink()
    assert reread(settings) == settings.credentials


def test_where_secrets_came_from_cannot_be_given():
    shop = {"base_url": "https://s.example", "auth": "bearer", "token": "t", "secret_files": {"token": "/x"}}
    with pytest.raises(ValueError, match="secret_files is not to be given"):
        ShopSettings.model_validate(shop)
