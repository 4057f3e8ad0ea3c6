// bn254_field.cl: the two prime fields of BN254, four 64-bit limbs, Montgomery form.
//
// Used by    every other kernel file; put it first in the list of names given to Runtime.program
// Reference  joynet_sdk.proofs.field, equal bit for bit on every path
// Maths      Fr has the group order r, Fq the curve's base field q. An element x is kept as
//            x * R mod p with R = 2^256, limbs little-endian, always reduced (< p).
//            mul(a, b) = a * b / R mod p: Montgomery 1985, interleaved (CIOS, Koc-Acar-Kaliski
//            1996) without the carry word, which p < 2^254 allows.
// Build      -D FIELD_PATH=n chooses the multiplier: 128 (unsigned __int128, for CPUs),
//            32 (portable, 32x32->64 products), 33 (NVIDIA, PTX mad.lo.cc chains).
//            Without it the compiler's own macros decide. Rows of elements at once: bn254_lanes.cl.

#ifndef FIELD_PATH
#if defined(__NV_CL_C_VERSION) || defined(cl_nv_compiler_options)
#define FIELD_PATH 33
#elif defined(__SIZEOF_INT128__) && (defined(__x86_64__) || defined(__aarch64__))
#define FIELD_PATH 128
#else
#define FIELD_PATH 32
#endif
#endif

#define INLINE static inline __attribute__((always_inline))
#define OUTLINE static __attribute__((noinline)) // large: inlined everywhere, compilers take minutes

typedef struct {
    ulong v[4];
} fe;

#define FE(a, b, c, d) ((fe){{a, b, c, d}})
#define FE_ZERO FE(0UL, 0UL, 0UL, 0UL)

// Per field: the modulus, -1/p mod 2^64, R mod p (the one) and R^2 mod p.
#define FR_P FE(0x43e1f593f0000001UL, 0x2833e84879b97091UL, 0xb85045b68181585dUL, 0x30644e72e131a029UL)
#define FR_INV 0xc2e1f593efffffffUL
#define FR_ONE FE(0xac96341c4ffffffbUL, 0x36fc76959f60cd29UL, 0x666ea36f7879462eUL, 0x0e0a77c19a07df2fUL)
#define FR_R2 FE(0x1bb8e645ae216da7UL, 0x53fe3ab1e35c59e3UL, 0x8c49833d53bb8085UL, 0x0216d0b17f4e44a5UL)
#define FQ_P FE(0x3c208c16d87cfd47UL, 0x97816a916871ca8dUL, 0xb85045b68181585dUL, 0x30644e72e131a029UL)
#define FQ_INV 0x87d20782e4866389UL
#define FQ_ONE FE(0xd35d438dc58f0d9dUL, 0x0a78eb28f5c70b3dUL, 0x666ea36f7879462cUL, 0x0e0a77c19a07df2fUL)
#define FQ_R2 FE(0xf32cfc5b538afa89UL, 0xb5e71911d44501fbUL, 0x47ab1eff0a417ff6UL, 0x06d89f71cab8351fUL)

INLINE int fe_is_zero(fe a)
{
    return (a.v[0] | a.v[1] | a.v[2] | a.v[3]) == 0;
}

INLINE int fe_eq(fe a, fe b)
{
    return ((a.v[0] ^ b.v[0]) | (a.v[1] ^ b.v[1]) | (a.v[2] ^ b.v[2]) | (a.v[3] ^ b.v[3])) == 0;
}

// condition ? a : b, without a branch; condition is 0 or 1.
INLINE fe fe_select(int condition, fe a, fe b)
{
    const ulong mask = (ulong)0 - (ulong)condition;
    fe r;
    #pragma unroll
    for (int i = 0; i < 4; i++)
        r.v[i] = (a.v[i] & mask) | (b.v[i] & ~mask);
    return r;
}

// a - b mod 2^256; *borrow is 1 when a < b.
INLINE fe fe_raw_sub(fe a, fe b, ulong *borrow)
{
    fe r;
    ulong carry = 0;
    #pragma unroll
    for (int i = 0; i < 4; i++) {
        const ulong d = a.v[i] - b.v[i];
        const ulong under = a.v[i] < b.v[i];
        r.v[i] = d - carry;
        carry = under | (d < carry);
    }
    *borrow = carry;
    return r;
}

// a + b; the caller knows that it fits 256 bits.
INLINE fe fe_raw_add(fe a, fe b)
{
    fe r;
    ulong carry = 0;
    #pragma unroll
    for (int i = 0; i < 4; i++) {
        const ulong s = a.v[i] + b.v[i];
        const ulong over = s < a.v[i];
        r.v[i] = s + carry;
        carry = over | (r.v[i] < s);
    }
    return r;
}

