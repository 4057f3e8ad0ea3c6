// bn254_curve.cl: points of BN254's G1, y^2 = x^3 + 3 over Fq, one at a time.
//
// Used by    msm_threads.cl, msm_windows.cl, srs.cl; after bn254_field.cl
// Reference  joynet_sdk.proofs.g1
// Maths      Affine (0, 0) is the identity. XYZZ: x = X/ZZ, y = Y/ZZZ, ZZ^3 = ZZZ^2; ZZ = 0 is the
//            identity. Formulas: EFD, dbl-2008-s-1, madd-2008-s, add-2008-s. Every exceptional
//            case is handled: the identity, P + P, P + (-P).

typedef struct {
    fe x, y;
} affine;

typedef struct {
    fe x, y, zz, zzz;
} xyzz;

// Calls, not copies: compilers take minutes for a hundred multiplications in one block.
OUTLINE fe curve_mul(fe a, fe b)
{
    return fq_mul(a, b);
}

INLINE fe curve_sqr(fe a)
{
    return curve_mul(a, a);
}

INLINE int affine_is_none(affine a)
{
    return fe_is_zero(a.x) && fe_is_zero(a.y);
}

INLINE xyzz xyzz_none(void)
{
    return (xyzz){FE_ZERO, FE_ZERO, FE_ZERO, FE_ZERO};
}

INLINE affine affine_negate_if(affine a, int condition)
{
    a.y = fe_select(condition, fq_neg(a.y), a.y);
    return a;
}

INLINE xyzz xyzz_from_affine(affine a)
{
    return affine_is_none(a) ? xyzz_none() : (xyzz){a.x, a.y, FQ_ONE, FQ_ONE};
}

OUTLINE xyzz xyzz_double(xyzz a)
{
    xyzz r;
    const fe u = fq_add(a.y, a.y), v = curve_sqr(u), w = curve_mul(u, v), s = curve_mul(a.x, v);
    const fe xx = curve_sqr(a.x), m = fq_add(fq_add(xx, xx), xx);
    r.x = fq_sub(curve_sqr(m), fq_add(s, s));
    r.y = fq_sub(curve_mul(m, fq_sub(s, r.x)), curve_mul(w, a.y));
    r.zz = curve_mul(v, a.zz); // 0 stays 0
    r.zzz = curve_mul(w, a.zzz);
    return r;
}

OUTLINE xyzz xyzz_add_affine(xyzz a, affine b)
{
    if (affine_is_none(b))
        return a;
    if (fe_is_zero(a.zz))
        return xyzz_from_affine(b);
    const fe p = fq_sub(curve_mul(b.x, a.zz), a.x), r = fq_sub(curve_mul(b.y, a.zzz), a.y);
    if (fe_is_zero(p))
        return fe_is_zero(r) ? xyzz_double(a) : xyzz_none();
    const fe pp = curve_sqr(p), ppp = curve_mul(p, pp), q = curve_mul(a.x, pp);
    xyzz s;
    s.x = fq_sub(fq_sub(curve_sqr(r), ppp), fq_add(q, q));
    s.y = fq_sub(curve_mul(r, fq_sub(q, s.x)), curve_mul(a.y, ppp));
    s.zz = curve_mul(a.zz, pp);
    s.zzz = curve_mul(a.zzz, ppp);
    return s;
}

OUTLINE xyzz xyzz_add(xyzz a, xyzz b)
{
    if (fe_is_zero(a.zz))
        return b;
    if (fe_is_zero(b.zz))
        return a;
    const fe u = curve_mul(a.x, b.zz), p = fq_sub(curve_mul(b.x, a.zz), u);
    const fe t = curve_mul(a.y, b.zzz), r = fq_sub(curve_mul(b.y, a.zzz), t);
    if (fe_is_zero(p))
        return fe_is_zero(r) ? xyzz_double(a) : xyzz_none();
    const fe pp = curve_sqr(p), ppp = curve_mul(p, pp), q = curve_mul(u, pp);
    xyzz s;
    s.x = fq_sub(fq_sub(curve_sqr(r), ppp), fq_add(q, q));
    s.y = fq_sub(curve_mul(r, fq_sub(q, s.x)), curve_mul(t, ppp));
    s.zz = curve_mul(curve_mul(a.zz, b.zz), pp);
    s.zzz = curve_mul(curve_mul(a.zzz, b.zzz), ppp);
    return s;
}

// k * a by double and add.
OUTLINE xyzz xyzz_scale(xyzz a, uint k)
{
    xyzz r = xyzz_none();
    for (int bit = 31 - (int)clz(k | 1); bit >= 0; bit--) {
        r = xyzz_double(r);
        if ((k >> bit) & 1)
            r = xyzz_add(r, a);
    }
    return r;
}
