// sumcheck.cl: one round of a batched sumcheck: fold every table, then evaluate every term.
//
// Used by    joynet_sdk.proofs.sumcheck; after bn254_field.cl, bn254_lanes.cl (on CPUs) and
//            bn254_wide.cl
// Reference  Python integers in tests/kernels/test_sumcheck.py
// Maths      A table of a multilinear polynomial folds with a challenge r by
//            t'[i] = t[2 i] + r (t[2 i + 1] - t[2 i]). A round sends the coefficients c0, c2, c3 of
//            sum over pairs of the product of a term's lines (Thaler 2022, section 4.1);
//            c1 follows from the claim. Entries after a table's length are zero.
// Work       A cluster is a set of instances that share tables. One group of GROUP_ITEMS work-items
//            folds a range of all its tables and evaluates every term on what it just folded.
// Build      -D GROUP_ITEMS=n, 1 on CPUs. A task has at most 2048 entries.

// Where a table's values are, in elements.
typedef struct {
    uint source;    // which of the buffers b0..b7 holds them before the first fold
    uint offset;    // first element there
    uint length;    // elements; zeros follow up to 2^variables
    uint variables; // folds until one value is left
    uint odd;       // place in `work` after folds 1, 3, 5, ...
    uint even;      // place in `work` after folds 2, 4, 6, ...
} table_place;

// Elements of a table that can be nonzero after `folds` folds.
INLINE uint live_length(const table_place t, uint folds)
{
    return folds > 31 ? 1 : ((t.length - 1) >> folds) + 1;
}

// Rolled on CPUs, for compile time; unrolled elsewhere, for arrays must lie in registers.
#if GROUP_ITEMS == 1
#define COMPACT_LOOP _Pragma("unroll 1")
#else
#define COMPACT_LOOP _Pragma("unroll")
#endif

#define SOURCES \
    __global const fe *b0, __global const fe *b1, __global const fe *b2, __global const fe *b3, \
    __global const fe *b4, __global const fe *b5, __global const fe *b6, __global const fe *b7

// The table with index t after `folds` folds; its last fold goes to the list of final values.
#define AFTER(t, place, folds) \
    ((folds) == (place).variables ? work + finals + (t) \
     : work + ((folds) & 1 ? (place).odd : (place).even))

// A line through the pair 2 i, 2 i + 1.
typedef struct {
    fe low, step;
} line;

INLINE line line_at(__global const fe *t, uint length, uint i)
{
    line l;
    l.low = t[2 * i];
    l.step = 2 * i + 1 < length ? fr_sub(t[2 * i + 1], l.low) : fr_neg(l.low);
    return l;
}

#ifdef HAS_WIDE_LANES

// The same for eight pairs at a time, from `first` while all are inside; returns where it ended.
INLINE uint sum_lanes(
    uint count, __global const fe *const *table, const uint *length, uint first, uint end, fe *sum)
{
    uint i = first;
    const uint whole = min(end, min(length[0], min(length[1], length[2])) / 2);
    if (count == 1 || i + 8 > whole)
        return i;
    const fe p = FR_P;
    wide_lanes s0 = wide_lanes_zero(), s2 = s0, s3 = s0;
    if (count == 2) {
        for (; i + 8 <= whole; i += 8) {
            fv a, b, a1, b1;
            lanes_load_pairs(table[0] + 2 * i, &a, &a1);
            lanes_load_pairs(table[1] + 2 * i, &b, &b1);
            wide_lanes_mac(&s0, a, b);
            wide_lanes_mac(&s2, lanes_sub(a1, a, 1, p), lanes_sub(b1, b, 1, p));
        }
    } else {
        for (; i + 8 <= whole; i += 8) {
            fv a, b, c, a1, b1, c1;
            lanes_load_pairs(table[0] + 2 * i, &a, &a1);
            lanes_load_pairs(table[1] + 2 * i, &b, &b1);
            lanes_load_pairs(table[2] + 2 * i, &c, &c1);
            const fv q0 = frv_mul(a, b); // these three are below 1.1 p
            const fv q2 = frv_mul(lanes_sub(a1, a, 1, p), lanes_sub(b1, b, 1, p));
            const fv q1 = lanes_sub(lanes_sub(frv_mul(a1, b1), q0, 2, p), q2, 2, p);
            c1 = lanes_sub(c1, c, 1, p);
            wide_lanes_mac(&s0, q0, c);
            wide_lanes_mac(&s2, q1, c1);
            wide_lanes_mac(&s2, q2, c);
            wide_lanes_mac(&s3, q2, c1);
        }
    }
    // Each multiplication of lanes divided by 2^260, not 2^256.
    const wide_lanes sums[3] = {s0, s2, s3};
    #pragma unroll 1
    for (uint d = 0; d < count; d++)
        sum[d] = fr_double(wide_lanes_reduce(sums[d]), count == 2 ? LANE_SHIFT : 2 * LANE_SHIFT);
    return i;
}

