"""Every error the SDK raises.

JoyNetError                    exit 1
|-- InvalidInputError          exit 2   an argument is outside its domain; also a ValueError
|-- ConfigError                exit 3   configuration, platform, or a missing tool or package
|   `-- MissingDependencyError
|-- AuthError                  exit 4   no key, wrong password, locked keyfile, refused token
|-- NotFoundError              exit 5   no such name, model, node, job, account or CID
|-- UnavailableError           exit 6   chain, peer or service did not answer in time; retryable
|   `-- OverloadedError
|-- RefusedError               a node refused a request; exit 1, 2, 5, 6 or 8 by its reason
|-- RevertedError              exit 7   a contract reverted
|-- InsufficientFundsError     exit 8   not enough JOY, ETH, stake or escrow
|-- PendingError               exit 9   not finished, and resumable
`-- VerificationError          exit 10  an answer, block, receipt or proof is wrong

Each error keeps what it is about as attributes, says what was expected, and may carry a `hint`:
the command or change that helps.
"""

from typing import ClassVar


class JoyNetError(Exception):
    """Base of every SDK error: catch this to catch them all.

    Attributes:
        code: Stable machine-readable word, the same in `--json` and on the wire.
        hint: What to do about it, or None.
        retryable: Whether the same call may succeed later, unchanged.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    retryable: bool = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.hint = hint
        super().__init__(message)


class InvalidInputError(JoyNetError, ValueError):
    """An argument is outside its documented domain."""

    code = "invalid_input"
    exit_code = 2


class ConfigError(JoyNetError):
    """The configuration, the platform or an installed tool does not allow this."""

    code = "config"
    exit_code = 3


class MissingDependencyError(ConfigError):
    """A Python package or tool that this needs is not installed (or is too old).

    Attributes:
        package: What is missing.
        install: The command that installs it.
    """

    code = "missing_dependency"

    def __init__(self, package: str, install: str, *, why: str = "") -> None:
        self.package, self.install = package, install
        reason = f" ({why})" if why else ""
        super().__init__(f"{package} is not installed{reason}", hint=install)


class AuthError(JoyNetError):
    """No usable key or token: wrong password, locked or missing key, refused token."""

    code = "auth"
    exit_code = 4


class NotFoundError(JoyNetError):
    """No such name, model, node, job, account or CID.

    Attributes:
        kind: What was looked for, e.g. "name".
        key: The value that was not found.
    """

    code = "not_found"
    exit_code = 5

    def __init__(self, kind: str, key: object, *, hint: str | None = None) -> None:
        self.kind, self.key = kind, key
        super().__init__(f"no such {kind}: {key}", hint=hint)


class UnavailableError(JoyNetError):
    """The chain, a peer or a service did not answer in time."""

    code = "unavailable"
    exit_code = 6
    retryable = True


class OverloadedError(UnavailableError):
    """A peer or a local queue is full."""

    code = "overloaded"


class RefusedError(JoyNetError):
    """A node answered a request with an error (docs/spec/wire.md).

    Attributes:
        wire_code: The answer's code, e.g. "voucher_invalid".
    """

    code = "refused"
    _EXIT_CODES: ClassVar[dict[str, int]] = {
        "bad_request": 2,
        "too_large": 2,
        "unknown_model": 5,
        "not_found": 5,
        "engine_failed": 6,
        "lane_busy": 6,
        "overloaded": 6,
        "payment_required": 8,
    }

    def __init__(
        self, wire_code: str, message: str, *, hint: str | None = None, retryable: bool = False
    ) -> None:
        self.wire_code, self.retryable = wire_code, retryable
        self.exit_code = self._EXIT_CODES.get(wire_code, 1)  # type: ignore[misc]
        super().__init__(message, hint=hint)


class RevertedError(JoyNetError):
    """A contract reverted.

    Attributes:
        contract: Contract name, e.g. "JoyToken"; "" when the revert carries no reason.
        reason: Revert string after the "Contract: " prefix.
    """

    code = "reverted"
    exit_code = 7

    def __init__(self, contract: str, reason: str, *, hint: str | None = None) -> None:
        self.contract, self.reason = contract, reason
        super().__init__(f"{contract or 'contract'} reverted: {reason or 'no reason'}", hint=hint)


class InsufficientFundsError(JoyNetError):
    """Not enough of an asset.

    Attributes:
        asset: "JOY", "ETH", "escrow", "stake"...
        have: What there is, in wei.
        need: What was needed, in wei.
    """

    code = "insufficient_funds"
    exit_code = 8

    def __init__(self, asset: str, have: int, need: int, *, hint: str | None = None) -> None:
        self.asset, self.have, self.need = asset, have, need
        super().__init__(
            f"not enough {asset}: have {have / 10**18:.6g}, need {need / 10**18:.6g}", hint=hint
        )


class PendingError(JoyNetError):
    """The work is not finished; it is written down and can be resumed."""

    code = "pending"
    exit_code = 9
    retryable = True


class VerificationError(JoyNetError):
    """An answer, block, receipt or proof arrived and is wrong."""

    code = "verification_failed"
    exit_code = 10
