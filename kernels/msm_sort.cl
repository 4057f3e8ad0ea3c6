// msm_sort.cl: scalars -> signed window digits -> entries sorted by bucket. Any device.
//
// Used by    joynet_sdk.proofs.msm; after bn254_field.cl
// Maths      A scalar is the sum of d_w * 2^(c w) with -2^(c-1) < d_w <= 2^(c-1). An entry is
//            key << 32 | point << 1 | sign, key = w << c | |d_w|; zero digits make no entry.
//            Stable radix sort, least significant digit first: each tile counts, one scan over
//            (window, digit, tile) gives where each tile writes. No atomics: one result.
// Build      -D RADIX_BITS=r: counters of a work-item are 2^r words of private memory

#ifndef RADIX_BITS
#define RADIX_BITS 8
#endif
#define RADIX (1u << RADIX_BITS)
#define MAX_WINDOWS 96

#define FORM_CANONICAL 0  // fe, below r
#define FORM_MONTGOMERY 1 // fe, Montgomery form
#define FORM_SMALL 2      // long

// Scalar i as a magnitude; returns its sign.
INLINE uint scalar_load(__global const ulong *scalars, uint form, uint i, fe *magnitude)
{
    if (form == FORM_SMALL) {
        const long value = (long)scalars[i];
        *magnitude = FE(value < 0 ? (ulong)0 - (ulong)value : (ulong)value, 0UL, 0UL, 0UL);
        return value < 0;
    }
    const fe value = ((__global const fe *)scalars)[i];
    *magnitude = form == FORM_MONTGOMERY ? fr_to_canonical(value) : value;
    return 0;
}

// Digit w of a magnitude: absolute value; *carry goes to the next window, *sign is flipped when
// the digit is negative.
INLINE uint next_digit(fe a, uint w, uint c, uint *carry, uint *sign)
{
    const uint bit = w * c, word = bit >> 6, offset = bit & 63;
    ulong bits = 0;
    if (word < 4) {
        bits = a.v[word] >> offset;
        if (offset + c > 64 && word < 3)
            bits |= a.v[word + 1] << (64 - offset);
    }
    const uint digit = ((uint)bits & ((1u << c) - 1)) + *carry;
    *carry = digit > (1u << (c - 1));
    *sign ^= *carry;
    return *carry ? (1u << c) - digit : digit;
}

// counts[w * tiles + t] = entries that tile t makes for window w.
__kernel void msm_count(
    __global const ulong *scalars, __global uint *counts,
    const uint form, const uint first, const uint n, const uint tile, const uint c, const uint windows,
    const uint items)
{
    const uint t = get_global_id(0), tiles = items;
    if (t >= items)
        return;
    uint count[MAX_WINDOWS];
    for (uint w = 0; w < windows; w++)
        count[w] = 0;
    const uint end = min(n, (t + 1) * tile);
    for (uint i = t * tile; i < end; i++) {
        fe a;
        uint sign = scalar_load(scalars, form, first + i, &a), carry = 0;
        if (fe_is_zero(a))
            continue;
        for (uint w = 0; w < windows; w++)
            count[w] += next_digit(a, w, c, &carry, &sign) != 0;
    }
    for (uint w = 0; w < windows; w++)
        counts[w * tiles + t] = count[w];
}

// Write the entries; starts[w * tiles + t] is where tile t writes those of window w.
__kernel void msm_digits(
    __global const ulong *scalars, __global const uint *starts, __global ulong *entries,
    const uint form, const uint first, const uint n, const uint tile, const uint c, const uint windows,
    const uint items)
{
    const uint t = get_global_id(0), tiles = items;
    if (t >= items)
        return;
    uint next[MAX_WINDOWS];
    for (uint w = 0; w < windows; w++)
        next[w] = starts[w * tiles + t];
    const uint end = min(n, (t + 1) * tile);
    for (uint i = t * tile; i < end; i++) {
        fe a;
        const uint negative = scalar_load(scalars, form, first + i, &a);
        uint carry = 0;
        if (fe_is_zero(a))
            continue;
        for (uint w = 0; w < windows; w++) {
            uint sign = negative;
            const uint digit = next_digit(a, w, c, &carry, &sign);
            if (digit)
                entries[next[w]++] = (ulong)(w << c | digit) << 32 | (i << 1) | sign;
        }
    }
}

// Tile t is entries [x, y); its counter of digit d is counts[z + d * w].
__kernel void msm_radix_count(
    __global const ulong *entries, __global const uint4 *tiles, __global uint *counts,
    const uint shift, const uint items)
{
    if (get_global_id(0) >= items)
        return;
    const uint4 tile = tiles[get_global_id(0)];
    uint count[RADIX];
    for (uint d = 0; d < RADIX; d++)
        count[d] = 0;
    for (uint i = tile.x; i < tile.y; i++)
        count[(uint)(entries[i] >> shift) & (RADIX - 1)]++;
    for (uint d = 0; d < RADIX; d++)
        counts[tile.z + d * tile.w] = count[d];
}

__kernel void msm_radix_scatter(
    __global const ulong *entries, __global const uint4 *tiles, __global const uint *starts,
    __global ulong *sorted, const uint shift, const uint items)
{
    if (get_global_id(0) >= items)
        return;
    const uint4 tile = tiles[get_global_id(0)];
    uint next[RADIX];
    for (uint d = 0; d < RADIX; d++)
        next[d] = starts[tile.z + d * tile.w];
    for (uint i = tile.x; i < tile.y; i++) {
        const ulong entry = entries[i];
        sorted[next[(uint)(entry >> shift) & (RADIX - 1)]++] = entry;
    }
}

// Exclusive scan of counts[0..n) in three launches: sums of blocks, scan of those, blocks again.
__kernel void msm_scan_blocks(
    __global const uint *counts, __global uint *sums, const uint n, const uint block,
    const uint items)
{
    const uint b = get_global_id(0), end = min(n, (b + 1) * block);
    if (b >= items)
        return;
    uint sum = 0;
    for (uint i = b * block; i < end; i++)
        sum += counts[i];
    sums[b] = sum;
}

__kernel void msm_scan_sums(__global uint *sums, const uint n, const uint items)
{
    if (get_global_id(0) >= items)
        return;
    uint sum = 0;
    for (uint i = 0; i < n; i++) {
        const uint count = sums[i];
        sums[i] = sum;
        sum += count;
    }
}

__kernel void msm_scan_apply(
    __global uint *counts, __global const uint *sums, const uint n, const uint block,
    const uint items)
{
    const uint b = get_global_id(0), end = min(n, (b + 1) * block);
    if (b >= items)
        return;
    uint sum = sums[b];
    for (uint i = b * block; i < end; i++) {
        const uint count = counts[i];
        counts[i] = sum;
        sum += count;
    }
}
