"""A proven job as its client sees it: request, wait for the proof (docs/spec/proven-jobs.md)."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from joynet_sdk.errors import (
    ConfigError,
    InvalidInputError,
    JoyNetError,
    NotFoundError,
    UnavailableError,
    VerificationError,
)
from joynet_sdk.inference.prover import Committer
from joynet_sdk.inference.routing import Route
from joynet_sdk.ports import Chain, Run
from joynet_sdk.progress import stage
from joynet_sdk.types import Address, Point, PostedProof, ProofAnswer, ProofRequest
from joynet_sdk.units import format_joy

FLOW = "infer.proven"
CONTRACT, VERIFIER = "ProvenInference", "InferenceVerifier"
OPEN, PROVEN, FAILED, EXPIRED, REFUSED = range(1, 6)
STATUS = ("unknown", "open", "proven", "failed", "expired", "refused")
PACKED, COMMITTED, TOKENS = range(3)
MAX_PACKED_BYTES = 256
MAX_INLINE_BYTES = 4096
NO_POINT: Point = (0, 0)
NO_CIRCUIT = bytes(32)
WAIT_S = 3600.0  # most that one wait for a proof takes; `infer resume` goes on
_SPARE_S = 5  # seconds after the deadline before we close a job ourselves
_REASONS = {
    FAILED: "its proof was false; the node lost its bond",
    EXPIRED: "no proof came in time; the node lost its bond",
    REFUSED: "the node found that the input is not what the request says",
}


class UnprovenError(UnavailableError):
    """A job ended without a proof, and the payment came back.

    Attributes:
        job_id: The job.
        status: FAILED, EXPIRED or REFUSED.
        refund: Wei that came back.
    """

    code = "unproven"

    def __init__(self, job_id: int, status: int, refund: int) -> None:
        self.job_id, self.status, self.refund = job_id, status, refund
        super().__init__(
            f"proven job {job_id} gave no answer: {_REASONS[status]}; "
            f"{format_joy(refund)} came back",
            hint="try again with another node: --ignore NODE",
        )


@dataclass(frozen=True, slots=True)
class Proven:
    """An answer whose proof the contract has checked.

    Attributes:
        output: The output bytes.
        output_commitment: What the proof is about where the output is above 256 bytes.
        payee: Whom it paid.
        paid: Wei that the job cost.
        transaction: Hash of the transaction that carried the proof.
    """

    job_id: int
    node_id: int
    circuit_id: bytes
    output: bytes
    output_commitment: Point
    payee: Address
    paid: int
    transaction: str


# --- whom to ask --------------------------------------------------------------------------------


def circuit_of(chain: Chain, model_id: bytes) -> bytes:
    """The registered circuit of a model.

    Raises:
        NotFoundError: It has none, or this network has no proofs.
    """
    if VERIFIER not in chain.deployment.contracts:
        raise NotFoundError("contract", VERIFIER, hint="this network checks no proofs")
    circuit = chain.contract(VERIFIER).call("circuit_of", model_id)
    if circuit["circuit_id"] == NO_CIRCUIT:
        raise NotFoundError(
            "circuit of model", "0x" + model_id.hex(), hint="its publisher: joynet proof register"
        )
    return bytes(circuit["circuit_id"])


def srs_digest(chain: Chain) -> bytes:
    """Which structured reference string the chain's verifier checks proofs under.

    Raises:
        ConfigError: The chain checks no proofs.
    """
    if VERIFIER not in chain.deployment.contracts:
        raise ConfigError(
            f"chain {chain.chain_id} checks no proofs: it has no {VERIFIER}",
            hint="joynet contracts list",
        )
    return bytes(chain.contract(VERIFIER).call("srs_digest"))


def proof_routes(
    chain: Chain, model_id: bytes, model_price: int, found: Sequence[Route]
) -> list[Route]:
    """The same routes at the price of a proof; nodes that cannot take the job say why.

    Args:
        model_price: Wei, the model's part.
        found: Every offer of the model.
    """
    proven, coordinator = chain.contract(CONTRACT), chain.contract("NodeCoordinator")
    routes = []
    for route in found:
        terms = proven.call("terms", route.node_id, model_id)
        priced = replace(route, price=terms["fee"] + model_price)
        reason = "" if route.is_eligible else route.reason
        if not reason and terms["circuit_id"] == NO_CIRCUIT:
            reason = "it does not prove this model"
        if not reason and proven.call("record_of", route.node_id)["open"] >= terms["max_open"]:
            reason = "its queue of proofs is full"
        if not reason:
            bond = proven.call("bond_of", terms["fee"], model_price)
            if coordinator.call("free_provision", route.vault) < bond:
                reason = f"it cannot put up the bond of {format_joy(bond)}"
        if reason:
            priced = replace(priced, is_eligible=False, reason=reason)
        routes.append(priced)
    return routes


# --- the job ------------------------------------------------------------------------------------


def job_args(
    chain: Chain,
    model_id: bytes,
    route: Route,
    shape: Sequence[int],
    data: bytes,
    commit: Committer,
) -> dict[str, str]:
    """The journal's arguments of a job, whose input is committed to where it is above 256 bytes.

    Raises:
        InvalidInputError: The input is longer than a job takes, or than the node's terms say.
    """
    terms = chain.contract(CONTRACT).call("terms", route.node_id, model_id)
    if len(data) != terms["input_size"]:
        raise InvalidInputError(
            f"input has {len(data)} bytes, node {route.node_id} proves {terms['input_size']}"
        )
    if len(data) > MAX_INLINE_BYTES:
        raise InvalidInputError(
            f"input of {len(data)} bytes, a proven job takes at most {MAX_INLINE_BYTES} inline",
            hint="use --verify none, or a smaller model",
        )
    point = commit.commit(shape, data) if terms["input_kind"] == COMMITTED else NO_POINT
    model_price = chain.contract("ModelMarketplace").call("price_of", model_id)
    return {
        "model_id": "0x" + model_id.hex(),
        "node_id": str(route.node_id),
        "input": "0x" + data.hex(),
        "commitment_x": str(point[0]),
        "commitment_y": str(point[1]),
        "max_fee": str(terms["fee"]),
        "total": str(terms["fee"] + model_price),
        "salt": "0x" + secrets.token_hex(32),
    }


def proven_flow(run: Run) -> "Proven | UnprovenError":
    """Carry a job from payment to proof; resumable at every step.

    A refund is an outcome too: it is returned, so that the journal closes the job.
    """
    args, session = run.args, run.session
    contract, token = session.contract(CONTRACT), session.contract("JoyToken")
    data, total = bytes.fromhex(args["input"][2:]), int(args["total"])
    stage(f"paying {format_joy(total)} for a proof by node {args['node_id']}")
    run.approve(token, contract.address, total, before="request")
    requested = run.transact(
        "request",
        contract,
        "request",
        bytes.fromhex(args["model_id"][2:]),
        int(args["node_id"]),
        int(args["max_fee"]),
        bytes.fromhex(args["salt"][2:]),
        data,
        hashlib.sha256(data).digest(),
        "",
        (int(args["commitment_x"]), int(args["commitment_y"])),
    ).event("Requested")
    job_id = requested.args["job_id"]
    stage(f"node {args['node_id']} proves the answer (job {job_id})")
    session.wait_until(
        lambda: _is_over(session, contract, job_id), f"the proof of job {job_id}", timeout_s=WAIT_S
    )
    if contract.call("job", job_id)["status"] == OPEN:
        _expire(run, contract, job_id)
    if contract.call("claimable", session.account.address):
        run.transact("claim", contract, "claim")
    try:
        return read_outcome(session, job_id)
    except UnprovenError as unproven:
        return unproven


def _is_over(session: Chain, contract: Any, job_id: int) -> bool:
    job = contract.call("job", job_id)
    return bool(job["status"] != OPEN or session.now() > job["deadline"] + _SPARE_S)


def _expire(run: Run, contract: Any, job_id: int) -> None:
    """By us, unless somebody was faster."""
    try:
        run.transact("expire", contract, "expire", job_id)
    except JoyNetError:
        if contract.call("job", job_id)["status"] == OPEN:
            raise


def read_outcome(chain: Chain, job_id: int) -> Proven:
    """The answer of a job that is over.

    Raises:
        NotFoundError: No such job.
        UnavailableError: It is still open.
        UnprovenError: It ended without a proof.
    """
    contract = chain.contract(CONTRACT)
    job = contract.call("job", job_id)
    if not job["status"]:
        raise NotFoundError("proven job", job_id)
    if job["status"] == OPEN:
        raise UnavailableError(f"proven job {job_id} is still open", hint="joynet infer resume")
    if job["status"] != PROVEN:
        raise UnprovenError(job_id, job["status"], job["fee"] + job["price"])
    [event] = contract.events("Proven", job["request_block"], filters={"job_id": job_id})
    return Proven(
        job_id=job_id,
        node_id=job["node_id"],
        circuit_id=job["circuit_id"],
        output=event.args["output"],
        output_commitment=tuple(event.args["output_commitment"]),
        payee=Address(job["payee"]),
        paid=job["fee"] + job["price"],
        transaction=event.tx_hash,
    )


def read_proof(chain: Chain, job_id: int) -> PostedProof:
    """The proof that a job was paid for, as it was posted; anybody can read and check it.

    Raises:
        NotFoundError: No such job.
        UnavailableError: It is still open, or ended without a proof.
        InvalidInputError: The proof was not posted by a direct call, or the input is not on chain.
    """
    outcome = read_outcome(chain, job_id)
    contract, verifier = chain.contract(CONTRACT), chain.contract(VERIFIER)
    job = contract.call("job", job_id)
    sent = contract.sent("submit", outcome.transaction)
    [requested] = contract.events(
        "Requested", job["request_block"], job["request_block"], {"job_id": job_id}
    )
    data: bytes = requested.args["input"]
    if not data:
        raise InvalidInputError(
            f"the input of job {job_id} is not on chain: it lies at {requested.args['input_cid']}",
            hint="joynet store get CID",
        )
    circuit = verifier.call("circuit_of", job["model_id"])
    [registered] = verifier.events(
        "CircuitRegistered", chain.deployment.first_block, None, {"model_id": job["model_id"]}
    )
    return PostedProof(
        ProofRequest(
            chain_id=chain.chain_id,
            verifier=Address(verifier.address),
            model_id=job["model_id"],
            circuit_id=job["circuit_id"],
            job_id=job_id,
            payee=Address(job["payee"]),
            salt=sent["salt"],
            input=data,
        ),
        descriptor=verifier.sent("register", registered.tx_hash)["descriptor"],
        weights=tuple(circuit["commitment"]),
        srs_digest=srs_digest(chain),
        input_commitment=tuple(job["input_commitment"]),
        answer=ProofAnswer(sent["output"], tuple(sent["output_commitment"]), sent["proof"]),
    )


def check_output(proven: Proven, shape: Sequence[int], commit: Committer) -> None:
    """Compare an output above 256 bytes with the commitment that the proof is about: the contract
    cannot see that they belong together.

    Raises:
        VerificationError: They do not; the node was paid for an answer that it keeps to itself.
    """
    if len(proven.output) > MAX_PACKED_BYTES:
        point = commit.commit(shape, proven.output)
        if point != proven.output_commitment:
            raise VerificationError(
                f"node {proven.node_id} proved another output than it published "
                f"in job {proven.job_id}",
                hint=f"do not ask it again: --ignore {proven.node_id}",
            )
