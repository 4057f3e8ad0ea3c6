"""`joynet proof estimate|prove|fetch|verify|check|show|register`."""

import json
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.proofs.prooffile import ProofFile

Ref = Annotated[
    str, typer.Argument(help="A QModel file, or a published model: name, CID or 0x id.")
]
MOST_SHOWN = 16
File = Annotated[Path, typer.Argument(help="A file written by proof prove or proof fetch.")]


def estimate(
    ref: Ref,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Inputs of one proof, as in prove --batch.")
    ] = 1,
) -> None:
    """Time, memory, proof size and gas of a proof, before any work.

    Examples:
      joynet proof estimate digits.joy
      joynet proof estimate model.safetensors --batch 16 --json
    """
    with open_joynet("Estimating") as joynet:
        found = joynet.proving.estimate(ref, batch)
    result = {
        "cpu_s": round(found.cpu_s, 3),
        "memory_bytes": found.memory_bytes,
        "proof_bytes": found.proof_bytes,
        "gas": found.gas if batch == 1 else None,  # chains register circuits of one input
        "variables": found.variables,
        "claims": found.claims,
    }

    def human(_: dict[str, Any]) -> None:
        if batch > 1:
            out.line(f"inputs  {batch} in one proof")
        out.line(f"time    about {found.cpu_s:.2f} CPU-seconds on this device")
        out.line(f"memory  about {found.memory_bytes / 1e6:,.0f} MB")
        out.line(f"proof   {found.proof_bytes:,} bytes, {found.claims} claims")
        if batch == 1:
            out.line(f"gas     about {found.gas:,} to check it on chain")

    out.result(result, human)


def prove(
    ref: Ref,
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="JSON with the input.")],
    target: Annotated[
        Path | None, typer.Option("--out", help="Write the proof file here [INPUT.proof].")
    ] = None,
    is_batch: Annotated[
        bool, typer.Option("--batch", help="INPUT is a list of inputs: one proof for all of them.")
    ] = False,
) -> None:
    """Run a model on this machine and prove its output; the proof is bound to no job.

    The proof is succinct and sound, not zero-knowledge: enough proofs reveal the weights.

    Examples:
      joynet proof prove digits.joy seven.json
      joynet proof prove model.safetensors seven.json --out seven.proof
      joynet proof prove model.safetensors hundred.json --batch
    """
    from joynet_sdk.paths import atomic_write

    path = target or source.with_suffix(".proof")
    stop_if_dry_run(f"prove {ref} on {source} and write {path}", file=str(path))
    with open_joynet("Proving") as joynet:
        batch, data = _inputs(joynet, ref, source, is_batch=is_batch)
        file = joynet.proving.prove(ref, data, batch)
    raw = file.encode()
    atomic_write(path, raw, mode=0o644)
    result = {"file": str(path), "bytes": len(raw), "inputs": batch, **_described(file)}

    def human(_: dict[str, Any]) -> None:
        size = len(file.output) // batch
        for at in range(0, size * min(batch, MOST_SHOWN), size):
            out.line(f"output  {_shown(file.output[at : at + size])}")
        if batch > MOST_SHOWN:
            out.line(f"        and {batch - MOST_SHOWN} more")
        out.line(f"proof   {path} ({len(file.proof):,} bytes of proof)")
        out.note("not bound to a job; not zero-knowledge: proofs reveal something of the weights")

    out.result(result, human)


def fetch(
    job: Annotated[int, typer.Argument(help="A proven job's number, as infer run printed it.")],
    target: Annotated[
        Path | None, typer.Option("--out", help="Write the proof file here [job-N.proof].")
    ] = None,
) -> None:
    """Read the proof that a job was paid for from the chain, into a file.

    Examples:
      joynet proof fetch 12
      joynet proof fetch 12 --out seven.proof
    """
    from joynet_sdk.paths import atomic_write

    path = target or Path(f"job-{job}.proof")
    with open_joynet("Reading the chain") as joynet:
        file = joynet.proving.fetch(job)
    raw = file.encode()
    stop_if_dry_run(f"write {path}", file=str(path))
    atomic_write(path, raw, mode=0o644)

    def human(_: dict[str, Any]) -> None:
        out.line(f"proof   {path} ({len(file.proof):,} bytes of proof)")
        out.line(f"output  {_shown(file.output)}")
        out.note(f"not checked: joynet proof verify {path} --onchain")

    out.result({"file": str(path), "bytes": len(raw), **_described(file)}, human)


def verify(
    file: File,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Check too that it is about this model (REF or file)."),
    ] = None,
    onchain: Annotated[
        bool, typer.Option("--onchain", help="Ask the chain's contract too, for a job's proof.")
    ] = False,
) -> None:
    """Check a proof file. Exits 0 when it verifies, 10 when anything is wrong.

    Examples:
      joynet proof verify seven.proof
      joynet proof verify seven.proof --model digits.joy
      joynet proof verify seven.proof --onchain --json
    """
    proof = _read(file)
    with open_joynet("Verifying") as joynet:
        joynet.proving.verify(proof, model)
        answer = joynet.proving.verify_onchain(proof) if onchain else None
    if answer is False:
        from joynet_sdk.errors import VerificationError

        raise VerificationError("the chain's InferenceVerifier says the proof is false")
    unknown = _not_checked(proof, model)
    result = {"verified": True, "onchain": answer, "not_checked": unknown, **_described(proof)}

    def human(_: dict[str, Any]) -> None:
        out.line(f"verified: the circuit 0x{proof.statement.circuit_id.hex()} gives this output")
        out.line(f"output  {result['output_values']}")
        out.line(f"job     {result['job']}")
        if onchain:
            out.line("chain   InferenceVerifier says so too")
        for item in unknown:
            out.note(f"not checked: {item}")

    out.result(result, human)


