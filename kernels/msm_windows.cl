// msm_windows.cl: sums of segments -> sums of windows -> the result. Any device.
//
// Used by    joynet_sdk.proofs.msm; after bn254_curve.cl
// Maths      Pippenger's last step: Horner's rule over the windows, c doublings each.

#ifdef LANE_SHIFT // coordinates come in lane form: x * R * 2^LANE_SHIFT
INLINE fe to_form(fe x)
{
    for (int k = 0; k < LANE_SHIFT; k++)
        x = fq_add(x, x);
    return x;
}
INLINE fe from_form(fe x)
{
    return curve_mul(x, FE(0UL, 0UL, 0UL, 1UL << (64 - LANE_SHIFT)));
}
#else
INLINE fe to_form(fe x) { return x; }
INLINE fe from_form(fe x) { return x; }
#endif

// Points in canonical words -> the form in which they are summed.
__kernel void msm_import(__global affine *points, const uint items)
{
    const uint i = get_global_id(0);
    if (i >= items)
        return;
    const affine a = points[i];
    points[i] = (affine){to_form(fq_from_canonical(a.x)), to_form(fq_from_canonical(a.y))};
}

// One work-item a window: the sum of its `segments` points.
__kernel void msm_windows(
    __global const xyzz *parts, __global xyzz *sums, const uint segments, const uint items)
{
    const uint w = get_global_id(0);
    if (w >= items)
        return;
    xyzz sum = xyzz_none();
    for (uint s = 0; s < segments; s++) {
        const xyzz part = parts[w * segments + s];
        sum = xyzz_add(sum, (xyzz){from_form(part.x), from_form(part.y), from_form(part.zz),
                                   from_form(part.zzz)});
    }
    sums[w] = sum;
}

// result[slot] = sum of sums[w] * 2^(c w).
__kernel void msm_combine(
    __global const xyzz *sums, __global xyzz *result, const uint windows, const uint c,
    const uint slot, const uint items)
{
    if (get_global_id(0) >= items)
        return;
    xyzz total = xyzz_none();
    for (uint w = windows; w-- > 0;) {
        for (uint k = 0; k < c; k++)
            total = xyzz_double(total);
        total = xyzz_add(total, sums[w]);
    }
    result[slot] = total;
}
