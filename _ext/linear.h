/* y = activation(x w^T + bias), each dot product in the order of N1.
 *
 * Few rows: the *direct* path. Sixteen lanes run along k for tiles of rows x 4 outputs, so that weights stream
 * from memory exactly once, as stored.
 *
 * Many rows: the *packed* path. Lane l of every dot product is the sum over the k with k mod 16 = l: sixteen
 * independent matrix products of one sixteenth the depth. So x and w are packed lane by lane, an ordinary
 * register tile (PACK_ROWS x PACK_VECS * 16 outputs) computes one lane's product at a time, and whole tiles are
 * added in the tree of N1. Same operations, same bits, without a horizontal sum. */
#ifndef MP_LINEAR_H
#define MP_LINEAR_H

#include "rows.h"

#define PACK_COLUMNS (PACK_VECS * 16)
#define DIRECT_COLUMNS 64 /* outputs per unit of the direct path */
#ifndef DIRECT_MAX_ROWS
#define DIRECT_MAX_ROWS 24
#endif
#define PACKED_X_BYTES ((int64_t)8 << 20)

/* Dot products of `rows` rows of x with four rows of w: out[r * stride + c]. */
VEC void dot_tile(int rows, const float *const *x, const void *const *w, int64_t inner, int kind, float *out,
                  int64_t stride) {
    vf sums[16];
    int64_t k = 0;
    for (int i = 0; i < rows * 4; i++) sums[i] = vzero();
    for (; k + 16 <= inner; k += 16) {
        vf w0 = load_weights(w[0], k, 16, kind), w1 = load_weights(w[1], k, 16, kind);
        vf w2 = load_weights(w[2], k, 16, kind), w3 = load_weights(w[3], k, 16, kind);
        for (int r = 0; r < rows; r++) {
            vf a = vload(x[r] + k);
            sums[4 * r] = vfma(a, w0, sums[4 * r]), sums[4 * r + 1] = vfma(a, w1, sums[4 * r + 1]);
            sums[4 * r + 2] = vfma(a, w2, sums[4 * r + 2]), sums[4 * r + 3] = vfma(a, w3, sums[4 * r + 3]);
        }
    }
    if (k < inner)
        for (int c = 0; c < 4; c++) {
            vf b = load_weights(w[c], k, inner - k, kind);
            for (int r = 0; r < rows; r++) sums[4 * r + c] = vfma(vload_n(x[r] + k, inner - k), b, sums[4 * r + c]);
        }
    if (rows == 4) vsum16(sums, out, stride);
    else
        for (int r = 0; r < rows; r++)
            vsum4(sums[4 * r], sums[4 * r + 1], sums[4 * r + 2], sums[4 * r + 3], out + r * stride);
}

static void finish(float *out, int64_t n, const float *bias, int activation) {
    if (bias)
        for (int64_t i = 0; i < n; i += 16)
            vstore_up_to(out + i, vadd(vload_up_to(out + i, n - i), vload_up_to(bias + i, n - i)), n - i);
    if (activation != ACT_LINEAR) activate_row(out, out, n, activation);
}

/* ---- direct ---- */

VEC void direct_columns(const mp_linear_args *a, int64_t first, int64_t last, int kind) {
    size_t row_bytes = (size_t)a->inner * (kind == WEIGHT_F32 ? 4 : 2);
    for (int64_t j = first; j < last; j += 4) {
        const void *w[4];
        for (int c = 0; c < 4; c++) /* past the end: the last one again, not stored */
            w[c] = (const char *)a->weight + (size_t)(j + c < last ? j + c : last - 1) * row_bytes;
        for (int64_t r = 0; r < a->rows;) {
            const float *x[4];
            float tile[16];
            int rows = DOT_ROWS == 4 && r + 4 <= a->rows ? 4 : 1;
            for (int i = 0; i < rows; i++) x[i] = a->x + (r + i) * a->inner;
            if (rows == 4) dot_tile(4, x, w, a->inner, kind, tile, 4);
            else dot_tile(1, x, w, a->inner, kind, tile, 4);
            for (int i = 0; i < rows; i++, r++)
                memcpy(a->out + r * a->outer + j, tile + 4 * i, (size_t)(last - j < 4 ? last - j : 4) * 4);
        }
    }
    for (int64_t r = 0; r < a->rows; r++)
        finish(a->out + r * a->outer + first, last - first, a->bias ? a->bias + first : NULL, a->activation);
}

