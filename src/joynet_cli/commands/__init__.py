"""One module per noun; `joynet --help` prints this table, less the nouns without a module."""

from pathlib import Path

SECTIONS: dict[str, dict[str, str]] = {
    "Start": {
        "quickstart": "Run a whole network on this machine and infer on it.",
        "init": "Set up this folder as a JoyNet project.",
        "doctor": "Check what is installed and what answers; say how to fix the rest.",
        "version": "Print versions.",
    },
    "Models": {
        "model": "Publish models, list them, buy them.",
        "infer": "Run a published model on the network.",
        "receipt": "Read receipts and verify them offline.",
        "proof": "Make and check succinct proofs.",
        "fuse": "Fuse models into new ones.",
        "eval": "Measure models against each other.",
    },
    "Names": {
        "domain": "Register names and look them up.",
        "tld": "Run a top-level name.",
        "dao": "Govern a top-level name.",
    },
    "Network": {
        "node": "Serve models and earn.",
        "p2p": "Look at the peer-to-peer network.",
        "rpc": "Run an RPC gateway.",
        "devnet": "Run a development chain on this machine.",
        "contracts": "Deploy contracts and call them.",
        "store": "Keep files and models by content id.",
    },
    "Money": {
        "account": "Create and use keys.",
        "token": "Hold and send JOY.",
        "stake": "Stake JOY.",
        "payment": "Fund the escrow that pays for calls.",
        "royalty": "See and claim what your models earned.",
        "tx": "See transactions and resume interrupted work.",
    },
    "Settings": {
        "config": "Read and change settings.",
        "profile": "Keep named sets of settings.",
        "completion": "Print the shell completion script.",
        "ui": "Open the local dashboard.",
    },
}
SUMMARY = {name: text for nouns in SECTIONS.values() for name, text in nouns.items()}
WITHOUT_VERBS = frozenset({"quickstart", "init", "doctor", "version", "completion", "ui"})


def present() -> list[str]:
    """Nouns that have a module here, in the order of the help page."""
    files = {path.stem for path in Path(__file__).parent.glob("*.py")}
    return [name for name in SUMMARY if name in files]
