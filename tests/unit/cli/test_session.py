"""Context and passwords."""

import pytest

from joynet_cli import _session
from joynet_cli._output import out
from joynet_cli._session import ctx, password_for


@pytest.fixture
def ask(noun):
    noun(ask=lambda: out.result([password_for("alice"), password_for("bob")]))


def test_context_holds_what_was_asked_for(joynet, noun, home):
    def show() -> None:
        c = ctx()
        out.result([c.home, c.network, c.account, c.profile, c.timeout_s, c.quiet, c.dry_run])

    noun(show=show)
    result = joynet("probe", "show", "--json", "--account", "alice", "--timeout=2.5", "--dry-run")
    assert result.value == [str(home), "devnet", "alice", "default", 2.5, False, True]


def test_home_option_comes_before_the_variable(joynet, noun, tmp_path):
    noun(show=lambda: out.result(ctx().home))
    other = tmp_path / "other"
    assert joynet("probe", "show", "--json", "--home", other).value == str(other)


def test_there_is_no_context_outside_a_command():
    with pytest.raises(RuntimeError, match="no command is running"):
        _session.current()


@pytest.mark.usefixtures("ask")
def test_password_order(joynet, tmp_path):
    file = tmp_path / "password"
    file.write_text("from file\n")
    piped = ("probe", "ask", "--json", "--password-stdin")
    env = {"JOYNET_PASSWORD": "from env"}
    both = {**env, "JOYNET_PASSWORD_FILE": str(file)}
    assert joynet(*piped, env=both, stdin="piped\n").value == ["from file"] * 2
    assert joynet(*piped, env=env, stdin="piped\n").value == ["from env"] * 2
    assert joynet(*piped, stdin="piped\n").value == ["piped"] * 2


@pytest.mark.usefixtures("ask")
@pytest.mark.parametrize(
    ("env", "argv", "message"),
    [
        ({}, (), "the password of alice is needed, and there is no terminal to ask"),
        ({"JOYNET_PASSWORD": ""}, (), "the password of alice is empty"),
        ({}, ("--password-stdin",), "the password of alice is empty"),
        ({"JOYNET_PASSWORD_FILE": "/nowhere"}, (), "password file /nowhere cannot be read"),
    ],
)
def test_missing_passwords_exit_4(joynet, env, argv, message):
    result = joynet("probe", "ask", "--json", *argv, env=env)
    assert result.exit_code == 4
    assert result.document["error"]["code"] == "auth"
    assert result.document["error"]["message"].startswith(message)


def test_a_password_in_dotenv_counts_and_is_not_exported(joynet, noun, project):
    import os

    noun(ask=lambda: out.result([password_for("alice"), "JOYNET_PASSWORD" in os.environ]))
    (project / ".env").write_text("JOYNET_PASSWORD='with $dollar'\nOTHER=1\n")
    assert joynet("probe", "ask", "--json").value == ["with $dollar", False]


def test_open_joynet_uses_the_home_and_the_only_key(joynet, noun, home):
    from joynet_cli._session import open_joynet
    from joynet_sdk.chain import Keys

    def show() -> None:
        with open_joynet() as client:
            out.result([client.home, client.settings.account])

    noun(show=show)
    assert joynet("probe", "show", "--json").value == [str(home), None]
    Keys(home, scrypt_n=2).new("alice", "password")
    assert joynet("probe", "show", "--json").value == [str(home), "alice"]
    assert joynet("probe", "show", "--json", "--account", "bob").value == [str(home), "bob"]
