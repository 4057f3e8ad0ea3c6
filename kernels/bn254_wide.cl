// bn254_wide.cl: cheaper forms of many Fr multiplications: delayed reduction, constant factors.
//
// Used by    vectors.cl, sumcheck.cl, logup.cl; after bn254_field.cl, on CPUs after bn254_lanes.cl
// Reference  joynet_sdk.proofs.field through the tests of the kernels that use it
// Maths      wide_mac adds the 512-bit integer a * b to a 576-bit sum, up to 2^64 times; one
//            Montgomery reduction at the end replaces one per product.
//            fr_scale multiplies by a constant c whose rows c * 2^(64 i) mod p are known: then
//            a * c = sum of a_i * row_i needs one reduction step instead of four.

// A sum of 512-bit products, little-endian words.
typedef struct {
    ulong v[9];
} wide;

INLINE wide wide_zero(void)
{
    wide w;
    for (int i = 0; i < 9; i++)
        w.v[i] = 0;
    return w;
}

#if FIELD_PATH == 128

// w += a * b; a and b are any 256-bit integers.
INLINE void wide_mac(wide *w, fe a, fe b)
{
    #pragma unroll
    for (int i = 0; i < 4; i++) {
        ulong carry = 0;
        #pragma unroll
        for (int j = 0; j < 4; j++)
            carry = mac(a.v[i], b.v[j], w->v[i + j], carry, &w->v[i + j]);
        #pragma unroll
        for (int j = i + 4; j < 9; j++) {
            const ulong s = w->v[j] + carry;
            carry = s < carry;
            w->v[j] = s;
        }
    }
}

#else

INLINE void wide_mac(wide *w, fe a, fe b)
{
    uint x[8], y[8], t[17];
    split_words(a, x);
    split_words(b, y);
    for (int i = 0; i < 17; i++)
        t[i] = 0;
    #pragma unroll
    for (int i = 0; i < 8; i++)
        mul_add_row(t + i, x, y[i]);
    ulong carry = 0;
    #pragma unroll
    for (int i = 0; i < 8; i++) {
        const ulong product = (ulong)t[2 * i] | ((ulong)t[2 * i + 1] << 32);
        const ulong s = w->v[i] + product;
        const ulong over = s < product;
        w->v[i] = s + carry;
        carry = over | (w->v[i] < s);
    }
    w->v[8] += carry;
}

#endif

// w / 2^256 mod p: the Montgomery form of a sum of products of Montgomery forms.
INLINE fe wide_reduce(wide w)
{
    const fe factor[3] = {FE(1UL, 0UL, 0UL, 0UL), FR_ONE, FR_R2};
    fe r = FE_ZERO;
    #pragma unroll 1 // one multiplication in the program instead of three
    for (int i = 0; i < 3; i++) {
        fe part = FE(w.v[4 * i], 0UL, 0UL, 0UL);
        for (int j = 1; j < 4 && i < 2; j++)
            part.v[j] = w.v[4 * i + j];
        r = fr_add(r, fr_mul(factor[i], part));
    }
    return r;
}

// A constant factor, prepared once for many products.
typedef struct {
#if FIELD_PATH == 128
    fe row[4]; // c * 2^(64 (i + 1)) mod p of the Montgomery form c / 2^256
#else
    fe c;
#endif
} scaler;

#if FIELD_PATH == 128

#define FR_TWO64 FE(0UL, 1UL, 0UL, 0UL)

INLINE scaler scaler_of(fe c)
{
    scaler s;
    const fe step = fr_from_canonical(FR_TWO64);
    s.row[0] = fr_mul(FR_TWO64, c);
    #pragma unroll 1
    for (int i = 1; i < 4; i++)
        s.row[i] = fr_mul(s.row[i - 1], step);
    return s;
}

// a * c + base mod p. The sum before the reduction is below (3.19 + 1 + 1) p < 2^256.
INLINE fe fr_scale_add(const scaler *s, fe a, fe base)
{
    ulong t[5] = {0, 0, 0, 0, 0};
    #pragma unroll
    for (int i = 0; i < 4; i++) {
        ulong carry = 0;
        #pragma unroll
        for (int j = 0; j < 4; j++)
            carry = mac(a.v[i], s->row[i].v[j], t[j], carry, &t[j]);
        t[4] += carry;
    }
    const fe p = FR_P;
    const ulong m = t[0] * FR_INV;
    ulong skip;
    ulong carry = mac(m, p.v[0], t[0], 0, &skip);
    fe r;
    #pragma unroll
    for (int j = 1; j < 4; j++)
        carry = mac(m, p.v[j], t[j], carry, &r.v[j - 1]);
    r.v[3] = t[4] + carry;
    r = fe_raw_add(r, base);
    // floor(5 r / 2^256) p is at most r and more than r - 2 p, because 0.944 p < 2^256 / 5 < p.
    const ulong k = mul_hi(r.v[3], 5UL);
    ulong borrow = 0;
    carry = 0;
    #pragma unroll
    for (int j = 0; j < 4; j++) {
        ulong kp;
        carry = mac(k, p.v[j], carry, 0, &kp);
        const ulong d = r.v[j] - kp;
        const ulong under = r.v[j] < kp;
        r.v[j] = d - borrow;
        borrow = under | (d < borrow);
    }
    return field_reduce(r, p);
}

#else

INLINE scaler scaler_of(fe c)
{
    scaler s;
    s.c = c;
    return s;
}

INLINE fe fr_scale_add(const scaler *s, fe a, fe base)
{
    return fr_add(fr_mul(a, s->c), base);
}

#endif

INLINE fe fr_scale(const scaler *s, fe a)
{
    return fr_scale_add(s, a, FE_ZERO);
}

