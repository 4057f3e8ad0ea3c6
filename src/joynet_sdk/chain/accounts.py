"""Keys: v3 keyfiles (Web3 Secret Storage, scrypt) in `$JOYNET_HOME/keys`, or an Ape account."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from joynet_sdk.errors import AuthError, InvalidInputError, NotFoundError
from joynet_sdk.paths import Home, atomic_write, file_errors
from joynet_sdk.types import Address

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

SCRYPT_N = 2**18  # the work factor of geth's keyfiles
MAX_KEYFILE_BYTES = 64 * 1024
_MAX_SCRYPT_MEMORY = 2**30  # bytes: 128 x n x r of a stranger's keyfile
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_APE_PREFIX = "ape:"
DEPLOYER = "devnet"  # name of the key that owns a devnet; its password lies with the devnet


@dataclass(frozen=True)
class SignedTransaction:
    """A transaction ready to broadcast.

    Attributes:
        raw: Its signed bytes.
        hash: Its hash, 0x + 64 hex.
    """

    raw: bytes
    hash: str


class Account:
    """An unlocked key. It signs; it never shows, pickles or copies its secret.

    Attributes:
        name: Of the key.
        address: Of the key.
        is_locked: Whether it cannot sign; see `LockedAccount`.
    """

    __slots__ = ("_signer", "address", "name")
    is_locked = False

    def __init__(self, name: str, signer: "LocalAccount") -> None:
        self.name = name
        self.address = Address(signer.address)
        self._signer = signer

    @classmethod
    def from_key(cls, key: bytes, *, name: str = "key") -> "Account":
        """Wrap a 32-byte secret.

        Raises:
            InvalidInputError: Not a secp256k1 secret key.
        """
        return cls(name, _local(key))

    def sign_transaction(self, fields: Mapping[str, Any]) -> SignedTransaction:
        """Sign an EIP-1559 transaction given as JSON-RPC style fields with integers."""
        signed = self._signer.sign_transaction(dict(fields))
        return SignedTransaction(bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex())

    def sign_typed_data(
        self,
        domain: Mapping[str, Any],
        types: Mapping[str, Any],
        message: Mapping[str, Any],
    ) -> bytes:
        """Sign EIP-712 data; 65 bytes r || s || v with v in {27, 28} and s in the lower half."""
        return bytes(
            self._signer.sign_typed_data(dict(domain), dict(types), dict(message)).signature
        )

    def sign_message(self, message: bytes) -> bytes:
        """Sign an EIP-191 personal message; 65 bytes r || s || v."""
        from eth_account.messages import encode_defunct

        return bytes(self._signer.sign_message(encode_defunct(message)).signature)

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a 32-byte EIP-712 signing hash computed elsewhere; 65 bytes r || s || v."""
        if len(digest) != 32:
            raise InvalidInputError(f"digest has {len(digest)} bytes, expected 32")
        from eth_typing import Hash32

        return bytes(self._signer.unsafe_sign_hash(Hash32(digest)).signature)

    def __repr__(self) -> str:
        return f"<Account {self.name} {self.address}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an unlocked account cannot be pickled or copied")


class LockedAccount(Account):
    """A key that stays locked: its address is enough to plan a transaction, not to send it."""

    __slots__ = ()
    is_locked = True

    def __init__(self, name: str, address: Address) -> None:
        self.name, self.address = name, address

    def sign_message(self, message: bytes) -> bytes:
        """Zeros in place of a signature, for plans that derive a value from one."""
        return bytes(65)

    def sign_transaction(self, fields: Mapping[str, Any]) -> SignedTransaction:
        """Refuse."""
        raise self._refusal()

    def sign_typed_data(
        self, domain: Mapping[str, Any], types: Mapping[str, Any], message: Mapping[str, Any]
    ) -> bytes:
        """Refuse."""
        raise self._refusal()

    def sign_digest(self, digest: bytes) -> bytes:
        """Refuse."""
        raise self._refusal()

    def _refusal(self) -> AuthError:
        return AuthError(f"the key of {self.name} is locked: this is a dry run")


@dataclass(frozen=True)
class KeyInfo:
    """A keyfile, still locked.

    Attributes:
        name: File name without ".json".
        address: What it claims to be the key of.
        path: The file.
    """

    name: str
    address: Address
    path: Path


