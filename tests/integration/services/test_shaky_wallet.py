"""A wallet that signs differently each time: the secret is random and kept here, and said so."""

import pytest

from joynet_sdk.chain import Account, ChainSession, Keys, ens_names, flows
from joynet_sdk.client import FLOWS
from joynet_sdk.domains import Domains
from joynet_sdk.errors import InvalidInputError

from .conftest import PASSWORD


class Shaky(Account):
    """Its EIP-712 signatures are never twice the same, as those of some hardware."""

    __slots__ = ("count",)

    def sign_typed_data(self, domain, types, message):
        self.count = getattr(self, "count", 0) + 1
        return self.count.to_bytes(65, "big")


@pytest.fixture
def session(alice):
    key = Keys(alice.home).unlock("alice", PASSWORD)
    shaky = Shaky("alice", key._signer)
    with ChainSession(alice.url, alice.home, account=shaky, timeout_s=30) as opened:
        yield opened


def test_a_wallet_without_lasting_signatures_registers_and_is_warned(session, alice):
    assert "domain.register" in FLOWS
    domains = Domains(
        session, lambda kind, title, args: flows.start(session, kind, title, args), ens_names
    )
    told = []
    found = domains.register(domains.quote("alice.joy"), warn=told.append)
    assert found.owner == alice.address
    assert told == [
        "this wallet signs differently each time: the registration can be finished on this"
        " machine only"
    ]
    (event,) = session.contract("PermaNetDomainRegistry").events("Committed")
    assert event.args["hint"] == b""  # nothing that somebody could open
    assert domains.pending() == []
    (job,) = session.journal.jobs()
    assert len(bytes.fromhex(job.args["secret"][2:])) == 32
    args = {**job.args, "secret": "", "name": "other.joy"}
    with pytest.raises(InvalidInputError, match="the secret of this registration is lost"):
        flows.start(session, "domain.register", "again", args)
