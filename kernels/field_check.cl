// field_check.cl: every field function on vectors, so that a device can be compared to integers.
//
// Used by    joynet_sdk.proofs.selftest, tests/kernels; after bn254_field.cl (and bn254_lanes.cl)
// Form       inputs are any 256-bit integers, outputs canonical; `repeat` > 1 is for timing

#define CHECK_FIELD(F)                                                                             \
    /* one function each: compilers are slow where much is inlined in one place */                 \
    OUTLINE fe F##_out_mul(fe a, fe b) { return F##_mul(a, b); }                                   \
    OUTLINE fe F##_out_sqr(fe a) { return F##_sqr(a); }                                            \
    OUTLINE fe F##_out_add(fe a, fe b) { return F##_add(a, b); }                                   \
    OUTLINE fe F##_out_sub(fe a, fe b) { return F##_sub(a, b); }                                   \
    OUTLINE fe F##_out_neg(fe a) { return F##_neg(a); }                                            \
    OUTLINE fe F##_out_u64(ulong x) { return F##_from_u64(x); }                                    \
    OUTLINE fe F##_out_i64(long x) { return F##_from_i64(x); }                                     \
    OUTLINE fe F##_out_from(fe x) { return F##_from_canonical(x); }                                \
    OUTLINE fe F##_out_to(fe x) { return F##_to_canonical(x); }                                    \
    __kernel void F##_check(                                                                       \
        __global const fe *left, __global const fe *right, __global fe *out, const uint operation, \
        const uint repeat)                                                                         \
    {                                                                                              \
        const size_t i = get_global_id(0);                                                         \
        const fe a = F##_out_from(left[i]), b = F##_out_from(right[i]);                            \
        fe r = a;                                                                                  \
        for (uint k = 0; k < repeat; k++) {                                                        \
            switch (operation) {                                                                   \
            case 0: r = F##_out_mul(r, b); break;                                                  \
            case 1: r = F##_out_sqr(r); break;                                                     \
            case 2: r = F##_out_add(r, b); break;                                                  \
            case 3: r = F##_out_sub(r, b); break;                                                  \
            case 4: r = F##_out_neg(r); break;                                                     \
            case 5: r = F##_inv(r); break;                                                         \
            case 6: r = F##_out_u64(left[i].v[0]); break;                                          \
            case 7: r = F##_out_i64((long)left[i].v[0]); break;                                    \
            case 8: r = F##_out_u64((ulong)F##_is_zero(r)); break;                                 \
            case 9: r = F##_out_u64((ulong)F##_eq(r, b)); break;                                   \
            }                                                                                      \
        }                                                                                          \
        out[i] = F##_out_to(r);                                                                    \
    }

CHECK_FIELD(fr)
CHECK_FIELD(fq)

#ifdef LANE_SHIFT
// Eight elements a work-item, canonical, below the modulus; products are a * b / 2^256.
#define CHECK_LANES(F, P, INV)                                                                     \
    OUTLINE fv F##_lanes_mul(fv a, fv b) { return lanes_mul(a, b, P, INV); }                       \
    __kernel void F##_lanes_check(                                                                 \
        __global const fe *left, __global const fe *right, __global fe *out, const uint operation, \
        const uint repeat)                                                                         \
    {                                                                                              \
        const size_t i = get_global_id(0) * LANES;                                                 \
        const fv a = lanes_load(left + i), b = lanes_load(right + i);                              \
        fv r = a;                                                                                  \
        for (uint k = 0; k < repeat; k++) {                                                        \
            switch (operation) {                                                                   \
            case 0: r = F##_lanes_mul(r, lanes_shift(b, P)); break;                                \
            case 2: r = lanes_add(r, b); break;                                                    \
            case 3: r = lanes_sub(r, b, 1, P); break;                                              \
            case 8: r = lanes_select(lanes_is_zero(r), lanes_splat(FE(1UL, 0UL, 0UL, 0UL)),        \
                                     lanes_zero()); break;                                         \
            case 11: r = lanes_splat(lanes_sum(r, P)); break;                                      \
            }                                                                                      \
        }                                                                                          \
        lanes_store(out + i, lanes_reduce(r, P));                                                  \
    }

CHECK_LANES(fr, FR_P, FR_INV)
CHECK_LANES(fq, FQ_P, FQ_INV)
#endif
