// bn254_lanes.cl: eight field elements at once, one in each 64-bit lane of a vector.
//
// Used by    msm_lanes.cl; for CPUs, whose vector units multiply several times faster than `fe`
// Needs      bn254_field.cl before it
// Maths      Limbs of LANE_BITS bits, LIMBS of them, so that sums of products fit 64 bits without
//            carries. lanes_mul(a, b) = a * b / L mod p with L = 2^(LANE_BITS * LIMBS), not R:
//            L = R * 2^LANE_SHIFT. Two ways to live with it: keep values as x * L ("lane form"),
//            or keep them as x * R and multiply one factor by 2^LANE_SHIFT (lanes_shift).
// Ranges     An fv is normalised (limbs < 2^LANE_BITS) and may be a few p too large: mul takes
//            a * b < 32 p^2 and gives < 2p. lanes_reduce gives the canonical value again.
// Build      AVX-512 IFMA (52-bit limbs) where the compiler has it, else 29-bit limbs in portable
//            vector code; -D LANE_BITS=29 forces the latter.

#ifndef LANE_BITS
#ifdef __AVX512IFMA__
#define LANE_BITS 52
#else
#define LANE_BITS 29
#endif
#endif

// LANE_ONE: L mod q, the one of Fq in lane form.
#if LANE_BITS == 52
#define LIMBS 5
#define LANE_SHIFT 4
#define LANE_ONE FE(0x45520880f6fce4b4UL, 0x49890849baa989a8UL, 0x85a9201d818f014aUL, 0x1f16424e1bb7724fUL)
#else
#define LIMBS 9
#define LANE_SHIFT 5
#define LANE_ONE FE(0x4e8384eb157ccc21UL, 0xfb90a6020ce148c3UL, 0x5301fa84819caa36UL, 0x0dc83629563d4475UL)
#endif
#define LANES 8
#define LIMB_MASK ((1UL << LANE_BITS) - 1)

typedef struct {
    ulong8 l[LIMBS];
} fv;

// Limb i of a constant; folded by the compiler.
INLINE ulong limb_of(fe a, int i)
{
    const int bit = i * LANE_BITS, word = bit >> 6, offset = bit & 63;
    ulong r = a.v[word] >> offset;
    if (offset + LANE_BITS > 64 && word < 3)
        r |= a.v[word + 1] << (64 - offset);
    return r & LIMB_MASK;
}

INLINE fv lanes_zero(void)
{
    fv r;
    #pragma unroll
    for (int i = 0; i < LIMBS; i++)
        r.l[i] = (ulong8)(0);
    return r;
}

INLINE fv lanes_splat(fe a)
{
    fv r;
    #pragma unroll
    for (int i = 0; i < LIMBS; i++)
        r.l[i] = (ulong8)(limb_of(a, i));
    return r;
}

// Limbs that are signed and up to 63 bits -> normalised. The value must not be negative, except
// that the top limb keeps the sign when it is.
INLINE fv lanes_carry(fv a)
{
    long8 carry = 0;
    #pragma unroll
    for (int i = 0; i < LIMBS - 1; i++) {
        const long8 s = as_long8(a.l[i]) + carry;
        carry = s >> LANE_BITS;
        a.l[i] = as_ulong8(s) & LIMB_MASK;
    }
    a.l[LIMBS - 1] += as_ulong8(carry);
    return a;
}

INLINE fv lanes_add(fv a, fv b)
{
    #pragma unroll
    for (int i = 0; i < LIMBS; i++)
        a.l[i] += b.l[i];
    return lanes_carry(a);
}

// a - b + k * p, which the caller knows to be >= 0.
INLINE fv lanes_sub(fv a, fv b, ulong k, fe p)
{
    #pragma unroll
    for (int i = 0; i < LIMBS; i++)
        a.l[i] += k * limb_of(p, i) - b.l[i];
    return lanes_carry(a);
}

// where (all ones or zero in each lane) ? a : b
INLINE fv lanes_select(long8 where, fv a, fv b)
{
    #pragma unroll
    for (int i = 0; i < LIMBS; i++)
        a.l[i] = where ? a.l[i] : b.l[i];
    return a;
}

// a >= k * p ? a - k * p : a
INLINE fv lanes_reduce_once(fv a, ulong k, fe p)
{
    fv r = a;
    #pragma unroll
    for (int i = 0; i < LIMBS; i++)
        r.l[i] -= k * limb_of(p, i);
    r = lanes_carry(r);
    return lanes_select(as_long8(r.l[LIMBS - 1]) < (long8)(0), a, r);
}

