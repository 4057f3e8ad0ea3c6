"""What the chain charges for checking a proof: `InferenceVerifier` on anvil, true proofs."""

import tempfile
from pathlib import Path
from typing import Any

from joynet_sdk.chain import Devnet
from joynet_sdk.chain.deploy import DEVNET, deploy_all
from joynet_sdk.paths import Home
from joynet_sdk.proofs.inference import InferenceProver
from joynet_sdk.proving import statement_struct
from joynet_sdk.types import ProofRequest

EXACT = 0
GAS_LIMIT = 3_000_000  # plenty: what is not used comes back


def gas_of(models: dict[str, tuple[Path, bytes]]) -> dict[str, int]:
    """Gas of `verify(statement, proof)` as a transaction, calldata and 21,000 included.

    Args:
        models: Name -> (folder with model.safetensors, an input's bytes).

    Raises:
        ValueError: A true proof does not verify, or one with a changed byte does.
    """
    with tempfile.TemporaryDirectory(prefix="joynet-bench-") as scratch:
        devnet = Devnet(Path(scratch) / "home")
        devnet.up()
        try:
            with devnet.session(timeout_s=60) as session:
                deploy_all(session, DEVNET)
                prover = InferenceProver(Home(Path.home() / ".joynet"))
                return {
                    name: _gas(session, prover, number.to_bytes(32), folder, data)
                    for number, (name, (folder, data)) in enumerate(models.items(), 1)
                }
        finally:
            devnet.down()


def _gas(session: Any, prover: InferenceProver, model_id: bytes, folder: Path, data: bytes) -> int:
    verifier, me = session.contract("InferenceVerifier"), session.account.address
    session.contract("ModelMarketplace").transact("list_model", model_id, 1, 0, EXACT, 0, [])
    made = prover.registration(folder, model_id, me, verifier.address, session.chain_id)
    verifier.transact(
        *("register", model_id, made.descriptor, list(made.commitment)),
        *(made.attestation, made.proof),
    )
    request = ProofRequest(
        chain_id=session.chain_id,
        verifier=verifier.address,
        model_id=model_id,
        circuit_id=made.circuit_id,
        job_id=1,
        payee=me,
        salt=b"\5" * 32,
        input=data,
    )
    file = prover.prove_for(folder, request)
    statement = statement_struct(file.statement)
    changed = bytearray(file.proof)
    changed[200] ^= 1
    if not verifier.call("verify", statement, file.proof):
        raise ValueError(f"the contract refuses the proof of {folder}")
    if verifier.call("verify", statement, bytes(changed)):
        raise ValueError(f"the contract takes a changed proof of {folder}")
    calldata = "0x" + verifier.abi.encode_call("verify", (statement, file.proof)).hex()
    session.rpc.call("anvil_impersonateAccount", me)
    call = {"to": verifier.address, "from": me, "data": calldata, "gas": hex(GAS_LIMIT)}
    sent = session.rpc.call("eth_sendTransaction", call)
    session.rpc.call("evm_mine")
    return int(session.rpc.call("eth_getTransactionReceipt", sent)["gasUsed"], 16)
