import copy
import json
import pickle
import traceback

import pytest
from eth_account import Account as EthAccount
from eth_account.messages import encode_defunct, encode_typed_data

from joynet_sdk.chain.accounts import Account, Keys, open_account, parse_secret
from joynet_sdk.errors import AuthError, InvalidInputError, NotFoundError

KEY = bytes(range(1, 33))
TYPES = {"Mail": [{"name": "text", "type": "string"}]}
DOMAIN = {"name": "JoyNet", "version": "1", "chainId": 1}


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "home", scrypt_n=2)


def test_new_key_is_private_and_unlocks(keys, tmp_path):
    info = keys.new("alice", "pw")
    assert info.path.stat().st_mode & 0o777 == 0o600
    assert info.path.parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert keys.unlock("alice", "pw").address == info.address
    assert keys.info(info.address) == info
    assert keys.list() == [info]


def test_keyfile_is_readable_by_others_tools(keys):
    info = keys.import_key("alice", KEY, "pässwörd")
    assert EthAccount.decrypt(info.path.read_text(), "pässwörd") == KEY


def test_keyfile_of_another_tool_is_imported(keys):
    foreign = json.dumps(EthAccount.encrypt(KEY, "old", kdf="pbkdf2", iterations=2)).encode()
    keys.import_keyfile("bob", foreign, "old", "new")
    assert keys.unlock("bob", "new").address == EthAccount.from_key(KEY).address
    with pytest.raises(AuthError, match="wrong password"):
        keys.import_keyfile("carol", foreign, "wrong", "new")


def test_wrong_password_has_a_hint(keys):
    keys.new("alice", "pw")
    with pytest.raises(AuthError, match="wrong password for alice") as caught:
        keys.unlock("alice", "no")
    assert "JOYNET_PASSWORD" in caught.value.hint


def test_taken_name_keeps_the_old_key(keys):
    first = keys.new("alice", "pw")
    before = first.path.read_bytes()
    with pytest.raises(InvalidInputError, match="already"):
        keys.new("alice", "pw")
    assert first.path.read_bytes() == before
    assert [p.name for p in first.path.parent.iterdir()] == ["alice.json"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "0xabc", "a" * 65, "a\n"])
def test_bad_name_is_refused(keys, name):
    with pytest.raises(InvalidInputError):
        keys.new(name, "pw")


def test_empty_password_is_refused(keys):
    with pytest.raises(InvalidInputError, match="password is empty"):
        keys.new("alice", "")


def test_unknown_name_lists_what_there_is(keys):
    keys.new("alice", "pw")
    with pytest.raises(NotFoundError, match="bob") as caught:
        keys.unlock("bob", "pw")
    assert "alice" in caught.value.hint


def test_open_keyfile_is_refused(keys):
    info = keys.new("alice", "pw")
    info.path.chmod(0o644)
    with pytest.raises(AuthError, match="may be read by others"):
        keys.unlock("alice", "pw")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"version": 3}', b"\xff", b'{"version": 3, "crypto": {}}']
)
def test_damaged_keyfile_is_an_auth_error(keys, content):
    info = keys.new("alice", "pw")
    info.path.write_bytes(content)
    with pytest.raises(AuthError):
        keys.unlock("alice", "pw")


def test_keyfile_that_wants_all_memory_is_refused(keys):
    info = keys.new("alice", "pw")
    document = json.loads(info.path.read_text())
    document["crypto"]["kdfparams"]["n"] = 2**40
    info.path.write_text(json.dumps(document))
    with pytest.raises(AuthError, match="1 GiB"):
        keys.unlock("alice", "pw")


def test_password_is_asked_only_for_an_existing_key(tmp_path):
    def never(name):
        raise AssertionError(name)

    with pytest.raises(NotFoundError):
        open_account(tmp_path / "home", "nobody", never)
    with pytest.raises(NotFoundError):
        open_account(tmp_path / "home", "ape:nobody-of-this-name", never)


def test_signatures_recover_to_the_address():
    account = Account.from_key(KEY)
    message = account.sign_message(b"hello")
    assert (
        EthAccount.recover_message(encode_defunct(b"hello"), signature=message) == account.address
    )
    typed = account.sign_typed_data(DOMAIN, TYPES, {"text": "x"})
    signable = encode_typed_data(DOMAIN, TYPES, {"text": "x"})
    assert EthAccount.recover_message(signable, signature=typed) == account.address
    assert typed[64] in (27, 28)
    digest = EthAccount.sign_typed_data(KEY, DOMAIN, TYPES, {"text": "x"}).message_hash
    assert account.sign_digest(bytes(digest)) == typed


def test_secret_stays_hidden():
    account = Account.from_key(KEY, name="alice")
    shown = [repr(account), str(account), f"{account}", repr([account])]
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            copying(account)
    try:
        account.sign_digest(b"short")
    except InvalidInputError as error:
        shown += traceback.format_exception(error)
    assert not any(KEY.hex() in text for text in shown)


@pytest.mark.parametrize("key", [b"", b"\0" * 32, b"\xff" * 32, b"\x01" * 31])
def test_bad_secret_is_not_repeated(key):
    with pytest.raises(InvalidInputError) as caught:
        Account.from_key(key)
    text = "".join(traceback.format_exception(caught.value))
    assert not key or key.hex() not in text


@pytest.mark.parametrize("text", [b"0x" + KEY.hex().encode() + b"\n", KEY.hex().upper().encode()])
def test_secret_is_parsed(text):
    assert parse_secret(text) == KEY


@pytest.mark.parametrize("text", [b"", b"0x1", b"xyz", b"\xff", KEY.hex().encode() + b"00"])
def test_bad_secret_text_is_refused(text):
    with pytest.raises(InvalidInputError, match="64 hex digits"):
        parse_secret(text)
