// msm_lanes.cl: bucket sums with eight additions at once, the shape that CPUs want.
//
// Used by    joynet_sdk.proofs.msm on CPUs; after bn254_field.cl, bn254_lanes.cl
// Maths      Affine additions share one inversion: with d_i = x2 - x1 of pair i, products of the
//            d before i and after i give 1/d_i (Montgomery's trick), so that an addition takes 6
//            multiplications. Pairs are neighbours in a bucket; each round halves the buckets.
//            Cutting by position and merging partial buckets are as in msm_threads.cl.
// Memory     coordinates are in lane form (x * L mod q), canonical, 64 bytes a point

// Of one work-item, in words of 8 bytes; the host allocates scratch_words(chunk) * work-items.
#define SPARE 32 // points and pairs beyond a chunk that padding may touch

INLINE ulong8 words_equal_zero(const ulong8 *w)
{
    return as_ulong8((w[0] | w[1] | w[2] | w[3]) == (ulong8)(0));
}

INLINE ulong8 words_equal(const ulong8 *a, const ulong8 *b)
{
    return as_ulong8(((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == (ulong8)(0));
}

INLINE void load_rows(__global const ulong8 *points, __global const uint *from, uint step, ulong8 *m)
{
    #pragma unroll
    for (int k = 0; k < LANES; k++)
        m[k] = points[from[k] + step];
    lanes_transpose(m);
}

// How each lane's pair (a, b) is to be added; all masks are all ones or zero.
typedef struct {
    long8 no_a, no_b, twice, cancel; // a or b is the identity, a = b, a = -b
} cases;

INLINE cases classify(const ulong8 *a, const ulong8 *b)
{
    cases s;
    s.no_a = as_long8(words_equal_zero(a) & words_equal_zero(a + 4));
    s.no_b = as_long8(words_equal_zero(b) & words_equal_zero(b + 4)) & ~s.no_a;
    const long8 same_x = as_long8(words_equal(a, b)) & ~(s.no_a | s.no_b);
    s.twice = same_x & as_long8(words_equal(a + 4, b + 4));
    s.cancel = same_x & ~s.twice;
    return s;
}

// The denominator of the slope where some lane is not an ordinary addition.
OUTLINE fv special_denominator(const ulong8 *a, const ulong8 *b)
{
    const cases s = classify(a, b);
    const fv y = lanes_from_words(a + 4);
    fv d = lanes_sub(lanes_from_words(b), lanes_from_words(a), 1, FQ_P);
    d = lanes_select(s.twice, lanes_add(y, y), d);
    return lanes_select(s.no_a | s.no_b | s.cancel, lanes_splat(FE(1UL, 0UL, 0UL, 0UL)), d);
}

OUTLINE fv special_numerator(const ulong8 *a, const ulong8 *b, fv numerator)
{
    const fv x = lanes_from_words(a), xx = fqv_mul(x, x);
    return lanes_select(classify(a, b).twice, lanes_add(lanes_add(xx, xx), xx), numerator);
}

OUTLINE void special_sum(const ulong8 *a, const ulong8 *b, ulong8 *sum)
{
    const cases s = classify(a, b);
    #pragma unroll
    for (int i = 0; i < 8; i++) {
        sum[i] = s.no_a ? b[i] : sum[i];
        sum[i] = s.no_b ? a[i] : sum[i];
        sum[i] = s.cancel ? (ulong8)(0) : sum[i];
    }
}

// x2 - x1 of eight pairs, or what stands in for it.
INLINE fv denominators(__global const ulong8 *points, __global const uint *from)
{
    ulong8 m[8];
    #pragma unroll
    for (int k = 0; k < LANES; k++) { // x of both points of a pair
        m[k] = (ulong8)(points[from[k]].lo, points[from[k] + 1].lo);
    }
    lanes_transpose(m);
    const ulong8 odd = words_equal(m, m + 4) | words_equal_zero(m) | words_equal_zero(m + 4);
    if (any(as_long8(odd))) {
        ulong8 a[8], b[8];
        load_rows(points, from, 0, a);
        load_rows(points, from, 1, b);
        return special_denominator(a, b);
    }
    return lanes_sub(lanes_from_words(m + 4), lanes_from_words(m), 1, FQ_P);
}

// points[to[k]] = points[from[k]] + points[from[k] + 1] for the `count` pairs, a multiple of 16.
// Sums may overwrite points of earlier pairs only: to[k] <= from[k], both increasing.
OUTLINE void add_pairs(
    __global ulong8 *points, __global const uint *from, __global const uint *to, uint count,
    __global fv *products)
{
    const fv one = lanes_splat(LANE_ONE);
    fv after[2] = {one, one}; // product of the denominators of later groups; two chains in parallel
    for (uint g = count / LANES; g > 0; g -= 2) {
        fv d[2];
        #pragma unroll
        for (int h = 0; h < 2; h++) {
            d[h] = denominators(points, from + (g - 2 + h) * LANES);
            products[g - 2 + h] = after[h];
        }
        #pragma unroll
        for (int h = 0; h < 2; h++)
            after[h] = fqv_mul(after[h], d[h]);
    }
    const fv inverse_of_all = lanes_inv(fqv_mul(after[0], after[1]), FQ_P, FQ_INV, one);
    fv inverse[2] = {fqv_mul(inverse_of_all, after[1]), fqv_mul(inverse_of_all, after[0])};

    for (uint g = 0; g < count / LANES; g += 2) {
        ulong8 a[2][8], b[2][8], sum[8];
        fv x1[2], y1[2], x2[2], d[2], numerator[2], slope[2], x3[2], y3[2];
        int odd[2];
        #pragma unroll
        for (int h = 0; h < 2; h++) {
            load_rows(points, from + (g + h) * LANES, 0, a[h]);
            load_rows(points, from + (g + h) * LANES, 1, b[h]);
            x1[h] = lanes_from_words(a[h]);
            y1[h] = lanes_from_words(a[h] + 4);
            x2[h] = lanes_from_words(b[h]);
            d[h] = lanes_sub(x2[h], x1[h], 1, FQ_P);
            numerator[h] = lanes_sub(lanes_from_words(b[h] + 4), y1[h], 1, FQ_P);
            odd[h] = any(as_long8(
                words_equal(a[h], b[h]) | words_equal_zero(a[h]) | words_equal_zero(b[h])));
            if (odd[h]) {
                d[h] = special_denominator(a[h], b[h]);
                numerator[h] = special_numerator(a[h], b[h], numerator[h]);
            }
        }
        #pragma unroll
        for (int h = 0; h < 2; h++)
            slope[h] = fqv_mul(inverse[h], products[g + h]);
        #pragma unroll
        for (int h = 0; h < 2; h++)
            inverse[h] = fqv_mul(inverse[h], d[h]);
        #pragma unroll
        for (int h = 0; h < 2; h++)
            slope[h] = fqv_mul(slope[h], numerator[h]);
        #pragma unroll
        for (int h = 0; h < 2; h++)
            x3[h] = fqv_mul(slope[h], slope[h]);
        #pragma unroll
        for (int h = 0; h < 2; h++) {
            #pragma unroll
            for (int i = 0; i < LIMBS; i++) // slope^2 - x1 - x2 + 2q, below 4q
                x3[h].l[i] += 2 * limb_of(FQ_P, i) - x1[h].l[i] - x2[h].l[i];
            x3[h] = lanes_reduce(lanes_carry(x3[h]), FQ_P);
        }
        #pragma unroll
        for (int h = 0; h < 2; h++)
            y3[h] = fqv_mul(slope[h], lanes_sub(x1[h], x3[h], 1, FQ_P));
        #pragma unroll
        for (int h = 0; h < 2; h++) {
            y3[h] = lanes_reduce(lanes_sub(y3[h], y1[h], 1, FQ_P), FQ_P);
            lanes_to_words(x3[h], sum);
            lanes_to_words(y3[h], sum + 4);
            if (odd[h])
                special_sum(a[h], b[h], sum);
            lanes_transpose(sum);
            #pragma unroll
            for (int k = 0; k < LANES; k++)
                points[to[(g + h) * LANES + k]] = sum[k];
        }
    }
}

#define AHEAD 48 // entries between asking for a point and using it: the table is far larger than caches
#ifdef __x86_64__
#define PREFETCH(address) __builtin_prefetch((const void *)(size_t)(address))
#else
#define PREFETCH(address)
#endif

// The points of entries [begin, end), with their signs, to `target`.
INLINE void gather(
    __global const ulong *entries, uint begin, uint end, __global const ulong8 *points,
    __global ulong8 *target)
{
    for (uint i = begin; i < end; i += LANES) {
        ulong8 m[8], low;
        #pragma unroll
        for (int k = 0; k < LANES; k++) {
            const ulong entry = entries[i + k < end ? i + k : end - 1];
            PREFETCH(&points[(uint)entries[i + k + AHEAD < end ? i + k + AHEAD : i] >> 1]);
            ((ulong *)&low)[k] = entry;
            m[k] = points[(uint)entry >> 1];
        }
        lanes_transpose(m);
        const ulong8 is_negative = as_ulong8((low & 1) != (ulong8)(0)) & ~words_equal_zero(m + 4);
        ulong8 borrow = 0;
        #pragma unroll
        for (int j = 0; j < 4; j++) {
            const ulong p = FQ_P.v[j];
            const ulong8 y = m[4 + j], part = (ulong8)(p) - y;
            m[4 + j] = is_negative ? part - borrow : y;
            borrow = as_ulong8(((ulong8)(p) < y) | (part < borrow)) & 1;
        }
        lanes_transpose(m);
        #pragma unroll
        for (int k = 0; k < LANES; k++)
            target[i - begin + k] = m[k];
    }
}

INLINE uint bucket_of(uint key, uint c)
{
    const uint digit = key & ((1u << c) - 1);
    return ((key >> c) << (c - 1)) + digit - 1;
}

// Work-item t takes chunks t, t + work-items, ... See msm_threads.cl for what a chunk does.
__kernel void msm_accumulate(
    __global const ulong *entries, const uint total, __global const ulong8 *points,
    __global ulong8 *buckets, __global ulong *part_entries, __global ulong8 *part_points,
    __global ulong *scratch, const uint chunk, const uint c, const uint items)
{
    // This work-item's scratch: products first, for their alignment.
    const uint pairs = chunk / 2 + SPARE;
    const size_t product_words = (size_t)pairs * LIMBS;
    const size_t words = product_words + 8 * (size_t)(chunk + SPARE) + pairs + 3 * (size_t)chunk / 2 + 8;
    __global ulong *own = scratch + get_global_id(0) * ((words + 7) / 8 * 8);
    __global fv *products = (__global fv *)own;
    __global ulong8 *work = (__global ulong8 *)(own + product_words);
    __global uint *from = (__global uint *)(work + chunk + SPARE);
    __global uint *to = from + pairs;
    __global uint *start = to + pairs; // of each run, in `work`
    __global uint *length = start + chunk;
    __global uint *active = length + chunk; // runs longer than 1

    const uint chunks = (total + chunk - 1) / chunk;
    for (uint t = get_global_id(0); t < chunks; t += items) {
        const uint begin = t * chunk, end = begin + chunk < total ? begin + chunk : total;
        gather(entries, begin, end, points, work);

        uint runs = 0;
        uint last = ~0u;
        for (uint i = begin; i < end; i++) {
            const uint key = (uint)(entries[i] >> 32);
            if (key != last) {
                start[runs] = i - begin;
                if (runs)
                    length[runs - 1] = i - begin - start[runs - 1];
                runs++;
                last = key;
            }
        }
        length[runs - 1] = end - begin - start[runs - 1];
        uint longer = 0;
        for (uint r = 0; r < runs; r++)
            if (length[r] > 1)
                active[longer++] = r;

        while (longer) {
            uint count = 0;
            for (uint k = 0; k < longer; k++) {
                const uint first = start[active[k]], steps = length[active[k]] / 2;
                for (uint e = 0; e < steps; e++) {
                    from[count] = first + 2 * e;
                    to[count++] = first + e;
                }
            }
            // Padding: pairs of two different points behind the chunk.
            work[chunk + 8] = (ulong8)(1, 0, 0, 0, 1, 0, 0, 0);
            work[chunk + 9] = (ulong8)(2, 0, 0, 0, 1, 0, 0, 0);
            while (count % (2 * LANES)) {
                from[count] = chunk + 8;
                to[count++] = chunk + 10;
            }
            add_pairs(work, from, to, count, products);
            uint kept = 0;
            for (uint k = 0; k < longer; k++) {
                const uint r = active[k], n = length[r];
                if (n & 1)
                    work[start[r] + n / 2] = work[start[r] + n - 1];
                length[r] = (n + 1) / 2;
                if (length[r] > 1)
                    active[kept++] = r;
            }
            longer = kept;
        }

        for (uint r = 0; r < runs; r++) {
            const uint key = (uint)(entries[begin + start[r]] >> 32);
            const ulong8 sum = work[start[r]];
            if (chunks == 1 || (r > 0 && r < runs - 1)) {
                buckets[bucket_of(key, c)] = sum;
                continue;
            }
            const uint slot = 2 * t + (r > 0);
            part_points[slot] = sum;
            part_entries[slot] = (ulong)key << 32 | (slot << 1);
            if (runs == 1) {
                part_points[slot + 1] = (ulong8)(0);
                part_entries[slot + 1] = (ulong)key << 32 | ((slot + 1) << 1);
            }
        }
    }
}

// --- segments of buckets, in XYZZ coordinates (bn254_curve.cl), all canonical

typedef struct {
    fv x, y, zz, zzz;
} xyzz_lanes;

// a < 8q -> canonical
INLINE fv reduce_8(fv a)
{
    return lanes_reduce(lanes_reduce_once(a, 4, FQ_P), FQ_P);
}

INLINE fv mul_canonical(fv a, fv b)
{
    return lanes_reduce_once(fqv_mul(a, b), 1, FQ_P);
}

INLINE fv sub_canonical(fv a, fv b)
{
    return lanes_reduce_once(lanes_sub(a, b, 1, FQ_P), 1, FQ_P);
}

INLINE xyzz_lanes xyzz_lanes_select(long8 where, xyzz_lanes a, xyzz_lanes b)
{
    return (xyzz_lanes){
        lanes_select(where, a.x, b.x), lanes_select(where, a.y, b.y),
        lanes_select(where, a.zz, b.zz), lanes_select(where, a.zzz, b.zzz)};
}

// r.x and r.y from the slope's parts: s2 = R^2 (or M^2), h = PPP (or 0), q = Q (or S), k = S1 * PPP (or W * Y1)
INLINE void finish_xy(xyzz_lanes *r, fv slope, fv h, fv q, fv k)
{
    fv x = fqv_mul(slope, slope);
    #pragma unroll
    for (int i = 0; i < LIMBS; i++)
        x.l[i] += 3 * limb_of(FQ_P, i) - h.l[i] - 2 * q.l[i];
    r->x = reduce_8(lanes_carry(x)); // below 5q
    r->y = reduce_8(lanes_sub(fqv_mul(slope, lanes_sub(q, r->x, 1, FQ_P)), k, 1, FQ_P));
}

OUTLINE xyzz_lanes xyzz_lanes_double(xyzz_lanes a)
{
    xyzz_lanes r;
    const fv u = lanes_add(a.y, a.y), v = fqv_mul(u, u), w = fqv_mul(u, v);
    const fv s = mul_canonical(a.x, v), xx = fqv_mul(a.x, a.x), m = lanes_add(lanes_add(xx, xx), xx);
    finish_xy(&r, m, lanes_zero(), s, mul_canonical(w, a.y));
    r.zz = mul_canonical(v, a.zz);
    r.zzz = mul_canonical(w, a.zzz);
    return r;
}

OUTLINE xyzz_lanes xyzz_lanes_add(xyzz_lanes a, xyzz_lanes b)
{
    const fv u = mul_canonical(a.x, b.zz), p = sub_canonical(mul_canonical(b.x, a.zz), u);
    const fv t = mul_canonical(a.y, b.zzz), slope = sub_canonical(mul_canonical(b.y, a.zzz), t);
    const fv pp = fqv_mul(p, p), ppp = mul_canonical(p, pp), q = mul_canonical(u, pp);
    xyzz_lanes r;
    finish_xy(&r, slope, ppp, q, mul_canonical(t, ppp));
    r.zz = mul_canonical(fqv_mul(a.zz, b.zz), pp); // 0 for a = -b, as it should be
    r.zzz = mul_canonical(fqv_mul(a.zzz, b.zzz), ppp);
    const long8 no_a = lanes_is_zero(a.zz), no_b = lanes_is_zero(b.zz);
    const long8 twice = lanes_is_zero(p) & lanes_is_zero(slope) & ~no_a & ~no_b;
    if (any(twice))
        r = xyzz_lanes_select(twice, xyzz_lanes_double(a), r);
    return xyzz_lanes_select(no_a, b, xyzz_lanes_select(no_b, a, r));
}

// A work-item takes eight segments of `length` buckets each; `segments` a window, a multiple of 8.
__kernel void msm_segments(
    __global const ulong8 *buckets, __global ulong8 *parts, const uint length, const uint segments,
    const uint items)
{
    if (get_global_id(0) >= items)
        return;
    const fv zero = lanes_zero(), one = lanes_splat(LANE_ONE);
    const uint g = get_global_id(0) * LANES;
    xyzz_lanes run = {zero, zero, zero, zero}, sum = run, scaled = run;
    for (uint i = length; i-- > 0;) {
        ulong8 m[8];
        #pragma unroll
        for (int k = 0; k < LANES; k++)
            m[k] = buckets[(size_t)(g + k) * length + i];
        lanes_transpose(m);
        const long8 none = as_long8(words_equal_zero(m) & words_equal_zero(m + 4));
        xyzz_lanes bucket = {lanes_from_words(m), lanes_from_words(m + 4), one, one};
        bucket.zz = bucket.zzz = lanes_select(none, zero, one);
        run = xyzz_lanes_add(run, bucket);
        sum = xyzz_lanes_add(sum, run);
    }
    const ulong8 lane = (ulong8)(0, 1, 2, 3, 4, 5, 6, 7);
    const ulong8 factor = ((ulong8)(g % segments) + lane) * (ulong8)(length);
    for (int bit = 63 - (int)clz((ulong)segments * length); bit >= 0; bit--) {
        scaled = xyzz_lanes_double(scaled);
        const long8 is_set = as_long8((factor >> (ulong8)(bit)) & 1) != (long8)(0);
        if (any(is_set))
            scaled = xyzz_lanes_select(is_set, xyzz_lanes_add(scaled, run), scaled);
    }
    sum = xyzz_lanes_add(sum, scaled);
    ulong8 low[8], high[8];
    lanes_to_words(sum.x, low);
    lanes_to_words(sum.y, low + 4);
    lanes_to_words(sum.zz, high);
    lanes_to_words(sum.zzz, high + 4);
    lanes_transpose(low);
    lanes_transpose(high);
    #pragma unroll
    for (int k = 0; k < LANES; k++) {
        parts[2 * (size_t)(g + k)] = low[k];
        parts[2 * (size_t)(g + k) + 1] = high[k];
    }
}