// a < 4p -> a mod p, canonical.
INLINE fv lanes_reduce(fv a, fe p)
{
    return lanes_reduce_once(lanes_reduce_once(a, 2, p), 1, p);
}

// Lanes where a is 0; a must be canonical.
INLINE long8 lanes_is_zero(fv a)
{
    ulong8 any_bit = a.l[0];
    #pragma unroll
    for (int i = 1; i < LIMBS; i++)
        any_bit |= a.l[i];
    return any_bit == (ulong8)(0);
}

#if LANE_BITS == 52

// c + the low (high) 52 bits of the product of the low 52 bits of a and b.
#define MAC_LOW(c, a, b) as_ulong8(__builtin_ia32_vpmadd52luq512(as_long8(c), as_long8(a), as_long8(b)))
#define MAC_HIGH(c, a, b) as_ulong8(__builtin_ia32_vpmadd52huq512(as_long8(c), as_long8(a), as_long8(b)))

INLINE fv lanes_mul(fv a, fv b, fe p, ulong inv)
{
    fv t = lanes_zero();
    #pragma unroll
    for (int i = 0; i < LIMBS; i++) {
        #pragma unroll
        for (int j = 0; j < LIMBS; j++)
            t.l[j] = MAC_LOW(t.l[j], a.l[j], b.l[i]);
        const ulong8 m = MAC_LOW((ulong8)(0), t.l[0], (ulong8)(inv));
        #pragma unroll
        for (int j = 0; j < LIMBS; j++)
            t.l[j] = MAC_LOW(t.l[j], m, (ulong8)(limb_of(p, j)));
        const ulong8 carry = t.l[0] >> LANE_BITS; // the low bits are zero: drop the limb
        #pragma unroll
        for (int j = 0; j < LIMBS - 1; j++)
            t.l[j] = t.l[j + 1];
        t.l[LIMBS - 1] = (ulong8)(0);
        t.l[0] += carry;
        #pragma unroll
        for (int j = 0; j < LIMBS; j++)
            t.l[j] = MAC_HIGH(t.l[j], a.l[j], b.l[i]);
        #pragma unroll
        for (int j = 0; j < LIMBS; j++)
            t.l[j] = MAC_HIGH(t.l[j], m, (ulong8)(limb_of(p, j)));
    }
    return lanes_carry(t);
}

#else

INLINE fv lanes_mul(fv a, fv b, fe p, ulong inv)
{
    fv t = lanes_zero();
    #pragma unroll
    for (int i = 0; i < LIMBS; i++) {
        #pragma unroll
        for (int j = 0; j < LIMBS; j++) // 18 products of 58 bits in all: < 2^63
            t.l[j] += (a.l[j] & 0xffffffffUL) * (b.l[i] & 0xffffffffUL);
        const ulong8 m = ((t.l[0] & LIMB_MASK) * (inv & LIMB_MASK)) & LIMB_MASK;
        #pragma unroll
        for (int j = 0; j < LIMBS; j++)
            t.l[j] += m * limb_of(p, j);
        const ulong8 carry = t.l[0] >> LANE_BITS;
        #pragma unroll
        for (int j = 0; j < LIMBS - 1; j++)
            t.l[j] = t.l[j + 1];
        t.l[LIMBS - 1] = (ulong8)(0);
        t.l[0] += carry;
    }
    return lanes_carry(t);
}

#endif

// 2^LANE_SHIFT * a mod p, canonical: turns lanes_mul into the product of two values in x * R form.
INLINE fv lanes_shift(fv a, fe p)
{
    for (int k = 0; k < LANE_SHIFT; k++) {
        a = lanes_add(a, a);
        a = lanes_reduce_once(a, 1, p);
    }
    return a;
}

// 1/a in lane form (Fermat), 0 for 0; `one` is L mod p.
OUTLINE fv lanes_inv(fv a, fe p, ulong inv, fv one)
{
    fv power[16];
    power[0] = one;
    #pragma nounroll
    for (int i = 1; i < 16; i++)
        power[i] = lanes_mul(power[i - 1], a, p, inv);
    fe exponent = p;
    exponent.v[0] -= 2;
    fv r = one;
    #pragma nounroll
    for (int i = 63; i >= 0; i--) {
        #pragma nounroll
        for (int k = 0; k < 4; k++)
            r = lanes_mul(r, r, p, inv);
        r = lanes_mul(r, power[(exponent.v[i >> 4] >> (4 * (i & 15))) & 15], p, inv);
    }
    return r;
}

// --- memory: four 64-bit words an element

