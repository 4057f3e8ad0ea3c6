"""The package, and the compiled contracts, against docs/spec/vectors (scripts/make_vectors.py)."""

import hashlib
import importlib.util
import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import boa
import msgspec
import numpy as np
import pytest
from boa.util.abi import Address

from joynet_sdk import formats, keywrap, qmodel, receipts
from joynet_sdk.chain import Account, artifacts
from joynet_sdk.chain.deploy import DEVNET, TABLE
from joynet_sdk.chain.ens_names import normalise
from joynet_sdk.domains import namehash
from joynet_sdk.errors import InvalidInputError, JoyNetError, VerificationError
from joynet_sdk.inference.codec import vector_to_int16
from joynet_sdk.node.ledger import Vote
from joynet_sdk.node.voting import commitment, unavailable_digest
from joynet_sdk.p2p import identity, messages
from joynet_sdk.qmodel import reference
from joynet_sdk.qmodel.ops import BY_KIND
from joynet_sdk.storage import sealing

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "spec" / "vectors"
SCRIPT = ROOT / "scripts" / "make_vectors.py"
DEMO = ROOT / "src" / "joynet_sdk" / "demo"


def load(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def raw(text):
    return bytes.fromhex(text.removeprefix("0x"))


def by_name(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


# --- the files themselves


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_vectors", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_what_the_script_writes(script):
    for name in script.FILES:
        assert (FOLDER / f"{name}.json").read_text() == script.text_of(name), name


def test_every_file_is_known(script):
    others = {"unixfs", "proof_opening"}
    assert {path.stem for path in FOLDER.glob("*.json")} == {*script.FILES, *others}


def test_the_script_is_independent():
    assert "import joynet" not in SCRIPT.read_text()
    assert "from joynet" not in SCRIPT.read_text()


# --- canonical JSON, CIDs, REFs, manifest

JSON = load("canonical-json")
CIDS = load("cids")
REFS = load("refs")
MANIFEST = load("manifest")


@by_name(JSON["cases"])
def test_canonical_json(case):
    assert formats.canonical_json(case["value"]) == case["json"].encode()
    assert formats.parse_canonical_json(case["json"].encode()) == case["value"]


@by_name(JSON["refused"])
def test_what_is_not_canonical_json_is_refused(case):
    with pytest.raises(JoyNetError):
        formats.parse_canonical_json(case["json"].encode())


@by_name(CIDS["cases"])
def test_cid(case):
    codec = {"raw": formats.RAW, "dag-pb": formats.DAG_PB}[case["codec"]]
    cid = formats.Cid.of(codec, raw(case["block"]))
    assert (str(cid), cid.digest) == (case["cid"], raw(case["sha256"]))
    assert formats.decode_cid(case["cid"]) == cid
    assert formats.Cid.from_binary(cid.binary) == cid


@by_name(CIDS["refused"])
def test_what_is_no_cid_is_refused(case):
    with pytest.raises(InvalidInputError):
        formats.decode_cid(case["cid"])


def test_model_id_and_cid_convert_both_ways():
    assert formats.model_cid(raw(REFS["model_id"])) == REFS["cid"]
    assert formats.decode_cid(REFS["cid"]).digest == raw(REFS["model_id"])


@pytest.mark.parametrize("case", REFS["cases"], ids=lambda case: case["ref"])
def test_ref(case):
    model_id = raw(case["model_id"]) if "model_id" in case else None
    expected = formats.Ref(case.get("name"), model_id, case.get("version"))
    assert formats.parse_ref(case["ref"]) == expected


@pytest.mark.parametrize("text", REFS["refused"])
def test_what_is_no_ref_is_refused(text):
    with pytest.raises(InvalidInputError):
        formats.parse_ref(text)


def test_manifest():
    manifest = formats.decode_manifest(MANIFEST["block"].encode())
    assert msgspec.to_builtins(manifest) == MANIFEST["document"]
    assert manifest.encode() == MANIFEST["block"].encode()
    assert manifest.model_id == raw(MANIFEST["model_id"])
    sealed = formats.decode_manifest(MANIFEST["sealed_block"].encode())
    assert sealed.model_id == raw(MANIFEST["sealed_model_id"])


@by_name(MANIFEST["refused"])
def test_what_is_no_manifest_is_refused(case):
    with pytest.raises(InvalidInputError):
        formats.decode_manifest(case["block"].encode())


# --- vouchers and receipts

VOUCHERS = load("voucher")
RECEIPTS = load("receipt")
COMMITMENTS = load("commitment")
NAMES = load("names")
PEERS = load("peer")


def domain(document):
    return receipts.Domain(int(document["chain_id"]), document["coordinator"])


def value(text):
    """A field as the dataclasses hold it."""
    if text.isdecimal():
        return int(text)
    return raw(text) if text.startswith("0x") and len(text) == 66 else text


def voucher_of(case):
    return receipts.Voucher(*map(value, case["fields"].values()))


@pytest.mark.parametrize("case", VOUCHERS["cases"], ids=lambda case: case["hash"][:10])
def test_voucher(case):
    voucher, where = voucher_of(case), domain(VOUCHERS)
    payer = Account.from_key(raw(VOUCHERS["key"]))
    assert receipts.signing_hash(where, voucher) == raw(case["hash"])
    assert receipts.sign(where, voucher, payer) == raw(case["signature"])
    assert receipts.recover(where, voucher, raw(case["signature"])) == voucher.payer


@by_name(VOUCHERS["refused"])
def test_a_malleable_or_malformed_signature_is_refused(case):
    voucher = voucher_of(VOUCHERS["cases"][0])
    with pytest.raises(VerificationError):
        receipts.recover(domain(VOUCHERS), voucher, raw(case["signature"]))


@pytest.mark.parametrize("case", RECEIPTS["cases"], ids=lambda c: c["fields"]["verificationClass"])
def test_receipt(case):
    file = receipts.decode_receipt_file(case["file"].encode())
    operator = Account.from_key(raw(RECEIPTS["key"]))
    assert file.receipt == receipts.Receipt(*map(value, case["fields"].values()))
    assert file.domain == domain(RECEIPTS)
    assert receipts.signing_hash(file.domain, file.receipt) == raw(case["hash"])
    assert receipts.sign(file.domain, file.receipt, operator) == raw(case["signature"])
    assert file.encode() == case["file"].encode()
    file.verify()


# --- wire

WIRE = load("wire")


def readable(value):
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    return [readable(item) for item in value] if isinstance(value, list) else value


def fields_of(message):
    return readable(msgspec.to_builtins(message, builtin_types=(bytes,)))


@pytest.mark.parametrize("case", WIRE["cases"], ids=lambda case: case["op"])
def test_wire_request(case):
    request = messages.decode_request(raw(case["map"]))
    assert fields_of(request) == {"op": case["op"], **case["fields"]}
    assert messages.decode_request(messages.encode(request)) == request


@by_name(WIRE["refused"])
def test_what_is_no_request_is_refused(case):
    with pytest.raises(InvalidInputError):
        messages.decode_request(raw(case["map"]))


def test_wire_heartbeat():
    vector, operator = WIRE["heartbeat"], Account.from_key(raw(RECEIPTS["key"]))
    heartbeat = messages.decode(raw(vector["payload"]), messages.Heartbeat)
    assert fields_of(heartbeat) == vector["fields"]
    assert operator.sign_message(raw(vector["payload"])) == raw(vector["signature"])


# --- outputs


@by_name(load("vector16")["cases"])
def test_int16_form_of_a_vector(case):
    assert vector_to_int16(raw(case["response"])) == raw(case["int16"])


QMODELS = load("qmodel")


@pytest.mark.parametrize("execute", [reference.execute, qmodel.execute], ids=["reference", "fast"])
@by_name(QMODELS["cases"])
def test_qmodel(case, execute):
    model = qmodel.load(DEMO / QMODELS["model"])
    values = np.frombuffer(raw(case["input"]), np.int8).reshape(1, -1)
    assert execute(model, values).tobytes() == raw(case["output"])


@pytest.mark.parametrize("execute", [reference.execute, qmodel.execute], ids=["reference", "fast"])
@pytest.mark.parametrize("model", QMODELS["operators"], ids=["picture", "block"])
def test_qmodel_operators(model, execute, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(raw(model["file"]))
    loaded = qmodel.load(tmp_path / "m.safetensors")
    for case in model["cases"]:
        values = np.frombuffer(raw(case["input"]), loaded.input.dtype).reshape(1, -1)
        assert execute(loaded, values).tobytes() == raw(case["output"]), case["name"]


def test_vectors_use_every_operator(tmp_path):
    used = set()
    for model in QMODELS["operators"]:
        (tmp_path / "m.safetensors").write_bytes(raw(model["file"]))
        used |= {op.kind for op in qmodel.load(tmp_path / "m.safetensors").ops}
    assert used == set(BY_KIND)


def test_the_sample_digit_is_a_seven():
    logits = np.frombuffer(raw(QMODELS["cases"][0]["output"]), np.int8)
    assert logits.argmax() == 7


# --- names and peers


@pytest.mark.parametrize("case", NAMES["cases"], ids=lambda case: case["name"] or "root")
def test_name_hash(case):
    assert namehash(case["name"]) == raw(case["node"])


@pytest.mark.parametrize("typed", NAMES["normalised"])
def test_normalised_name(typed):
    assert normalise(typed) == NAMES["normalised"][typed]


@pytest.mark.parametrize("typed", NAMES["not_names"])
def test_what_ensip15_forbids_is_refused(typed):
    with pytest.raises(InvalidInputError):
        normalise(typed)


@pytest.mark.parametrize("case", PEERS["cases"], ids=lambda case: case["peer_id"])
def test_peer_id(case):
    key = identity.Identity(raw(case["key"]))
    assert (key.compressed, key.peer_id) == (raw(case["compressed"]), case["peer_id"])
    assert identity.compressed_of(case["peer_id"]) == raw(case["compressed"])


def test_possession_of_a_peer_key():
    proof, key = PEERS["possession"], identity.Identity(raw(PEERS["cases"][0]["key"]))
    v, r, s = key.sign_digest(raw(proof["digest"]))
    assert r + s + bytes((v,)) == raw(proof["signature"])
    assert identity.verify_digest(raw(proof["digest"]), v, r, s, key.public_key_xy)


# --- the contracts say the same


SOMEONE = "0x" + "11" * 20  # token, treasury and guardian: no view below asks for them


@pytest.fixture(scope="module")
def contract():
    """A function that puts an artifact on the vectors' chain, at an address of theirs."""
    policy = replace(DEVNET, treasury=SOMEONE, guardian=SOMEONE)
    entries = {entry.name: entry for entry in TABLE}
    with boa.swap_env(boa.Env()):
        boa.env.evm.patch.chain_id = int(VOUCHERS["chain_id"])

        def deploy(name, address):
            artifact = artifacts.load(name)
            args = entries[name].args(policy, {"JoyToken": SOMEONE})
            code = artifact.bytecode + artifact.abi.encode_constructor(args)
            boa.env.deploy_code(bytecode=code, override_address=Address(address))

            def call(function, *values):
                data = artifact.abi.encode_call(function, values)
                answer = boa.env.execute_code(to_address=Address(address), data=data)
                assert not answer.is_error, answer.error
                return artifact.abi.decode_output(function, len(values), answer.output)

            return call

        yield deploy


def test_the_coordinator_hashes_vouchers_and_key_proofs_alike(contract):
    call = contract("NodeCoordinator", VOUCHERS["coordinator"])
    for case in VOUCHERS["cases"]:
        fields = asdict(voucher_of(case))
        assert call("hash_voucher", fields) == raw(case["hash"])
    proof = PEERS["possession"]
    assert call("peer_key_digest", proof["vault"], proof["operator"]) == raw(proof["digest"])


def test_the_registry_makes_the_same_commitment(contract):
    example = NAMES["commitment"]
    call = contract("PermaNetDomainRegistry", example["registry"])
    request = {
        "label": example["label"],
        "tld": raw(example["tld"]),
        "owner": example["owner"],
        "resolver": example["resolver"],
        "duration": int(example["duration"]),
        "records": [],
        "secret": raw(example["secret"]),
    }
    assert call("commitment_of", request) == raw(example["commitment"])
    assert call("node_of", example["label"], raw(example["tld"])) == namehash("digits.joy")


# --- committee


@pytest.mark.parametrize("case", COMMITMENTS["cases"], ids=lambda case: case["job_id"])
def test_commitment(case):
    vote = Vote(
        job_id=int(case["job_id"]),
        model_id=raw(case["model_id"]),
        digest=raw(case["digest"]),
        salt=raw(case["salt"]),
        output=None,
        frame=None,
        stage="prepared",
    )
    chain_id, proof = int(COMMITMENTS["chain_id"]), COMMITMENTS["proof_of_inference"]
    assert commitment(case["operator"], vote, chain_id, proof) == raw(case["commitment"])


def test_digest_of_unavailable():
    assert unavailable_digest() == raw(COMMITMENTS["unavailable"])


# --- sealed models

SEALED = load("sealed-models")


def sealing_reader(file, plain):
    stream, digest = io.BytesIO(plain), raw(file["sha256"])
    return sealing.SealingReader(
        stream, len(plain), digest, file["path"], raw(SEALED["content_key"])
    )


@pytest.mark.parametrize("file", SEALED["files"], ids=lambda f: f"{f['path']} {f['zeros']}")
def test_a_sealed_file(file):
    plain = bytes(file["zeros"])
    reader = sealing_reader(file, plain)
    sealed = b"".join(iter(lambda: reader.read(1 << 18), b""))
    assert len(sealed) == file["sealed_size"] == sealing.sealed_size(len(plain))
    assert sealed.startswith(raw(file["first"]))
    assert sealed.endswith(raw(file["last"]))
    assert hashlib.sha256(sealed).digest() == raw(file["sealed_sha256"])
    key, digest = raw(SEALED["content_key"]), raw(file["sha256"])
    opened = sealing.open_pieces([sealed], len(plain), digest, file["path"], key)
    assert b"".join(opened) == plain


@pytest.mark.parametrize("case", SEALED["wraps"], ids=lambda case: case["license_id"])
def test_a_wrapped_key(case):
    content_key = raw(SEALED["content_key"])
    licence = keywrap.Licence(int(case["license_id"]), SEALED["contract"], SEALED["chain_id"])
    wrapped = keywrap.wrap_with(
        raw(case["ephemeral_private"]), content_key, raw(case["buyer_key"]), licence
    )
    assert wrapped == (raw(case["ephemeral"]), raw(case["wrapped"]))
    assert keywrap.public_key(raw(case["private"])) == raw(case["buyer_key"])
    assert keywrap.unwrap(raw(case["private"]), wrapped, licence) == content_key
    assert keywrap.content_key_hash(content_key) == raw(SEALED["key_hash"])


@pytest.mark.parametrize("key", SEALED["small_order_keys"])
def test_no_key_is_wrapped_for_a_point_of_small_order(key):
    licence = keywrap.Licence(1, SEALED["contract"], SEALED["chain_id"])
    with pytest.raises(InvalidInputError, match="small order"):
        keywrap.wrap(raw(SEALED["content_key"]), raw(key), licence)


def test_the_keys_of_purchases():
    class Wallet:
        is_locked = False

        def sign_typed_data(self, domain, types, message):
            return raw(SEALED["signature"])

    root = keywrap.licence_root(Wallet(), SEALED["chain_id"], SEALED["contract"])
    assert root == raw(SEALED["root"])
    derived = [keywrap.purchase_key(root, raw(SEALED["model_id"]), n) for n in range(3)]
    assert derived == list(map(raw, SEALED["purchase_keys"]))
