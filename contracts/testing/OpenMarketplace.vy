# pragma version ~=0.4.3
"""
@title A marketplace where everybody has published everything
@custom:contract-name OpenMarketplace
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Test contract: stands where ModelMarketplace stands, for tests of what a publisher may do.
        One account is the publisher of every model.
@custom:security Test contract; never deployed to a real chain.
@custom:kill Not needed.
"""


# 1. interfaces
from ..interfaces import IModelMarketplace


# 5. state
publisher: public(address)


# 7. external, state-changing
@external
def set_publisher(account: address):
    """
    @notice Make an account the publisher of every model.
    @param account The account.
    """
    self.publisher = account


# 8. external, view
@external
@view
def listing(model_id: bytes32) -> IModelMarketplace.Listing:
    """
    @notice Look up one model.
    @param model_id Any model.
    @return Listing A record with the publisher.
    """
    record: IModelMarketplace.Listing = empty(IModelMarketplace.Listing)
    record.publisher = self.publisher
    return record