class Keys:
    """The keyfiles of one home."""

    def __init__(self, home: Path, *, scrypt_n: int = SCRYPT_N) -> None:
        """
        Args:
            home: `$JOYNET_HOME`.
            scrypt_n: Work factor of new keyfiles; tests lower it.
        """
        self._root, self._folder, self._scrypt_n = home, Home(home).keys, scrypt_n

    def names(self) -> list[str]:
        """Names of all keyfiles, sorted."""
        with file_errors(self._folder):
            return sorted(p.stem for p in self._folder.glob("*.json") if _NAME.fullmatch(p.stem))

    def list(self) -> list[KeyInfo]:
        """Every keyfile, by name."""
        return [self.info(name) for name in self.names()]

    def info(self, name: str) -> KeyInfo:
        """A keyfile's public part.

        Raises:
            NotFoundError: No such key.
            AuthError: The file is not a v3 keyfile.
        """
        path = self._path(name)
        return KeyInfo(path.stem, _claimed_address(self._read(path), path), path)

    def new(self, name: str, password: str) -> KeyInfo:
        """Make a random key.

        Raises:
            InvalidInputError: The name is taken or not a file name; the password is empty.
        """
        return self._store(name, os.urandom(32), password)

    def import_key(self, name: str, key: bytes, password: str) -> KeyInfo:
        """Store a secret that came from elsewhere.

        Args:
            name: Name of the new key.
            key: 32 bytes.
            password: Locks the new keyfile.
        """
        return self._store(name, key, password)

    def import_keyfile(
        self, name: str, keyfile: bytes, old_password: str, password: str
    ) -> KeyInfo:
        """Store a v3 keyfile from elsewhere under a (new) password.

        Raises:
            AuthError: Not a v3 keyfile, or the old password is wrong.
        """
        document = _parse(keyfile, Path(name))
        return self._store(name, _decrypt(document, old_password, name), password)

    def unlock(self, name: str, password: str) -> Account:
        """Decrypt a keyfile.

        Raises:
            NotFoundError: No such key.
            AuthError: Wrong password, or a damaged file.
        """
        path = self._path(name)
        return Account.from_key(_decrypt(self._read(path), password, path.stem), name=path.stem)

    def _path(self, name: str) -> Path:
        if name.startswith("0x"):
            for info in self.list():
                if info.address.lower() == name.lower():
                    return info.path
        elif _NAME.fullmatch(name) and (self._folder / f"{name}.json").exists():
            return self._folder / f"{name}.json"
        have = ", ".join(self.names()) or "none yet"
        raise NotFoundError("account", name, hint=f"joynet account new NAME (you have: {have})")

    def _read(self, path: Path) -> dict[str, Any]:
        with file_errors(path):
            if path.stat().st_mode & 0o077:
                raise AuthError(f"{path} may be read by others", hint=f"chmod 600 {path}")
            with path.open("rb") as file:
                return _parse(file.read(MAX_KEYFILE_BYTES + 1), path)

    def check_new(self, name: str) -> None:
        """Refuse a name that cannot be given to a new key, before a password is asked for.

        Raises:
            InvalidInputError: Taken, or not a file name.
        """
        if not _NAME.fullmatch(name) or name.startswith("0x"):
            raise InvalidInputError(
                f"key name is {name!r}, expected letters, digits, '.', '_' or '-'"
            )
        path = self._folder / f"{name}.json"
        with file_errors(path):
            if path.exists():
                raise _taken(name)

    def _store(self, name: str, key: bytes, password: str) -> KeyInfo:
        self.check_new(name)
        if not password:
            raise InvalidInputError("the password is empty, expected at least one character")
        from eth_keyfile.keyfile import create_keyfile_json

        address = Address(_local(key).address)
        document = create_keyfile_json(
            key, _utf8(password), kdf="scrypt", iterations=self._scrypt_n
        )
        Home(self._root).create()
        path = self._folder / f"{name}.json"
        temporary = self._folder / f".{name}.{os.urandom(4).hex()}.new"
        try:
            atomic_write(temporary, json.dumps(document), mode=0o600)
            path.hardlink_to(temporary)
        except FileExistsError:
            raise _taken(name) from None
        finally:
            temporary.unlink(missing_ok=True)
        return KeyInfo(name, address, path)


