// srs.cl: powers of tau times a fixed point, and checks of points.
//
// Used by    proofs/srs_powers.py; after bn254_curve.cl
// Reference  joynet_sdk.proofs.g1.multiply
// Maths      Each scalar is cut into signed digits of `bits` bits; window w of the table holds
//            1 .. 2^(bits-1) times 2^(bits w) G. A launch adds one window to every sum; a
//            work-item shares one inversion among its `per` sums (Montgomery's trick), so an
//            addition costs about 6 multiplications. Points are affine in Montgomery form,
//            (0, 0) is the identity. Digits: with C = sum_w 2^(bits w + bits - 1) added to the
//            scalar, digit w is bits w of the sum, less 2^(bits-1).

#define CURVE_B FE(0x7a17caa950ad28d7UL, 0x1f6ac17ae15521b9UL, 0x334bea4e696bd284UL, 0x2a1f6744ce179d8eUL)

// out[i] = start * tau^i + C, i < length; a work-item makes `per` in a row.
__kernel void srs_scalars(
    __global fe *out, uint length, uint per, ulong t0, ulong t1, ulong t2, ulong t3, ulong s0,
    ulong s1, ulong s2, ulong s3, ulong c0, ulong c1, ulong c2, ulong c3)
{
    const fe tau = FE(t0, t1, t2, t3), shift = FE(c0, c1, c2, c3);
    const uint first = (uint)get_global_id(0) * per;
    const uint end = min(first + per, length);
    fe value = FE(s0, s1, s2, s3), square = tau;
    for (uint bits = first; bits; bits >>= 1) {
        if (bits & 1)
            value = fr_mul(value, square);
        square = fr_sqr(square);
    }
    for (uint i = first; i < end; i++) {
        out[i] = fe_raw_add(fr_to_canonical(value), shift);
        value = fr_mul(value, tau);
    }
}

// Digit `window` of a shifted scalar, in [-2^(bits-1), 2^(bits-1)).
INLINE int digit_of(fe scalar, uint window, uint bits)
{
    const uint at = window * bits, word = at >> 6, offset = at & 63;
    if (word > 3)
        return 0;
    ulong value = scalar.v[word] >> offset;
    if (offset + bits > 64 && word < 3)
        value |= scalar.v[word + 1] << (64 - offset);
    const uint kept = min(bits, 256 - at);
    const int digit = (int)(value & (((ulong)1 << kept) - 1));
    return kept < bits ? digit : digit - (1 << (bits - 1));
}

// What to add to a sum: `digit` times the window's base.
INLINE affine table_entry(__global const affine *table, int digit)
{
    return affine_negate_if(table[abs(digit) - 1], digit < 0);
}

#define KEEP 0    // the sum stays
#define REPLACE 1 // the sum was the identity
#define CANCEL 2  // opposite points
#define CHORD 3   // needs 1 / denominator

INLINE int kind_of_sum(affine p, affine q, fe *denominator)
{
    if (affine_is_none(p))
        return REPLACE;
    *denominator = fq_sub(q.x, p.x);
    if (!fq_is_zero(*denominator))
        return CHORD;
    if (!fq_eq(p.y, q.y))
        return CANCEL;
    *denominator = fq_add(p.y, p.y);
    return CHORD;
}

INLINE affine chord_sum(affine p, affine q, fe inverse)
{
    fe top = fq_sub(q.y, p.y);
    if (fq_eq(p.x, q.x)) {
        const fe square = fq_sqr(p.x);
        top = fq_add(fq_add(square, square), square);
    }
    const fe slope = fq_mul(top, inverse);
    affine r;
    r.x = fq_sub(fq_sub(fq_sqr(slope), p.x), q.x);
    r.y = fq_sub(fq_mul(slope, fq_sub(p.x, r.x)), p.y);
    return r;
}

// sums[i] += digit(window, scalars[i]) * 2^(bits window) G.
__kernel void srs_add_window(
    __global affine *sums, __global const fe *scalars, __global const affine *table,
    __global fe *products, uint window, uint bits, uint length, uint per)
{
    const uint first = (uint)get_global_id(0) * per;
    const uint end = min(first + per, length);
    table += (size_t)window << (bits - 1);
    fe product = FQ_ONE, denominator;
    for (uint i = first; i < end; i++) {
        products[i] = product;
        const int digit = digit_of(scalars[i], window, bits);
        if (digit == 0)
            continue;
        if (kind_of_sum(sums[i], table_entry(table, digit), &denominator) == CHORD)
            product = fq_mul(product, denominator);
    }
    fe inverse = fq_inv(product);
    for (uint i = end; i-- > first;) {
        const int digit = digit_of(scalars[i], window, bits);
        if (digit == 0)
            continue;
        const affine p = sums[i], q = table_entry(table, digit);
        const int kind = kind_of_sum(p, q, &denominator);
        if (kind == REPLACE) {
            sums[i] = q;
        } else if (kind == CANCEL) {
            sums[i].x = FE_ZERO;
            sums[i].y = FE_ZERO;
        } else {
            sums[i] = chord_sum(p, q, fq_mul(inverse, products[i]));
            inverse = fq_mul(inverse, denominator);
        }
    }
}

// Montgomery form -> canonical, in place: both coordinates of `length` points.
__kernel void srs_to_canonical(__global fe *coordinates, uint length, uint per)
{
    const uint first = (uint)get_global_id(0) * per;
    const uint end = min(first + per, length);
    for (uint i = 2 * first; i < 2 * end; i++)
        coordinates[i] = fq_to_canonical(coordinates[i]);
}

// found[0] = 1 + the index of a point that is not on the curve, is the identity or has a
// coordinate >= q; untouched when there is none. `offset` is added to indices.
__kernel void srs_check(
    __global const affine *points, uint length, uint per, uint offset,
    __global volatile uint *found)
{
    const uint first = (uint)get_global_id(0) * per;
    const uint end = min(first + per, length);
    for (uint i = first; i < end; i++) {
        const affine p = points[i];
        ulong x_below, y_below;
        fe_raw_sub(p.x, FQ_P, &x_below);
        fe_raw_sub(p.y, FQ_P, &y_below);
        const fe right = fq_add(fq_mul(fq_sqr(p.x), p.x), CURVE_B);
        if (!x_below || !y_below || affine_is_none(p) || !fq_eq(fq_sqr(p.y), right)) {
            atomic_cmpxchg(found, 0, offset + i + 1);
            return;
        }
    }
}
