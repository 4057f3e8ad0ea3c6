// vectors.cl: vectors of Fr elements as linear algebra, multilinear tables and polynomials.
//
// Used by    joynet_sdk.proofs.vectors; after bn254_field.cl, bn254_lanes.cl (on CPUs) and
//            bn254_wide.cl
// Reference  Python integers in tests/kernels/test_vectors.py
// Maths      A vector of 2^n values is the table of a multilinear polynomial; variable 0 is the
//            lowest bit of the index. eq(z, i) = prod of z_k where bit k of i is 1, else 1 - z_k.
// Form       Every element on the device is in Montgomery form. A vector argument is a buffer and
//            the offset of its first element.
// Build      -D BLOCK_VARIABLES=n: a work-item of eq_blocks writes 2^n neighbours.

#ifndef BLOCK_VARIABLES
#define BLOCK_VARIABLES 6
#endif
#define BLOCK (1 << BLOCK_VARIABLES)

// The work-item's number. Launches are rounded up to whole groups; the rest has nothing to do.
#define ITEM(name) \
    const uint name = (uint)get_global_id(0); \
    if (name >= items) \
        return;

// --- form

__kernel void vector_from_canonical(__global const fe *in, __global fe *out, uint offset,
    uint items)
{
    ITEM(i)
    out[offset + i] = fr_from_canonical(in[i]);
}

__kernel void vector_to_canonical(__global const fe *in, __global fe *out, uint offset, uint items)
{
    ITEM(i)
    out[i] = fr_to_canonical(in[offset + i]);
}

__kernel void vector_from_small(__global const long *in, __global fe *out, uint offset, uint items)
{
    ITEM(i)
    out[offset + i] = fr_from_i64(in[i]);
}

// --- arithmetic

#define BINARY(name, op) \
    __kernel void name( \
        __global const fe *a, uint at_a, __global const fe *b, uint at_b, __global fe *out, \
        uint at_out, uint items) \
    { \
        ITEM(i) \
        out[at_out + i] = op(a[at_a + i], b[at_b + i]); \
    }

BINARY(vector_add, fr_add)
BINARY(vector_sub, fr_sub)
BINARY(vector_mul, fr_mul)

// out = c * a + d, or out += c * a + d when `accumulate`; each work-item handles `per` elements.
__kernel void vector_affine(
    __global const fe *a, uint at_a, __global fe *out, uint at_out, uint length, uint per,
    uint accumulate, ulong c0, ulong c1, ulong c2, ulong c3, ulong d0, ulong d1, ulong d2, ulong d3,
    uint items)
{
    ITEM(g)
    const scaler c = scaler_of(FE(c0, c1, c2, c3));
    const fe d = FE(d0, d1, d2, d3);
    const uint end = min((g + 1) * per, length);
    uint i = g * per;
#ifdef HAS_WIDE_LANES
    const fv factor = lanes_factor(FE(c0, c1, c2, c3)), shift = lanes_splat(d);
    for (; i + 16 <= end; i += 16) {
        fv x[2], base[2] = {lanes_zero(), lanes_zero()};
        lanes_load_pairs(a + at_a + i, &x[0], &x[1]);
        if (accumulate)
            lanes_load_pairs(out + at_out + i, &base[0], &base[1]);
        for (int k = 0; k < 2; k++) {
            const fv sum = lanes_add(lanes_add(base[k], shift), frv_mul(x[k], factor));
            x[k] = lanes_reduce(sum, FR_P);
        }
        lanes_store_pairs(out + at_out + i, x[0], x[1]);
    }
#endif
    for (; i < end; i++) {
        const fe base = accumulate ? fr_add(d, out[at_out + i]) : d;
        out[at_out + i] = fr_scale_add(&c, a[at_a + i], base);
    }
}

