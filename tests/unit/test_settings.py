"""config.toml and the environment: what is read, where secrets come from, and that they never show."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from connector.errors import UserError
from connector.settings import AccessToken, ClientCredentials, JwtBearer, Mode, load_settings
from connector.settings.file import is_loopback

ROOT = Path(__file__).parent.parent.parent
ENV = {"SF_CLIENT_ID": "the-client-id", "SF_CLIENT_SECRET": "the-client-secret", "HS_ACCESS_TOKEN": "the-token"}
HUBSPOT = '[[systems]]\nname = "hs"\nvendor = "hubspot"\n'
SALESFORCE = '[[systems]]\nname = "sf"\nvendor = "salesforce"\nbase_url = "https://acme.my.salesforce.com/"\n'


def _write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _told(path: Path, env: dict[str, str]) -> str:
    with pytest.raises(UserError) as told:
        load_settings(path, env=env)
    return str(told.value)


def test_the_example_loads_once_its_variables_are_set() -> None:
    settings = load_settings(ROOT / "config.example.toml", env=ENV)
    sf, hs = settings.systems
    assert settings.daemon.mode is Mode.OBSERVE
    assert (sf.api_version, hs.api_version) == ("67.0", "2026-09")
    assert hs.base_url == "https://api.hubapi.com"
    assert isinstance(sf.credentials, ClientCredentials)
    assert sf.credentials.client_secret.get_secret_value() == "the-client-secret"
    assert settings.store_url.get_secret_value().endswith("/state/handoff.db")
    assert settings.web.host == "127.0.0.1"
    assert settings.system("hs") is hs


def test_secrets_never_show_in_print_or_json() -> None:
    settings = load_settings(ROOT / "config.example.toml", env=ENV)
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert "the-client-secret" not in text
        assert "the-token" not in text
    assert {"the-client-secret", "the-token"} <= set(settings.secrets())


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(ROOT / "config.example.toml", env=ENV)
    with pytest.raises(ValueError, match="frozen"):
        settings.daemon.poll_seconds = 1.0


def test_a_secret_may_come_from_a_file_a_variable_names(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-the-file\n", encoding="utf-8")
    path = _write(tmp_path, HUBSPOT + 'access_token_env = "HS_ACCESS_TOKEN"\n')
    settings = load_settings(path, env={"HS_ACCESS_TOKEN_FILE": str(tmp_path / "token")})
    credentials = settings.systems[0].credentials
    assert isinstance(credentials, AccessToken)
    assert credentials.access_token.get_secret_value() == "from-the-file"


def test_a_private_key_makes_a_jwt_login(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN KEY-----", encoding="utf-8")
    key = f'client_id_env = "SF_CLIENT_ID"\nusername = "handoff@acme"\nprivate_key_file = "{tmp_path / "key.pem"}"\n'
    credentials = load_settings(_write(tmp_path, SALESFORCE + key), env=ENV).systems[0].credentials
    assert isinstance(credentials, JwtBearer)
    assert credentials.username == "handoff@acme"


def test_base_url_ends_without_a_slash_and_login_follows_it(tmp_path: Path) -> None:
    keys = 'client_id_env = "SF_CLIENT_ID"\nclient_secret_env = "SF_CLIENT_SECRET"\n'
    system = load_settings(_write(tmp_path, SALESFORCE + keys), env=ENV).systems[0]
    assert system.base_url == system.login_url == "https://acme.my.salesforce.com"


def test_acting_on_old_wins_needs_a_date(tmp_path: Path) -> None:
    text = HUBSPOT + 'access_token_env = "HS_ACCESS_TOKEN"\nfirst_run = "act_since"\n'
    assert 'act_since: is required with first_run = "act_since"' in _told(_write(tmp_path, text), ENV)
    settings = load_settings(_write(tmp_path, text + "act_since = 2026-09-01\n"), env=ENV)
    assert settings.systems[0].act_since == date(2026, 9, 1)


def test_two_systems_may_not_share_a_name(tmp_path: Path) -> None:
    text = (HUBSPOT + 'access_token_env = "HS_ACCESS_TOKEN"\n') * 2
    assert "systems[hs].name: there are two systems 'hs'; rename one" in _told(_write(tmp_path, text), ENV)


def test_a_secret_under_any_key_is_refused_without_being_repeated(tmp_path: Path) -> None:
    text = HUBSPOT + 'access_token_env = "HS_ACCESS_TOKEN"\nbase_url = "https://u:hunter22@api.hubapi.com"\n'
    told = _told(_write(tmp_path, text), ENV)
    assert "hunter22" not in told
    assert "a secret must not stand in a file" in told


def test_a_database_password_comes_by_variable(tmp_path: Path) -> None:
    text = '[daemon]\nstore_url_env = "DB"\n' + HUBSPOT + 'access_token_env = "HS_ACCESS_TOKEN"\n'
    settings = load_settings(_write(tmp_path, text), env={**ENV, "DB": "postgresql://u:hunter22@db/handoff"})
    assert settings.store_url.get_secret_value() == "postgresql://u:hunter22@db/handoff"
    assert "hunter22" not in repr(settings)
    assert "hunter22" in settings.secrets(), "for the log, which may meet it without its address"
    told = _told(_write(tmp_path, text), {**ENV, "DB": "mysql://u:hunter22@db/x"})
    assert "store_url_env: the variable's value must begin with sqlite:/// or postgresql://" in told
    assert "hunter22" not in told


def test_a_secret_of_two_lines_is_refused_without_being_repeated(tmp_path: Path) -> None:
    text = HUBSPOT + 'access_token_env = "HS_ACCESS_TOKEN"\n'
    told = _told(_write(tmp_path, text), {**ENV, "HS_ACCESS_TOKEN": "hunter22\nhunter33"})
    assert "HS_ACCESS_TOKEN holds a line break" in told
    assert "hunter" not in told
    (tmp_path / "token").write_text("hunter22\r\nhunter33\n", encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    told = _told(_write(tmp_path, text.replace('_env = "HS_ACCESS_TOKEN"', '_file = "token"')), ENV)
    assert "token holds a line break" in told
    assert "hunter" not in told


def test_a_database_that_is_given_and_not_named_is_not_passed_over(tmp_path: Path) -> None:
    """Three replicas with a ledger each would hand over every deal three times."""
    text = HUBSPOT + 'access_token_env = "HS_ACCESS_TOKEN"\n'
    for name in ("HANDOFF_STORE_URL", "HANDOFF_STORE_URL_FILE"):
        told = _told(_write(tmp_path, text), {**ENV, name: "postgresql://u:hunter22@db/handoff"})
        assert f'is missing, and {name} is set; write store_url_env = "HANDOFF_STORE_URL"' in told
        assert "hunter22" not in told


def test_a_password_behind_the_question_mark_is_one_too(tmp_path: Path) -> None:
    text = '[daemon]\nstore_url = "postgresql://db/handoff?user=u&password=hunter22"\n'
    told = _told(_write(tmp_path, text + HUBSPOT + 'access_token_env = "HS_ACCESS_TOKEN"\n'), ENV)
    assert "a secret must not stand in a file" in told
    assert "hunter22" not in told


def test_the_log_knows_the_path_of_a_chats_webhook(tmp_path: Path) -> None:
    text = HUBSPOT + 'access_token_env = "HS_ACCESS_TOKEN"\n[notify.chat]\nwebhook_url_env = "CHAT"\n'
    found = load_settings(_write(tmp_path, text), env={**ENV, "CHAT": "https://chat.example/services/T0/B0/abcdef"})
    assert "/services/T0/B0/abcdef" in found.secrets()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "write a first one: handoff init" in _told(tmp_path / "config.toml", ENV)


@pytest.mark.parametrize(
    ("host", "answer"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("a.b", False)],
)
def test_only_this_machine_is_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


def test_relative_files_start_from_the_config_s_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("beside-the-config", encoding="utf-8")
    monkeypatch.chdir(ROOT)
    settings = load_settings(_write(tmp_path, HUBSPOT + 'access_token_file = "token"\n'), env={})
    assert "beside-the-config" in settings.secrets()
    assert settings.daemon.state == tmp_path / "state"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://acme.lightning.force.com", "https://acme.my.salesforce.com"),
        ("https://acme--uat.sandbox.lightning.force.com", "https://acme--uat.sandbox.my.salesforce.com"),
        ("https://login.salesforce.com", "the org's own address"),
        ("https://test.salesforce.com", ".sandbox.my.salesforce.com"),
    ],
)
def test_an_address_that_is_not_the_orgs_api_says_which_is(tmp_path: Path, address: str, words: str) -> None:
    text = f'[[systems]]\nname = "sf"\nvendor = "salesforce"\nbase_url = "{address}"\n'
    text += 'client_id_env = "SF_CLIENT_ID"\nclient_secret_env = "SF_CLIENT_SECRET"\n'
    told = _told(_write(tmp_path, text), ENV)
    assert "4:" in told
    assert words in told


MAIL_SERVER = '[notify.email]\nhost = "smtp.acme.example"\nsender = "handoff@acme.example"\n'


def test_mails_to_customers_leave_only_where_it_is_said_and_a_server_is_named(tmp_path: Path) -> None:
    base = HUBSPOT + 'access_token_env = "HS_ACCESS_TOKEN"\n'
    assert load_settings(_write(tmp_path, base + MAIL_SERVER), env=ENV).customer_mail is None
    found = load_settings(_write(tmp_path, base + MAIL_SERVER + "[customer_mail]\n"), env=ENV).customer_mail
    assert found is not None
    assert (found.sender, found.daily_limit) == ("", 50)
    told = _told(_write(tmp_path, base + "[customer_mail]\n"), ENV)
    assert "config.toml:5:2: customer_mail: mails to customers go through the server of [notify.email]" in told
    told = _told(_write(tmp_path, base + MAIL_SERVER + '[customer_mail]\nsender = "Ana <a@b.example>"\n'), ENV)
    assert "config.toml:9:10: customer_mail.sender" in told
