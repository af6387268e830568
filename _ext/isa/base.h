/* Sixteen floats in plain C: right everywhere, fast nowhere. The operations are listed in ../vec.h. */
#include <math.h>

#define MP_ISA_NAME "base"
#define MP_TABLE mp_table_base
#define PACK_ROWS 2
#define PACK_VECS 1
#define DOT_ROWS 1
#define DIRECT_MAX_ROWS 8
#define SCORE_ROWS 2
#define VALUE_ROWS 2
#define VALUE_VECS 1

typedef struct { float x[16]; } vf;
typedef struct { int32_t x[16]; } vi;

#define LANES for (int i = 0; i < 16; i++)

VEC vf vset1(float x) {
    vf r;
    LANES r.x[i] = x;
    return r;
}
VEC vf vzero(void) { return vset1(0.0f); }
VEC vf vload(const float *p) {
    vf r;
    memcpy(&r, p, sizeof r);
    return r;
}
VEC void vstore(float *p, vf a) { memcpy(p, &a, sizeof a); }
VEC vf vload_n(const float *p, int64_t n) {
    vf r = vzero();
    memcpy(&r, p, (size_t)n * sizeof(float));
    return r;
}
VEC void vstore_n(float *p, vf a, int64_t n) { memcpy(p, &a, (size_t)n * sizeof(float)); }
VEC vf vload_f16(const uint16_t *p) {
    vf r;
    LANES {
        /* Exponent and fraction moved into place are the value times 2^-112, subnormals included. */
        uint32_t sign = (uint32_t)(p[i] & 0x8000u) << 16, rest = (uint32_t)(p[i] & 0x7FFFu) << 13, bits;
        float scaled;
        memcpy(&scaled, &rest, 4);
        scaled *= 0x1p112f;
        memcpy(&bits, &scaled, 4);
        if (rest >= 0x0F800000u) bits = rest | 0x7F800000u; /* infinities and NaNs */
        bits |= sign;
        memcpy(&r.x[i], &bits, 4);
    }
    return r;
}
VEC vf vload_bf16(const uint16_t *p) {
    vf r;
    LANES {
        uint32_t bits = (uint32_t)p[i] << 16;
        memcpy(&r.x[i], &bits, 4);
    }
    return r;
}

VEC vf vadd(vf a, vf b) {
    LANES a.x[i] += b.x[i];
    return a;
}
VEC vf vsub(vf a, vf b) {
    LANES a.x[i] -= b.x[i];
    return a;
}
VEC vf vmul(vf a, vf b) {
    LANES a.x[i] *= b.x[i];
    return a;
}
VEC vf vdiv(vf a, vf b) {
    LANES a.x[i] /= b.x[i];
    return a;
}

#ifdef __FP_FAST_FMAF
VEC vf vfma(vf a, vf b, vf c) {
    LANES c.x[i] = __builtin_fmaf(a.x[i], b.x[i], c.x[i]);
    return c;
}
#else
/* The product is exact in double; the sum is rounded to odd (the last bit is set where anything was lost), so
 * that the conversion to float rounds as if it saw the exact value. Unlike a library's fmaf this compiles to a
 * loop without branches or calls. */
static __attribute__((noinline)) vf vfma(vf a, vf b, vf c) {
    LANES {
        double product = (double)a.x[i] * (double)b.x[i], addend = c.x[i];
        double sum = product + addend, part = sum - product;
        double lost = (product - (sum - part)) + (addend - part);
        int64_t bits, direction;
        memcpy(&bits, &sum, 8);
        memcpy(&direction, &lost, 8);
        /* Even and inexact: step towards the lost part, which is away from zero where the signs agree. */
        int64_t step = 1 | ((bits ^ direction) >> 63);
        int64_t odd = bits + (((lost > 0.0) | (lost < 0.0)) & ~bits & 1) * step;
        memcpy(&sum, &odd, 8);
        c.x[i] = (float)sum;
    }
    return c;
}
#endif
VEC vf vmax(vf a, vf b) {
    LANES a.x[i] = a.x[i] > b.x[i] ? a.x[i] : b.x[i];
    return a;
}
VEC vf vmin(vf a, vf b) {
    LANES a.x[i] = a.x[i] < b.x[i] ? a.x[i] : b.x[i];
    return a;
}
VEC vf vif_less(vf a, vf b, vf then, vf other) {
    LANES a.x[i] = a.x[i] < b.x[i] ? then.x[i] : other.x[i];
    return a;
}
VEC vf vif_bytes(const uint8_t *visible, vf then, vf other) {
    LANES then.x[i] = visible[i] ? then.x[i] : other.x[i];
    return then;
}

VEC vi vbits(vf a) {
    vi r;
    memcpy(&r, &a, sizeof r);
    return r;
}
VEC vf vfloat(vi a) {
    vf r;
    memcpy(&r, &a, sizeof r);
    return r;
}
VEC vi viset1(int32_t x) {
    vi r;
    LANES r.x[i] = x;
    return r;
}
/* Through unsigned: the sums wrap, as in the other instruction sets. */
VEC vi viadd(vi a, vi b) {
    LANES a.x[i] = (int32_t)((uint32_t)a.x[i] + (uint32_t)b.x[i]);
    return a;
}
VEC vi visub(vi a, vi b) {
    LANES a.x[i] = (int32_t)((uint32_t)a.x[i] - (uint32_t)b.x[i]);
    return a;
}
VEC vi viand(vi a, vi b) {
    LANES a.x[i] &= b.x[i];
    return a;
}
VEC vi vior(vi a, vi b) {
    LANES a.x[i] |= b.x[i];
    return a;
}
VEC vi vishl23(vi a) {
    LANES a.x[i] = (int32_t)((uint32_t)a.x[i] << 23);
    return a;
}
VEC vi visar(vi a, int n) {
    LANES a.x[i] >>= n;
    return a;
}
VEC vf vi2f(vi a) {
    vf r;
    LANES r.x[i] = (float)a.x[i];
    return r;
}

VEC float mp_sum(vf a) {
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) a.x[i] += a.x[i + half];
    return a.x[0];
}
/* Lanes joined in the tree of N1 for four vectors at once. */
VEC void vsum4(vf a, vf b, vf c, vf d, float *out) {
    out[0] = mp_sum(a), out[1] = mp_sum(b), out[2] = mp_sum(c), out[3] = mp_sum(d);
}

/* Sixteen vectors as the rows of a matrix, transposed in place. */
VEC void vtranspose(vf r[16]) {
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < i; j++) {
            float swap = r[i].x[j];
            r[i].x[j] = r[j].x[i];
            r[j].x[i] = swap;
        }
}
