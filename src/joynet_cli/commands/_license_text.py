"""Licences and their terms as `joynet model` prints them."""

from typing import TYPE_CHECKING, Any

from joynet_cli._output import out

if TYPE_CHECKING:
    from joynet_sdk.licenses import License, Terms


def document(licence: "License") -> dict[str, Any]:
    """A licence, for `--json`."""
    return {
        "license": licence.id,
        "model_id": licence.model_id,
        "owner": licence.owner,
        "state": licence.state.words,
        "valid": licence.is_valid,
        "sealed": licence.is_sealed,
        "transferable": licence.is_transferable,
        "escrow_wei": str(licence.escrow),
        "expires_at": licence.expires_at or None,
        "deadline": licence.deadline or None,
    }


def table(found: "list[License]") -> None:
    """Licences, for people."""
    out.table(
        ["licence", "model", "state", "valid", "expires", "deadline"],
        [
            [
                each.id,
                f"0x{each.model_id.hex()[:16]}...",
                each.state.words,
                "yes" if each.is_valid else "no",
                when(each.expires_at).removeprefix(" until ") or "-",
                when(each.deadline).removeprefix(" until ") or "-",
            ]
            for each in found
        ],
    )


def terms_document(found: "Terms | None") -> dict[str, Any] | None:
    """Terms, for `--json`; None where no licences are sold."""
    if found is None:
        return None
    return {
        "price_wei": str(found.price),
        "period_s": found.period,
        "sealed": found.is_sealed,
        "key_hash": found.key_hash if found.is_sealed else None,
        "key_holder": found.key_holder,
        "required": found.is_required,
        "transferable": found.is_transferable,
        "resale_bps": found.resale_bps,
    }


def print_terms(found: "Terms | None") -> None:
    """Terms, for people."""
    from joynet_sdk.units import format_joy

    if found is None:
        out.line("no licences on offer")
        return
    out.line(f"licence    {format_joy(found.price)} {span(found.period)}")
    out.line(f"nodes      {'need one to serve' if found.is_required else 'need none'}")
    resale = f"yes, {found.resale_bps / 100:g}% to the publisher" if found.is_transferable else "no"
    out.line(f"resale     {resale}")
    if found.is_sealed:
        holder = f", or {found.key_holder}" if found.key_holder else ""
        out.line(f"sealed     the key comes from the publisher{holder}")


def span(period: int) -> str:
    """How long a licence is valid."""
    return f"for {period / 86_400:g} days" if period else "for ever"


def until(licence: "License") -> str:
    """When a valid licence ends, or nothing."""
    return when(licence.expires_at) if licence.is_valid else ""


def when(moment: int) -> str:
    """` until` a moment in unix seconds; nothing for 0."""
    from datetime import UTC, datetime

    if not moment:
        return ""
    return f" until {datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