#endif

// Add coefficient * the term's sum over the pairs first, first + GROUP_ITEMS, ... below end to
// `total`: coefficients 0, 2 and 3 of the round polynomial.
INLINE void add_term(
    uint count, __global const fe *const *table, const uint *length, fe coefficient, uint first,
    uint end, fe *total)
{
    fe sum[3] = {FE_ZERO, FE_ZERO, FE_ZERO};
#ifdef HAS_WIDE_LANES
    first = sum_lanes(count, table, length, first, end, sum);
#endif
    if (count == 1) { // a line has no higher coefficients
        for (uint i = first; i < end; i += GROUP_ITEMS)
            sum[0] = fr_add(sum[0], table[0][2 * i]);
    } else {
        wide sums[3] = {wide_zero(), wide_zero(), wide_zero()};
        for (uint i = first; i < end; i += GROUP_ITEMS) {
            const line a = line_at(table[0], length[0], i);
            const line b = line_at(table[1], length[1], i);
            fe x[4] = {a.low, a.step, a.step, FE_ZERO}; // products to add to sums 0, 1, 1, 2
            fe y[4] = {b.low, b.step, FE_ZERO, FE_ZERO};
            if (count == 3) { // (a b)(X) = x0 + x1 X + x2 X^2, times c
                const line c = line_at(table[2], length[2], i);
                x[2] = fr_add(a.low, a.step);
                y[2] = fr_add(b.low, b.step);
                COMPACT_LOOP
                for (int k = 0; k < 3; k++)
                    x[k] = fr_mul(x[k], y[k]);
                x[3] = x[1];
                x[1] = fr_sub(fr_sub(x[2], x[0]), x[3]);
                x[2] = x[3];
                y[0] = y[2] = c.low;
                y[1] = y[3] = c.step;
            }
            COMPACT_LOOP
            for (int k = 0; k < 4; k++)
                if (k < 2 || count == 3)
                    wide_mac(&sums[(k + 1) >> 1], x[k], y[k]);
        }
        COMPACT_LOOP
        for (uint d = 0; d < count; d++)
            sum[d] = fr_add(sum[d], wide_reduce(sums[d]));
    }
    COMPACT_LOOP
    for (uint d = 0; d < count; d++)
        total[d] = fr_add(total[d], fr_mul(coefficient, sum[d]));
}

// Add up what the work-items of a group have found; work-item 0 gets the result.
INLINE void add_items(uint item, fe *sum, __local fe *shared)
{
#if GROUP_ITEMS > 1
    for (uint d = 0; d < 3; d++)
        shared[item * 3 + d] = sum[d];
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item == 0)
        for (uint i = 3; i < 3 * GROUP_ITEMS; i++)
            sum[i % 3] = fr_add(sum[i % 3], shared[i]);
#endif
}

