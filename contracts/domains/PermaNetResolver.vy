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
     All is reentrant on purpose, for no stranger is ever called: only views of the
     registries, which call nobody, and this contract itself.
@custom:security Nobody owns this contract. Records are written by the live owner of a name,
        the owner's operators, and the registry that gives the name out, while it does. An
        account approved for one token (a market) cannot write records. A reverse record
        is written by the account it is about, which may claim any name: readers check it.
@custom:kill Nothing to stop: owners point their names to another resolver.
"""


# 1. interfaces
from ethereum.ercs import IERC165
from ..interfaces import INameTokens
from ..interfaces import IPermaNetResolver
implements: IERC165
implements: IPermaNetResolver


# 4. constants and immutables
ETH_COIN_TYPE: public(constant(uint256)) = 60  # SLIP-44
_SUPPORTED_INTERFACES: constant(bytes4[11]) = [
    0x01FFC9A7,  # ERC-165
    0x3B3B57DE,  # addr(bytes32), EIP-137
    0xF1CB7E06,  # addr(bytes32,uint256), EIP-2304
    0x59D1D43C,  # text(bytes32,string), EIP-634
    0xBC1C58D1,  # contenthash(bytes32), EIP-1577
    0xC8690233,  # pubkey(bytes32)
    0x691F3431,  # name(bytes32), EIP-181
    0x9061B923,  # resolve(bytes,bytes), ENSIP-10
    0xAC9650D8,  # multicall(bytes[])
    0xD700FF33,  # recordVersions(bytes32)
    method_id("model(bytes32)", output_type=bytes4),
]

REGISTRY: public(immutable(INameTokens))  # of `alice.joy`
SUBNAMES: public(immutable(INameTokens))  # of `pay.alice.joy` and below

# @dev EIP-137 node of `addr.reverse`.
_ADDR_REVERSE: constant(bytes32) = (
    0x91D1777781884D03A6757A803996E38DE2A42967FB37EEACA72729271025A9E2
)

# @dev A byte string and its two bytes of length fill at most so many words.
_MAX_WORDS: constant(uint256) = 17
_ADDRESS: constant(uint256) = 1  # kinds of byte strings, see `_slot`
_TEXT: constant(uint256) = 2
_CONTENTHASH: constant(uint256) = 3
_NAME: constant(uint256) = 4  # of a reverse node; only its account writes, under version 0


# 5. state: every record by node, then version
# @dev Node -> times cleared, over all owners.
_clears: HashMap[bytes32, uint256]
# @dev `_slot` -> packed byte string.
_strings: HashMap[bytes32, bytes32[_MAX_WORDS]]
_eth_addresses: HashMap[bytes32, HashMap[uint256, address]]
_pubkeys: HashMap[bytes32, HashMap[uint256, bytes32[2]]]
_models: HashMap[bytes32, HashMap[uint256, bytes32]]
_paytos: HashMap[bytes32, HashMap[uint256, address]]
_wildcards: HashMap[bytes32, HashMap[uint256, bool]]


# 6. constructor
@deploy
def __init__(registry: INameTokens, subnames: INameTokens):
    """
    @param registry Who says who owns a registered name.
    @param subnames Who says who owns a name under one.
    """
    assert registry.address.is_contract, "PermaNetResolver: no registry"
    assert subnames.address.is_contract, "PermaNetResolver: no subnames"
    REGISTRY = registry
    SUBNAMES = subnames


# 7. external, state-changing
@external
@reentrant
def setAddr(node: bytes32, coin_type: uint256, binary: Bytes[128]):
    """
    @notice Set the address of one chain (EIP-2304).
    @param node Node of a live name that the caller manages.
    @param coin_type SLIP-44 coin type; 60 is Ethereum.
    @param binary The address in its chain's binary form: 20 bytes for 60; empty deletes.
    """
    if coin_type == ETH_COIN_TYPE:
        account: address = empty(address)
        if len(binary) != 0:
            assert len(binary) == 20, "PermaNetResolver: address is not 20 bytes"
            account = convert(convert(slice(binary, 0, 20), bytes20), address)
        self._eth_addresses[node][self._version_to_write(node)] = account
        log IPermaNetResolver.AddrChanged(node=node, a=account)
    else:
        version: uint256 = self._version_to_write(node)
        self._store(node, version, _ADDRESS, convert(coin_type, bytes32), binary)
    log IPermaNetResolver.AddressChanged(node=node, coinType=coin_type, newAddress=binary)


@external
@reentrant
def setText(node: bytes32, key: String[64], content: String[512]):
    """
    @notice Set a text record (EIP-634).
    @param node Node of a live name that the caller manages.
    @param key Name of the record, such as `url` or `endpoint`.
    @param content The text; empty deletes.
    """
    version: uint256 = self._version_to_write(node)
    self._store(node, version, _TEXT, keccak256(key), convert(content, Bytes[512]))
    log IPermaNetResolver.TextChanged(node=node, indexedKey=key, key=key, value=content)


@external
@reentrant
def setContenthash(node: bytes32, hash: Bytes[128]):
    """
    @notice Set the content hash (EIP-1577).
    @param node Node of a live name that the caller manages.
    @param hash Multicodec-prefixed hash; empty deletes.
    """
    version: uint256 = self._version_to_write(node)
    self._store(node, version, _CONTENTHASH, empty(bytes32), hash)
    log IPermaNetResolver.ContenthashChanged(node=node, hash=hash)


@external
@reentrant
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
@reentrant
def set_model(node: bytes32, model_id: bytes32):
    """
    @notice Set the model that the name means.
    @param node Node of a live name that the caller manages.
    @param model_id SHA-256 of the model's manifest; zero deletes.
    """
    self._models[node][self._version_to_write(node)] = model_id
    log IPermaNetResolver.ModelChanged(node=node, model_id=model_id)


@external
@reentrant
def set_payto(node: bytes32, account: address):
    """
    @notice Set who is paid when the name is paid.
    @param node Node of a live name that the caller manages.
    @param account The account; zero deletes.
    """
    self._paytos[node][self._version_to_write(node)] = account
    log IPermaNetResolver.PaytoChanged(node=node, account=account)


@external
@reentrant
def set_wildcard(node: bytes32, is_wildcard: bool):
    """
    @notice Let the records of a name answer for all names under it that are not live
            themselves (ENSIP-10, see `resolve`), or end that.
    @param node Node of a live name that the caller manages.
    @param is_wildcard Whether they do.
    """
    self._wildcards[node][self._version_to_write(node)] = is_wildcard
    log IPermaNetResolver.WildcardChanged(node=node, is_wildcard=is_wildcard)


@external
@reentrant
def setName(name: String[255]) -> bytes32:
    """
    @notice Say what the caller calls itself (its reverse record); empty deletes.
    @param name A name, normalised, such as `alice.joy`.
    @return bytes32 The reverse node of the caller.
    """
    node: bytes32 = self._reverse_node(msg.sender)
    self._store(node, 0, _NAME, empty(bytes32), convert(name, Bytes[512]))
    log IPermaNetResolver.NameChanged(node=node, name=name)
    return node


@external
@reentrant
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
    @dev Each is a delegatecall to this very contract: the caller stays who it is.
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
    @notice Set the first records of a name. Only the registry that gives it out, while it
            does.
    @param node Node of the name.
    @param calls Encoded calls, each with `node` as its first argument.
    """
    assert msg.sender == REGISTRY.address or msg.sender == SUBNAMES.address, (
        "PermaNetResolver: caller is not a registry"
    )
    for call: Bytes[768] in calls:
        assert len(call) >= 36, "PermaNetResolver: record too short"
        assert extract32(call, 4) == node, "PermaNetResolver: record of another name"
        raw_call(self, call, is_delegate_call=True)


