"""InferenceVerifier on a real node, under an SRS whose tau the tests know."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_abi import decode

from joynet_sdk.chain.rpc import Rpc, RpcError
from joynet_sdk.proofs.transcript import keccak256

from .harness import Chain, Contract


@pytest.fixture
def chain(anvil: Any) -> Iterator[Chain]:
    """The verifier on a node."""
    with Rpc(anvil.url) as rpc:
        yield Chain(rpc)


@pytest.fixture
def revert_reason() -> Callable[..., str]:
    """Return a function that makes a call which must revert, and gives its reason."""

    def _reason(contract: Contract, signature: str, *args: Any) -> str:
        with pytest.raises(RpcError) as caught:
            contract.call(signature, *args)
        data = caught.value.data
        assert data[:4] == keccak256(b"Error(string)")[:4], caught.value
        return str(decode(["string"], data[4:])[0])

    return _reason