// Words w[0..3] of eight elements -> limbs.
INLINE fv lanes_from_words(const ulong8 *w)
{
    fv r;
    #pragma unroll
    for (int i = 0; i < LIMBS; i++) {
        const int bit = i * LANE_BITS, word = bit >> 6, offset = bit & 63;
        ulong8 x = w[word] >> (ulong8)(offset);
        if (offset + LANE_BITS > 64 && word < 3)
            x |= w[word + 1] << (ulong8)(64 - offset);
        r.l[i] = x & LIMB_MASK;
    }
    return r;
}

// Normalised limbs of a value < 2^256 -> words.
INLINE void lanes_to_words(fv a, ulong8 *w)
{
    #pragma unroll
    for (int k = 0; k < 4; k++)
        w[k] = (ulong8)(0);
    #pragma unroll
    for (int i = 0; i < LIMBS; i++) {
        const int bit = i * LANE_BITS, word = bit >> 6, offset = bit & 63;
        w[word] |= a.l[i] << (ulong8)(offset);
        if (offset + LANE_BITS > 64 && word < 3)
            w[word + 1] |= a.l[i] >> (ulong8)(64 - offset);
    }
}

// Transpose an 8x8 matrix of words, rows in m[0..7].
INLINE void lanes_transpose(ulong8 *m)
{
    ulong8 t[8];
    #pragma unroll
    for (int i = 0; i < 8; i += 2) { // 1x1 blocks
        t[i] = (ulong8)(m[i].s0, m[i + 1].s0, m[i].s2, m[i + 1].s2, m[i].s4, m[i + 1].s4, m[i].s6, m[i + 1].s6);
        t[i + 1] = (ulong8)(m[i].s1, m[i + 1].s1, m[i].s3, m[i + 1].s3, m[i].s5, m[i + 1].s5, m[i].s7, m[i + 1].s7);
    }
    #pragma unroll
    for (int i = 0; i < 8; i += 4) { // 2x2 blocks
        #pragma unroll
        for (int j = 0; j < 2; j++) {
            const ulong8 a = t[i + j], b = t[i + j + 2];
            m[i + j] = (ulong8)(a.s01, b.s01, a.s45, b.s45);
            m[i + j + 2] = (ulong8)(a.s23, b.s23, a.s67, b.s67);
        }
    }
    #pragma unroll
    for (int j = 0; j < 4; j++) { // 4x4 blocks
        const ulong8 a = m[j], b = m[j + 4];
        m[j] = (ulong8)(a.s0123, b.s0123);
        m[j + 4] = (ulong8)(a.s4567, b.s4567);
    }
}

// Eight consecutive elements from `source`, which is aligned to 64 bytes.
INLINE fv lanes_load(__global const fe *source)
{
    __global const ulong8 *words = (__global const ulong8 *)source;
    ulong8 m[8], w[4];
    #pragma unroll
    for (int i = 0; i < 4; i++) { // row i holds elements 2i and 2i + 1
        const ulong8 two = words[i];
        m[2 * i] = (ulong8)(two.s0123, (ulong4)(0));
        m[2 * i + 1] = (ulong8)(two.s4567, (ulong4)(0));
    }
    lanes_transpose(m);
    #pragma unroll
    for (int i = 0; i < 4; i++)
        w[i] = m[i];
    return lanes_from_words(w);
}

// Eight elements, canonical or < 2^256, to `target`, which is aligned to 64 bytes.
INLINE void lanes_store(__global fe *target, fv a)
{
    __global ulong8 *words = (__global ulong8 *)target;
    ulong8 m[8];
    lanes_to_words(a, m);
    #pragma unroll
    for (int i = 4; i < 8; i++)
        m[i] = (ulong8)(0);
    lanes_transpose(m);
    #pragma unroll
    for (int i = 0; i < 4; i++)
        words[i] = (ulong8)(m[2 * i].s0123, m[2 * i + 1].s0123);
}

// The sum of the lanes of a, each < 2p and normalised, as one canonical element of x * R or L form.
INLINE fe lanes_sum(fv a, fe p)
{
    fe r = FE_ZERO;
    ulong8 w[4];
    a = lanes_reduce(a, p);
    lanes_to_words(a, w);
    const ulong *words = (const ulong *)w;
    #pragma unroll
    for (int i = 0; i < LANES; i++)
        r = field_add(r, FE(words[i], words[LANES + i], words[2 * LANES + i], words[3 * LANES + i]), p);
    return r;
}

INLINE fv frv_mul(fv a, fv b) { return lanes_mul(a, b, FR_P, FR_INV); }
INLINE fv fqv_mul(fv a, fv b) { return lanes_mul(a, b, FQ_P, FQ_INV); }
