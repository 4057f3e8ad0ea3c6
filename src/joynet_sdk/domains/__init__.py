"""PermaNet names: register, renew, set records, resolve."""

from joynet_sdk.domains.charter import Amendment as Amendment
from joynet_sdk.domains.charter import Charter as Charter
from joynet_sdk.domains.names import namehash as namehash
from joynet_sdk.domains.recordbook import records_flow as records_flow
from joynet_sdk.domains.records import Record as Record
from joynet_sdk.domains.registration import Pending as Pending
from joynet_sdk.domains.registration import Quote as Quote
from joynet_sdk.domains.registration import register_flow as register_flow
from joynet_sdk.domains.registration import renew_flow as renew_flow
from joynet_sdk.domains.registry import Registration as Registration
from joynet_sdk.domains.service import Domains as Domains
from joynet_sdk.domains.service import Records as Records
from joynet_sdk.domains.tlds import amend_flow as amend_flow