# 8. external, view
@external
@view
@reentrant
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
@reentrant
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
@reentrant
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
@reentrant
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
@reentrant
def model(node: bytes32) -> bytes32:
    """
    @notice The model that the name means.
    @param node Node of the name.
    @return bytes32 SHA-256 of the model's manifest; zero for none.
    """
    return self._models[node][self._version(node)]


@external
@view
@reentrant
def payto(node: bytes32) -> address:
    """
    @notice Who is paid when the name is paid.
    @param node Node of the name.
    @return address The account; zero for none.
    """
    return self._paytos[node][self._version(node)]


@external
@view
@reentrant
def wildcard(node: bytes32) -> bool:
    """
    @notice Whether the records of a name answer for the names under it.
    @param node Node of the name.
    @return bool True if they do.
    """
    return self._wildcards[node][self._version(node)]


@external
@view
@reentrant
def name(node: bytes32) -> String[255]:
    """
    @notice What an account calls itself (EIP-181). Unchecked: resolve it and compare.
    @param node `reverse_node` of the account.
    @return String The name; empty for none.
    """
    data: Bytes[512] = self._load(self._slot(node, 0, _NAME, empty(bytes32)))
    return convert(data, String[255])


@external
@pure
@reentrant
def reverse_node(account: address) -> bytes32:
    """
    @notice The node of `<account in lower-case hex without 0x>.addr.reverse` (EIP-181).
    @param account The account.
    @return bytes32 The node.
    """
    return self._reverse_node(account)


@external
@view
@reentrant
def resolve(name: Bytes[255], data: Bytes[768]) -> Bytes[1024]:
    """
    @notice Answer a query about a name given in letters (ENSIP-10): from its own records
            if it is live, else from those of the nearest live name above it, if that one
            is a wildcard.
    @param name The name in DNS wire format.
    @param data An encoded call of a function of this contract that reads one record; its
           first argument, a node, is replaced.
    @return Bytes What that call returns.
    """
    assert len(data) >= 36, "PermaNetResolver: query too short"
    node: bytes32 = self._answering(name)
    call: Bytes[900] = concat(slice(data, 0, 4), node, slice(data, 36, len(data) - 36))
    return raw_call(self, call, max_outsize=1024, is_static_call=True)


@external
@view
@reentrant
def recordVersions(node: bytes32) -> uint64:
    """
    @notice The version that the records of a name are kept under.
    @param node Node of the name.
    @return uint64 Generation of the registration << 32 | times cleared; 0 if not live.
    """
    return convert(self._version(node), uint64)


