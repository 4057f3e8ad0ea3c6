// logup.cl: columns of the lookup argument.
//
// Used by    joynet_sdk.proofs.logup; after bn254_field.cl and bn254_wide.cl
// Reference  Python integers in tests/kernels/test_logup.py
// Maths      A row (v, y, id) has the fingerprint f = v + gamma y + gamma^2 id. All looked up rows
//            are in the table if sum of 1 / (beta - f) = sum over the table of m / (beta - t), m
//            how often a table row is looked up (Haboeck 2022, lemma 5).

// out = beta - v - gamma y - gamma^2 id. Absent columns: has_y, has_id are 0; a constant id is
// part of beta then. y and id are any buffer where absent.
__kernel void logup_denominators(
    __global const fe *v, uint at_v, __global const fe *y, uint at_y, uint has_y,
    __global const fe *id, uint at_id, uint has_id, __global fe *out, uint length, uint per,
    ulong b0, ulong b1, ulong b2, ulong b3, ulong y0, ulong y1, ulong y2, ulong y3, ulong i0,
    ulong i1, ulong i2, ulong i3)
{
    const fe beta = FE(b0, b1, b2, b3);
    const scaler minus_gamma = scaler_of(FE(y0, y1, y2, y3));
    const scaler minus_square = scaler_of(FE(i0, i1, i2, i3));
    const uint first = (uint)get_global_id(0) * per;
    const uint end = min(first + per, length);
    for (uint i = first; i < end; i++) {
        fe d = fr_sub(beta, v[at_v + i]);
        if (has_y)
            d = fr_scale_add(&minus_gamma, y[at_y + i], d);
        if (has_id)
            d = fr_scale_add(&minus_square, id[at_id + i], d);
        out[i] = d;
    }
}

// out[row] = counts[k] / d[row] for row = rows[k]; the rows are distinct. scratch has one element
// per row; zero[0] becomes 1 + a row whose denominator is zero.
__kernel void logup_table(
    __global const fe *d, uint at_d, __global const uint *rows, __global const long *counts,
    __global fe *scratch, __global fe *out, uint length, uint per, __global uint *zero)
{
    const uint first = (uint)get_global_id(0) * per;
    const uint end = min(first + per, length);
    fe product = FR_ONE;
    for (uint k = first; k < end; k++) {
        const fe x = d[at_d + rows[k]];
        scratch[k] = product;
        if (fe_is_zero(x))
            zero[0] = rows[k] + 1;
        product = fr_mul(product, x);
    }
    fe inverse = fr_inv(product);
    for (uint k = end; k-- > first;) {
        out[rows[k]] = fr_mul(fr_mul(inverse, scratch[k]), fr_from_i64(counts[k]));
        inverse = fr_mul(inverse, d[at_d + rows[k]]);
    }
}