// out[g] = sum of a[i] * b[i] over the g-th run of `per` elements.
__kernel void vector_dot(
    __global const fe *a, uint at_a, __global const fe *b, uint at_b, __global fe *out, uint length,
    uint per, uint items)
{
    ITEM(g)
    const uint end = min((g + 1) * per, length);
    wide sum = wide_zero();
    for (uint i = g * per; i < end; i++)
        wide_mac(&sum, a[at_a + i], b[at_b + i]);
    out[g] = wide_reduce(sum);
}

// The vector as an array (high, middle, low) contracted with weights over the middle axis:
// out[h * low + l] = sum over m of weights[m] * v[(h * middle + m) * low + l]; zero past `length`.
__kernel void vector_contract(
    __global const fe *v, uint at_v, uint length, __global const fe *weights, uint at_weights,
    uint middle, uint low, __global fe *out, uint items)
{
    ITEM(i)
    uint from = (i / low) * middle * low + i % low;
    wide sum = wide_zero();
    for (uint m = 0; m < middle && from < length; m++, from += low)
        wide_mac(&sum, v[at_v + from], weights[at_weights + m]);
    out[i] = wide_reduce(sum);
}

// Bind variable 0 to r: out[i] = v[2 i] + r (v[2 i + 1] - v[2 i]).
__kernel void vector_fold(
    __global const fe *v, uint at_v, __global fe *out, uint length, uint per, ulong r0, ulong r1,
    ulong r2, ulong r3, uint items)
{
    ITEM(g)
    const scaler r = scaler_of(FE(r0, r1, r2, r3));
    const uint end = min((g + 1) * per, length);
    uint i = g * per;
#ifdef HAS_WIDE_LANES
    i = lanes_fold(v + at_v, 2 * length, out, i, end, FE(r0, r1, r2, r3));
#endif
    for (; i < end; i++)
        out[i] = fr_fold(&r, v[at_v + 2 * i], v[at_v + 2 * i + 1]);
}

// out[i] = v[j], where bit k of i is bit order[k] of j.
__kernel void vector_permute(
    __global const fe *v, uint at_v, __global fe *out, __global const uint *order, uint variables,
    uint items)
{
    ITEM(i)
    uint j = 0;
    for (uint k = 0; k < variables; k++)
        j |= ((i >> k) & 1) << order[k];
    out[i] = v[at_v + j];
}

// --- eq tables

// One claim: target[offset .. offset + 2^variables) gets factor * eq(point, .).
typedef struct {
    uint offset, variables;
    uint point;  // index of its first coordinate in `points`
    uint blocks; // of earlier claims in this launch
} eq_claim;

// value[0] times eq of the first `count` coordinates of z -> value[0 .. 2^count).
INLINE void eq_expand(__global const fe *z, uint count, fe *value)
{
    for (uint k = 0; k < count; k++) {
        const fe zk = z[k];
        for (uint i = 0; i < (1u << k); i++) {
            const fe one = fr_mul(zk, value[i]);
            value[i + (1 << k)] = one;
            value[i] = fr_sub(value[i], one);
        }
    }
}

#ifdef HAS_WIDE_LANES

// low, high = (1 - z) v, z v for eight values, all canonical.
INLINE void eq_split(fv z, fv v, fv *low, fv *high)
{
    const fe p = FR_P;
    *high = lanes_reduce_once(frv_mul(v, z), 1, p);
    *low = lanes_reduce_once(lanes_sub(v, *high, 1, p), 1, p);
}