@external
@view
@reentrant
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
@reentrant
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
    scope: uint256 = staticcall REGISTRY.scope(node)
    if scope == 0:
        scope = staticcall SUBNAMES.scope(node)
    return self._version_in(node, scope)


@internal
@view
def _version_to_write(node: bytes32) -> uint256:
    """
    @dev The version that the caller may write records under. A registry comes here only
         through `set_records`, about the node it just gave out.
    @param node Node of the name.
    @return uint256 The version, never 0.
    """
    scope: uint256 = staticcall REGISTRY.scope_for(node, msg.sender)
    if scope == 0:
        if msg.sender == REGISTRY.address or msg.sender == SUBNAMES.address:
            scope = staticcall INameTokens(msg.sender).scope(node)
        else:
            scope = staticcall SUBNAMES.scope_for(node, msg.sender)
        assert scope != 0, "PermaNetResolver: not the live owner"
    return (scope << 32) | self._clears[node]


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
@view
def _answering(name: Bytes[255]) -> bytes32:
    """
    @dev The name whose records answer for a name (ENSIP-10).
    @param name The name in DNS wire format: length and bytes of each label, then 0.
    @return bytes32 The node of the nearest live name, if that is the name itself or a
            wildcard; else the name's own node, which has no records.
    """
    starts: DynArray[uint256, 128] = []
    position: uint256 = 0
    for _: uint256 in range(128):
        size: uint256 = self._byte(name, position)
        if size == 0:
            break
        starts.append(position)
        position += size + 1
    assert len(name) == position + 1, "PermaNetResolver: malformed name"

    nodes: DynArray[bytes32, 128] = []
    node: bytes32 = empty(bytes32)
    for i: uint256 in range(len(starts), bound=128):
        start: uint256 = starts[len(starts) - 1 - i]
        label: Bytes[255] = slice(name, start + 1, self._byte(name, start))
        node = keccak256(concat(node, keccak256(label)))
        nodes.append(node)
    for i: uint256 in range(len(nodes), bound=128):
        above: bytes32 = nodes[len(nodes) - 1 - i]
        version: uint256 = self._version(above)
        if version != 0:
            if self._wildcards[above][version]:
                return above
            break
    return node


@internal
@pure
def _byte(name: Bytes[255], position: uint256) -> uint256:
    """
    @dev One byte of a name in DNS wire format.
    @param name The name.
    @param position Its index.
    @return uint256 The byte.
    """
    assert position < len(name), "PermaNetResolver: malformed name"
    return convert(slice(name, position, 1), uint256)


@internal
@pure
def _reverse_node(account: address) -> bytes32:
    """
    @dev The node of an account under `addr.reverse` (EIP-181).
    @param account The account.
    @return bytes32 The node.
    """
    # One ASCII character per half byte, most significant first.
    letters: uint256[2] = [0, 0]
    digits: uint256 = convert(account, uint256)
    for i: uint256 in range(40):
        digit: uint256 = (digits >> (156 - 4 * i)) & 15
        letter: uint256 = digit + 48 if digit < 10 else digit + 87
        letters[i // 20] = (letters[i // 20] << 8) | letter
    label: Bytes[40] = concat(
        convert(convert(letters[0], uint160), bytes20),
        convert(convert(letters[1], uint160), bytes20),
    )
    return keccak256(concat(_ADDR_REVERSE, keccak256(label)))


@internal
@pure
def _slot(node: bytes32, version: uint256, kind: uint256, key: bytes32) -> bytes32:
    """
    @dev Where a byte string is kept.
    @param node Node of the name.
    @param version Version of its records.
    @param kind _ADDRESS, _TEXT, _CONTENTHASH or _NAME.
    @param key What tells strings of one kind apart.
    @return bytes32 Key in `_strings`.
    """
    return keccak256(abi_encode(node, version, kind, key))


@internal
def _store(
    node: bytes32, version: uint256, kind: uint256, key: bytes32, data: Bytes[512]
):
    """
    @dev Write a byte string; words of a longer one before it are left and never read.
    @param node Node of the name.
    @param version Version of its records.
    @param kind _ADDRESS, _TEXT, _CONTENTHASH or _NAME.
    @param key What tells strings of one kind apart.
    @param data The bytes.
    """
    # Written out, not called, to save gas; the same as in `_slot`.
    slot: bytes32 = keccak256(abi_encode(node, version, kind, key))
    size: uint256 = len(data)
    padded: Bytes[544] = concat(data, empty(bytes32))
    # Length and first bytes as they lie in memory, moved to the right by 30 bytes.
    first: uint256 = (size << 240) | (convert(extract32(padded, 0), uint256) >> 16)
    self._strings[slot][0] = convert(first, bytes32)
    if size > 30:
        self._strings[slot][1] = extract32(padded, 30)
    if size > 62:
        for i: uint256 in range(2, (size + 33) // 32, bound=_MAX_WORDS):
            self._strings[slot][i] = extract32(padded, 32 * i - 2)


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