// The line through low at 0 and high at 1, at the scaler's constant.
INLINE fe fr_fold(const scaler *s, fe low, fe high)
{
    return fr_scale_add(s, fr_sub(high, low), low);
}

// a / 2 mod p, in either form.
INLINE fe fr_halve(fe a)
{
    const fe even = fe_raw_add(a, fe_select((int)(a.v[0] & 1), FR_P, FE_ZERO));
    fe r;
    for (int i = 0; i < 3; i++)
        r.v[i] = (even.v[i] >> 1) | (even.v[i + 1] << 63);
    r.v[3] = even.v[3] >> 1;
    return r;
}

#if defined(LANE_BITS) && LANE_BITS == 52
#define HAS_WIDE_LANES

// Eight sums of products at once, limbs of 52 bits and what has piled up on them.
typedef struct {
    ulong8 l[2 * LIMBS];
} wide_lanes;

// Most products that a sum may have: each adds less than 10 * 2^52 to a limb.
#define WIDE_LANES_MOST 409

INLINE wide_lanes wide_lanes_zero(void)
{
    wide_lanes w;
    for (int i = 0; i < 2 * LIMBS; i++)
        w.l[i] = (ulong8)(0);
    return w;
}

// w += a * b; both normalised.
INLINE void wide_lanes_mac(wide_lanes *w, fv a, fv b)
{
    #pragma unroll
    for (int i = 0; i < LIMBS; i++) {
        #pragma unroll
        for (int j = 0; j < LIMBS; j++) {
            w->l[i + j] = MAC_LOW(w->l[i + j], a.l[j], b.l[i]);
            w->l[i + j + 1] = MAC_HIGH(w->l[i + j + 1], a.l[j], b.l[i]);
        }
    }
}

// The sum of the lanes of w / 2^260 mod p; each lane of w is below 31 p * 2^260.
INLINE fe wide_lanes_reduce(wide_lanes w)
{
    const fe p = FR_P;
    #pragma unroll
    for (int i = 0; i < LIMBS; i++) {
        const ulong8 m = MAC_LOW((ulong8)(0), w.l[i], (ulong8)(FR_INV));
        #pragma unroll
        for (int j = 0; j < LIMBS; j++) {
            w.l[i + j] = MAC_LOW(w.l[i + j], m, (ulong8)(limb_of(p, j)));
            w.l[i + j + 1] = MAC_HIGH(w.l[i + j + 1], m, (ulong8)(limb_of(p, j)));
        }
        w.l[i + 1] += w.l[i] >> LANE_BITS;
    }
    fv r;
    ulong8 carry = (ulong8)(0);
    for (int i = 0; i < LIMBS; i++) {
        const ulong8 s = w.l[LIMBS + i] + carry;
        carry = s >> LANE_BITS;
        r.l[i] = s & LIMB_MASK;
    }
    for (ulong k = 16; k > 2; k /= 2)
        r = lanes_reduce_once(r, k, p);
    return lanes_sum(r, p);
}

// a * 2^count mod p
INLINE fe fr_double(fe a, int count)
{
    for (int i = 0; i < count; i++)
        a = fr_add(a, a);
    return a;
}

// low = t[0], t[2], .. t[14]; high = t[1], t[3], .. t[15]. t need not be aligned to 64 bytes.
INLINE void lanes_load_pairs(__global const fe *t, fv *low, fv *high)
{
    __global const ulong *words = (__global const ulong *)t;
    ulong8 m[8];
    #pragma unroll
    for (int i = 0; i < 8; i++)
        m[i] = vload8(i, words); // the words of a pair
    lanes_transpose(m);
    *low = lanes_from_words(m);
    *high = lanes_from_words(m + 4);
}

// The inverse: t[0..16) from canonical values.
INLINE void lanes_store_pairs(__global fe *t, fv low, fv high)
{
    __global ulong *words = (__global ulong *)t;
    ulong8 m[8];
    lanes_to_words(low, m);
    lanes_to_words(high, m + 4);
    lanes_transpose(m);
    #pragma unroll
    for (int i = 0; i < 8; i++)
        vstore8(m[i], i, words);
}

// t[0..8) = a, which is below 2^256. t need not be aligned to 64 bytes.
INLINE void lanes_store_loose(__global fe *t, fv a)
{
    __global ulong *words = (__global ulong *)t;
    ulong8 m[8];
    lanes_to_words(a, m);
    #pragma unroll
    for (int i = 4; i < 8; i++)
        m[i] = (ulong8)(0);
    lanes_transpose(m);
    #pragma unroll
    for (int i = 0; i < 4; i++)
        vstore8((ulong8)(m[2 * i].s0123, m[2 * i + 1].s0123), i, words);
}

// A constant factor for frv_mul: the product is then the Montgomery form again, below 1.1 p.
INLINE fv lanes_factor(fe c)
{
    return lanes_splat(fr_double(c, LANE_SHIFT));
}

// Eight at a time, from entry `i` while both of each pair are inside:
// to[i] = from[2 i] + challenge (from[2 i + 1] - from[2 i]). Returns where it ended.
INLINE uint lanes_fold(
    __global const fe *from, uint length, __global fe *to, uint i, uint end, fe challenge)
{
    const fe p = FR_P;
    const fv r = lanes_factor(challenge);
    for (; i + 8 <= end && 2 * i + 16 <= length; i += 8) {
        fv low, high;
        lanes_load_pairs(from + 2 * i, &low, &high);
        const fv step = frv_mul(lanes_sub(high, low, 1, p), r);
        lanes_store_loose(to + i, lanes_reduce(lanes_add(low, step), p));
    }
    return i;
}

#endif