// Write seed * eq(z, .) over `count` >= 4 variables. Variables 1 to 3 are the lanes, higher ones
// the index of v; variable 0 comes last, when pairs are stored.
INLINE void eq_write_lanes(
    __global const fe *z, uint count, fe seed, __global fe *out, uint accumulate)
{
    fe head[8] = {seed};
    fv v[BLOCK / 16];
    eq_expand(z + 1, 3, head);
    ulong8 words[4];
    for (int k = 0; k < 4; k++)
        words[k] = (ulong8)(head[0].v[k], head[1].v[k], head[2].v[k], head[3].v[k], head[4].v[k],
                            head[5].v[k], head[6].v[k], head[7].v[k]);
    v[0] = lanes_from_words(words);
    for (uint k = 4; k < count; k++) {
        const fv zk = lanes_factor(z[k]);
        for (uint i = 0; i < (1u << (k - 4)); i++)
            eq_split(zk, v[i], &v[i], &v[i + (1 << (k - 4))]);
    }
    const fv z0 = lanes_factor(z[0]);
    for (uint i = 0; i < (1u << (count - 4)); i++) {
        fv low, high;
        eq_split(z0, v[i], &low, &high);
        if (accumulate) {
            fv a, b;
            lanes_load_pairs(out + 16 * i, &a, &b);
            low = lanes_reduce_once(lanes_add(low, a), 1, FR_P);
            high = lanes_reduce_once(lanes_add(high, b), 1, FR_P);
        }
        lanes_store_pairs(out + 16 * i, low, high);
    }
}

#endif

// Work-item g writes block g - claim.blocks of its claim; owners[g] is the claim's index.
__kernel void eq_blocks(
    __global const eq_claim *claims, __global const uint *owners, __global const fe *points,
    __global const fe *factors, __global fe *target, uint at_target, uint accumulate, uint items)
{
    ITEM(g)
    const eq_claim claim = claims[owners[g]];
    const uint block = g - claim.blocks;
    const uint inner = min(claim.variables, (uint)BLOCK_VARIABLES);
    __global const fe *z = points + claim.point;
    __global fe *out = target + at_target + claim.offset + (block << inner);
    fe value[BLOCK];
    value[0] = factors[owners[g]];
    for (uint k = inner; k < claim.variables; k++) { // the block's own bits
        const fe one = fr_mul(value[0], z[k]);
        value[0] = (block >> (k - inner)) & 1 ? one : fr_sub(value[0], one);
    }
#ifdef HAS_WIDE_LANES
    if (inner >= 4) {
        eq_write_lanes(z, inner, value[0], out, accumulate);
        return;
    }
#endif
    eq_expand(z, inner, value);
    for (uint i = 0; i < (1u << inner); i++)
        out[i] = accumulate ? fr_add(out[i], value[i]) : value[i];
}

// --- inverses

// out = 1 / v by Montgomery's trick, `per` elements at a time; zero[0] becomes 1 + the index of an
// element that is zero. `out` must not be `v`.
__kernel void vector_inverse(
    __global const fe *v, uint at_v, __global fe *out, uint length, uint per, __global uint *zero,
    uint items)
{
    ITEM(g)
    const uint first = g * per;
    const uint end = min(first + per, length);
    fe product = FR_ONE;
    for (uint i = first; i < end; i++) {
        const fe x = v[at_v + i];
        out[i] = product;
        if (fe_is_zero(x))
            zero[0] = i + 1;
        else
            product = fr_mul(product, x);
    }
    fe inverse = fr_inv(product);
    for (uint i = end; i-- > first;) {
        const fe x = v[at_v + i];
        if (fe_is_zero(x)) {
            out[i] = FE_ZERO;
            continue;
        }
        out[i] = fr_mul(inverse, out[i]);
        inverse = fr_mul(inverse, x);
    }
}

// --- polynomials, lowest coefficient first

// out[i] = x^i; each work-item writes `per` powers.
__kernel void vector_powers(
    __global fe *out, uint length, uint per, ulong x0, ulong x1, ulong x2, ulong x3, uint items)
{
    ITEM(g)
    const fe x = FE(x0, x1, x2, x3);
    const uint first = g * per;
    const uint end = min(first + per, length);
    fe power = FR_ONE;
    for (uint bit = 32; bit-- > 0;) {
        power = fr_sqr(power);
        if ((first >> bit) & 1)
            power = fr_mul(power, x);
    }
    for (uint i = first; i < end; i++) {
        out[i] = power;
        power = fr_mul(power, x);
    }
}

