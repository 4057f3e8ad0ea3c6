"""A committee member that lost a vote proves that it was right (docs/spec/proven-jobs.md)."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joynet_sdk.errors import JoyNetError, RevertedError
from joynet_sdk.inference.proven import COMMITTED, CONTRACT, MAX_PACKED_BYTES
from joynet_sdk.logs import get_logger
from joynet_sdk.node.circuits import Circuits, Shelf
from joynet_sdk.ports import Chain
from joynet_sdk.types import Address, ProofAnswer, ProofRequest

log = get_logger(__name__)

DISPUTE = 1 << 255  # added to a committee job's id in the statement
NO_SALT = bytes(32)


class DisputeProofs:
    """Settles disputes by proof, for models with packed input and output."""

    def __init__(self, chain: Chain, shelf: Shelf, circuits: Circuits) -> None:
        self._chain, self._shelf, self._circuits = chain, shelf, circuits

    async def settle(self, job_id: int, job: Mapping[str, Any], data: bytes, output: bytes) -> bool:
        """Settle a disputed job with the digest of `output`, if that can be proved.

        Args:
            job: The committee's job.
            data: Its input.
            output: What this node revealed.

        Returns:
            False when there is no proof to be had, and only a fresh committee can help.
        """
        try:
            return await self._settle(job_id, job, data, output)
        except JoyNetError as error:
            log.warning("dispute_not_proved", job=job_id, reason=str(error))
            return False

    async def _settle(
        self, job_id: int, job: Mapping[str, Any], data: bytes, output: bytes
    ) -> bool:
        folder = self._shelf.folders().get(job["model_id"])
        if folder is None or CONTRACT not in self._chain.deployment.contracts:
            return False
        circuit = await self._circuits.check(job["model_id"], folder)
        if circuit.input_kind == COMMITTED or circuit.output_size > MAX_PACKED_BYTES:
            return False
        salt = await self._salt(job_id)
        answer = await self._prove(job_id, job, folder, circuit.circuit_id, salt, data)
        if answer.output != output:
            return False
        contract = self._chain.contract(CONTRACT)
        await asyncio.to_thread(
            contract.transact, "prove_dispute", job_id, salt, data, output, answer.proof
        )
        log.info("dispute_proved", job=job_id)
        return True

    async def _salt(self, job_id: int) -> bytes:
        """The statement's salt, fixed first if nobody has.

        Raises:
            RevertedError: The model's circuit is too new to decide anything.
        """
        contract = self._chain.contract(CONTRACT)
        salt: bytes = await asyncio.to_thread(contract.call, "dispute_salt", job_id)
        if salt != NO_SALT:
            return salt
        try:
            await asyncio.to_thread(contract.transact, "fix_dispute_salt", job_id)
        except RevertedError as error:
            if "salt is fixed" not in error.reason:  # somebody was faster
                raise
        fixed: bytes = await asyncio.to_thread(contract.call, "dispute_salt", job_id)
        return fixed

    async def _prove(
        self,
        job_id: int,
        job: Mapping[str, Any],
        folder: Path,
        circuit_id: bytes,
        salt: bytes,
        data: bytes,
    ) -> ProofAnswer:
        request = ProofRequest(
            chain_id=self._chain.chain_id,
            verifier=Address(self._chain.contract("InferenceVerifier").address),
            model_id=job["model_id"],
            circuit_id=circuit_id,
            job_id=DISPUTE + job_id,
            payee=Address(self._chain.account.address),
            salt=salt,
            input=data,
        )
        return await self._circuits.run(self._circuits.prover.prove, folder, request)
