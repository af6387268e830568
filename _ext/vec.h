/* A vector of sixteen floats, the unit of contract N1, over four instruction sets.
 *
 * The file that includes this one is compiled once per instruction set with MP_AVX512, MP_AVX2, MP_NEON or nothing
 * defined, and everything in it is static, so that no object can lend a function to another. Each isa/ header gives
 *
 *   vf, vi                      sixteen floats, sixteen int32
 *   vzero vset1 vload vstore    whole vectors, any alignment
 *   vload_n vstore_n            the first n < 16 lanes; the others are zero, or not touched
 *   vload_f16 vload_bf16        sixteen half precision values, widened exactly (N5)
 *   vadd vsub vmul vdiv vfma    IEEE, one rounding; vfma(a, b, c) = a * b + c
 *   vmax vmin                   a > b ? a : b and a < b ? a : b, so that a NaN in b comes through
 *   vif_less(a, b, x, y)        a < b ? x : y in each lane; vif_bytes(p, x, y): p[lane] ? x : y
 *   vbits vfloat vi2f           reinterpret, reinterpret back, convert
 *   viset1 viadd visub viand vior vishl23 visar   wrapping int32 arithmetic, shifts
 *   vsum4(a, b, c, d, out)      out[0..3] = the lane sums of four vectors, joined in the tree of N1
 *   vtranspose(r)               sixteen vectors as a matrix, in place
 *
 * and the sizes of the register tiles. No operation's result depends on the instruction set. */
#ifndef MP_VEC_H
#define MP_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC static inline __attribute__((always_inline))

#if defined(MP_AVX512)
#include "isa/avx512.h"
#elif defined(MP_AVX2)
#include "isa/avx2.h"
#elif defined(MP_NEON)
#include "isa/neon.h"
#else
#include "isa/base.h"
#endif

#ifndef VEC_HAS_SCALE
/* a * 2^n for whole n in [-150, 150], rounded once: the first factor is exact for a of ordinary size. */
VEC vf vscale(vf a, vf n) {
    /* 1.5 * 2^23 + n holds n in its low bits; vishl23 then keeps nothing else. */
    vi whole = visub(vbits(vadd(n, vset1(0x1.8p23f))), viset1(0x4B400000));
    vi half = visar(whole, 1), one = viset1(0x3F800000);
    vf first = vfloat(viadd(vishl23(half), one)), second = vfloat(viadd(vishl23(visub(whole, half)), one));
    return vmul(vmul(a, first), second);
}
#endif

#ifndef VEC_HAS_SUM16
/* The lane sums of a 4 x 4 tile: row i of the sums goes to out + i * stride. */
VEC void vsum16(const vf a[16], float *out, int64_t stride) {
    for (int i = 0; i < 4; i++) vsum4(a[4 * i], a[4 * i + 1], a[4 * i + 2], a[4 * i + 3], out + i * stride);
}
#endif

/* Lane sum of one vector in the tree of N1. */
VEC float vsum(vf a) {
    float out[4];
    vsum4(a, a, a, a, out);
    return out[0];
}

/* Largest lane: any order gives the same value, the tree gives the same NaN everywhere. */
VEC float vlargest(vf a) {
    float x[16];
    vstore(x, a);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) x[i] = x[i] > x[i + half] ? x[i] : x[i + half];
    return x[0];
}

/* The first n < 16 lanes of a; `rest` in the others. */
VEC vf vfirst(vf a, int64_t n, float rest) {
    float lanes[16];
    vstore(lanes, vset1(rest));
    vstore_n(lanes, a, n);
    return vload(lanes);
}

VEC vf vload_up_to(const float *p, int64_t n) { return n >= 16 ? vload(p) : vload_n(p, n); }
VEC void vstore_up_to(float *p, vf a, int64_t n) {
    if (n >= 16) vstore(p, a);
    else vstore_n(p, a, n);
}

#endif
