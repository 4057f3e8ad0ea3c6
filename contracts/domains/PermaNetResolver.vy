# pragma version ~=0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title PermaNet resolver
@custom:contract-name PermaNetResolver
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice What names mean: addresses, texts, content, keys, and the model behind a name.
@dev A record is kept under (node, version), version = generation of the registration
     << 32 | times cleared. The registry gives generation 0 for a name that is not live,
     and nothing is ever written under version 0: an expired name reads as empty, a name
     registered anew starts empty, and neither costs a write.
     Byte strings are packed: the first slot holds two bytes of length and 30 of content,
     each further slot 32. Vyper's own layout spends one more slot (22,000 gas) on each.
@custom:security Nobody owns this contract. Records are written by the live owner of a name,
        the owner's operators, and its registry while it registers the name. An account
        approved for one token (a market) cannot write records.
@custom:kill Nothing to stop: owners point their names to another resolver.
"""


# 1. interfaces
from ethereum.ercs import IERC165
from ..interfaces import IPermaNetDomainRegistry
from ..interfaces import IPermaNetResolver
implements: IERC165
implements: IPermaNetResolver


# 4. constants and immutables
ETH_COIN_TYPE: public(constant(uint256)) = 60  # SLIP-44
_SUPPORTED_INTERFACES: constant(bytes4[8]) = [
    0x01FFC9A7,  # ERC-165
    0x3B3B57DE,  # addr(bytes32), EIP-137
    0xF1CB7E06,  # addr(bytes32,uint256), EIP-2304
    0x59D1D43C,  # text(bytes32,string), EIP-634
    0xBC1C58D1,  # contenthash(bytes32), EIP-1577
    0xC8690233,  # pubkey(bytes32)
    0xD700FF33,  # recordVersions(bytes32)
    method_id("model(bytes32)", output_type=bytes4),
]

REGISTRY: public(immutable(IPermaNetDomainRegistry))


# @dev A byte string and its two bytes of length fill at most so many words.
_MAX_WORDS: constant(uint256) = 17
_ADDRESS: constant(uint256) = 1  # kinds of byte strings, see `_slot`
_TEXT: constant(uint256) = 2
_CONTENTHASH: constant(uint256) = 3


# 5. state: every record by node, then version
# @dev Node -> times cleared, over all owners.
_clears: HashMap[bytes32, uint256]
# @dev `_slot` -> packed byte string.
_strings: HashMap[bytes32, bytes32[_MAX_WORDS]]
_eth_addresses: HashMap[bytes32, HashMap[uint256, address]]
_pubkeys: HashMap[bytes32, HashMap[uint256, bytes32[2]]]
_models: HashMap[bytes32, HashMap[uint256, bytes32]]
_paytos: HashMap[bytes32, HashMap[uint256, address]]


# 6. constructor
@deploy
def __init__(registry: IPermaNetDomainRegistry):
    """
    @param registry The registry that says who owns a name.
    """
    assert registry.address.is_contract, "PermaNetResolver: no registry"
    REGISTRY = registry


# 7. external, state-changing
@external
def setAddr(node: bytes32, coin_type: uint256, binary: Bytes[128]):
    """
    @notice Set the address of one chain (EIP-2304).
    @param node Node of a live name that the caller manages.
    @param coin_type SLIP-44 coin type; 60 is Ethereum.
    @param binary The address in its chain's binary form: 20 bytes for 60; empty deletes.
    """
    version: uint256 = self._version_to_write(node)
    if coin_type == ETH_COIN_TYPE:
        account: address = empty(address)
        if len(binary) != 0:
            assert len(binary) == 20, "PermaNetResolver: address is not 20 bytes"
            account = convert(convert(slice(binary, 0, 20), bytes20), address)
        self._eth_addresses[node][version] = account
        log IPermaNetResolver.AddrChanged(node=node, a=account)
    else:
        key: bytes32 = convert(coin_type, bytes32)
        self._store(self._slot(node, version, _ADDRESS, key), binary)
    log IPermaNetResolver.AddressChanged(node=node, coinType=coin_type, newAddress=binary)


@external
def setText(node: bytes32, key: String[64], content: String[512]):
    """
    @notice Set a text record (EIP-634).
    @param node Node of a live name that the caller manages.
    @param key Name of the record, such as `url` or `endpoint`.
    @param content The text; empty deletes.
    """
    version: uint256 = self._version_to_write(node)
    self._store(
        self._slot(node, version, _TEXT, keccak256(key)), convert(content, Bytes[512])
    )
    log IPermaNetResolver.TextChanged(node=node, indexedKey=key, key=key, value=content)


@external
def setContenthash(node: bytes32, hash: Bytes[128]):
    """
    @notice Set the content hash (EIP-1577).
    @param node Node of a live name that the caller manages.
    @param hash Multicodec-prefixed hash; empty deletes.
    """
    version: uint256 = self._version_to_write(node)
    self._store(self._slot(node, version, _CONTENTHASH, empty(bytes32)), hash)
    log IPermaNetResolver.ContenthashChanged(node=node, hash=hash)


@external
def setPubkey(node: bytes32, x: bytes32, y: bytes32):
    """
    @notice Set a secp256k1 public key.
    @param node Node of a live name that the caller manages.
    @param x First coordinate.
    @param y Second coordinate.
    """
    self._pubkeys[node][self._version_to_write(node)] = [x, y]
    log IPermaNetResolver.PubkeyChanged(node=node, x=x, y=y)


@external
def set_model(node: bytes32, model_id: bytes32):
    """
    @notice Set the model that the name means.
    @param node Node of a live name that the caller manages.
    @param model_id SHA-256 of the model's manifest; zero deletes.
    """
    self._models[node][self._version_to_write(node)] = model_id
    log IPermaNetResolver.ModelChanged(node=node, model_id=model_id)


@external
def set_payto(node: bytes32, account: address):
    """
    @notice Set who is paid when the name is paid.
    @param node Node of a live name that the caller manages.
    @param account The account; zero deletes.
    """
    self._paytos[node][self._version_to_write(node)] = account
    log IPermaNetResolver.PaytoChanged(node=node, account=account)


@external
def clearRecords(node: bytes32):
    """
    @notice Delete all records at once, by starting a new version.
    @param node Node of a live name that the caller manages.
    """
    version: uint256 = self._version_to_write(node) + 1
    self._clears[node] += 1
    log IPermaNetResolver.VersionChanged(node=node, newVersion=convert(version, uint64))


@external
@reentrant
def multicall(calls: DynArray[Bytes[768], 16]) -> DynArray[Bytes[768], 16]:
    """
    @notice Make several calls to this contract in one transaction; one failing undoes all.
    @dev Each is a delegatecall to this very contract: the caller stays who it is, and the
         lock of each function applies.
    @param calls Encoded calls.
    @return DynArray What each returned.
    """
    results: DynArray[Bytes[768], 16] = []
    for call: Bytes[768] in calls:
        results.append(raw_call(self, call, max_outsize=768, is_delegate_call=True))
    return results


@external
@reentrant
def set_records(node: bytes32, calls: DynArray[Bytes[768], 8]):
    """
    @notice Set the first records of a name. Only its registry, while it registers it.
    @param node Node of the name.
    @param calls Encoded calls, each with `node` as its first argument.
    """
    assert msg.sender == REGISTRY.address, "PermaNetResolver: caller is not the registry"
    for call: Bytes[768] in calls:
        assert len(call) >= 36, "PermaNetResolver: record too short"
        assert extract32(call, 4) == node, "PermaNetResolver: record of another name"
        raw_call(self, call, is_delegate_call=True)


# 8. external, view
@external
@view
def addr(node: bytes32, coin_type: uint256) -> Bytes[128]:
    """
    @notice The address of one chain (EIP-2304).
    @param node Node of the name.
    @param coin_type SLIP-44 coin type; 60 is Ethereum.
    @return Bytes The address in its chain's binary form; empty for none.
    """
    version: uint256 = self._version(node)
    if coin_type != ETH_COIN_TYPE:
        key: bytes32 = convert(coin_type, bytes32)
        return convert(self._load(self._slot(node, version, _ADDRESS, key)), Bytes[128])
    account: address = self._eth_addresses[node][version]
    if account == empty(address):
        return b""
    return slice(convert(account, bytes32), 12, 20)


@external
@view
def text(node: bytes32, key: String[64]) -> String[512]:
    """
    @notice A text record (EIP-634).
    @param node Node of the name.
    @param key Name of the record.
    @return String The text; empty for none.
    """
    slot: bytes32 = self._slot(node, self._version(node), _TEXT, keccak256(key))
    return convert(self._load(slot), String[512])


@external
@view
def contenthash(node: bytes32) -> Bytes[128]:
    """
    @notice The content hash (EIP-1577).
    @param node Node of the name.
    @return Bytes Multicodec-prefixed hash; empty for none.
    """
    slot: bytes32 = self._slot(node, self._version(node), _CONTENTHASH, empty(bytes32))
    return convert(self._load(slot), Bytes[128])


@external
@view
def pubkey(node: bytes32) -> (bytes32, bytes32):
    """
    @notice The secp256k1 public key.
    @param node Node of the name.
    @return (bytes32, bytes32) Its coordinates; zero for none.
    """
    key: bytes32[2] = self._pubkeys[node][self._version(node)]
    return (key[0], key[1])


@external
@view
def model(node: bytes32) -> bytes32:
    """
    @notice The model that the name means.
    @param node Node of the name.
    @return bytes32 SHA-256 of the model's manifest; zero for none.
    """
    return self._models[node][self._version(node)]


@external
@view
def payto(node: bytes32) -> address:
    """
    @notice Who is paid when the name is paid.
    @param node Node of the name.
    @return address The account; zero for none.
    """
    return self._paytos[node][self._version(node)]


@external
@view
def recordVersions(node: bytes32) -> uint64:
    """
    @notice The version that the records of a name are kept under.
    @param node Node of the name.
    @return uint64 Generation of the registration << 32 | times cleared; 0 if not live.
    """
    return convert(self._version(node), uint64)


@external
@view
def supportsInterface(interface_id: bytes4) -> bool:
    """
    @notice Which standard interfaces this contract has (ERC-165).
    @param interface_id The interface.
    @return bool True for ERC-165 and the resolver profiles of ENS listed above.
    """
    return interface_id in _SUPPORTED_INTERFACES


@external
@view
@raw_return
def __default__() -> Bytes[32]:
    """
    @notice `addr(bytes32)` (EIP-137): the Ethereum address of a name, zero for none.
    @return Bytes One address, ABI-encoded.
    """
    assert (
        len(msg.data) >= 36
        and convert(slice(msg.data, 0, 4), bytes4) == 0x3B3B57DE
    ), "PermaNetResolver: no such function"
    node: bytes32 = extract32(slice(msg.data, 4, 32), 0)
    return abi_encode(self._eth_addresses[node][self._version(node)])


# 9. internal
@internal
@view
def _version(node: bytes32) -> uint256:
    """
    @dev The version that records of a name are read under.
    @param node Node of the name.
    @return uint256 The version; 0, which has no records, when the name is not live.
    """
    return self._version_in(node, staticcall REGISTRY.scope(node))


@internal
@view
def _version_to_write(node: bytes32) -> uint256:
    """
    @dev The version that the caller may write records under. The registry itself comes
         here only through `set_records`, about the node it just registered.
    @param node Node of the name.
    @return uint256 The version, never 0.
    """
    scope: uint256 = 0
    if msg.sender == REGISTRY.address:
        scope = staticcall REGISTRY.scope(node)
    else:
        scope = staticcall REGISTRY.scope_for(node, msg.sender)
    assert scope != 0, "PermaNetResolver: not the live owner"
    return self._version_in(node, scope)


@internal
@view
def _version_in(node: bytes32, scope: uint256) -> uint256:
    """
    @dev The version within a generation.
    @param node Node of the name.
    @param scope Generation of the name; 0 when it is not live.
    @return uint256 The version.
    """
    if scope == 0:
        return 0
    return (scope << 32) | self._clears[node]


@internal
@pure
def _slot(node: bytes32, version: uint256, kind: uint256, key: bytes32) -> bytes32:
    """
    @dev Where a byte string is kept.
    @param node Node of the name.
    @param version Version of its records.
    @param kind _ADDRESS, _TEXT or _CONTENTHASH.
    @param key What tells strings of one kind apart.
    @return bytes32 Key in `_strings`.
    """
    return keccak256(abi_encode(node, version, kind, key))


@internal
def _store(slot: bytes32, data: Bytes[512]):
    """
    @dev Write a byte string; words of a longer one before it are left and never read.
    @param slot Key in `_strings`.
    @param data The bytes.
    """
    size: uint256 = len(data)
    prefix: bytes2 = convert(convert(size, uint16), bytes2)
    packed: Bytes[546] = concat(prefix, data, empty(bytes32))
    for i: uint256 in range((size + 33) // 32, bound=_MAX_WORDS):
        self._strings[slot][i] = extract32(packed, 32 * i)


@internal
@view
def _load(slot: bytes32) -> Bytes[512]:
    """
    @dev Read a byte string.
    @param slot Key in `_strings`.
    @return Bytes The bytes; empty if nothing was ever written.
    """
    first: bytes32 = self._strings[slot][0]
    size: uint256 = convert(first, uint256) >> 240
    words: bytes32[_MAX_WORDS] = empty(bytes32[_MAX_WORDS])
    words[0] = first
    for i: uint256 in range(1, (size + 33) // 32, bound=_MAX_WORDS):
        words[i] = self._strings[slot][i]
    # An array of words is encoded as those words and nothing else.
    packed: Bytes[544] = abi_encode(words)
    return convert(slice(packed, 2, size), Bytes[512])