// Division by X^stride - a, stride columns at a time. Column c has rows p[c], p[c + stride], ...;
// with q[row] = p[row + 1] + a q[row + 1] the quotient's row is q, the remainder p[0] + a q[0].
// Rows are cut into `chunks` of `per` rows so that columns alone need not fill the device.

// carries[chunk * stride + c] = the chunk's rows as a polynomial in a, its own first row included.
__kernel void divide_horner(
    __global const fe *p, uint at_p, uint length, uint stride, uint per, __global fe *carries,
    ulong a0, ulong a1, ulong a2, ulong a3, uint items)
{
    ITEM(g)
    const scaler a = scaler_of(FE(a0, a1, a2, a3));
    const uint column = g % stride, chunk = g / stride;
    fe sum = FE_ZERO;
    for (uint row = (chunk + 1) * per; row-- > chunk * per;) {
        const ulong i = (ulong)row * stride + column;
        sum = fr_scale_add(&a, sum, i < length ? p[at_p + i] : FE_ZERO);
    }
    carries[g] = sum;
}

// carries[chunk] becomes what all later chunks carry into it; step = a^per.
__kernel void divide_carry(
    __global fe *carries, uint stride, uint chunks, ulong s0, ulong s1, ulong s2, ulong s3,
    uint items)
{
    ITEM(column)
    const scaler step = scaler_of(FE(s0, s1, s2, s3));
    fe carry = FE_ZERO;
    for (uint chunk = chunks; chunk-- > 0;) {
        const fe own = carries[chunk * stride + column];
        carries[chunk * stride + column] = carry;
        carry = fr_scale_add(&step, carry, own);
    }
}

__kernel void divide_rows(
    __global const fe *p, uint at_p, uint length, uint stride, uint per,
    __global const fe *carries, __global fe *quotient, __global fe *remainder, ulong a0, ulong a1,
    ulong a2, ulong a3, uint items)
{
    ITEM(g)
    const scaler a = scaler_of(FE(a0, a1, a2, a3));
    const uint column = g % stride, chunk = g / stride;
#ifdef HAS_WIDE_LANES
    if (stride >= 16 && length % stride == 0) { // one work-item of 16 does all their columns
        const fv factor = lanes_factor(FE(a0, a1, a2, a3));
        fv sum[2];
        if (column % 16 != 0)
            return;
        lanes_load_pairs(carries + g, &sum[0], &sum[1]);
        for (uint row = min((chunk + 1) * per, length / stride); row-- > chunk * per;) {
            const uint i = row * stride + column;
            fv x[2];
            if (i + stride < length)
                lanes_store_pairs(quotient + i, sum[0], sum[1]);
            lanes_load_pairs(p + at_p + i, &x[0], &x[1]);
            for (int k = 0; k < 2; k++)
                sum[k] = lanes_reduce(lanes_add(x[k], frv_mul(sum[k], factor)), FR_P);
        }
        if (chunk == 0)
            lanes_store_pairs(remainder + column, sum[0], sum[1]);
        return;
    }
#endif
    fe carry = carries[g];
    for (uint row = (chunk + 1) * per; row-- > chunk * per;) {
        const ulong i = (ulong)row * stride + column;
        if (i >= length)
            continue;
        if (i + stride < length)
            quotient[i] = carry;
        carry = fr_scale_add(&a, carry, p[at_p + i]);
    }
    if (chunk == 0)
        remainder[column] = carry;
}

// out = a * b, schoolbook: one work-item for a coefficient.
__kernel void polynomial_mul(
    __global const fe *a, uint at_a, uint length_a, __global const fe *b, uint at_b, uint length_b,
    __global fe *out, uint items)
{
    ITEM(k)
    const uint first = k < length_b ? 0 : k - length_b + 1;
    const uint end = min(k + 1, length_a);
    wide sum = wide_zero();
    for (uint i = first; i < end; i++)
        wide_mac(&sum, a[at_a + i], b[at_b + k - i]);
    out[k] = wide_reduce(sum);
}