// Group g runs task first_task + g = (cluster, start, end): entries [start, end) after `folds`
// folds, start and end even except at a table's end. folds == 0 evaluates the tables as given.
// r is the challenge of the last fold. partials[3 g ..] is the task's c0, c2, c3.
__kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void sumcheck_round(
    SOURCES, __global fe *work, __global const table_place *tables, __global const uint4 *terms,
    __global const fe *coefficients, __global const uint4 *clusters, __global const uint4 *tasks,
    __global fe *partials, uint first_task, uint folds, uint finals, ulong r0, ulong r1, ulong r2,
    ulong r3)
{
    __local fe shared[GROUP_ITEMS * 3];
    const uint item = (uint)get_local_id(0);
    const uint group = (uint)get_group_id(0);
    const uint4 task = tasks[first_task + group];
    const uint4 cluster = clusters[task.x]; // tables [x, y), terms [z, w)
    const uint variables = tables[cluster.x].variables; // the same for the whole cluster
    __global const fe *const bases[8] = {b0, b1, b2, b3, b4, b5, b6, b7};

    if (folds > 0) {
        const scaler r = scaler_of(FE(r0, r1, r2, r3));
        for (uint t = cluster.x; t < cluster.y; t++) {
            const table_place place = tables[t];
            __global const fe *from =
                folds == 1 ? bases[place.source] + place.offset : AFTER(t, place, folds - 1);
            __global fe *to = AFTER(t, place, folds);
            const uint length = live_length(place, folds - 1);
            const uint end = min(task.z, live_length(place, folds));
            uint i = task.y + item;
#ifdef HAS_WIDE_LANES
            i = lanes_fold(from, length, to, i, end, FE(r0, r1, r2, r3));
#endif
            for (; i < end; i += GROUP_ITEMS) {
                const fe low = from[2 * i];
                const fe high = 2 * i + 1 < length ? from[2 * i + 1] : FE_ZERO;
                to[i] = fr_fold(&r, low, high);
            }
        }
    } else if (variables == 0) { // constants: nothing to fold, they are final
        for (uint t = cluster.x + item; t < cluster.y; t += GROUP_ITEMS)
            work[finals + t] = bases[tables[t].source][tables[t].offset];
    }
#if GROUP_ITEMS > 1
    barrier(CLK_GLOBAL_MEM_FENCE);
#endif

    fe total[3] = {FE_ZERO, FE_ZERO, FE_ZERO};
    for (uint k = cluster.z; k < cluster.w; k++) {
        const uint4 term = terms[k]; // three tables, number of factors
        const uint index[3] = {term.x, term.y, term.z};
        const fe coefficient = coefficients[k];
        if (folds == variables) { // finished: the product of the final values
            fe product = item == 0 ? coefficient : FE_ZERO;
            for (uint f = 0; f < term.w; f++)
                product = fr_mul(product, work[finals + index[f]]);
            total[0] = fr_add(total[0], product);
            continue;
        }
        __global const fe *table[3];
        uint length[3];
        uint end = task.z;
        for (uint f = 0; f < 3; f++) { // a factor that is absent repeats the first one
            const uint t = f < term.w ? index[f] : term.x;
            const table_place place = tables[t];
            table[f] = folds == 0 ? bases[place.source] + place.offset : AFTER(t, place, folds);
            length[f] = live_length(place, folds);
            end = min(end, length[f]);
        }
        add_term(
            term.w, table, length, coefficient, task.y / 2 + item, (end + 1) / 2, total);
    }
    add_items(item, total, shared);
    if (item == 0)
        for (uint d = 0; d < 3; d++)
            partials[3 * group + d] = total[d];
}

// message[0..3) = canonical c0, c2, c3 of the round: the sums of the first `active` partials,
// plus in c0 what finished instances contribute. done[0] is that contribution in the round before;
// it halves every round. The partials [active, total) finished now: half of their values joins it.
__kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void sumcheck_message(
    __global const fe *partials, __global fe *done, __global fe *message, uint active, uint total)
{
    __local fe shared[GROUP_ITEMS * 3];
    const uint item = (uint)get_local_id(0);
    fe sum[3] = {FE_ZERO, FE_ZERO, FE_ZERO};
    for (uint i = item; i < active; i += GROUP_ITEMS)
        for (uint d = 0; d < 3; d++)
            sum[d] = fr_add(sum[d], partials[3 * i + d]);
    add_items(item, sum, shared);
    if (item != 0)
        return;
    fe finished = done[0];
    for (uint i = active; i < total; i++)
        finished = fr_add(finished, partials[3 * i]);
    finished = fr_halve(finished);
    done[0] = finished;
    sum[0] = fr_add(sum[0], finished);
    #pragma unroll 1
    for (uint d = 0; d < 3; d++)
        message[d] = fr_to_canonical(sum[d]);
}