def _not_checked(proof: "ProofFile", model: str | None) -> list[str]:
    from joynet_sdk.proofs.srs import development_digest

    unknown = [] if model else ["that the circuit is the model's (--model REF)"]
    if proof.srs_digest == development_digest():
        unknown.append("that nobody knows tau: anybody can forge proofs of the development SRS")
    return unknown


def check(ref: Ref) -> None:
    """Compile a published model's circuit and compare it with the one on chain.

    Examples:
      joynet proof check digits.joy
    """
    with open_joynet("Compiling") as joynet:
        found = joynet.proving.check(ref)
    out.result(
        {"circuit_id": "0x" + found.hex(), "matches": True},
        lambda _: out.line(f"the registered circuit 0x{found.hex()} is the model's"),
    )


def register(ref: Ref) -> None:
    """Register a model's circuit, once and for good; its publisher only.

    Examples:
      joynet proof register digits.joy
      joynet proof register digits.joy --dry-run
    """
    stop_if_dry_run(f"register the circuit of {ref}")
    with open_joynet("Registering") as joynet:
        found = joynet.proving.register(ref)
    out.result(
        {"circuit_id": "0x" + found.hex()},
        lambda _: out.line(f"registered circuit 0x{found.hex()}"),
    )


def show(file: File) -> None:
    """Print what a proof file claims; it need not verify.

    Examples:
      joynet proof show seven.proof
    """
    claimed = _described(_read(file))

    def human(_: dict[str, Any]) -> None:
        for name, value in claimed.items():
            if name != "output":  # its values are there too
                out.line(f"{name:<13}  {value}")
        out.note("not checked: joynet proof verify FILE")

    out.result(claimed, human)


def _described(file: "ProofFile") -> dict[str, Any]:
    statement = file.statement
    return {
        "model_id": "0x" + statement.model_id.hex(),
        "circuit_id": "0x" + statement.circuit_id.hex(),
        "srs": "0x" + file.srs_digest.hex(),
        "job": str(statement.job_id) if file.is_bound else "not bound to a job",
        "chain_id": str(statement.chain_id),
        "payee": "0x" + statement.payee.hex(),
        "input_bytes": len(file.input),
        "output": "0x" + file.output.hex(),
        "output_values": _shown(file.output),
        "proof_bytes": len(file.proof),
    }


def _shown(output: bytes) -> str:
    values = [byte - 256 if byte > 127 else byte for byte in output]
    return str(values) if len(values) <= 16 else f"{values[:8]} and {len(values) - 8} more"


def _read(path: Path) -> "ProofFile":
    from joynet_sdk.errors import NotFoundError
    from joynet_sdk.proofs.prooffile import MAX_FILE_BYTES, ProofFile

    if not path.is_file():
        raise NotFoundError("proof file", str(path), hint="joynet proof prove REF INPUT")
    with path.open("rb") as source:
        return ProofFile.decode(source.read(MAX_FILE_BYTES + 1))


def _inputs(joynet: "JoyNet", ref: str, source: Path, *, is_batch: bool) -> tuple[int, bytes]:
    """How many inputs there are and their bytes, from JSON integers of the model's shape."""
    import numpy as np

    from joynet_sdk.errors import InvalidInputError, NotFoundError
    from joynet_sdk.formats import check_json_depth

    if not source.is_file():
        raise NotFoundError("input", str(source))
    spec = joynet.proving.input_of(ref)
    size = prod(spec.shape)
    top = spec.vocab - 1 if spec.kind == "tokens" else 127
    low = 0 if spec.kind == "tokens" else -128
    lists = "lists of " if is_batch else ""
    expected = (
        f"expected JSON with {lists}{size:,} integers from {low} to {top}, {list(spec.shape)}"
    )
    try:
        raw = source.read_bytes()
        check_json_depth(raw)
        values = np.asarray(json.loads(raw))
    except ValueError as error:
        raise InvalidInputError(f"{source} is no JSON array ({error}), {expected}") from None
    count = len(values) if is_batch and values.ndim else 1
    if values.size != count * size or not values.size or values.dtype.kind not in "iu":
        raise InvalidInputError(
            f"{source} is {values.dtype} {list(values.shape)}, {expected}",
            hint=f"an integer is the real value / {spec.scale}" if spec.scale else "",
        )
    if values.min() < low or values.max() > top:
        raise InvalidInputError(f"{source} spans {values.min()} to {values.max()}, {expected}")
    return count, values.astype(spec.dtype).tobytes()
