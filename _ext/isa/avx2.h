/* Sixteen floats in two 256-bit registers (AVX2, FMA, F16C). The operations are listed in ../vec.h. */
#include <immintrin.h>

#define MP_ISA_NAME "avx2"
#define MP_TABLE mp_table_avx2
/* Register tiles: see linear.h and attention.h; 16 registers. */
#define PACK_ROWS 6
#define PACK_VECS 1
#define DOT_ROWS 1
#define DIRECT_MAX_ROWS 24
#define SCORE_ROWS 6
#define VALUE_ROWS 6
#define VALUE_VECS 1

typedef struct { __m256 a, b; } vf;
typedef struct { __m256i a, b; } vi;

#define BOTH(f, x, y) ((vf){f((x).a, (y).a), f((x).b, (y).b)})
#define BOTHI(f, x, y) ((vi){f((x).a, (y).a), f((x).b, (y).b)})

VEC __m256i mp_first(int64_t n) { /* lanes below n */
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

VEC vf vzero(void) { return (vf){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
VEC vf vset1(float x) { return (vf){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
VEC vf vload(const float *p) { return (vf){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
VEC void vstore(float *p, vf x) { _mm256_storeu_ps(p, x.a), _mm256_storeu_ps(p + 8, x.b); }
VEC vf vload_n(const float *p, int64_t n) {
    return (vf){_mm256_maskload_ps(p, mp_first(n)), _mm256_maskload_ps(p + 8, mp_first(n - 8))};
}
VEC void vstore_n(float *p, vf x, int64_t n) {
    _mm256_maskstore_ps(p, mp_first(n), x.a), _mm256_maskstore_ps(p + 8, mp_first(n - 8), x.b);
}
VEC vf vload_f16(const uint16_t *p) {
    return (vf){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)))};
}
VEC __m256 mp_bf16(const uint16_t *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
VEC vf vload_bf16(const uint16_t *p) { return (vf){mp_bf16(p), mp_bf16(p + 8)}; }

VEC vf vadd(vf x, vf y) { return BOTH(_mm256_add_ps, x, y); }
VEC vf vsub(vf x, vf y) { return BOTH(_mm256_sub_ps, x, y); }
VEC vf vmul(vf x, vf y) { return BOTH(_mm256_mul_ps, x, y); }
VEC vf vdiv(vf x, vf y) { return BOTH(_mm256_div_ps, x, y); }
VEC vf vfma(vf x, vf y, vf z) { return (vf){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
VEC vf vmax(vf x, vf y) { return BOTH(_mm256_max_ps, x, y); }
VEC vf vmin(vf x, vf y) { return BOTH(_mm256_min_ps, x, y); }
VEC vf vif_less(vf x, vf y, vf then, vf other) {
    return (vf){_mm256_blendv_ps(other.a, then.a, _mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ)),
                _mm256_blendv_ps(other.b, then.b, _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ))};
}
VEC __m256 mp_if_bytes(__m128i bytes, __m256 then, __m256 other) {
    __m256i hidden = _mm256_cmpeq_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_setzero_si256());
    return _mm256_blendv_ps(then, other, _mm256_castsi256_ps(hidden));
}
VEC vf vif_bytes(const uint8_t *visible, vf then, vf other) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)visible);
    return (vf){mp_if_bytes(bytes, then.a, other.a), mp_if_bytes(_mm_srli_si128(bytes, 8), then.b, other.b)};
}

VEC vi vbits(vf x) { return (vi){_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
VEC vf vfloat(vi x) { return (vf){_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
VEC vi viset1(int32_t x) { return (vi){_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
VEC vi viadd(vi x, vi y) { return BOTHI(_mm256_add_epi32, x, y); }
VEC vi visub(vi x, vi y) { return BOTHI(_mm256_sub_epi32, x, y); }
VEC vi viand(vi x, vi y) { return BOTHI(_mm256_and_si256, x, y); }
VEC vi vior(vi x, vi y) { return BOTHI(_mm256_or_si256, x, y); }
VEC vi vishl23(vi x) { return (vi){_mm256_slli_epi32(x.a, 23), _mm256_slli_epi32(x.b, 23)}; }
VEC vi visar(vi x, int n) { return (vi){_mm256_srai_epi32(x.a, n), _mm256_srai_epi32(x.b, n)}; }
VEC vf vi2f(vi x) { return (vf){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }

/* Lanes joined in the tree of N1 for four vectors at once. */
VEC void vsum4(vf p, vf q, vf r, vf s, float *out) {
    __m256 p8 = _mm256_add_ps(p.a, p.b), q8 = _mm256_add_ps(q.a, q.b); /* l + (l+8) */
    __m256 r8 = _mm256_add_ps(r.a, r.b), s8 = _mm256_add_ps(s.a, s.b);
    __m256 pq = _mm256_add_ps(_mm256_permute2f128_ps(p8, q8, 0x20), _mm256_permute2f128_ps(p8, q8, 0x31)); /* + 4 */
    __m256 rs = _mm256_add_ps(_mm256_permute2f128_ps(r8, s8, 0x20), _mm256_permute2f128_ps(r8, s8, 0x31));
    __m256 two = _mm256_add_ps(_mm256_shuffle_ps(pq, rs, 0x44), _mm256_shuffle_ps(pq, rs, 0xEE)); /* p r | q s */
    __m128 low = _mm256_castps256_ps128(two), high = _mm256_extractf128_ps(two, 1);
    __m128 pq1 = _mm_shuffle_ps(low, high, 0x88), pq2 = _mm_shuffle_ps(low, high, 0xDD); /* p r q s */
    __m128 sums = _mm_add_ps(pq1, pq2);
    _mm_storeu_ps(out, _mm_shuffle_ps(sums, sums, 0xD8)); /* p q r s */
}

VEC void mp_transpose8(__m256 r[8]) {
    __m256 t[8];
    for (int i = 0; i < 8; i += 4) {
        __m256 a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpackhi_ps(r[i], r[i + 1]);
        __m256 c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm256_shuffle_ps(a, c, 0x44), t[i + 1] = _mm256_shuffle_ps(a, c, 0xEE);
        t[i + 2] = _mm256_shuffle_ps(b, d, 0x44), t[i + 3] = _mm256_shuffle_ps(b, d, 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
}

/* Sixteen vectors as the rows of a matrix, transposed in place. */
VEC void vtranspose(vf r[16]) {
    __m256 q[4][8];
    for (int i = 0; i < 8; i++) q[0][i] = r[i].a, q[1][i] = r[i].b, q[2][i] = r[i + 8].a, q[3][i] = r[i + 8].b;
    for (int i = 0; i < 4; i++) mp_transpose8(q[i]);
    for (int i = 0; i < 8; i++) r[i] = (vf){q[0][i], q[2][i]}, r[i + 8] = (vf){q[1][i], q[3][i]};
}
