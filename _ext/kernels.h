/* The table of kernels: one per instruction set, all compiled from kernels.c. Every kernel returns 0, or -1 where
 * memory ran out. Arrays are C-contiguous unless strides are given; strides count elements. */
#ifndef MP_KERNELS_H
#define MP_KERNELS_H

#include <stdint.h>

enum weight_kind { WEIGHT_F32, WEIGHT_F16, WEIGHT_BF16 };

typedef struct {
    const float *x;     /* [rows, inner] */
    const void *weight; /* [outer, inner], of `kind` */
    const float *bias;  /* [outer] or NULL */
    float *out;         /* [rows, outer] */
    int64_t rows, inner, outer;
    int kind, activation;
} mp_linear_args;

typedef struct {
    const float *q, *k, *v; /* [b, h, t, d], [kb, h, s, d] twice */
    float *out;             /* [b, t, h, d], contiguous */
    int64_t q_strides[3], k_strides[3], v_strides[3];
    int64_t batch, key_batch, heads, queries, keys, width;
    /* the pattern */
    const int64_t *query_starts, *range_starts, *ranges;
    int64_t blocks, plans, causal_offset;
    int causal;
    float scale;
    const uint8_t *visible; /* [visible_batch, s] or NULL */
    int64_t visible_batch;
    const float *bias; /* [b, h, t, s] by strides, 0 where broadcast; or NULL */
    int64_t bias_strides[3];
    const int32_t *rows; /* [b, s] or NULL */
    const float *head_scale; /* [h] or NULL */
    float *probs;            /* block after block [b, h, tq, nk], or NULL */
    const int64_t *probs_starts; /* [blocks] */
} mp_attention_args;

typedef struct {
    const char *name;
    int (*layer_norm)(const float *x, const float *residual, const float *weight, const float *bias, float eps,
                      float *out, int64_t rows, int64_t width);
    int (*softmax)(const float *x, float *out, int64_t rows, int64_t width, int logarithm);
    int (*activate)(const float *x, float *out, int64_t count, int name);
    int (*embed)(const int64_t *ids, const void *table, int kind, float scale, float *out, int64_t count,
                 int64_t width);
    int (*top_k)(const float *x, float *values, int64_t *index, int64_t rows, int64_t width, int64_t k);
    int (*linear)(const mp_linear_args *args);
    int (*attention)(const mp_attention_args *args);
} mp_table;

/* Positions start .. start + count - 1, computed in double and rounded to float: out[p] = sines of the first `sines`
 * angles, then cosines of the next `cosines`. The angle is p / step, or where `narrow` the float32 product p * step.
 * No vectors in it, so one object serves every instruction set. */
int mp_sinusoids(int64_t start, int64_t count, const double *steps, int64_t sines, int64_t cosines, int narrow,
                 float *out);

#define MP_TABLES 4
/* Tables that were compiled, or NULL: base, avx2, avx512, neon. */
const mp_table *mp_compiled(int i);
/* Whether this CPU and operating system run table i. */
int mp_runs(int i);

#endif
