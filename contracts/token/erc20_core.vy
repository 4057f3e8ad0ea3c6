# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title The ERC-20 side of JOY
@custom:contract-name erc20_core
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Balances, allowances, burning and EIP-2612 permits of a supply that is minted once,
        in the constructor. A part of `JoyToken`, hence its revert strings.
@dev Tokens cannot be sent to the zero address (`burn` is for that) nor, from outside, to
     the contract itself, whose balance is fully accounted for.
@custom:security There is no mint. Signatures with a high s, of another chain, contract or
        nonce are refused.
@custom:kill Nothing here can be paused.
"""


# 1. interfaces
from ethereum.ercs import IERC20


# 2. modules
from snekmate.utils import ecdsa
from snekmate.utils import eip712_domain_separator
initializes: eip712_domain_separator


# 3. exports
exports: eip712_domain_separator.eip712Domain


# 4. constants and immutables
name: public(constant(String[6])) = "JoyNet"
symbol: public(constant(String[3])) = "JOY"
decimals: public(constant(uint8)) = 18

INITIAL_SUPPLY: public(constant(uint256)) = 1_000_000_000 * 10**18  # wei of JOY

_PERMIT_TYPE_HASH: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)


# 5. state
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
totalSupply: public(uint256)
# @dev Next nonce of an account's signatures, one sequence for all kinds.
nonces: public(HashMap[address, uint256])


# 6. constructor
@deploy
def __init__(treasury: address):
    """
    @param treasury Account that receives the whole supply.
    """
    self._check_receiver(treasury)
    eip712_domain_separator.__init__(name, "1")
    self.totalSupply = INITIAL_SUPPLY
    self.balanceOf[treasury] = INITIAL_SUPPLY
    log IERC20.Transfer(sender=empty(address), receiver=treasury, value=INITIAL_SUPPLY)


# 7. external, state-changing
@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Send tokens. The zero address and this contract are refused.
    @param to Receiver.
    @param amount Wei of JOY.
    @return bool Always true.
    """
    self._check_receiver(to)
    self._move(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Send another account's tokens out of its allowance to the caller. An
            allowance of 2**256 - 1 is not used up.
    @param owner Account that pays.
    @param to Receiver.
    @param amount Wei of JOY.
    @return bool Always true.
    """
    self._check_receiver(to)
    allowed: uint256 = self.allowance[owner][msg.sender]
    if allowed != max_value(uint256):
        assert allowed >= amount, "JoyToken: insufficient allowance"
        self._approve(owner, msg.sender, unsafe_sub(allowed, amount))
    self._move(owner, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Let another account spend the caller's tokens.
    @param spender Account that may spend.
    @param amount Wei of JOY in all; replaces the earlier allowance.
    @return bool Always true.
    """
    self._approve(msg.sender, spender, amount)
    return True


@external
def burn(amount: uint256):
    """
    @notice Destroy the caller's tokens.
    @param amount Wei of JOY.
    """
    self._burn(msg.sender, amount)


@external
def permit(
    owner: address,
    spender: address,
    amount: uint256,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice Set an allowance by the owner's signature (EIP-2612).
    @param owner Account whose tokens may be spent; the signer.
    @param spender Account that may spend.
    @param amount Wei of JOY.
    @param deadline Unix second until which the signature is good.
    @param v Signature, recovery id 27 or 28.
    @param r Signature.
    @param s Signature, in the lower half.
    """
    assert block.timestamp <= deadline, "JoyToken: signature expired"
    nonce: uint256 = self.nonces[owner]
    struct_hash: bytes32 = keccak256(
        abi_encode(_PERMIT_TYPE_HASH, owner, spender, amount, nonce, deadline)
    )
    assert self._signer(struct_hash, v, r, s) == owner, "JoyToken: signer is not the owner"
    self.nonces[owner] = nonce + 1
    self._approve(owner, spender, amount)


# 8. external, view
@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    """
    @notice EIP-712 domain separator on the current chain: name "JoyNet", version "1".
    @return bytes32 The separator.
    """
    return eip712_domain_separator._domain_separator_v4()


# 9. internal
@internal
@view
def _check_receiver(to: address):
    """
    @dev Keep tokens from the zero address (`burn` is for that) and from this contract,
         whose balance is fully accounted for.
    @param to Receiver.
    """
    assert to not in [empty(address), self], "JoyToken: bad receiver"


@internal
def _move(sender: address, to: address, amount: uint256):
    """
    @dev Move tokens; the receiver was checked by the caller.
    @param sender Account that pays.
    @param to Receiver.
    @param amount Wei of JOY.
    """
    balance: uint256 = self.balanceOf[sender]
    assert balance >= amount, "JoyToken: insufficient balance"
    self.balanceOf[sender] = unsafe_sub(balance, amount)
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=sender, receiver=to, value=amount)


@internal
def _burn(owner: address, amount: uint256):
    """
    @dev Destroy tokens.
    @param owner Account that loses them.
    @param amount Wei of JOY.
    """
    balance: uint256 = self.balanceOf[owner]
    assert balance >= amount, "JoyToken: insufficient balance"
    self.balanceOf[owner] = unsafe_sub(balance, amount)
    self.totalSupply -= amount
    log IERC20.Transfer(sender=owner, receiver=empty(address), value=amount)


@internal
def _approve(owner: address, spender: address, amount: uint256):
    """
    @dev Set an allowance.
    @param owner Account whose tokens may be spent.
    @param spender Account that may spend.
    @param amount Wei of JOY.
    """
    self.allowance[owner][spender] = amount
    log IERC20.Approval(owner=owner, spender=spender, value=amount)


@internal
@view
def _signer(struct_hash: bytes32, v: uint8, r: bytes32, s: bytes32) -> address:
    """
    @dev Who signed a typed structure; reverts on a high s or an invalid signature.
    @param struct_hash EIP-712 hashStruct.
    @param v Signature, recovery id 27 or 28.
    @param r Signature.
    @param s Signature.
    @return address The signer, never zero.
    """
    return ecdsa._recover_vrs(
        eip712_domain_separator._hash_typed_data_v4(struct_hash),
        convert(v, uint256),
        convert(r, uint256),
        convert(s, uint256),
    )
