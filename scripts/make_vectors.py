"""Write docs/spec/vectors/*.json (unixfs.json comes from npm, see tests/integration/storage).

Nothing of joynet_sdk is imported: every value is computed here from the specification with other
code, or copied from the standard that defines it. tests/unit/test_spec_vectors.py then checks the
package and the compiled contracts against the files.
"""

import hashlib
import hmac
import itertools
import json
import math
import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from Crypto.Cipher import AES
from Crypto.Hash import keccak as _keccak

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "spec" / "vectors"
DEMO = ROOT / "src" / "joynet_sdk" / "demo"
JOY = 10**18
CHAIN_ID = 412_346_001
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
VOUCHER_TYPE = (
    "Voucher(address payer,address operator,bytes32 modelId,uint256 lane,uint256 calls,"
    "uint256 amount)"
)
RECEIPT_TYPE = (
    "Receipt(uint256 version,uint256 jobId,bytes32 requestId,address client,address operator,"
    "string peerId,bytes32 modelId,string engineProfile,bytes32 requestDigest,"
    "bytes32 responseDigest,string verificationClass,uint256 price,bytes32 voucherHash,"
    "uint256 time)"
)


# --- primitives ---------------------------------------------------------------------------------


def keccak(data: bytes) -> bytes:
    """keccak-256."""
    return _keccak.new(digest_bits=256, data=data).digest()


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def hexed(data: bytes) -> str:
    """0x + lower-case hex."""
    return "0x" + data.hex()


def word(value: int | bytes | str) -> bytes:
    """One 32-byte ABI word: an integer, an address (0x text, 20 bytes), or 32 bytes as they are."""
    if isinstance(value, str):
        return bytes(12) + bytes.fromhex(value[2:])
    return value if isinstance(value, bytes) else value.to_bytes(32, "big")


def checksum(address: bytes) -> str:
    """EIP-55 text of 20 bytes."""
    digits, mask = address.hex(), keccak(address.hex().encode()).hex()
    pairs = zip(digits, mask, strict=False)
    return "0x" + "".join(d.upper() if int(m, 16) >= 8 else d for d, m in pairs)


def test_key(name: str) -> bytes:
    """A secret that everybody knows."""
    return sha256(f"joynet test vector: {name}".encode())


def address_of(key: bytes) -> str:
    """The account of a secret key."""
    public = PrivateKey(key).public_key.format(compressed=False)[1:]
    return checksum(keccak(public)[12:])


def sign_hash(key: bytes, digest: bytes) -> bytes:
    """RFC 6979, low s: r || s || v, v in {27, 28}."""
    signature = PrivateKey(key).sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes((27 + signature[64],))


PAYER, OPERATOR, PEER = test_key("payer"), test_key("operator"), test_key("peer")
COORDINATOR = checksum(sha256(b"joynet test vector: NodeCoordinator")[:20])
PROOF = checksum(sha256(b"joynet test vector: ProofOfInference")[:20])
REGISTRY = checksum(sha256(b"joynet test vector: PermaNetDomainRegistry")[:20])
LICENSES = checksum(sha256(b"joynet test vector: ModelLicenses")[:20])
RESOLVER = checksum(sha256(b"joynet test vector: PermaNetResolver")[:20])
VAULT = address_of(test_key("vault"))


