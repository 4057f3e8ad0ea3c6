// msm_threads.cl: bucket sums with one point a work-item, the shape that GPUs want.
//
// Used by    joynet_sdk.proofs.msm on devices that are not CPUs; after bn254_curve.cl
// Maths      Work is cut by position in the sorted entries, not by bucket, so one huge bucket is
//            as fast as many small ones. A run of equal keys inside a chunk is a whole bucket;
//            the first and last run may go on in a neighbour, so their sums are entries of the
//            next level, which has 2 a chunk. A chunk with one run adds the identity.
// Memory     no local memory, no barriers, no atomics

// key = w << c | digit -> index of the bucket
INLINE uint bucket_of(uint key, uint c)
{
    const uint digit = key & ((1u << c) - 1);
    return ((key >> c) << (c - 1)) + digit - 1;
}

INLINE void run_end(
    uint key, xyzz sum, int is_partial, uint slot, uint c, __global xyzz *buckets,
    __global ulong *part_entries, __global xyzz *part_points)
{
    if (is_partial) {
        part_entries[slot] = (ulong)key << 32 | (slot << 1);
        part_points[slot] = sum;
    } else {
        buckets[bucket_of(key, c)] = sum;
    }
}

// One work-item a chunk; is_last: there is one chunk. msm_merge is for the levels after the first.
#define ACCUMULATE(NAME, POINT, ADD)                                                               \
    __kernel void NAME(                                                                            \
        __global const ulong *entries, const uint total, __global const POINT *points,             \
        __global xyzz *buckets, __global ulong *part_entries, __global xyzz *part_points,          \
        const uint chunk, const uint c, const uint is_last, const uint items)                      \
    {                                                                                              \
        if (get_global_id(0) >= items)                                                             \
            return;                                                                                \
        const uint t = get_global_id(0), begin = t * chunk, end = min(total, begin + chunk);       \
        uint key = (uint)(entries[begin] >> 32), runs = 0;                                         \
        xyzz sum = xyzz_none();                                                                    \
        for (uint i = begin; i < end; i++) {                                                       \
            const ulong entry = entries[i];                                                        \
            if ((uint)(entry >> 32) != key) {                                                      \
                run_end(key, sum, runs == 0 && !is_last, 2 * t, c, buckets, part_entries,          \
                        part_points);                                                              \
                key = (uint)(entry >> 32);                                                         \
                sum = xyzz_none();                                                                 \
                runs++;                                                                            \
            }                                                                                      \
            const uint index = (uint)entry >> 1, sign = (uint)entry & 1;                           \
            ADD;                                                                                   \
        }                                                                                          \
        if (runs == 0 && !is_last) { /* one run: its sum, and nothing */                           \
            run_end(key, sum, 1, 2 * t, c, buckets, part_entries, part_points);                    \
            sum = xyzz_none();                                                                     \
        }                                                                                          \
        run_end(key, sum, !is_last, 2 * t + 1, c, buckets, part_entries, part_points);             \
    }

ACCUMULATE(msm_accumulate, affine,
           sum = xyzz_add_affine(sum, affine_negate_if(points[index], sign)))
ACCUMULATE(msm_merge, xyzz, sum = xyzz_add(sum, points[index]))

// One work-item a segment of `length` buckets of one window: sum of (digit * bucket).
__kernel void msm_segments(
    __global const xyzz *buckets, __global xyzz *parts, const uint length, const uint segments,
    const uint items)
{
    const uint g = get_global_id(0);
    if (g >= items)
        return;
    const uint s = g % segments; // its window holds length * segments buckets
    __global const xyzz *first = buckets + (size_t)g * length;
    xyzz run = xyzz_none(), sum = xyzz_none();
    for (uint i = length; i-- > 0;) {
        run = xyzz_add(run, first[i]);
        sum = xyzz_add(sum, run); // in the end: sum of (i + 1) * bucket i
    }
    parts[g] = xyzz_add(sum, xyzz_scale(run, s * length));
}
