/* Sixteen floats in one 512-bit register (AVX-512 F, BW, VL, DQ). The operations are listed in ../vec.h. */
#include <immintrin.h>

#define MP_ISA_NAME "avx512"
#define MP_TABLE mp_table_avx512
/* Register tiles: see linear.h and attention.h; 32 registers. */
#define PACK_ROWS 14
#define PACK_VECS 2
#define DOT_ROWS 4
#define DIRECT_MAX_ROWS 80
#define SCORE_ROWS 8
#define VALUE_ROWS 6
#define VALUE_VECS 4

typedef __m512 vf;
typedef __m512i vi;

VEC vf vzero(void) { return _mm512_setzero_ps(); }
VEC vf vset1(float x) { return _mm512_set1_ps(x); }
VEC vf vload(const float *p) { return _mm512_loadu_ps(p); }
VEC void vstore(float *p, vf a) { _mm512_storeu_ps(p, a); }
VEC vf vload_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
VEC void vstore_n(float *p, vf a, int64_t n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a); }
VEC vf vload_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
VEC vf vload_bf16(const uint16_t *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}

VEC vf vadd(vf a, vf b) { return _mm512_add_ps(a, b); }
VEC vf vsub(vf a, vf b) { return _mm512_sub_ps(a, b); }
VEC vf vmul(vf a, vf b) { return _mm512_mul_ps(a, b); }
VEC vf vdiv(vf a, vf b) { return _mm512_div_ps(a, b); }
VEC vf vfma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
VEC vf vmax(vf a, vf b) { return _mm512_max_ps(a, b); }
VEC vf vmin(vf a, vf b) { return _mm512_min_ps(a, b); }
VEC vf vif_less(vf a, vf b, vf then, vf other) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), other, then);
}
VEC vf vif_bytes(const uint8_t *visible, vf then, vf other) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)visible);
    return _mm512_mask_blend_ps(_mm_test_epi8_mask(bytes, bytes), other, then);
}

VEC vi vbits(vf a) { return _mm512_castps_si512(a); }
VEC vf vfloat(vi a) { return _mm512_castsi512_ps(a); }
VEC vi viset1(int32_t x) { return _mm512_set1_epi32(x); }
VEC vi viadd(vi a, vi b) { return _mm512_add_epi32(a, b); }
VEC vi visub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
VEC vi viand(vi a, vi b) { return _mm512_and_si512(a, b); }
VEC vi vior(vi a, vi b) { return _mm512_or_si512(a, b); }
VEC vi vishl23(vi a) { return _mm512_slli_epi32(a, 23); }
VEC vi visar(vi a, int n) { return _mm512_srai_epi32(a, (unsigned)n); }
VEC vf vi2f(vi a) { return _mm512_cvtepi32_ps(a); }

#define VEC_HAS_SCALE
/* a * 2^n for whole n in [-150, 150], rounded once. */
VEC vf vscale(vf a, vf n) { return _mm512_scalef_ps(a, n); }

/* Lanes joined in the tree of N1 for four vectors at once. */
VEC void vsum4(vf a, vf b, vf c, vf d, float *out) {
    vf ab = vadd(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE)); /* l + (l+8): a0 a1 b0 b1 */
    vf cd = vadd(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xEE));
    vf s4 = vadd(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD)); /* + (l+4): a b c d */
    vf s2 = vadd(s4, _mm512_shuffle_ps(s4, s4, 0x4E));
    vf s1 = vadd(s2, _mm512_shuffle_ps(s2, s2, 0xB1));
    __m512 packed = _mm512_permutexvar_ps(_mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12), s1);
    _mm_storeu_ps(out, _mm512_castps512_ps128(packed));
}

/* The same for a 4 x 4 tile: row i of the sums goes to out + i * stride. */
VEC vf vquad(vf a, vf b, vf c, vf d) {
    vf ab = vadd(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
    vf cd = vadd(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xEE));
    return vadd(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
}
#define VEC_HAS_SUM16
VEC void vsum16(const vf a[16], float *out, int64_t stride) {
    /* Tile column j in 128-bit lane j; in-lane steps then put tile row i at position i of its lane. */
    vf r0 = vquad(a[0], a[1], a[2], a[3]), r1 = vquad(a[4], a[5], a[6], a[7]);
    vf r2 = vquad(a[8], a[9], a[10], a[11]), r3 = vquad(a[12], a[13], a[14], a[15]);
    vf r01 = vadd(_mm512_shuffle_ps(r0, r1, 0x44), _mm512_shuffle_ps(r0, r1, 0xEE)); /* l + (l+2) */
    vf r23 = vadd(_mm512_shuffle_ps(r2, r3, 0x44), _mm512_shuffle_ps(r2, r3, 0xEE));
    vf s = vadd(_mm512_shuffle_ps(r01, r23, 0x88), _mm512_shuffle_ps(r01, r23, 0xDD)); /* l + (l+1) */
    vf t = _mm512_permutexvar_ps(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), s);
    _mm_storeu_ps(out, _mm512_castps512_ps128(t));
    _mm_storeu_ps(out + stride, _mm512_extractf32x4_ps(t, 1));
    _mm_storeu_ps(out + 2 * stride, _mm512_extractf32x4_ps(t, 2));
    _mm_storeu_ps(out + 3 * stride, _mm512_extractf32x4_ps(t, 3));
}

/* Sixteen vectors as the rows of a matrix, transposed in place. */
VEC void vtranspose(vf r[16]) {
    vf t[16];
    for (int i = 0; i < 16; i += 4) {
        vf a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
        vf c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm512_shuffle_ps(a, c, 0x44), t[i + 1] = _mm512_shuffle_ps(a, c, 0xEE);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44), t[i + 3] = _mm512_shuffle_ps(b, d, 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        vf a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xDD);
        vf c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88), d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xDD);
        r[i] = _mm512_shuffle_f32x4(a, c, 0x88), r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xDD);
        r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88), r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xDD);
    }
}
