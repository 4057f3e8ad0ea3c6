# pragma version ~=0.4.3
"""
@title X25519 for tests
@custom:contract-name X25519Harness
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Test contract: makes the internal functions of module x25519 callable.
@custom:security Test contract; never deployed to a real chain.
@custom:kill Not needed.
"""


# 2. modules
from ..modules import x25519


# 8. external, view
@external
@view
def agree(private_key: bytes32, public_key: bytes32) -> bytes32:
    """
    @notice X25519(k, u).
    @param private_key k.
    @param public_key u.
    @return bytes32 The shared secret.
    """
    return x25519._x25519(private_key, public_key)


@external
@view
def public_key(private_key: bytes32) -> bytes32:
    """
    @notice X25519(k, 9).
    @param private_key k.
    @return bytes32 The public key.
    """
    return x25519._public_key(private_key)