// a < 2p -> a mod p.
INLINE fe field_reduce(fe a, fe p)
{
    ulong borrow;
    const fe r = fe_raw_sub(a, p, &borrow);
    return fe_select((int)borrow, a, r);
}

INLINE fe field_add(fe a, fe b, fe p)
{
    return field_reduce(fe_raw_add(a, b), p);
}

INLINE fe field_sub(fe a, fe b, fe p)
{
    ulong borrow;
    const fe r = fe_raw_sub(a, b, &borrow);
    return fe_raw_add(r, fe_select((int)borrow, p, FE_ZERO));
}

// field_mul(a, b, p, inv): a < p, b any 256 bits -> a * b / R mod p, reduced.
#if FIELD_PATH == 128

// *low = low word of a * b + c + d; returns the high word.
INLINE ulong mac(ulong a, ulong b, ulong c, ulong d, ulong *low)
{
    const unsigned __int128 x = (unsigned __int128)a * b + c + d;
    *low = (ulong)x;
    return (ulong)(x >> 64);
}

INLINE fe field_mul(fe a, fe b, fe p, ulong inv)
{
    ulong t0 = 0, t1 = 0, t2 = 0, t3 = 0;
    #pragma unroll
    for (int i = 0; i < 4; i++) {
        ulong x, skip;
        ulong high = mac(a.v[0], b.v[i], t0, 0, &x);
        const ulong m = x * inv;
        ulong carry = mac(m, p.v[0], x, 0, &skip);
        high = mac(a.v[1], b.v[i], t1, high, &x);
        carry = mac(m, p.v[1], x, carry, &t0);
        high = mac(a.v[2], b.v[i], t2, high, &x);
        carry = mac(m, p.v[2], x, carry, &t1);
        high = mac(a.v[3], b.v[i], t3, high, &x);
        carry = mac(m, p.v[3], x, carry, &t2);
        t3 = carry + high;
    }
    return field_reduce(FE(t0, t1, t2, t3), p);
}

#elif FIELD_PATH == 32 || FIELD_PATH == 33

#if FIELD_PATH == 33
// t[0..8] += a[0..7] * b, two carry chains: low halves, then high halves.
INLINE void mul_add_row(uint *t, const uint *a, uint b)
{
    asm("mad.lo.cc.u32 %0, %9, %17, %0;\n\t"
        "madc.lo.cc.u32 %1, %10, %17, %1;\n\t"
        "madc.lo.cc.u32 %2, %11, %17, %2;\n\t"
        "madc.lo.cc.u32 %3, %12, %17, %3;\n\t"
        "madc.lo.cc.u32 %4, %13, %17, %4;\n\t"
        "madc.lo.cc.u32 %5, %14, %17, %5;\n\t"
        "madc.lo.cc.u32 %6, %15, %17, %6;\n\t"
        "madc.lo.cc.u32 %7, %16, %17, %7;\n\t"
        "addc.u32 %8, %8, 0;\n\t"
        "mad.hi.cc.u32 %1, %9, %17, %1;\n\t"
        "madc.hi.cc.u32 %2, %10, %17, %2;\n\t"
        "madc.hi.cc.u32 %3, %11, %17, %3;\n\t"
        "madc.hi.cc.u32 %4, %12, %17, %4;\n\t"
        "madc.hi.cc.u32 %5, %13, %17, %5;\n\t"
        "madc.hi.cc.u32 %6, %14, %17, %6;\n\t"
        "madc.hi.cc.u32 %7, %15, %17, %7;\n\t"
        "madc.hi.u32 %8, %16, %17, %8;\n\t"
        : "+r"(t[0]), "+r"(t[1]), "+r"(t[2]), "+r"(t[3]), "+r"(t[4]), "+r"(t[5]), "+r"(t[6]),
          "+r"(t[7]), "+r"(t[8])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(a[4]), "r"(a[5]), "r"(a[6]), "r"(a[7]),
          "r"(b));
}
#else
// t[0..8] += a[0..7] * b.
INLINE void mul_add_row(uint *t, const uint *a, uint b)
{
    ulong carry = 0;
    #pragma unroll
    for (int j = 0; j < 8; j++) {
        carry += (ulong)a[j] * b + t[j];
        t[j] = (uint)carry;
        carry >>= 32;
    }
    t[8] += (uint)carry;
}
#endif

INLINE void split_words(fe a, uint *words)
{
    #pragma unroll
    for (int i = 0; i < 4; i++) {
        words[2 * i] = (uint)a.v[i];
        words[2 * i + 1] = (uint)(a.v[i] >> 32);
    }
}

