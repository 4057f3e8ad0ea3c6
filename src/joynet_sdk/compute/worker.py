"""The child process of one model: `python -m joynet_sdk.compute.worker MEMORY_BYTES`.

Standard input and output carry frames: u32 big-endian length, one status byte, the payload. The
first frames in are the model's folder and manifest, then those of each model that a composition is
made of, and an empty frame; the first one out says ready or why not.
"""

import os
import resource
import struct
import sys
from pathlib import Path
from typing import BinaryIO

from joynet_sdk.errors import InvalidInputError, JoyNetError

OK, REFUSED, FAILED = 0, 1, 2
HEADER = struct.Struct(">IB")


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next payload, or None at the end of the stream."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    length, _ = HEADER.unpack(header)
    payload = stream.read(length)
    return payload if len(payload) == length else None


def write_frame(stream: BinaryIO, status: int, payload: bytes) -> None:
    """Send one frame at once."""
    stream.write(HEADER.pack(len(payload), status) + payload)
    stream.flush()


def _private_output() -> BinaryIO:
    """Keep the frame stream to ourselves: what a library prints goes to standard error."""
    frames = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return frames


def main() -> None:
    """Load one model, answer until standard input closes."""
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, answers = sys.stdin.buffer, _private_output()
    described = []
    while frame := read_frame(requests):
        described.append(frame)
    if not described or len(described) % 2:
        return
    from joynet_sdk.compute.engine import Part, open_engine
    from joynet_sdk.formats import decode_manifest

    try:
        model, *parts = [
            Part(decode_manifest(manifest), Path(os.fsdecode(folder)))
            for folder, manifest in zip(described[::2], described[1::2], strict=True)
        ]
        engine = open_engine(model.manifest, model.folder, parts)
    except (JoyNetError, MemoryError, RuntimeError) as error:
        write_frame(answers, FAILED, _reason(error))
        return
    write_frame(answers, OK, b"")
    while (data := read_frame(requests)) is not None:
        try:
            write_frame(answers, OK, engine.run(data))
        except InvalidInputError as error:
            write_frame(answers, REFUSED, _reason(error))
        except (JoyNetError, MemoryError, RuntimeError, ValueError) as error:
            write_frame(answers, FAILED, _reason(error))


def _reason(error: BaseException) -> bytes:
    return (str(error) or type(error).__name__).encode()[:2000]


if __name__ == "__main__":
    main()
