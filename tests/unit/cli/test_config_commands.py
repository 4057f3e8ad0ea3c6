"""`joynet config`, `profile` and `init`."""

import json

import pytest

from joynet_sdk.config import PROFILE, SETTINGS


def shown(result):
    return {row["key"]: row for row in result.value}


def test_show_lists_every_setting_with_its_origin(joynet, home):
    joynet("config", "set", "storage.quota_gb", "20")
    rows = shown(joynet("config", "show", "--json", env={"JOYNET_TIMEOUT": "7"}))
    assert set(rows) == {*SETTINGS, PROFILE.key}
    assert rows["storage.quota_gb"]["value"] == 20
    assert rows["storage.quota_gb"]["origin"] == "user"
    assert rows["storage.quota_gb"]["where"] == f"{home}/config.toml:2"
    assert (rows["timeout_s"]["value"], rows["timeout_s"]["origin"]) == (7, "environment")
    people = joynet("config", "show", "--origin").stdout
    assert f"{home}/config.toml:2" in people
    assert "config.toml" not in joynet("config", "show").stdout


def test_get_prints_the_bare_value(joynet):
    assert joynet("config", "get", "network").stdout == "devnet\n"
    assert joynet("config", "get", "p2p.listen").stdout == "/ip4/127.0.0.1/tcp/0\n"
    wrong = joynet("config", "get", "netwrk")
    assert wrong.exit_code == 3
    assert wrong.stderr == "error: no such setting: 'netwrk'\nhint: did you mean network?\n"


def test_secrets_in_an_rpc_url_are_masked(joynet):
    url = "https://alice:hunter2@rpc.example.org/v3/0123456789abcdef0123456789abcdef"
    joynet("config", "set", "network", url)
    for argv in (
        ("config", "show"),
        ("config", "get", "network"),
        ("config", "set", "network", url),
    ):
        for flags in ((), ("--json",)):
            text = joynet(*argv, *flags).stdout
            assert "hunter2" not in text
            assert "0123456789abcdef" not in text


def test_set_writes_a_private_file_and_unset_takes_it_back(joynet, home):
    joynet("config", "set", "p2p.bootstrap", "/dns/a/tcp/1,/dns/b/tcp/2")
    file = home / "config.toml"
    assert file.read_text() == '[p2p]\nbootstrap = ["/dns/a/tcp/1", "/dns/b/tcp/2"]\n'
    assert file.stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    joynet("config", "unset", "p2p.bootstrap")
    assert joynet("config", "get", "p2p.bootstrap", "--json").value["origin"] == "default"


def test_set_says_when_another_layer_wins(joynet):
    result = joynet("config", "set", "account", "bob", env={"JOYNET_ACCOUNT": "alice"})
    assert result.exit_code == 0
    assert "account stays alice: JOYNET_ACCOUNT comes first" in result.stderr


def test_dry_run_writes_nothing(joynet, home, project):
    assert joynet("config", "set", "account", "bob", "--dry-run").exit_code == 0
    assert joynet("init", "--dry-run").exit_code == 0
    assert not home.exists()
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("storage.quota_gb", "many", "input should be a valid number"),
        ("storage.quota_gb", "0", "input should be greater than 0"),
        ("network", "ws://x", "expected 'devnet', an http(s) RPC URL"),
        ("log.level", "loud", "input should be 'debug', 'info', 'warning' or 'error'"),
        ("p2p.listen", "127.0.0.1", "expected a multiaddr"),
        ("node.unsecured_limit_joy", "1e-19", "expected 0 or more, to at most 18 decimals"),
        ("account", "../key", "expected a key name"),
        ("profile", "a/b", "expected letters"),
    ],
)
def test_bad_values_exit_3_and_change_nothing(joynet, home, key, value, reason):
    result = joynet("config", "set", key, value, "--json")
    assert result.exit_code == 3
    assert reason in result.document["error"]["message"]
    assert repr(value) in result.document["error"]["message"]
    assert not (home / "config.toml").exists()


def test_project_settings(joynet, project):
    outside = joynet("config", "set", "account", "alice", "--project")
    assert (outside.exit_code, outside.stderr.splitlines()[1]) == (3, "hint: joynet init")
    joynet("init")
    deep = project / "a" / "b"
    deep.mkdir(parents=True)
    assert joynet("config", "set", "account", "alice", "--project", cwd=deep).exit_code == 0
    assert 'account = "alice"' in (project / "joynet.toml").read_text()
    row = joynet("config", "get", "account", "--json", cwd=deep).value
    assert (row["value"], row["origin"]) == ("alice", "project")


