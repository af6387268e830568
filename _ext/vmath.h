/* Elementary functions and activations on sixteen floats (contract N3).
 *
 * Branch-free: every lane runs the same operations in the same order on every CPU. The coefficients come from
 * tools/fit_polynomials.py; the error budgets, in units in the last place of the float32 result, stand in
 * minipegasus/ops/budgets.py and are tested against mpmath there. Operands of vmax and vmin are ordered so that a
 * NaN comes through. */
#ifndef MP_VMATH_H
#define MP_VMATH_H

#include "vec.h"

/* exp(x): x = n ln2 + r, |r| <= ln2 / 2; exp(r) = 1 + r + r^2 P(r). Subnormal results are rounded once. */
VEC vf vexp(vf x) {
    const vf magic = vset1(0x1.8p23f); /* adding it rounds to a whole number */
    x = vmin(vset1(89.0f), vmax(vset1(-104.0f), x));
    vf n = vsub(vfma(x, vset1(0x1.715476p0f), magic), magic);
    vf r = vfma(n, vset1(-0x1.62e4p-1f), x);
    r = vfma(n, vset1(-0x1.7f7d1cp-20f), r);
    vf p = vset1(0x1.6a4da6p-10f);
    p = vfma(p, r, vset1(0x1.123e5ap-7f));
    p = vfma(p, r, vset1(0x1.5558b8p-5f));
    p = vfma(p, r, vset1(0x1.55548cp-3f));
    p = vfma(p, r, vset1(0x1.fffffcp-2f));
    p = vadd(vfma(p, vmul(r, r), r), vset1(1.0f));
    return vscale(p, n);
}

/* log(x): x = 2^e m, m in [2/3, 4/3), f = m - 1; log(1 + f) = f - f^2/2 + f^3 P(f). */
VEC vf vlog(vf x) {
    const vi two_thirds = viset1(0x3F2AAAAB), fraction = viset1(0x007FFFFF);
    vf tiny = vif_less(x, vset1(0x1p-126f), vset1(1.0f), vzero());
    vf y = vif_less(x, vset1(0x1p-126f), vmul(x, vset1(0x1p24f)), x);
    vi shifted = visub(vbits(y), two_thirds);
    vf e = vfma(tiny, vset1(-24.0f), vi2f(visar(shifted, 23)));
    vf f = vsub(vfloat(viadd(viand(shifted, fraction), two_thirds)), vset1(1.0f));
    vf p = vset1(0x1.e99428p-4f);
    p = vfma(p, f, vset1(-0x1.06d3a0p-3f));
    p = vfma(p, f, vset1(0x1.b92e36p-4f));
    p = vfma(p, f, vset1(-0x1.f3a7eep-4f));
    p = vfma(p, f, vset1(0x1.24ead2p-3f));
    p = vfma(p, f, vset1(-0x1.5597dep-3f));
    p = vfma(p, f, vset1(0x1.9997f2p-3f));
    p = vfma(p, f, vset1(-0x1.ffff16p-3f));
    p = vfma(p, f, vset1(0x1.555556p-2f));
    vf square = vmul(f, f);
    vf low = vfma(vmul(square, f), p, vfma(e, vset1(0x1.7f7d1cp-20f), vmul(square, vset1(-0.5f))));
    vf result = vfma(e, vset1(0x1.62e4p-1f), vadd(f, low));
    result = vif_less(x, vset1(INFINITY), result, x); /* infinity and NaN */
    result = vif_less(vzero(), x, result, vset1(-INFINITY));
    return vif_less(x, vzero(), vset1(NAN), vif_less(x, vset1(INFINITY), result, x));
}

VEC vf vabs(vf x) { return vfloat(viand(vbits(x), viset1(0x7FFFFFFF))); }
VEC vf vwith_sign_of(vf magnitude, vf x) { /* magnitude >= 0 */
    return vfloat(vior(vbits(magnitude), viand(vbits(x), viset1(INT32_MIN))));
}

/* tanh(x): x + x^3 P(x^2) below 0.6, else 1 - 2 / (exp(2|x|) + 1). */
VEC vf vtanh(vf x) {
    vf a = vabs(x), u = vmul(x, x);
    vf p = vset1(0x1.1fc462p-9f);
    p = vfma(p, u, vset1(-0x1.0db2cep-7f));
    p = vfma(p, u, vset1(0x1.63de6cp-6f));
    p = vfma(p, u, vset1(-0x1.b9f580p-5f));
    p = vfma(p, u, vset1(0x1.111086p-3f));
    p = vfma(p, u, vset1(-0x1.555554p-2f));
    vf small = vfma(vmul(p, u), a, a);
    vf e = vexp(vmin(vset1(20.0f), vadd(a, a)));
    vf large = vsub(vset1(1.0f), vdiv(vset1(2.0f), vadd(e, vset1(1.0f))));
    return vwith_sign_of(vif_less(a, vset1(0.6f), small, large), x);
}