static void direct_unit(void *args, int64_t unit, void *scratch) {
    const mp_linear_args *a = args;
    (void)scratch;
    int64_t first = unit * DIRECT_COLUMNS;
    int64_t last = first + DIRECT_COLUMNS < a->outer ? first + DIRECT_COLUMNS : a->outer;
    switch (a->kind) {
    case WEIGHT_F32: direct_columns(a, first, last, WEIGHT_F32); break;
    case WEIGHT_F16: direct_columns(a, first, last, WEIGHT_F16); break;
    default: direct_columns(a, first, last, WEIGHT_BF16);
    }
}

/* ---- packed ---- */

typedef struct {
    const mp_linear_args *a;
    int64_t first_row, rows; /* of x, packed now */
    int64_t steps;           /* of sixteen k */
    int64_t x_lane, w_lane;  /* floats from one lane of a panel to the next, a line more than needed: no set conflicts */
    float *packed_x;
} packed_args;

/* A panel holds, for lane l and step k, `width` values side by side: panel[l * lane + k * width]. The last store of a
 * lane may run over into the padding, which is why there is a spare line. */
static void pack_x(void *args, int64_t unit, void *scratch) {
    const packed_args *p = args;
    const mp_linear_args *a = p->a;
    (void)scratch;
    float *panel = p->packed_x + unit * p->x_lane * 16;
    int64_t first = p->first_row + unit * PACK_ROWS, last = p->first_row + p->rows;
    for (int64_t k = 0; k < p->steps; k++) {
        vf r[16];
        for (int i = 0; i < 16; i++)
            r[i] = i < PACK_ROWS && first + i < last
                       ? vload_up_to(a->x + (first + i) * a->inner + k * 16, a->inner - k * 16) : vzero();
        vtranspose(r);
        for (int l = 0; l < 16; l++) vstore(panel + l * p->x_lane + k * PACK_ROWS, r[l]);
    }
}

VEC void pack_w(const packed_args *p, int64_t first, float *panel, int kind) {
    const mp_linear_args *a = p->a;
    size_t row_bytes = (size_t)a->inner * (kind == WEIGHT_F32 ? 4 : 2);
    for (int64_t k = 0; k < p->steps; k++)
        for (int v = 0; v < PACK_VECS; v++) {
            vf r[16];
            int64_t column = first + v * 16;
            for (int i = 0; i < 16; i++)
                r[i] = column + i < a->outer ? load_weights((const char *)a->weight + (size_t)(column + i) * row_bytes,
                                                            k * 16, a->inner - k * 16, kind) : vzero();
            vtranspose(r);
            for (int l = 0; l < 16; l++) vstore(panel + l * p->w_lane + k * PACK_COLUMNS + v * 16, r[l]);
        }
}

/* One tile of outputs. Lanes are visited in bit-reversed order (0, 8, 4, 12, ...), so that the partner of each sum in
 * the tree of N1 is the last one pushed. */