INLINE fe field_mul(fe a, fe b, fe p, ulong inv)
{
    uint x[8], y[8], m[8];
    uint t[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
    split_words(a, x);
    split_words(b, y);
    split_words(p, m);
    #pragma unroll
    for (int i = 0; i < 8; i++) {
        mul_add_row(t, x, y[i]); // t < 2p * 2^32 < 2^288
        mul_add_row(t, m, t[0] * (uint)inv);
        #pragma unroll
        for (int j = 0; j < 8; j++)
            t[j] = t[j + 1];
        t[8] = 0;
    }
    fe r;
    #pragma unroll
    for (int i = 0; i < 4; i++)
        r.v[i] = (ulong)t[2 * i] | ((ulong)t[2 * i + 1] << 32);
    return field_reduce(r, p);
}

#else
#error "FIELD_PATH is 128, 32 or 33"
#endif

// a^(p-2) = 1/a (Fermat), and 0 for 0. About 330 multiplications, four exponent bits at a time.
OUTLINE fe field_inv(fe a, fe p, ulong inv, fe one)
{
    fe power[16];
    power[0] = one;
    #pragma nounroll
    for (int i = 1; i < 16; i++)
        power[i] = field_mul(power[i - 1], a, p, inv);
    fe exponent = p;
    exponent.v[0] -= 2; // both moduli are odd and end in more than 2
    fe r = one;
    #pragma nounroll
    for (int i = 63; i >= 0; i--) {
        #pragma nounroll
        for (int k = 0; k < 4; k++)
            r = field_mul(r, r, p, inv);
        r = field_mul(r, power[(exponent.v[i >> 4] >> (4 * (i & 15))) & 15], p, inv);
    }
    return r;
}

// Fr, the scalars.
INLINE fe fr_add(fe a, fe b) { return field_add(a, b, FR_P); }
INLINE fe fr_sub(fe a, fe b) { return field_sub(a, b, FR_P); }
INLINE fe fr_neg(fe a) { return field_sub(FE_ZERO, a, FR_P); }
INLINE fe fr_mul(fe a, fe b) { return field_mul(a, b, FR_P, FR_INV); }
INLINE fe fr_sqr(fe a) { return field_mul(a, a, FR_P, FR_INV); }
INLINE fe fr_inv(fe a) { return field_inv(a, FR_P, FR_INV, FR_ONE); }
INLINE int fr_is_zero(fe a) { return fe_is_zero(a); }
INLINE int fr_eq(fe a, fe b) { return fe_eq(a, b); }
// Any 256-bit integer x -> x mod p in Montgomery form.
INLINE fe fr_from_canonical(fe x) { return field_mul(FR_R2, x, FR_P, FR_INV); }
INLINE fe fr_to_canonical(fe a) { return field_mul(a, FE(1UL, 0UL, 0UL, 0UL), FR_P, FR_INV); }
INLINE fe fr_from_u64(ulong x) { return fr_from_canonical(FE(x, 0UL, 0UL, 0UL)); }
INLINE fe fr_from_i64(long x)
{
    const fe a = fr_from_u64(x < 0 ? (ulong)0 - (ulong)x : (ulong)x);
    return fe_select(x < 0, fr_neg(a), a);
}

// Fq, the coordinates of points.
INLINE fe fq_add(fe a, fe b) { return field_add(a, b, FQ_P); }
INLINE fe fq_sub(fe a, fe b) { return field_sub(a, b, FQ_P); }
INLINE fe fq_neg(fe a) { return field_sub(FE_ZERO, a, FQ_P); }
INLINE fe fq_mul(fe a, fe b) { return field_mul(a, b, FQ_P, FQ_INV); }
INLINE fe fq_sqr(fe a) { return field_mul(a, a, FQ_P, FQ_INV); }
INLINE fe fq_inv(fe a) { return field_inv(a, FQ_P, FQ_INV, FQ_ONE); }
INLINE int fq_is_zero(fe a) { return fe_is_zero(a); }
INLINE int fq_eq(fe a, fe b) { return fe_eq(a, b); }
INLINE fe fq_from_canonical(fe x) { return field_mul(FQ_R2, x, FQ_P, FQ_INV); }
INLINE fe fq_to_canonical(fe a) { return field_mul(a, FE(1UL, 0UL, 0UL, 0UL), FQ_P, FQ_INV); }
INLINE fe fq_from_u64(ulong x) { return fq_from_canonical(FE(x, 0UL, 0UL, 0UL)); }
INLINE fe fq_from_i64(long x)
{
    const fe a = fq_from_u64(x < 0 ? (ulong)0 - (ulong)x : (ulong)x);
    return fe_select(x < 0, fq_neg(a), a);
}