def open_account(home: Path, name: str, password: Callable[[str], str]) -> Account:
    """Unlock the account that a setting names.

    Args:
        home: `$JOYNET_HOME`.
        name: Key name, its address, `ape:ALIAS`, or "devnet" for the devnet's deployer.
        password: Asked for the password only when it is needed, with the key's name.
    """
    if name.startswith(_APE_PREFIX):
        return Account.from_key(_decrypt(_ape_keyfile(name), password(name), name), name=name)
    if name == DEPLOYER:
        from joynet_sdk.chain.devnet import Devnet

        return Devnet(home).deployer()
    keys = Keys(home)
    info = keys.info(name)
    return keys.unlock(info.name, password(info.name))


def locked_account(home: Path, name: str) -> LockedAccount:
    """The account that a setting names, without a password.

    Raises:
        NotFoundError: No such account.
    """
    if name.startswith(_APE_PREFIX):
        return LockedAccount(name, _claimed_address(_ape_keyfile(name), Path(name)))
    info = Keys(home).info(name)
    return LockedAccount(info.name, info.address)


def _ape_keyfile(name: str) -> dict[str, Any]:
    alias = name.removeprefix(_APE_PREFIX)
    path = Path.home() / ".ape" / "accounts" / f"{alias}.json"
    if not _NAME.fullmatch(alias) or not path.is_file():
        raise NotFoundError("Ape account", alias, hint=f"ape accounts generate {alias}")
    with path.open("rb") as file:
        return _parse(file.read(MAX_KEYFILE_BYTES + 1), path)


def parse_secret(raw: bytes) -> bytes:
    """The 32 bytes of a private key written in hex, with or without 0x.

    Raises:
        InvalidInputError: Anything else; the text is not repeated.
    """
    try:
        key = bytes.fromhex(raw.decode().strip().removeprefix("0x"))
    except (ValueError, UnicodeDecodeError):
        key = b""
    if len(key) != 32:
        raise InvalidInputError("the private key is not 64 hex digits")
    return key


def _taken(name: str) -> InvalidInputError:
    return InvalidInputError(f"there is a key named {name!r} already", hint="choose another name")


def _local(key: bytes) -> "LocalAccount":
    from eth_account import Account as EthAccount

    failure = InvalidInputError("the private key is not a number from 1 to the curve order")
    if len(key) != 32:
        raise failure
    try:
        account: LocalAccount = EthAccount.from_key(key)
    except (ValueError, TypeError):  # its message may hold the key
        raise failure from None
    return account


def _parse(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(raw[:MAX_KEYFILE_BYTES]) if len(raw) <= MAX_KEYFILE_BYTES else {}
        is_v3 = document.get("version") == 3 and isinstance(document["crypto"], dict)
    except (ValueError, KeyError, AttributeError):
        is_v3 = False
    if not is_v3:
        raise AuthError(f"{path.name} is not a v3 keyfile", hint="joynet account import --help")
    return dict(document)


def _claimed_address(document: Mapping[str, Any], path: Path) -> Address:
    from eth_utils.address import is_address, to_checksum_address

    text = "0x" + str(document.get("address", "")).removeprefix("0x")
    if not is_address(text):
        raise AuthError(f"{path.name} names no address", hint="joynet account import --help")
    return Address(to_checksum_address(text))


def _decrypt(document: dict[str, Any], password: str, name: str) -> bytes:
    from eth_keyfile.keyfile import decode_keyfile_json

    parameters = document["crypto"].get("kdfparams", {})
    try:
        if 128 * int(parameters.get("n", 1)) * int(parameters.get("r", 8)) > _MAX_SCRYPT_MEMORY:
            raise AuthError(f"the keyfile of {name} asks for more than 1 GiB of memory to unlock")
        return bytes(decode_keyfile_json(document, _utf8(password)))
    except (ValueError, KeyError, TypeError) as error:
        if "MAC mismatch" in str(error):
            raise AuthError(
                f"wrong password for {name}",
                hint="check JOYNET_PASSWORD_FILE or JOYNET_PASSWORD, or type it again",
            ) from None
        raise AuthError(
            f"the keyfile of {name} is damaged", hint="restore it from a backup"
        ) from None


def _utf8(password: str) -> Any:
    """The password as geth takes it; eth_keyfile passes bytes on as they are."""
    return password.encode()
