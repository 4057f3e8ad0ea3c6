"""DAOs of TLDs: propose, vote, delegate, queue, execute, cancel."""

from joynet_sdk.governance.model import Dao as Dao
from joynet_sdk.governance.model import Power as Power
from joynet_sdk.governance.model import Proposal as Proposal
from joynet_sdk.governance.model import Rules as Rules
from joynet_sdk.governance.plan import Plan as Plan
from joynet_sdk.governance.plan import parse_plan as parse_plan
from joynet_sdk.governance.service import Draft as Draft
from joynet_sdk.governance.service import Governance as Governance
from joynet_sdk.governance.service import create_flow as create_flow
