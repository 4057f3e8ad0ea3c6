"""Settings: precedence, origins, errors that name the place, edits that keep the rest."""

import itertools

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from joynet_sdk import config
from joynet_sdk.environment import Environment, read_environment
from joynet_sdk.errors import ConfigError, InvalidInputError, NotFoundError
from joynet_sdk.toml_edit import line_of, set_value, unset_value

LAYERS = ["user", "profile", "project", ".env", "environment", "flag"]


@pytest.fixture
def folders(tmp_path):
    home, cwd = tmp_path / "home", tmp_path / "project" / "deep"
    (home / "profiles").mkdir(parents=True)
    cwd.mkdir(parents=True)
    return home, cwd


def resolve(folders, process=(), flags=None):
    home, cwd = folders
    dotenv = read_environment(cwd)
    ours = {name: dotenv[name] for name in dotenv.from_dotenv}
    return config.resolve(home, Environment(dict(process), ours), cwd, flags)


def put(folders, layer, value):
    """Set `account` in one layer; returns what that layer adds to (process, flags)."""
    home, cwd = folders
    text = f'account = "{value}"\n'
    if layer == "user":
        (home / "config.toml").write_text('profile = "p"\n' + text)
    elif layer == "profile":
        (home / "profiles" / "p.toml").write_text(text)
    elif layer == "project":
        (cwd.parent / "joynet.toml").write_text(text)
    elif layer == ".env":
        (cwd / ".env").write_text(f"JOYNET_ACCOUNT={value}\n")
    return {"JOYNET_ACCOUNT": value} if layer == "environment" else {}, (
        {"account": value} if layer == "flag" else {}
    )


@pytest.mark.parametrize(
    "layers", [c for n in (1, 2, 6) for c in itertools.combinations(LAYERS, n)], ids="<".join
)
def test_the_highest_layer_wins_and_is_named(folders, layers):
    home, _ = folders
    (home / "config.toml").write_text('profile = "p"\n')
    (home / "profiles" / "p.toml").write_text("")
    process, flags = {}, {}
    for layer in layers:
        more, given_flags = put(folders, layer, "in-" + layer.strip("."))
        process |= more
        flags |= given_flags
    found = resolve(folders, process, flags)
    assert found.settings.account == "in-" + layers[-1].strip(".")
    assert found.origins["account"].layer == layers[-1]
    assert found.origins["network"] == config.Origin("default")
    assert found.value("profile") == "p"


def test_origins_name_file_and_line(folders):
    home, _ = folders
    (home / "config.toml").write_text("# comment\n\n[storage]\n# more\nquota_gb = 3\n")
    found = resolve(folders)
    assert found.origins["storage.quota_gb"].where == f"{home}/config.toml:5"
    assert found.value("storage.quota_gb") == 3.0


def test_dotenv_entries_lose_against_the_process_and_empty_ones_do_not_count(folders):
    _, cwd = folders
    (cwd / ".env").write_text("JOYNET_NETWORK=http://dot\nJOYNET_ACCOUNT=\nPATH=/evil\n")
    found = resolve(folders)
    assert found.origins["network"] == config.Origin(".env", "JOYNET_NETWORK in .env")
    assert found.settings.account is None
    assert "PATH" not in read_environment(cwd).from_dotenv
    assert resolve(folders, {"JOYNET_NETWORK": "http://env"}).settings.network == "http://env"


