/* Sixteen floats in four 128-bit registers (arm64 NEON). The operations are listed in ../vec.h. */
#include <arm_neon.h>

#define MP_ISA_NAME "neon"
#define MP_TABLE mp_table_neon
/* Register tiles: see linear.h and attention.h; 32 registers. */
#define PACK_ROWS 6
#define PACK_VECS 1
#define DOT_ROWS 1
#define DIRECT_MAX_ROWS 16
#define SCORE_ROWS 6
#define VALUE_ROWS 6
#define VALUE_VECS 1

typedef struct { float32x4_t q[4]; } vf;
typedef struct { int32x4_t q[4]; } vi;

#define ALL(f, x, y) ((vf){{f((x).q[0], (y).q[0]), f((x).q[1], (y).q[1]), f((x).q[2], (y).q[2]), f((x).q[3], (y).q[3])}})
#define ALLI(f, x, y) ((vi){{f((x).q[0], (y).q[0]), f((x).q[1], (y).q[1]), f((x).q[2], (y).q[2]), f((x).q[3], (y).q[3])}})

VEC vf vset1(float x) {
    float32x4_t q = vdupq_n_f32(x);
    return (vf){{q, q, q, q}};
}
VEC vf vzero(void) { return vset1(0.0f); }
VEC vf vload(const float *p) { return (vf){{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}}; }
VEC void vstore(float *p, vf x) {
    for (int i = 0; i < 4; i++) vst1q_f32(p + 4 * i, x.q[i]);
}
VEC vf vload_n(const float *p, int64_t n) {
    float buffer[16] = {0};
    memcpy(buffer, p, (size_t)n * sizeof(float));
    return vload(buffer);
}
VEC void vstore_n(float *p, vf x, int64_t n) {
    float buffer[16];
    vstore(buffer, x);
    memcpy(p, buffer, (size_t)n * sizeof(float));
}
VEC vf vload_f16(const uint16_t *p) {
    vf x;
    for (int i = 0; i < 4; i++) x.q[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i)));
    return x;
}
VEC vf vload_bf16(const uint16_t *p) {
    vf x;
    for (int i = 0; i < 4; i++) x.q[i] = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16));
    return x;
}

VEC vf vadd(vf x, vf y) { return ALL(vaddq_f32, x, y); }
VEC vf vsub(vf x, vf y) { return ALL(vsubq_f32, x, y); }
VEC vf vmul(vf x, vf y) { return ALL(vmulq_f32, x, y); }
VEC vf vdiv(vf x, vf y) { return ALL(vdivq_f32, x, y); }
VEC vf vfma(vf x, vf y, vf z) {
    for (int i = 0; i < 4; i++) z.q[i] = vfmaq_f32(z.q[i], x.q[i], y.q[i]);
    return z;
}
/* As x86: the second operand where they are equal or unordered (NEON's own maximum treats NaN and -0 otherwise). */
VEC vf vmax(vf x, vf y) {
    for (int i = 0; i < 4; i++) x.q[i] = vbslq_f32(vcgtq_f32(x.q[i], y.q[i]), x.q[i], y.q[i]);
    return x;
}
VEC vf vmin(vf x, vf y) {
    for (int i = 0; i < 4; i++) x.q[i] = vbslq_f32(vcltq_f32(x.q[i], y.q[i]), x.q[i], y.q[i]);
    return x;
}
VEC vf vif_less(vf x, vf y, vf then, vf other) {
    for (int i = 0; i < 4; i++) x.q[i] = vbslq_f32(vcltq_f32(x.q[i], y.q[i]), then.q[i], other.q[i]);
    return x;
}
VEC vf vif_bytes(const uint8_t *visible, vf then, vf other) {
    for (int i = 0; i < 4; i++) {
        const uint8_t *p = visible + 4 * i;
        uint32x4_t wide = {p[0], p[1], p[2], p[3]};
        then.q[i] = vbslq_f32(vceqzq_u32(wide), other.q[i], then.q[i]);
    }
    return then;
}

VEC vi vbits(vf x) {
    vi r;
    for (int i = 0; i < 4; i++) r.q[i] = vreinterpretq_s32_f32(x.q[i]);
    return r;
}
VEC vf vfloat(vi x) {
    vf r;
    for (int i = 0; i < 4; i++) r.q[i] = vreinterpretq_f32_s32(x.q[i]);
    return r;
}
VEC vi viset1(int32_t x) {
    int32x4_t q = vdupq_n_s32(x);
    return (vi){{q, q, q, q}};
}
VEC vi viadd(vi x, vi y) { return ALLI(vaddq_s32, x, y); }
VEC vi visub(vi x, vi y) { return ALLI(vsubq_s32, x, y); }
VEC vi viand(vi x, vi y) { return ALLI(vandq_s32, x, y); }
VEC vi vior(vi x, vi y) { return ALLI(vorrq_s32, x, y); }
VEC vi vishl23(vi x) {
    for (int i = 0; i < 4; i++) x.q[i] = vshlq_n_s32(x.q[i], 23);
    return x;
}
VEC vi visar(vi x, int n) {
    for (int i = 0; i < 4; i++) x.q[i] = vshlq_s32(x.q[i], vdupq_n_s32(-n));
    return x;
}
VEC vf vi2f(vi x) {
    vf r;
    for (int i = 0; i < 4; i++) r.q[i] = vcvtq_f32_s32(x.q[i]);
    return r;
}

VEC float32x4_t mp_sum4(vf x) { /* l + (l+8), then + (l+4) */
    return vaddq_f32(vaddq_f32(x.q[0], x.q[2]), vaddq_f32(x.q[1], x.q[3]));
}
/* Lanes joined in the tree of N1 for four vectors at once. */
VEC void vsum4(vf p, vf q, vf r, vf s, float *out) {
    float32x4_t a = mp_sum4(p), b = mp_sum4(q), c = mp_sum4(r), d = mp_sum4(s);
    float32x4_t ab = vaddq_f32(vcombine_f32(vget_low_f32(a), vget_low_f32(b)),
                               vcombine_f32(vget_high_f32(a), vget_high_f32(b))); /* + (l+2) */
    float32x4_t cd = vaddq_f32(vcombine_f32(vget_low_f32(c), vget_low_f32(d)),
                               vcombine_f32(vget_high_f32(c), vget_high_f32(d)));
    vst1q_f32(out, vaddq_f32(vuzp1q_f32(ab, cd), vuzp2q_f32(ab, cd))); /* + (l+1) */
}

/* Sixteen vectors as the rows of a matrix, transposed in place. */
VEC void vtranspose(vf r[16]) {
    vf t[16];
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 4; j++) {
            float32x4_t a = vtrn1q_f32(r[i].q[j], r[i + 1].q[j]), b = vtrn2q_f32(r[i].q[j], r[i + 1].q[j]);
            float32x4_t c = vtrn1q_f32(r[i + 2].q[j], r[i + 3].q[j]), d = vtrn2q_f32(r[i + 2].q[j], r[i + 3].q[j]);
            t[4 * j].q[i / 4] = vcombine_f32(vget_low_f32(a), vget_low_f32(c));
            t[4 * j + 1].q[i / 4] = vcombine_f32(vget_low_f32(b), vget_low_f32(d));
            t[4 * j + 2].q[i / 4] = vcombine_f32(vget_high_f32(a), vget_high_f32(c));
            t[4 * j + 3].q[i / 4] = vcombine_f32(vget_high_f32(b), vget_high_f32(d));
        }
    memcpy(r, t, sizeof t);
}