def canonical(value: Any) -> bytes:
    """RFC 8785 for the documents below: ASCII keys, integers, no floats."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


# --- identifiers --------------------------------------------------------------------------------


def canonical_json() -> dict[str, Any]:
    """Bytes written out by hand; the first two are RFC 8785's own examples."""
    euro = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/"
    order = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    sorted_text = (
        '{"\\r":"Carriage Return","1":"One","\u0080":"Control",'
        '"\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign",'
        '"\U0001f600":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}'
    )
    cases: list[tuple[str, Any, str]] = [
        ("RFC 8785, 3.2.2.2: strings", euro, '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ("RFC 8785, 3.2.3: UTF-16 order of keys", order, sorted_text),
        ("literals", [None, True, False], "[null,true,false]"),
        ("empty", {"a": [], "b": {}, "": ""}, '{"":"","a":[],"b":{}}'),
        ("largest integers", [2**53 - 1, -(2**53) + 1], "[9007199254740991,-9007199254740991]"),
        ("not escaped", "\u007f\u2028/é", '"\u007f\u2028/é"'),
        ("nested", {"b": {"d": 1, "c": [2, {"z": 0, "y": 3}]}, "a": 0},
         '{"a":0,"b":{"c":[2,{"y":3,"z":0}],"d":1}}'),
    ]  # fmt: skip
    refused = {
        "a space": '{"a": 1}',
        "keys out of order": '{"b":1,"a":2}',
        "a key twice": '{"a":1,"a":1}',
        "an escape that is not needed": '"\\u0041"',
        "upper-case escape": '"\\u000F"',
        "a float": "1.0",
        "an exponent": "1e2",
        "minus zero": "-0",
        "2^53": "9007199254740992",
        "a byte order mark": "\ufeff1",
        "trailing newline": "1\n",
        "not a number": "NaN",
        "nothing": "",
        "33 levels deep": "[" * 33 + "]" * 33,
    }
    return {
        "about": "`json` parsed gives `value`, whose canonical bytes are the UTF-8 of `json`. "
        "`refused` are texts that are not canonical JSON.",
        "cases": [{"name": n, "value": v, "json": t} for n, v, t in cases],
        "refused": [{"name": n, "json": t} for n, t in refused.items()],
    }


def cids() -> dict[str, Any]:
    """CIDv1 by py-cid, an implementation that the package does not use."""
    from cid import make_cid

    def text(codec: str, block: bytes) -> str:
        return make_cid(1, codec, b"\x12\x20" + sha256(block)).encode("base32").decode()

    blocks = {"empty": b"", "hello": b"hello", "an empty UnixFS folder": b"\x0a\x02\x08\x01"}
    cases = [
        {"name": f"{name}, {codec}", "block": hexed(block), "codec": codec, "sha256":
         hexed(sha256(block)), "cid": text(codec, block)}
        for name, block in blocks.items()
        for codec in ("raw", "dag-pb")
    ]  # fmt: skip
    good = text("raw", b"hello")
    refused = {
        "CIDv0": make_cid(0, "dag-pb", b"\x12\x20" + sha256(b"")).encode().decode(),
        "upper case": good.upper(),
        "base58btc": make_cid(1, "raw", b"\x12\x20" + sha256(b"")).encode("base58btc").decode(),
        "stray bits": good[:-1] + "b",
        "too short": good[:-1],
        "dag-cbor": text("dag-cbor", b"hello"),
        "nothing": "",
    }
    return {
        "about": "`cid` is the CIDv1 (base32, sha2-256) of `block`; `refused` are texts that are "
        "no CID of JoyNet.",
        "cases": cases,
        "refused": [{"name": n, "cid": t} for n, t in refused.items()],
    }


def refs() -> dict[str, Any]:
    """What people type to name a model."""
    from cid import make_cid

    digest = sha256(b"a manifest")
    raw = make_cid(1, "raw", b"\x12\x20" + digest).encode("base32").decode()
    folder = make_cid(1, "dag-pb", b"\x12\x20" + digest).encode("base32").decode()
    return {
        "about": "`model_id` and `cid` say the same; `refused` are no REFs.",
        "model_id": hexed(digest),
        "cid": raw,
        "cases": [
            {"ref": raw, "model_id": hexed(digest)},
            {"ref": hexed(digest), "model_id": hexed(digest)},
            {"ref": "0x" + digest.hex().upper(), "model_id": hexed(digest)},
            {"ref": f"  {raw}\n", "model_id": hexed(digest)},
            {"ref": "digits.joy", "name": "digits.joy"},
            {"ref": "digits.joy@2.1", "name": "digits.joy", "version": "2.1"},
        ],
        "refused": ["", "digits", hexed(digest)[:-2], folder, "two words.joy", raw[:-1]],
    }


def manifest() -> dict[str, Any]:
    """A manifest and its model id."""
    document = {
        "format": "joynet-manifest/1",
        "title": "Ziffern (größer als 8 Bit)",
        "architecture": "qmodel/2",
        "engine": {"name": "qmodel", "profile": "qmodel/2"},
        "class": "exact",
        "root": "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354",
        "files": [
            {
                "path": "model.safetensors",
                "size": 12345,
                "sha256": hexed(sha256(b"weights")),
                "cid": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
                "sealed_sha256": None,
            }
        ],
        "input": {"kind": "tensor", "dtype": "int8", "shape": [8, 8], "labels": [],
                  "max_bytes": 4096},
        "output": {"kind": "logits", "dtype": "int8", "shape": [3], "labels": ["a", "b", "c"],
                   "scale": "0.0873"},
        "tokenizer": None,
        "template": None,
        "tolerance": None,
        "license": "Apache-2.0",
        "publisher": "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
        "parents": [{"model": hexed(sha256(b"a parent")), "share_bps": 500}],
        "version": "1.2.0",
        "previous": hexed(sha256(b"the version before")),
        "card": {
            "summary": "Erkennt handgeschriebene Ziffern.",
            "task": "image-classification",
            "tags": ["digits", "integer"],
            "languages": [],
            "datasets": ["optdigits"],
            "base_models": [],
        },
        "quantization": "int8",
        "sealed": None,
        "fusion": None,
    }  # fmt: skip
    card, file = document["card"], document["files"][0]
    sealed = {
        "cipher": "aes-256-gcm-chunked/1",
        "chunk_bytes": 1 << 20,
        "key_hash": hexed(sha256(b"a key")),
    }
    sealed_file = {**file, "sealed_sha256": hexed(sha256(b"ciphertext"))}
    sealed_block = canonical({**document, "sealed": sealed, "files": [sealed_file]})
    block = canonical(document)
    changes: dict[str, dict[str, Any]] = {
        "an unknown key": {"author": "me"},
        "a path that leaves": {"files": [{**document["files"][0], "path": "../x"}]},
        "an absolute path": {"files": [{**document["files"][0], "path": "/x"}]},
        "no files": {"files": []},
        "exact with a tolerance": {"tolerance": 4},
        "tolerant without": {"class": "tolerant"},
        "an unknown class": {"class": "zk"},
        "a publisher that is no address": {"publisher": "alice.joy"},
        "parents above the whole": {"parents": [{"model": "0x" + "11" * 32, "share_bps": 10_001}]},
        "a side of zero": {"input": {**document["input"], "shape": [0]}},
        "another format": {"format": "joynet-manifest/2"},
        "a parent twice": {"parents": [{"model": "0x" + "11" * 32, "share_bps": 1}] * 2},
        "a version with a space": {"version": "1 2"},
        "an empty version": {"version": ""},
        "a previous version that is no id": {"previous": "digits.joy"},
        "a fusion that is no digest": {"fusion": "0x12"},
        "a summary too long": {"card": {**card, "summary": "x" * 513}},
        "too many tags": {"card": {**card, "tags": ["x"] * 33}},
        "a card without its task": {"card": {k: v for k, v in card.items() if k != "task"}},
        "an unknown cipher": {"sealed": {**sealed, "cipher": "rot13"}, "files": [sealed_file]},
        "sealed without the ciphertext's digest": {"sealed": sealed},
        "a ciphertext's digest of an open model": {"files": [sealed_file]},
    }
    short = {key: value for key, value in document.items() if key != "parents"}
    refused = [
        {"name": name, "block": canonical({**document, **change}).decode()}
        for name, change in changes.items()
    ]
    refused.append({"name": "a field left out", "block": canonical(short).decode()})
    refused.append({"name": "not canonical", "block": json.dumps(document)})
    return {
        "about": "`block` is the canonical JSON of `document`; its SHA-256 is `model_id`. "
        "`sealed_block` is that of a sealed model.",
        "document": document,
        "block": block.decode(),
        "model_id": hexed(sha256(block)),
        "sealed_block": sealed_block.decode(),
        "sealed_model_id": hexed(sha256(sealed_block)),
        "refused": refused,
    }


# --- signed documents ---------------------------------------------------------------------------


def domain_separator() -> bytes:
    """EIP-712 domain of vouchers and receipts."""
    return keccak(
        keccak(DOMAIN_TYPE.encode())
        + keccak(b"JoyNet")
        + keccak(b"1")
        + word(CHAIN_ID)
        + word(COORDINATOR)
    )


def signing_hash(type_text: str, *members: bytes) -> bytes:
    """keccak256(0x1901 || domain || keccak256(type hash || members))."""
    struct_hash = keccak(keccak(type_text.encode()) + b"".join(members))
    return keccak(b"\x19\x01" + domain_separator() + struct_hash)


def voucher_hash(fields: dict[str, Any]) -> bytes:
    """Signing hash of a voucher."""
    return signing_hash(
        VOUCHER_TYPE,
        word(fields["payer"]),
        word(fields["operator"]),
        bytes.fromhex(fields["modelId"][2:]),
        *(word(int(fields[key])) for key in ("lane", "calls", "amount")),
    )


def signed(fields: dict[str, Any], digest: bytes, key: bytes) -> dict[str, Any]:
    """A case: the fields, their signing hash and its signature."""
    return {"fields": fields, "hash": hexed(digest), "signature": hexed(sign_hash(key, digest))}


def a_voucher(**changes: str) -> dict[str, Any]:
    """Fields of the example voucher."""
    return {
        "payer": address_of(PAYER),
        "operator": address_of(OPERATOR),
        "modelId": hexed(sha256(b"a manifest")),
        "lane": "0",
        "calls": "1",
        "amount": str(JOY // 100),
    } | changes


def vouchers() -> dict[str, Any]:
    """Vouchers, their hashes and signatures, and signatures that are refused."""
    largest = str(2**256 - 1)
    examples = [
        a_voucher(),
        a_voucher(lane="4611686018427387904", calls="32", amount=str(3 * JOY)),
        a_voucher(lane=largest, calls=largest, amount=largest, modelId=hexed(bytes(32))),
    ]
    cases = [signed(each, voucher_hash(each), PAYER) for each in examples]
    good = bytes.fromhex(cases[0]["signature"][2:])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high_s = (order - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
    flipped = bytes((55 - good[64],))
    return {
        "about": "EIP-712 in the domain (JoyNet, 1, chain_id, coordinator); `key` is the payer's "
        "secret. Signatures are RFC 6979. `refused` are signatures of the first case.",
        "chain_id": str(CHAIN_ID),
        "coordinator": COORDINATOR,
        "domain_separator": hexed(domain_separator()),
        "key": hexed(PAYER),
        "cases": cases,
        "refused": [
            {"name": "high s", "signature": hexed(good[:32] + high_s + flipped)},
            {"name": "v of 0 or 1", "signature": hexed(good[:64] + bytes((good[64] - 27,)))},
            {"name": "64 bytes (EIP-2098)", "signature": hexed(good[:64])},
            {"name": "zero r", "signature": hexed(bytes(32) + good[32:])},
            {"name": "zero s", "signature": hexed(good[:32] + bytes(32) + good[64:])},
        ],
    }


def receipts() -> dict[str, Any]:
    """A direct call's receipt and a committee's, each with its file."""
    request, response = b"names mean models", bytes(range(10))
    salt, job_salt = sha256(b"salt"), word(7)
    direct = {
        "version": "1",
        "jobId": "0",
        "requestId": hexed(sha256(b"request")[:16] + bytes(16)),
        "client": address_of(PAYER),
        "operator": address_of(OPERATOR),
        "peerId": peer_id(PEER),
        "modelId": hexed(sha256(b"a manifest")),
        "engineProfile": "qmodel/2",
        "requestDigest": hexed(sha256(salt + request)),
        "responseDigest": hexed(sha256(salt + response)),
        "verificationClass": "none",
        "price": str(JOY // 50),
        "voucherHash": hexed(voucher_hash(a_voucher())),
        "time": "1790000000",
    }
    committee = direct | {
        "jobId": "7",
        "requestId": hexed(job_salt),
        "requestDigest": hexed(sha256(job_salt + request)),
        "responseDigest": hexed(sha256(job_salt + response)),
        "verificationClass": "redundant:3",
        "voucherHash": hexed(bytes(32)),
    }
    cases = []
    for fields, chosen in ((direct, salt), (committee, job_salt)):
        case = signed(fields, receipt_hash(fields), OPERATOR)
        document = {
            "chainId": str(CHAIN_ID),
            "coordinator": COORDINATOR,
            "receipt": fields,
            "request": hexed(request),
            "response": hexed(response),
            "salt": hexed(chosen),
            "signature": case["signature"],
        }
        cases.append(case | {"file": canonical(document).decode()})
    return {
        "about": "Domain as in voucher.json; `key` is the operator's secret; `file` is the whole "
        "receipt file. A file with any byte changed must not verify.",
        "chain_id": str(CHAIN_ID),
        "coordinator": COORDINATOR,
        "key": hexed(OPERATOR),
        "cases": cases,
    }


def receipt_hash(fields: dict[str, Any]) -> bytes:
    """Signing hash of a receipt; strings are hashed, everything else is one word."""
    members = []
    for member in RECEIPT_TYPE.partition("(")[2].rstrip(")").split(","):
        kind, name = member.split()
        value = fields[name]
        if kind == "string":
            members.append(keccak(value.encode()))
        elif kind == "bytes32":
            members.append(bytes.fromhex(value[2:]))
        else:
            members.append(word(value if kind == "address" else int(value)))
    return signing_hash(RECEIPT_TYPE, *members)


# --- committee ----------------------------------------------------------------------------------


def commitments() -> dict[str, Any]:
    """What a committee member commits to, and the digest that means UNAVAILABLE."""
    unavailable = keccak(b"joynet.unavailable")
    cases = []
    for job, digest in ((1, sha256(bytes(range(10)))), (2**64, unavailable)):
        salt, model = sha256(f"salt {job}".encode()), sha256(b"a manifest")
        operator = address_of(OPERATOR)
        preimage = [word(operator), word(job), model, digest, salt, word(CHAIN_ID), word(PROOF)]
        cases.append(
            {
                "operator": operator,
                "job_id": str(job),
                "model_id": hexed(model),
                "digest": hexed(digest),
                "salt": hexed(salt),
                "commitment": hexed(keccak(b"".join(preimage))),
            }
        )
    return {
        "about": "commitment = keccak256(abi.encode(operator, jobId, modelId, digest, salt, "
        "chainId, proofOfInference))",
        "chain_id": str(CHAIN_ID),
        "proof_of_inference": PROOF,
        "unavailable": hexed(unavailable),
        "cases": cases,
    }


def vectors16() -> dict[str, Any]:
    """The int16 form of float32 unit vectors; Python's round() is half-even."""
    third, half = 3**-0.5, 0.5
    examples = {
        "one axis": [1.0, 0.0, -1.0, 0.0],
        "halves round to even": [k / 2 / 32767 for k in (1, 3, 5, -1, -3, -5)],
        "equal parts": [third, -third, third],
        "above the range": [1.5, -1.5, half],
    }
    cases = []
    for name, values in examples.items():
        response = struct.pack(f"<{len(values)}f", *values)
        steps = [round(v * 32767) for v in struct.unpack(f"<{len(values)}f", response)]
        clipped = [max(-32767, min(32767, step)) for step in steps]
        encoded = struct.pack(f">{len(values)}h", *clipped)
        cases.append({"name": name, "response": hexed(response), "int16": hexed(encoded)})
    return {"about": "float32 little-endian to int16 big-endian steps of 1/32767", "cases": cases}


# --- qmodel -------------------------------------------------------------------------------------


Tensor = tuple[list[int], list[int]]  # shape, values in C order
CODES = {"I8": "b", "U16": "H", "I32": "i", "U32": "I"}


def read_safetensors(data: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The QModel document and the tensors of a file, without the library."""
    (length,) = struct.unpack_from("<Q", data)
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    document = json.loads(header.pop("__metadata__")["qmodel"])
    tensors = {}
    for name, entry in header.items():
        part = body[slice(*entry["data_offsets"])]
        tensors[name] = (
            entry["shape"],
            [v for (v,) in struct.iter_unpack("<" + CODES[entry["dtype"]], part)],
        )
    return document, tensors


def write_safetensors(document: dict[str, Any], tensors: dict[str, tuple[str, Tensor]]) -> bytes:
    """The other way; name -> (dtype, tensor)."""
    header: dict[str, Any] = {"__metadata__": {"qmodel": canonical(document).decode()}}
    body = b""
    for name, (dtype, (shape, values)) in tensors.items():
        part = struct.pack(f"<{len(values)}{CODES[dtype]}", *values)
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [len(body), len(body) + len(part)],
        }
        body += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def places(shape: list[int]) -> Iterator[tuple[int, ...]]:
    """Every index of a shape, in C order."""
    return itertools.product(*(range(side) for side in shape))


def at(tensor: Tensor, index: Sequence[int], outside: int = 0) -> int:
    """One value; `outside` where an index is out of range."""
    place = 0
    for side, i in zip(tensor[0], index, strict=True):
        if not 0 <= i < side:
            return outside
        place = place * side + i
    return tensor[1][place]


class Program:
    """docs/spec/qmodel.md in Python integers: slow, and nothing but its formulas."""

    def __init__(self, data: bytes) -> None:
        self.document, self.stored = read_safetensors(data)

    def run(self, values: list[int]) -> list[int]:
        """Outputs for one input."""
        source = self.document["input"]
        self.known = {name: self.stored[name] for name in self.document["constants"]}
        self.known[source["name"]] = source["shape"], values
        for op in self.document["ops"]:
            self.known[op["name"]] = getattr(self, op["op"])(op)
        return self.known[op["name"]][1]

    def part(self, op: dict[str, Any], field: str) -> Tensor:
        """An array of an op."""
        return self.stored[f"{op['name']}.{field}"]

    @staticmethod
    def squeeze(op: dict[str, Any], scaled: int, shift: int = 24) -> int:
        """floor(scaled / 2^shift + 1/2), clamped."""
        low = {"clamp": -128, "relu-clamp": 0}[op["table"]]
        return max(low, min(127, (scaled + (1 << (shift - 1))) >> shift))

    def channel(self, op: dict[str, Any], o: int, total: int) -> int:
        """One value of gemm or conv."""
        bias, scale = self.part(op, "bias")[1][o], self.part(op, "multiplier")[1][o]
        return self.squeeze(op, scale * (total + bias))

    def gemm(self, op: dict[str, Any]) -> Tensor:
        x, w = self.known[op["input"]], self.part(op, "weight")
        shape = [*x[0][:-1], w[0][0]]
        return shape, [
            self.channel(
                op, i[-1], sum(at(w, (i[-1], j)) * at(x, (*i[:-1], j)) for j in range(w[0][1]))
            )
            for i in places(shape)
        ]

    def windows(self, op: dict[str, Any], kernel: list[int]) -> tuple[list[int], Any]:
        """(oh, ow), and (p, r) -> the (y, x) that a window sees, with the place in the kernel."""
        _, *size = self.known[op["input"]][0]
        pads, strides = op["pads"], op["strides"]
        sides = [(size[i] + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1 for i in (0, 1)]

        def seen(p: int, r: int) -> Iterator[tuple[int, int, int, int]]:
            for i, j in places(kernel):
                yield strides[0] * p + i - pads[0], strides[1] * r + j - pads[1], i, j

        return sides, seen

    def conv(self, op: dict[str, Any]) -> Tensor:
        x, w = self.known[op["input"]], self.part(op, "weight")
        sides, seen = self.windows(op, w[0][2:])
        per = w[0][1]

        def value(o: int, p: int, r: int) -> int:
            first = o // (w[0][0] // op["groups"]) * per
            terms = (
                at(w, (o, c, i, j)) * at(x, (first + c, y, z))
                for c in range(per)
                for y, z, i, j in seen(p, r)
            )
            return self.channel(op, o, sum(terms))

        shape = [w[0][0], *sides]
        return shape, [value(*index) for index in places(shape)]

    def matmul(self, op: dict[str, Any]) -> Tensor:
        a, b = self.known[op["left"]], self.known[op["right"]]
        turned = op["transposed"]
        shape = [*a[0][:-1], b[0][-2] if turned else b[0][-1]]
        return shape, [
            self.squeeze(
                op,
                op["multiplier"]
                * sum(
                    at(a, (*h, i, k)) * at(b, (*h, j, k) if turned else (*h, k, j))
                    for k in range(a[0][-1])
                ),
            )
            for *h, i, j in places(shape)
        ]

    def add(self, op: dict[str, Any]) -> Tensor:
        (shape, a), (_, b) = self.known[op["left"]], self.known[op["right"]]
        m, n = op["left_multiplier"], op["right_multiplier"]
        return shape, [self.squeeze(op, m * x + n * y) for x, y in zip(a, b, strict=True)]

    def lookup(self, op: dict[str, Any]) -> Tensor:
        shape, values = self.known[op["input"]]
        return shape, [self.part(op, "values")[1][value + 128] for value in values]

    def maxpool(self, op: dict[str, Any]) -> Tensor:
        x, (sides, seen) = self.known[op["input"]], self.windows(op, op["kernel"])
        shape = [x[0][0], *sides]
        return shape, [
            max(at(x, (c, y, z), -128) for y, z, *_ in seen(p, r)) for c, p, r in places(shape)
        ]

    def avgpool(self, op: dict[str, Any]) -> Tensor:
        x, (sides, seen) = self.known[op["input"]], self.windows(op, op["kernel"])
        shape = [x[0][0], *sides]
        return shape, [
            self.squeeze(op, op["multiplier"] * sum(at(x, (c, y, z)) for y, z, *_ in seen(p, r)))
            for c, p, r in places(shape)
        ]

    def rows(self, op: dict[str, Any]) -> tuple[list[int], list[list[int]]]:
        """The input's shape and its rows along the last axis."""
        shape, values = self.known[op["input"]]
        return shape, [values[i : i + shape[-1]] for i in range(0, len(values), shape[-1])]

    def softmax(self, op: dict[str, Any]) -> Tensor:
        shape, rows = self.rows(op)
        table, out = self.part(op, "exp")[1], []
        for row in rows:
            weights = [table[max(row) - value] for value in row]
            out += [(254 * e + sum(weights)) // (2 * sum(weights)) for e in weights]
        return shape, out

    def layernorm(self, op: dict[str, Any]) -> Tensor:
        shape, rows = self.rows(op)
        scales, biases, out = self.part(op, "multiplier")[1], self.part(op, "bias")[1], []
        for row in rows:
            c = [len(row) * value - sum(row) for value in row]
            root = math.isqrt((1 << 60) // (sum(value * value for value in c) + op["epsilon"]))
            out += [
                self.squeeze(op, m * value * root + (b << 24), 36)
                for m, value, b in zip(scales, c, biases, strict=True)
            ]
        return shape, out

    def view(self, op: dict[str, Any]) -> Tensor:
        split = op["split"], self.known[op["input"]][1]
        turned = [split[0][axis] for axis in op["perm"]]
        back = [op["perm"].index(axis) for axis in range(len(turned))]
        return op["shape"], [at(split, [index[axis] for axis in back]) for index in places(turned)]

    def gather(self, op: dict[str, Any]) -> Tensor:
        x, indices, axis = self.known[op["input"]], self.part(op, "indices")[1], op["axis"]
        shape = [*x[0][:axis], len(indices), *x[0][axis + 1 :]]
        return shape, [at(x, (*i[:axis], indices[i[axis]], *i[axis + 1 :])) for i in places(shape)]

    def embed(self, op: dict[str, Any]) -> Tensor:
        ids, table = self.known[op["input"]][1], self.known[op["constant"]]
        shape = [len(ids), table[0][1]]
        return shape, [at(table, (ids[i], j)) for i, j in places(shape)]


class Draft:
    """A small model with random arrays, growing op by op."""

    def __init__(self, seed: str, source: dict[str, Any]) -> None:
        self.random, self.tensors = random.Random(seed), {}
        self.document: dict[str, Any] = {
            "constants": [],
            "format": "qmodel/2",
            "input": source,
            "ops": [],
            "output": {"scale": "1"},
        }

    def array(self, name: str, dtype: str, low: int, high: int, *shape: int) -> None:
        """Random integers, both ends included."""
        values = [self.random.randint(low, high) for _ in range(math.prod(shape))]
        self.tensors[name] = dtype, (list(shape), values)

    def constant(self, name: str, *shape: int) -> None:
        self.document["constants"].append(name)
        self.array(name, "I8", -128, 127, *shape)

    def op(self, kind: str, name: str, **fields: Any) -> None:
        self.document["ops"].append({"op": kind, "name": name, **fields})

    def weighted(self, kind: str, name: str, source: str, *shape: int, **fields: Any) -> None:
        """gemm or conv, whose sums fill about the int8 range."""
        self.array(f"{name}.weight", "I8", -128, 127, *shape)
        self.array(f"{name}.bias", "I32", -9000, 9000, shape[0])
        self.array(f"{name}.multiplier", "U32", 1 << 14, 1 << 16, shape[0])
        self.op(kind, name, input=source, **fields)

    @property
    def data(self) -> bytes:
        return write_safetensors(self.document, self.tensors)


def picture_model() -> Draft:
    """Every op over (c, h, w)."""
    d = Draft("picture", {"kind": "tensor", "name": "x", "scale": "1", "shape": [4, 7, 6]})
    same = {"strides": [1, 1], "pads": [1, 1, 1, 1]}
    d.weighted("conv", "full", "x", 4, 4, 3, 3, **same, groups=1, table="relu-clamp")
    d.weighted(
        "conv",
        "depth",
        "full",
        8,
        1,
        3,
        2,
        strides=[2, 1],
        pads=[0, 1, 2, 0],
        groups=4,
        table="clamp",
    )
    d.op("maxpool", "largest", input="depth", kernel=[2, 3], strides=[1, 2], pads=[1, 0, 0, 2])
    d.op(
        "avgpool",
        "mean",
        input="largest",
        kernel=[2, 2],
        strides=[2, 1],
        pads=[0, 0, 1, 1],
        multiplier=1 << 22,
        table="clamp",
    )
    d.array("bend.values", "I8", -128, 127, 256)
    d.op("lookup", "bend", input="mean")
    d.op("view", "flat", input="bend", split=[8, 2, 3], perm=[1, 2, 0], shape=[48])
    d.weighted("gemm", "head", "flat", 5, 48, table="clamp")
    return d


def block_model() -> Draft:
    """Token ids through one block of attention with two heads."""
    d = Draft("block", {"kind": "tokens", "name": "ids", "shape": [5], "vocab": 9})
    d.constant("words", 9, 6)
    d.constant("positions", 5, 6)
    d.op("embed", "word", input="ids", constant="words")
    d.op(
        "add",
        "x",
        left="word",
        right="positions",
        left_multiplier=9_000_001,
        right_multiplier=(1 << 24) - 1,
        table="clamp",
    )
    d.array("norm.multiplier", "I32", -(1 << 13), 1 << 13, 6)
    d.array("norm.bias", "I32", -(1 << 17), 1 << 17, 6)
    d.op("layernorm", "norm", input="x", epsilon=1234, table="clamp")
    for name in "qkv":
        d.weighted("gemm", name, "norm", 6, 6, table="clamp")
        d.op("view", f"{name}2", input=name, split=[5, 2, 3], perm=[1, 0, 2], shape=[2, 5, 3])
    d.op(
        "matmul",
        "scores",
        left="q2",
        right="k2",
        transposed=True,
        multiplier=1 << 16,
        table="clamp",
    )
    d.tensors["shares.exp"] = (
        "U16",
        ([256], [max(0, 65535 * (300 - 3 * i) // 300) for i in range(256)]),
    )
    d.op("softmax", "shares", input="scores")
    d.op(
        "matmul",
        "mixed",
        left="shares",
        right="v2",
        transposed=False,
        multiplier=1 << 17,
        table="clamp",
    )
    d.op("view", "joined", input="mixed", split=[2, 5, 3], perm=[1, 0, 2], shape=[5, 6])
    d.op(
        "add",
        "y",
        left="x",
        right="joined",
        left_multiplier=1 << 23,
        right_multiplier=1 << 23,
        table="relu-clamp",
    )
    d.tensors["ends.indices"] = "U32", ([3], [4, 0, 4])
    d.op("gather", "ends", input="y", axis=0)
    return d


def program_cases(data: bytes, inputs: dict[str, list[int]], code: str) -> list[dict[str, str]]:
    """Inputs and outputs as bytes."""
    program, cases = Program(data), []
    for name, values in inputs.items():
        out = program.run(values)
        packed = struct.pack(f"<{len(values)}{code}", *values), struct.pack(f"{len(out)}b", *out)
        cases.append({"name": name, "input": hexed(packed[0]), "output": hexed(packed[1])})
    return cases


def qmodels() -> dict[str, Any]:
    """The shipped digit classifier, and two small models that use every operator."""
    path = DEMO / "digits.safetensors"
    seven = [value for row in json.loads((DEMO / "seven.json").read_text()) for value in row]
    inputs = {
        "the sample digit, a seven": seven,
        "all zero": [0] * 64,
        "all -128": [-128] * 64,
        "all 127": [127] * 64,
        "alternating extremes": [-128, 127] * 32,
        "a ramp": list(range(-32, 32)),
    }
    size, drawn = 4 * 7 * 6, random.Random("inputs")
    pictures = {
        "picture, all -128": [-128] * size,
        "picture, all 127": [127] * size,
        "picture, alternating extremes": [-128, 127] * (size // 2),
        "picture, random": [drawn.randint(-128, 127) for _ in range(size)],
    }
    ids = {"ids, equal": [3] * 5, "ids, the largest": [8] * 5, "ids, different": [0, 8, 2, 5, 1]}
    picture, block = picture_model().data, block_model().data
    return {
        "about": "The QModel `model` (src/joynet_sdk/demo) with this SHA-256: int8 in, int8 out. "
        "`operators`: whole files and what they answer; ids are uint16, little-endian.",
        "model": path.name,
        "sha256": hexed(sha256(path.read_bytes())),
        "cases": program_cases(path.read_bytes(), inputs, "b"),
        "operators": [
            {"file": hexed(picture), "cases": program_cases(picture, pictures, "b")},
            {"file": hexed(block), "cases": program_cases(block, ids, "H")},
        ],
    }


# --- names and peers ----------------------------------------------------------------------------


def node_of(name: str) -> bytes:
    """EIP-137."""
    node = bytes(32)
    for label in reversed(name.split(".")) if name else ():
        node = keccak(node + keccak(label.encode()))
    return node


def names() -> dict[str, Any]:
    """Name hashes; the first three are EIP-137's own examples. And one name commitment."""
    from_the_eip = {
        "": "0x" + "00" * 32,
        "eth": "0x93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae",
        "foo.eth": "0xde9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f",
    }
    assert all(hexed(node_of(name)) == node for name, node in from_the_eip.items())
    more = ("joy", "digits.joy", "minilm.joy", "a.joy", "zürich.joy")
    label, tld, duration = "digits", node_of("joy"), 365 * 86_400
    owner, secret = address_of(PAYER), sha256(b"secret")
    empty_list = word(32) + word(0)  # abi.encode(bytes[]) of no records
    commitment = keccak(
        word(CHAIN_ID)
        + word(REGISTRY)
        + keccak(label.encode())
        + tld
        + word(owner)
        + word(RESOLVER)
        + word(duration)
        + keccak(empty_list)
        + secret
    )
    normalised = {"Digits.JOY": "digits.joy", "ZÜRICH.joy": "zürich.joy", "a.joy": "a.joy"}
    return {
        "about": "`node` is the EIP-137 hash of a normalised name; `normalised` follows ENSIP-15; "
        "`commitment` is what registering `label` commits to.",
        "cases": [
            *({"name": name, "node": node} for name, node in from_the_eip.items()),
            *({"name": name, "node": hexed(node_of(name))} for name in more),
        ],
        "normalised": normalised,
        "not_names": ["a b.joy", "a_b_.joy", "ab--cd.joy", "pa\u0443pal.joy"],
        "commitment": {
            "chain_id": str(CHAIN_ID),
            "registry": REGISTRY,
            "label": label,
            "tld": hexed(tld),
            "owner": owner,
            "resolver": RESOLVER,
            "duration": str(duration),
            "records": [],
            "secret": hexed(secret),
            "commitment": hexed(commitment),
        },
    }


def peer_id(key: bytes) -> str:
    """By libp2p itself."""
    from libp2p.crypto.secp256k1 import create_new_key_pair
    from libp2p.peer.id import ID

    return ID.from_pubkey(create_new_key_pair(key).public_key).to_string()


def peers() -> dict[str, Any]:
    """Peer ids of keys, and a proof of possession as NodeCoordinator checks it."""
    operator = address_of(OPERATOR)
    digest = keccak(
        keccak(b"joynet peer key")
        + word(CHAIN_ID)
        + word(COORDINATOR)
        + word(VAULT)
        + word(operator)
    )
    keys = [PEER, test_key("another peer"), word(1)]
    return {
        "about": "`peer_id` is libp2p's for the secp256k1 secret `key`; `possession` is what the "
        "first key signs to register.",
        "cases": [
            {
                "key": hexed(key),
                "compressed": hexed(PrivateKey(key).public_key.format()),
                "peer_id": peer_id(key),
            }
            for key in keys
        ],
        "possession": {
            "chain_id": str(CHAIN_ID),
            "coordinator": COORDINATOR,
            "vault": VAULT,
            "operator": operator,
            "digest": hexed(digest),
            "signature": hexed(sign_hash(PEER, digest)),
        },
    }


# --- wire ---------------------------------------------------------------------------------------


def msgpack(value: Any) -> bytes:
    """MessagePack of what frames hold: maps, lists, bytes, text, booleans, unsigned integers."""
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return bytes((value,)) if value < 128 else b"\xcf" + value.to_bytes(8, "big")
    if isinstance(value, bytes):
        return b"\xc5" + len(value).to_bytes(2, "big") + value
    if isinstance(value, str):
        return b"\xda" + len(value.encode()).to_bytes(2, "big") + value.encode()
    if isinstance(value, list):
        return b"\xdc" + len(value).to_bytes(2, "big") + b"".join(map(msgpack, value))
    parts = b"".join(msgpack(key) + msgpack(item) for key, item in value.items())
    return b"\xde" + len(value).to_bytes(2, "big") + parts


def wire() -> dict[str, Any]:
    """Requests, an error answer and a heartbeat; longer forms of MessagePack than needed."""
    voucher, case = a_voucher(), vouchers()["cases"][0]
    payer, operator = (bytes.fromhex(voucher[key][2:]) for key in ("payer", "operator"))
    model, request_id = sha256(b"a manifest"), sha256(b"request")[:16]
    asked = f"joynet result 0x{request_id.hex()}".encode()
    prefix = b"\x19Ethereum Signed Message:\n"
    again = sign_hash(PAYER, keccak(prefix + str(len(asked)).encode() + asked))
    requests: dict[str, dict[str, Any]] = {
        "infer": {
            "request_id": request_id,
            "model_id": model,
            "client": payer,
            "salt": sha256(b"salt"),
            "input": b"names mean models",
            "max_tokens": 0,
            "voucher": {
                "payer": payer,
                "operator": operator,
                "model_id": model,
                "lane": 0,
                "calls": 1,
                "amount": voucher["amount"],
                "signature": bytes.fromhex(case["signature"][2:]),
            },
        },
        "result": {"request_id": request_id, "client": payer, "signature": again},
        "job": {"job_id": 2**40, "proven": True},
        "lane": {"payer": payer, "model_id": model, "lane": 2**63},
    }
    heartbeat = {
        "version": 1,
        "operator": operator,
        "peer_id": peer_id(PEER),
        "seq": 1_790_000_000_000,
        "time": 1_790_000_000,
        "addrs": [f"/ip4/203.0.113.7/tcp/4001/p2p/{peer_id(PEER)}"],
        "cell": "",
        "capacity": 16,
        "queue": 0,
        "models": [{"model_id": model, "state": "hot"}],
    }
    payload = msgpack(heartbeat)
    digest = keccak(prefix + str(len(payload)).encode() + payload)
    return {
        "about": "`map` is MessagePack of `fields` (bytes as 0x text here) with the key `op` "
        "first, in longer forms than needed and with an unknown key: readers take both. "
        "`heartbeat.signature` is the operator's, EIP-191 over `payload`.",
        "cases": [
            {
                "op": op,
                "fields": readable(fields),
                "map": hexed(msgpack({"op": op, **fields, "unknown": 1})),
            }
            for op, fields in requests.items()
        ],
        "refused": [
            {"name": "no op", "map": hexed(msgpack({"job_id": 1}))},
            {"name": "an unknown op", "map": hexed(msgpack({"op": "stop"}))},
            {"name": "a key missing", "map": hexed(msgpack({"op": "job"}))},
            {"name": "text for a number", "map": hexed(msgpack({"op": "job", "job_id": "1"}))},
            {
                "name": "19 bytes of address",
                "map": hexed(msgpack({"op": "lane", **requests["lane"], "payer": payer[:19]})),
            },
            {
                "name": "bytes behind the map",
                "map": hexed(msgpack({"op": "job", "job_id": 1}) + b"x"),
            },
            {"name": "nothing", "map": "0x"},
        ],
        "heartbeat": {
            "fields": readable(heartbeat),
            "payload": hexed(payload),
            "signature": hexed(sign_hash(OPERATOR, digest)),
        },
    }


def readable(value: Any) -> Any:
    """The same with bytes as 0x text, for JSON."""
    if isinstance(value, bytes):
        return hexed(value)
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    return [readable(item) for item in value] if isinstance(value, list) else value


# --- sealed models ------------------------------------------------------------------------------

_P25519 = 2**255 - 19


def x25519(private: bytes, public: bytes) -> bytes:
    """RFC 7748, section 5: the Montgomery ladder, written out."""
    k = int.from_bytes(private, "little") & ((1 << 254) - 8) | (1 << 254)
    x1 = int.from_bytes(public, "little") & ((1 << 255) - 1)
    x2, z2, x3, z3 = 1, 0, x1, 1
    for bit in reversed(range(255)):
        if k >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % _P25519, x1 * (da - cb) ** 2 % _P25519
        x2, z2 = aa * bb % _P25519, e * (aa + 121665 * e) % _P25519
        if k >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, _P25519 - 2, _P25519) % _P25519).to_bytes(32, "little")


def hkdf32(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256, one block of output."""
    pseudorandom = hmac.digest(salt or bytes(32), secret, "sha256")
    return hmac.digest(pseudorandom, info + b"\x01", "sha256")


def sealed_file(content_key: bytes, path: str, plain: bytes) -> bytes:
    """docs/spec/sealed-models.md, with another library's AES-GCM."""
    key = hkdf32(content_key, sha256(plain), b"joynet/sealed-file/1" + path.encode())
    chunks = [plain[at : at + 2**20] for at in range(0, len(plain), 2**20)] or [b""]
    sealed = b""
    for index, chunk in enumerate(chunks):
        nonce = index.to_bytes(11, "big") + bytes([index == len(chunks) - 1])
        ciphertext, tag = AES.new(key, AES.MODE_GCM, nonce=nonce).encrypt_and_digest(chunk)
        sealed += ciphertext + tag
    return sealed


def sealed_models() -> dict[str, Any]:
    """Content key, files, wrapped keys, derived keys."""
    content_key = test_key("content key")
    base = (9).to_bytes(32, "little")
    files: list[dict[str, Any]] = []
    for path, size in [("a", 0), ("a", 1), ("b", 1), ("dir/c.json", 1000), ("w", 2**20),
                       ("w", 2**20 + 1), ("w", 2**21)]:  # fmt: skip
        plain = bytes(size)
        sealed = sealed_file(content_key, path, plain)
        files.append(
            {
                "path": path,
                "zeros": size,
                "sha256": hexed(sha256(plain)),
                "sealed_size": len(sealed),
                "sealed_sha256": hexed(sha256(sealed)),
                "first": hexed(sealed[:32]),
                "last": hexed(sealed[-16:]),
            }
        )
    wraps: list[dict[str, Any]] = []
    for number in range(3):
        private, ephemeral = test_key(f"purchase {number}"), test_key(f"ephemeral {number}")
        buyer, public = x25519(private, base), x25519(ephemeral, base)
        licence = [0, 7, 2**256 - 1][number]
        pad = sha256(
            b"joynet/key-wrap/1" + x25519(ephemeral, buyer) + public + buyer
            + word(licence) + bytes.fromhex(LICENSES[2:]) + word(CHAIN_ID)
        )  # fmt: skip
        wrapped = bytes(a ^ b for a, b in zip(content_key, pad, strict=True))
        wraps.append(
            {
                "private": hexed(private),
                "buyer_key": hexed(buyer),
                "ephemeral_private": hexed(ephemeral),
                "ephemeral": hexed(public),
                "license_id": str(licence),
                "wrapped": hexed(wrapped),
            }
        )
    root = hkdf32(bytes(range(65)), b"", b"joynet licence root")
    model_id = test_key("sealed model")
    return {
        "about": "A content key, files of zero bytes sealed with it, the same key wrapped for "
        "three purchases, and the buyer's keys as they follow from a signature.",
        "content_key": hexed(content_key),
        "key_hash": hexed(sha256(b"joynet/content-key/1" + content_key)),
        "files": files,
        "contract": LICENSES,
        "chain_id": CHAIN_ID,
        "wraps": wraps,
        "small_order_keys": [hexed(bytes(32)), hexed((1).to_bytes(32, "little")),
                             hexed((_P25519 - 1).to_bytes(32, "little"))],
        "signature": hexed(bytes(range(65))),
        "root": hexed(root),
        "model_id": hexed(model_id),
        "purchase_keys": [
            hexed(hkdf32(root, model_id, b"joynet licence key" + n.to_bytes(8, "big")))
            for n in range(3)
        ],
    }  # fmt: skip


FILES = {
    "canonical-json": canonical_json,
    "cids": cids,
    "refs": refs,
    "manifest": manifest,
    "voucher": vouchers,
    "receipt": receipts,
    "wire": wire,
    "commitment": commitments,
    "vector16": vectors16,
    "qmodel": qmodels,
    "names": names,
    "peer": peers,
    "sealed-models": sealed_models,
}


def text_of(name: str) -> str:
    """The content of one file."""
    return json.dumps(FILES[name](), ensure_ascii=True, indent=1) + "\n"


def main() -> None:
    """Write every file."""
    for name in FILES:
        (TARGET / f"{name}.json").write_text(text_of(name))
    print(f"{len(FILES)} files in {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