/* erf(x): x + x P(x^2) below 0.925, else 1 - exp(|x| Q(|x|)). */
VEC vf verf(vf x) {
    vf a = vmin(vset1(4.0f), vabs(x)), u = vmul(a, a);
    vf p = vset1(0x1.4f675ep-14f);
    p = vfma(p, u, vset1(-0x1.a60a2ep-11f));
    p = vfma(p, u, vset1(0x1.544a1ap-8f));
    p = vfma(p, u, vset1(-0x1.b8011ap-6f));
    p = vfma(p, u, vset1(0x1.ce2d64p-4f));
    p = vfma(p, u, vset1(-0x1.812740p-2f));
    p = vfma(p, u, vset1(0x1.06eba8p-3f));
    vf q = vset1(0x1.2f3642p-19f);
    q = vfma(q, a, vset1(-0x1.2e8cf2p-15f));
    q = vfma(q, a, vset1(0x1.dfe0cep-13f));
    q = vfma(q, a, vset1(-0x1.21a604p-11f));
    q = vfma(q, a, vset1(-0x1.c3762ap-10f));
    q = vfma(q, a, vset1(0x1.5aa5ecp-6f));
    q = vfma(q, a, vset1(-0x1.aa6396p-4f));
    q = vfma(q, a, vset1(-0x1.45b22ap-1f));
    q = vfma(q, a, vset1(-0x1.20e2bep+0f));
    vf large = vsub(vset1(1.0f), vexp(vmul(q, a)));
    return vwith_sign_of(vif_less(a, vset1(0.925f), vfma(p, a, a), large), x);
}

VEC vf vsigmoid(vf x) { return vdiv(vset1(1.0f), vadd(vset1(1.0f), vexp(vsub(vzero(), x)))); }
VEC vf vclip(vf x, float low, float high) { return vmin(vset1(high), vmax(vset1(low), x)); }

/* 0.5 x (1 + y), with one rounding for the sum. */
VEC vf vhalf_gate(vf x, vf y) {
    vf half = vmul(x, vset1(0.5f));
    return vfma(half, y, half);
}
VEC vf vgelu(vf x) { return vhalf_gate(x, verf(vmul(x, vset1(0x1.6a09e6p-1f)))); } /* sqrt(1/2) */
VEC vf vgelu_tanh(vf x, float root) { /* root = sqrt(2 / pi) */
    vf cubic = vfma(vmul(vmul(x, x), x), vset1(0.044715f), x);
    return vhalf_gate(x, vtanh(vmul(cubic, vset1(root))));
}
/* x tanh(log(1 + e^x)) without the logarithm: with s = e^x (e^x + 2) it is x s / (s + 2). */
VEC vf vmish(vf x) {
    vf e = vexp(vmin(vset1(20.0f), x)), s = vmul(e, vadd(e, vset1(2.0f)));
    return vmul(x, vdiv(s, vadd(s, vset1(2.0f))));
}

/* The order of ACTIVATIONS in minipegasus/ops/_native.py. */
enum activation {
    ACT_LINEAR, ACT_RELU, ACT_GELU, ACT_GELU_NEW, ACT_GELU_FAST, ACT_QUICK_GELU, ACT_GELU_10, ACT_RELU2, ACT_RELU6,
    ACT_SILU, ACT_TANH, ACT_SIGMOID, ACT_MISH, ACT_LEAKY_RELU, ACT_LAPLACE, ACT_EXP, ACT_LOG, ACT_ERF, ACT_COUNT
};

VEC vf vactivate(vf x, int name) {
    switch (name) {
    case ACT_RELU: return vmax(vzero(), x);
    case ACT_GELU: return vgelu(x);
    case ACT_GELU_NEW: return vgelu_tanh(x, 0x1.988454p-1f);  /* sqrt(2 / pi) */
    case ACT_GELU_FAST: return vgelu_tanh(x, 0x1.988454p-1f); /* 0.7978845608 is the same float32 */
    case ACT_QUICK_GELU: return vmul(x, vsigmoid(vmul(x, vset1(1.702f))));
    case ACT_GELU_10: return vclip(vgelu(x), -10.0f, 10.0f);
    case ACT_RELU2: { vf r = vmax(vzero(), x); return vmul(r, r); }
    case ACT_RELU6: return vclip(x, 0.0f, 6.0f);
    case ACT_SILU: return vmul(x, vsigmoid(x));
    case ACT_TANH: return vtanh(x);
    case ACT_SIGMOID: return vsigmoid(x);
    case ACT_MISH: return vmish(x);
    case ACT_LEAKY_RELU: return vif_less(x, vzero(), vmul(x, vset1(0.01f)), x);
    case ACT_LAPLACE: {
        vf z = vmul(vsub(x, vset1(0.707107f)), vset1(0x1.40d922p+1f)); /* 1 / (0.282095 sqrt 2) */
        return vhalf_gate(vset1(1.0f), verf(z));
    }
    case ACT_EXP: return vexp(x);
    case ACT_LOG: return vlog(x);
    case ACT_ERF: return verf(x);
    default: return x;
    }
}

#endif