static void packed_tile(const float *x, const float *w, int64_t steps, int64_t x_lane, int64_t w_lane, float *stack,
                        float *out) {
    static const int order[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
    const int64_t size = PACK_ROWS * PACK_COLUMNS;
    for (int pass = 0; pass < 16; pass++) {
        vf sums[PACK_ROWS][PACK_VECS];
        const float *xs = x + order[pass] * x_lane, *ws = w + order[pass] * w_lane;
#pragma GCC unroll 16
        for (int i = 0; i < PACK_ROWS; i++)
#pragma GCC unroll 2
            for (int v = 0; v < PACK_VECS; v++) sums[i][v] = vzero();
        for (int64_t k = 0; k < steps; k++) {
            vf b[PACK_VECS];
#pragma GCC unroll 2
            for (int v = 0; v < PACK_VECS; v++) b[v] = vload(ws + v * 16);
#pragma GCC unroll 16
            for (int i = 0; i < PACK_ROWS; i++) {
                vf value = vset1(xs[i]);
#pragma GCC unroll 2
                for (int v = 0; v < PACK_VECS; v++) sums[i][v] = vfma(value, b[v], sums[i][v]);
            }
            xs += PACK_ROWS, ws += PACK_COLUMNS;
        }
        for (int bits = pass; bits & 1; bits >>= 1) {
            stack -= size;
#pragma GCC unroll 16
            for (int i = 0; i < PACK_ROWS; i++)
#pragma GCC unroll 2
                for (int v = 0; v < PACK_VECS; v++)
                    sums[i][v] = vadd(vload(stack + i * PACK_COLUMNS + v * 16), sums[i][v]);
        }
        float *to = pass == 15 ? out : stack;
#pragma GCC unroll 16
        for (int i = 0; i < PACK_ROWS; i++)
#pragma GCC unroll 2
            for (int v = 0; v < PACK_VECS; v++) vstore(to + i * PACK_COLUMNS + v * 16, sums[i][v]);
        stack += size;
    }
}

static void packed_unit(void *args, int64_t unit, void *scratch) {
    const packed_args *p = args;
    const mp_linear_args *a = p->a;
    float *stack = scratch, *tile = stack + 4 * PACK_ROWS * PACK_COLUMNS, *panel = tile + PACK_ROWS * PACK_COLUMNS;
    int64_t column = unit * PACK_COLUMNS;
    int64_t columns = column + PACK_COLUMNS < a->outer ? PACK_COLUMNS : a->outer - column;
    switch (a->kind) {
    case WEIGHT_F32: pack_w(p, column, panel, WEIGHT_F32); break;
    case WEIGHT_F16: pack_w(p, column, panel, WEIGHT_F16); break;
    default: pack_w(p, column, panel, WEIGHT_BF16);
    }
    for (int64_t r = 0; r < p->rows; r += PACK_ROWS) {
        packed_tile(p->packed_x + r / PACK_ROWS * p->x_lane * 16, panel, p->steps, p->x_lane, p->w_lane, stack, tile);
        for (int64_t i = 0; i < PACK_ROWS && r + i < p->rows; i++) {
            float *out = a->out + (p->first_row + r + i) * a->outer + column;
            memcpy(out, tile + i * PACK_COLUMNS, (size_t)columns * sizeof(float));
            finish(out, columns, a->bias ? a->bias + column : NULL, a->activation);
        }
    }
}

static int packed_linear(const mp_linear_args *a) {
    packed_args p = {.a = a, .steps = (a->inner + 15) / 16};
    p.x_lane = (p.steps * PACK_ROWS + 47) / 16 * 16;
    p.w_lane = p.steps * PACK_COLUMNS + 16;
    int64_t panels = (a->rows + PACK_ROWS - 1) / PACK_ROWS, panel_bytes = p.x_lane * 16 * (int64_t)sizeof(float);
    int64_t at_once = PACKED_X_BYTES / panel_bytes < 1 ? 1 : PACKED_X_BYTES / panel_bytes;
    if (at_once > panels) at_once = panels;
    /* Equal shares: a last share of one panel would pack all weights for nothing. */
    int64_t shares = (panels + at_once - 1) / at_once;
    at_once = (panels + shares - 1) / shares;
    mp_job *job = mp_begin((size_t)(at_once * panel_bytes),
                           sizeof(float) * (size_t)(5 * PACK_ROWS * PACK_COLUMNS + p.w_lane * 16));
    if (!job) return -1;
    p.packed_x = mp_shared(job);
    for (; p.first_row < a->rows; p.first_row += p.rows) {
        p.rows = at_once * PACK_ROWS < a->rows - p.first_row ? at_once * PACK_ROWS : a->rows - p.first_row;
        mp_run(job, pack_x, &p, (p.rows + PACK_ROWS - 1) / PACK_ROWS);
        mp_run(job, packed_unit, &p, (a->outer + PACK_COLUMNS - 1) / PACK_COLUMNS);
    }
    mp_end(job);
    return 0;
}

static int linear(const mp_linear_args *a) {
    if (!a->rows || !a->outer) return 0;
    if (a->rows > DIRECT_MAX_ROWS) return packed_linear(a);
    mp_job *job = mp_begin(0, 0);
    if (!job) return -1;
    mp_run(job, direct_unit, (void *)a, (a->outer + DIRECT_COLUMNS - 1) / DIRECT_COLUMNS);
    mp_end(job);
    return 0;
}

#endif