def test_path_names_the_files(joynet, home, project):
    assert joynet("config", "path", "--json").value["project"] is None
    joynet("init")
    value = joynet("config", "path", "--json").value
    assert value["user"] == str(home / "config.toml")
    assert value["project"] == str(project / "joynet.toml")


def test_init_is_idempotent(joynet, home, project):
    first = joynet("init", "--json", "--account", "alice").value
    text = (project / "joynet.toml").read_text()
    second = joynet("init", "--json").value
    assert (first["is_new"], second["is_new"]) == (True, False)
    assert (project / "joynet.toml").read_text() == text
    assert "joynet doctor" in first["next"]
    assert (home / "keys").stat().st_mode & 0o777 == 0o700
    assert joynet("config", "get", "account").stdout == "alice\n"
    assert "joynet doctor" in joynet("init").stderr


def test_profiles(joynet):
    assert joynet("profile", "create", "main", "--set", "network=http://main").exit_code == 0
    assert joynet("config", "get", "network").stdout == "devnet\n"
    assert joynet("config", "get", "network", "--profile", "main").stdout == "http://main\n"
    assert joynet("config", "get", "network", env={"JOYNET_PROFILE": "main"}).stdout == (
        "http://main\n"
    )
    joynet("profile", "use", "main")
    assert joynet("config", "set", "account", "bob", "--in-profile", "main").exit_code == 0
    rows = {row["name"]: row for row in joynet("profile", "list", "--json").value}
    assert rows["main"]["is_active"]
    assert rows["main"]["settings"] == {"network": "http://main", "account": "bob"}
    assert not rows["default"]["is_active"]
    assert "http://main" in joynet("profile", "show", "main").stdout


@pytest.mark.parametrize(
    ("argv", "exit_code", "message"),
    [
        (("use", "absent"), 5, "no such profile: absent"),
        (("show", "absent"), 5, "no such profile: absent"),
        (("show", "../config"), 2, "profile is '../config'"),
        (("create", "x", "--set", "network"), 2, "--set is 'network', expected KEY=VALUE"),
        (("create", "x", "--set", "profile=y"), 3, "a profile cannot choose a profile"),
        (("create", "main"), 3, "profile main exists"),
        (("delete", "main", "--yes"), 3, "profile main is in use"),
        (("delete", "other"), 2, "Delete profile other? needs a yes"),
    ],
)
def test_profile_errors(joynet, argv, exit_code, message):
    joynet("profile", "create", "other")
    joynet("profile", "create", "main")
    joynet("profile", "use", "main")
    result = joynet("profile", *argv, "--json")
    assert result.exit_code == exit_code
    assert result.document["error"]["message"].startswith(message)


def test_a_deleted_profile_is_gone(joynet, home):
    joynet("profile", "create", "other")
    assert joynet("profile", "delete", "other", "--yes").exit_code == 0
    assert not (home / "profiles" / "other.toml").exists()
    assert joynet("config", "show", "--profile", "other").exit_code == 5


def test_a_broken_file_does_not_stop_what_needs_no_configuration(joynet, home):
    home.mkdir()
    (home / "config.toml").write_text("network = \n")
    broken = joynet("config", "show", "--json")
    assert broken.exit_code == 3
    assert f"{home}/config.toml is not valid TOML" in broken.document["error"]["message"]
    for argv in (("version",), ("config", "path"), ("completion", "bash"), ("--help",)):
        assert joynet(*argv).exit_code == 0


def test_log_level_setting_is_used(joynet, noun, home):
    from joynet_cli._session import ctx
    from joynet_sdk.logs import get_logger

    def work() -> None:
        ctx()
        get_logger("joynet_sdk.test").debug("fine detail", step=1)

    noun(work=work)
    joynet("probe", "work")
    assert not (home / "logs" / "cli.log").exists()
    joynet("probe", "work", env={"JOYNET_LOG_LEVEL": "debug"})
    assert json.loads((home / "logs" / "cli.log").read_text())["step"] == 1
    assert "fine detail" in joynet("probe", "work", "-vv").stderr
    assert "fine detail" not in joynet("probe", "work", "-v").stderr
