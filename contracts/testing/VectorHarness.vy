# pragma version ~=0.4.3
"""
@title Harness of vector_agreement
@custom:contract-name VectorHarness
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Test contract: makes `vector_agreement._agree` callable.
@custom:security Test contract; never deployed to a real chain.
@custom:kill Not needed.
"""


# 2. modules
from ..modules import vector_agreement


# 8. external, view
@external
@view
def agree(a: Bytes[2048], b: Bytes[2048], tolerance: uint256) -> bool:
    """
    @notice Whether two vectors agree.
    @param a Big-endian int16 components.
    @param b Big-endian int16 components.
    @param tolerance Largest difference of a component.
    @return bool Whether max |a_i - b_i| <= tolerance.
    """
    return vector_agreement._agree(a, b, tolerance)