def test_lists_are_comma_separated_in_variables(folders):
    found = resolve(folders, {"JOYNET_P2P_BOOTSTRAP": "/dns/a/tcp/1, /dns/b/tcp/2"})
    assert found.settings.p2p.bootstrap == ("/dns/a/tcp/1", "/dns/b/tcp/2")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("netwrk = 'devnet'", ":1: unknown setting 'netwrk'", "did you mean network?"),
        ("[storage]\nquota = 1", ":2: unknown setting 'storage.quota'", "storage.quota_gb"),
        ("storage = 5", ":1: unknown setting 'storage'", None),
        ("a = 1\nnetwork = 7", ":1: unknown setting 'a'", None),
        ("\nnetwork = 7", ":2: network is 7: input should be a valid string", None),
        ("[storage]\nquota_gb = 'x'", ":2: storage.quota_gb is 'x': input should be", None),
        ("chain_id = -1", ":1: chain_id is -1: input should be greater than 0", None),
        ("[p2p]\nlisten = ['x']", ":2: p2p.listen is ['x']: expected a multiaddr", None),
        ("network =", " is not valid TOML: Invalid value (at end of document)", None),
        ("profile = 'p'\nnetwork = 'nope'", ":2: network is 'nope': expected 'devnet'", None),
    ],
)
def test_errors_name_the_file_the_line_and_what_was_expected(folders, text, message, hint):
    home, _ = folders
    (home / "config.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        resolve(folders)
    assert str(caught.value).startswith(f"{home}/config.toml{message}")
    assert hint is None or hint in caught.value.hint


def test_a_hidden_layer_is_checked_too(folders):
    home, _ = folders
    (home / "config.toml").write_text("chain_id = 'x'\n")
    with pytest.raises(ConfigError, match="chain_id"):
        resolve(folders, {"JOYNET_CHAIN_ID": "1"})


def test_wrong_variables_and_flags_are_named(folders):
    with pytest.raises(ConfigError, match=r"^JOYNET_TIMEOUT: timeout_s is '-1'"):
        resolve(folders, {"JOYNET_TIMEOUT": "-1"})
    with pytest.raises(ConfigError, match=r"^--timeout: timeout_s is 0"):
        resolve(folders, flags={"timeout_s": 0})


def test_binary_and_huge_files_are_refused(folders):
    home, _ = folders
    (home / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        resolve(folders)
    (home / "config.toml").write_bytes(b"#" * (config.MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match="expected at most"):
        resolve(folders)


def test_an_absent_profile_is_not_found(folders):
    with pytest.raises(NotFoundError, match="no such profile: main"):
        resolve(folders, {"JOYNET_PROFILE": "main"})


def test_a_profile_cannot_leave_its_folder(folders):
    with pytest.raises(ConfigError, match="profile is '../x'"):
        resolve(folders, {"JOYNET_PROFILE": "../x"})
    with pytest.raises(InvalidInputError):
        config.check_profile_name("a/b")


def test_every_setting_is_described_and_has_a_variable_of_its_own():
    variables = [setting.variable for setting in (*config.SETTINGS.values(), config.PROFILE)]
    assert len(set(variables)) == len(variables)
    assert all(s.description.endswith(".") for s in config.SETTINGS.values())


def test_mask_hides_by_key_and_by_pattern():
    assert config.mask("storage.pin_token", "x") == "[masked]"
    assert config.mask("network", "http://u:p@h/x") == "http://[masked]@h/x"
    assert config.mask("network", "http://h/v3/" + "k" * 32) == "http://h/v3/[masked]"
    assert config.mask("p2p.listen", ("/ip4/1.2.3.4/tcp/1",)) == ["/ip4/1.2.3.4/tcp/1"]
    assert config.mask("chain_id", 5) == 5


TOML = """\
# top
network = "devnet"  # why
"account" = 'a'

[storage] # space
quota_gb = 3 # few

[p2p]
listen = [
  "/dns/a/tcp/1",  # one
]
# last
[log]
"""


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("network", "http://x", 'network = "devnet"  # why', 'network = "http://x"  # why'),
        ("account", "b", "\"account\" = 'a'", 'account = "b"'),
        ("storage.quota_gb", 4.5, "quota_gb = 3 # few", "quota_gb = 4.5 # few"),
        ("chain_id", 7, "\"account\" = 'a'\n", "\"account\" = 'a'\nchain_id = 7\n"),
        ("storage.new", True, "quota_gb = 3 # few", "quota_gb = 3 # few\nnew = true"),
        ("log.level", "info", "[log]\n", '[log]\nlevel = "info"\n'),
        ("node.x", "y", "[log]\n", '[log]\n\n[node]\nx = "y"\n'),
        (
            "p2p.listen",
            ("/dns/b/tcp/2",),
            'listen = [\n  "/dns/a/tcp/1",  # one\n]',
            'listen = ["/dns/b/tcp/2"]',
        ),
    ],
)
def test_edits_change_one_entry_and_nothing_else(key, value, old, new):
    assert old in TOML
    assert set_value(TOML, key, value) == TOML.replace(old, new)


def test_unset_removes_the_whole_entry():
    assert "listen" not in unset_value(TOML, "p2p.listen")
    assert "# last" in unset_value(TOML, "p2p.listen")
    assert unset_value(TOML, "p2p.absent") == TOML
    assert unset_value("a = 1\n", "a") == ""


@pytest.mark.parametrize("text", ["storage = { quota_gb = 3 }\n", "storage.quota_gb = 3\n"])
def test_unusual_forms_are_left_alone(text):
    with pytest.raises(ConfigError, match="cannot be edited"):
        set_value(text, "storage.quota_gb", 4)
    assert line_of(text, "storage.quota_gb") == 1


@given(st.text(max_size=30), st.sampled_from(["network", "account", "p2p.x", "new.y", "top"]))
def test_any_text_survives_an_edit(value, key):
    table, _, name = key.rpartition(".")
    document = tomli.loads(set_value(TOML, key, value))
    assert (document[table] if table else document)[name] == value
