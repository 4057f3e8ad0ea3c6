"""Module x25519: RFC 7748's vectors, and agreement with `cryptography` on random keys."""

import boa
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

P = 2**255 - 19
words = st.binary(min_size=32, max_size=32)
NINE = (9).to_bytes(32, "little")
# RFC 7748, section 5.2.
VECTORS = [
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ),
]
# Points of order 1, 2, 4 and 8, and ones that reduce to them (RFC 7748, section 7).
LOW_ORDER = [
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    P - 1,
    P,
    P + 1,
]


@pytest.fixture
def curve(deploy):
    return deploy("testing/X25519Harness.vy")


@pytest.mark.parametrize(("scalar", "point", "product"), VECTORS)
def test_vectors_of_the_rfc(curve, scalar, point, product):
    found = curve.agree(bytes.fromhex(scalar), bytes.fromhex(point))
    assert found == bytes.fromhex(product)


def test_diffie_hellman_of_the_rfc(curve):
    """Section 6.1: Bob's half."""
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    alice = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    assert curve.public_key(bob).hex() == (
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    )
    assert curve.agree(bob, alice).hex() == (
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    )


def test_one_iteration_of_the_rfc(curve):
    assert curve.agree(NINE, NINE).hex() == (
        "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    )


@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_thousand_iterations_of_the_rfc(curve):
    k = u = NINE
    for _ in range(1_000):
        k, u = curve.agree(k, u), k
    assert k.hex() == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


def test_agrees_with_cryptography(curve):
    @settings(deadline=None, max_examples=4)
    @given(words, words)
    def agrees(scalar, other):
        secret = X25519PrivateKey.from_private_bytes(scalar)
        public = X25519PrivateKey.from_private_bytes(other).public_key()
        assert curve.public_key(scalar) == secret.public_key().public_bytes_raw()
        assert curve.agree(scalar, public.public_bytes_raw()) == secret.exchange(public)

    agrees()


def test_points_over_the_prime_and_the_top_bit_reduce(curve):
    scalar = bytes(range(32))
    for u in (9, 9 + P, 9 + 2**255, 2**255 - 1, 2**256 - 1):
        raw = u.to_bytes(32, "little")
        peer = X25519PublicKey.from_public_bytes(raw)
        assert curve.agree(scalar, raw) == X25519PrivateKey.from_private_bytes(scalar).exchange(
            peer
        )


@pytest.mark.parametrize("u", LOW_ORDER)
def test_low_order_points_give_zero(curve, u):
    assert curve.agree(b"\xa5" * 32, u.to_bytes(32, "little")) == bytes(32)


def test_starved_inversion_reverts_and_never_answers_falsely(curve):
    """At every gas limit the call fails as a whole or gives the right key."""
    scalar, right = bytes(range(32)), curve.public_key(bytes(range(32)))
    fails = 0
    for gas in range(160_000, 240_000, 10_000):
        try:
            assert curve.public_key(scalar, gas=gas) == right
        except boa.BoaError:
            fails += 1
    assert 0 < fails < 8
