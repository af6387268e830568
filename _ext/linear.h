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
#define DIRECT_ROWS 8             /* rows of x that stay in the first-level cache while a unit's weights pass */
#define DIRECT_WEIGHTS 32768      /* weights of a unit; twice as many for several groups of rows, which all pass them */
#define PREFETCH_STEPS 16
#define DIRECT_PART 512           /* of k at a time, where several rows of x are too long for the first-level cache */
#define DIRECT_LONG 2048          /* such a length; a unit then has at most 32 columns */
#define PACKED_X_BYTES ((int64_t)8 << 20)

/* Dot products of `rows` rows of x with four rows of w over k from `from` to `to`: out[r * stride + c] where that is the
 * end, else the sums so far stay in `kept`, where the next part finds them. Meanwhile the first `fetched` of the streams
 * `fetch`, as long as this part of a row, are brought into the cache. */
VEC void dot_tile(int rows, const float *const *x, const void *const *w, int64_t from, int64_t to, int64_t inner,
                  int kind, const char *const *fetch, int fetched, vf *kept, float *out, int64_t stride) {
    vf sums[16];
    int64_t k = from, whole = to < inner ? to : inner / 16 * 16;
#pragma GCC unroll 16
    for (int i = 0; i < rows * 4; i++) sums[i] = from ? kept[i] : vzero();
    for (; k < whole; k += 16) {
        vf w0 = load_weights(w[0], k, 16, kind), w1 = load_weights(w[1], k, 16, kind);
        vf w2 = load_weights(w[2], k, 16, kind), w3 = load_weights(w[3], k, 16, kind);
        if (kind == WEIGHT_F32 || k % 32 == 0)
            for (int c = 0; c < fetched; c++) __builtin_prefetch(fetch[c] + (k - from) * weight_bytes(kind));
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            vf a = vload(x[r] + k);
            sums[4 * r] = vfma(a, w0, sums[4 * r]), sums[4 * r + 1] = vfma(a, w1, sums[4 * r + 1]);
            sums[4 * r + 2] = vfma(a, w2, sums[4 * r + 2]), sums[4 * r + 3] = vfma(a, w3, sums[4 * r + 3]);
        }
    }
    if (to < inner) {
#pragma GCC unroll 16
        for (int i = 0; i < rows * 4; i++) kept[i] = sums[i];
        return;
    }
    if (k < inner)
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++) {
            vf b = load_weights(w[c], k, inner - k, kind);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) sums[4 * r + c] = vfma(vload_n(x[r] + k, inner - k), b, sums[4 * r + c]);
        }
    if (rows == 4) vsum16(sums, out, stride); /* a constant, once inlined */
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

typedef struct {
    const mp_linear_args *a;
    const float *x; /* rows of `stride` floats */
    int64_t stride, columns;
} direct_args;

VEC int64_t rows_per_pass(int64_t rows) { return DOT_ROWS == 1 || rows <= 2 ? 1 : 4; }

/* One tile. The `passes` over the same four outputs share the fetching. (A lone row of float32 weights is a stream that
 * the hardware follows well; more fetching only slows it.) */
VEC void direct_tile(int rows, const float *const *x, const void *const *w, int64_t from, int64_t to, int64_t inner,
                     int kind, int64_t ahead, int64_t pass, int64_t passes, vf *kept, float *out, int64_t stride) {
    const char *next[4];
    int64_t share = passes >= 4 ? 1 : passes >= 2 ? 2 : rows == 1 && kind == WEIGHT_F32 ? 1 : 4;
    for (int64_t c = 0; c < 4; c++)
        next[c] = (const char *)w[(pass * share + c) % 4] + from * weight_bytes(kind) + ahead;
    if (pass * share >= 4) dot_tile(rows, x, w, from, to, inner, kind, next, 0, kept, out, stride);
    else if (share == 4) dot_tile(rows, x, w, from, to, inner, kind, next, 4, kept, out, stride);
    else if (share == 2) dot_tile(rows, x, w, from, to, inner, kind, next, 2, kept, out, stride);
    else dot_tile(rows, x, w, from, to, inner, kind, next, 1, kept, out, stride);
}

VEC void direct_rows(const direct_args *p, int64_t first_row, int64_t rows, int64_t first, int64_t last, int kind) {
    const mp_linear_args *a = p->a;
    int64_t bytes = weight_bytes(kind), row_bytes = a->inner * bytes, step = rows_per_pass(rows);
    int64_t passes = (rows + step - 1) / step;
    int64_t part = passes > 1 && a->inner >= DIRECT_LONG ? DIRECT_PART : a->inner;
    vf kept[DIRECT_ROWS * 32]; /* sums of a unit between two parts */
    int64_t from = 0, to;
    do {
        to = from + part < a->inner ? from + part : a->inner;
        for (int64_t j = first; j < last; j += 4) {
            const void *w[4];
            int64_t columns = last - j < 4 ? last - j : 4;
            for (int64_t c = 0; c < 4; c++) /* past the end: the last one again, not stored; rows likewise */
                w[c] = (const char *)a->weight + (j + (c < columns ? c : columns - 1)) * row_bytes;
            /* What comes next: four rows on, or the next part of the unit's first, or the start of the next unit. */
            int64_t ahead = j + 4 < last ? 4 * row_bytes
                : to < a->inner ? (first - j) * row_bytes + part * bytes : 4 * row_bytes - from * bytes;
            for (int64_t pass = 0; pass < passes; pass++) {
                int64_t done = pass * step, now = rows - done < step ? rows - done : step;
                vf *sums = part < a->inner ? kept + ((j - first) / 4 * passes + pass) * 4 * step : kept;
                const float *x[4];
                float edge[16], *target = a->out + (first_row + done) * a->outer + j, *out = target;
                int64_t stride = a->outer;
                if (columns < 4 || now == 2 || now == 3) out = edge, stride = 4;
                for (int64_t i = 0; i < 4; i++) x[i] = p->x + (first_row + done + (i < now ? i : now - 1)) * p->stride;
                if (now == 1) direct_tile(1, x, w, from, to, a->inner, kind, ahead, pass, passes, sums, out, stride);
                else direct_tile(4, x, w, from, to, a->inner, kind, ahead, pass, passes, sums, out, stride);
                if (out == edge && to == a->inner)
                    for (int64_t i = 0; i < now; i++) memcpy(target + i * a->outer, edge + 4 * i, (size_t)columns * 4);
            }
        }
        from = to;
    } while (from < a->inner);
}

VEC void direct_columns(const direct_args *p, int64_t first, int64_t last, int kind) {
    const mp_linear_args *a = p->a;
    for (int64_t r = 0; r < a->rows; r += DIRECT_ROWS)
        direct_rows(p, r, a->rows - r < DIRECT_ROWS ? a->rows - r : DIRECT_ROWS, first, last, kind);
    for (int64_t r = 0; r < a->rows; r++)
        finish(a->out + r * a->outer + first, last - first, a->bias ? a->bias + first : NULL, a->activation);
}

static void direct_unit(void *args, int64_t unit, void *scratch) {
    const direct_args *p = args;
    (void)scratch;
    int64_t first = unit * p->columns, last = first + p->columns < p->a->outer ? first + p->columns : p->a->outer;
    switch (p->a->kind) {
    case WEIGHT_F32: direct_columns(p, first, last, WEIGHT_F32); break;
    case WEIGHT_F16: direct_columns(p, first, last, WEIGHT_F16); break;
    default: direct_columns(p, first, last, WEIGHT_BF16);
    }
}

static int direct_linear(const mp_linear_args *a) {
    /* Rows of x stand a line further apart than a power of two, or they would share the same few cache sets. */
    direct_args p = {.a = a, .x = a->x, .stride = a->inner};
    int64_t padded = (a->inner + 15) / 16 * 16 + 16;
    p.columns = (a->rows > DIRECT_ROWS ? 2 : 1) * DIRECT_WEIGHTS / (a->inner + 1) / 4 * 4 + 4;
    mp_job *job = mp_begin(a->rows > 1 ? (size_t)(a->rows * padded) * sizeof(float) : 0, 0);
    if (!job) return -1;
    if (a->rows > 1) {
        float *copy = mp_shared(job);
        for (int64_t r = 0; r < a->rows; r++)
            memcpy(copy + r * padded, a->x + r * a->inner, (size_t)a->inner * sizeof(float));
        p.x = copy, p.stride = padded;
    }
    mp_stream(job, a->weight, a->outer * a->inner * weight_bytes(a->kind));
    mp_run(job, direct_unit, &p, (a->outer + p.columns - 1) / p.columns);
    mp_end(job);
    return 0;
}

/* ---- packed ---- */

typedef struct {
    const mp_linear_args *a;
    int64_t first_row, rows; /* of x, packed now */
    int64_t steps;           /* of sixteen k */
    int64_t x_lane, w_lane;  /* floats from one lane of a panel to the next, a line more than needed: no set conflicts */
    float *packed_x;
} packed_args;

/* Lanes stand in bit-reversed order, so that the partner of each sum in the tree of N1 is the last one computed before
 * it and a stack of four tiles suffices. */
static const int lane_order[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};

/* A panel holds, for lane l and step k, `width` values side by side: panel[lane_order[l] * lane + k * width]. This lays
 * one step of sixteen rows (destroying r); where the width is less, the next step's store covers what is too much, and
 * padding between lanes takes the last. */
VEC void lay_side_by_side(vf r[16], float *panel, int64_t lane) {
    vtranspose(r);
    for (int l = 0; l < 16; l++) vstore(panel + lane_order[l] * lane, r[l]);
}

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
        lay_side_by_side(r, panel + k * PACK_ROWS, p->x_lane);
    }
}

VEC void pack_w(const packed_args *p, int64_t first, float *panel, int kind) {
    const mp_linear_args *a = p->a;
    size_t row_bytes = (size_t)(a->inner * weight_bytes(kind));
    for (int64_t k = 0; k < p->steps; k++)
        for (int v = 0; v < PACK_VECS; v++) {
            vf r[16];
            int64_t column = first + v * 16;
            if (k % 4 == 0) /* sixteen rows at once are more streams than the hardware follows */
                for (int i = 0; i < 16 && column + i < a->outer; i++)
                    for (size_t line = 0; line < 256; line += 64)
                        __builtin_prefetch((const char *)a->weight + (size_t)(column + i) * row_bytes +
                                           (size_t)k * (kind == WEIGHT_F32 ? 64 : 32) + 512 + line);
            for (int i = 0; i < 16; i++)
                r[i] = column + i < a->outer ? load_weights((const char *)a->weight + (size_t)(column + i) * row_bytes,
                                                            k * 16, a->inner - k * 16, kind) : vzero();
            lay_side_by_side(r, panel + k * PACK_COLUMNS + v * 16, p->w_lane);
        }
}

/* One tile of outputs, [rows, PACK_COLUMNS]: each pass sums one lane, then joins what the tree of N1 joins so far. */
VEC void packed_tile(int rows, int prefetch, const float *x, const float *w, int64_t steps, int64_t x_lane,
                     int64_t w_lane, float *stack, float *out) {
    const int64_t size = rows * PACK_COLUMNS;
    for (int pass = 0; pass < 16; pass++) {
        vf sums[PACK_ROWS][PACK_VECS];
        const float *xs = x + pass * x_lane, *ws = w + pass * w_lane;
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (int v = 0; v < PACK_VECS; v++) sums[i][v] = vzero();
        for (int64_t k = 0; k < steps; k++) {
            vf b[PACK_VECS];
#pragma GCC unroll 2
            for (int v = 0; v < PACK_VECS; v++) b[v] = vload(ws + v * 16);
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) {
                vf value = vset1(xs[i]);
#pragma GCC unroll 2
                for (int v = 0; v < PACK_VECS; v++) sums[i][v] = vfma(value, b[v], sums[i][v]);
            }
            if (prefetch) {
                __builtin_prefetch(xs + PREFETCH_STEPS * rows);
#pragma GCC unroll 2
                for (int v = 0; v < PACK_VECS; v++) __builtin_prefetch(ws + PREFETCH_STEPS * PACK_COLUMNS + v * 16);
            }
            xs += rows, ws += PACK_COLUMNS;
        }
        for (int bits = pass; bits & 1; bits >>= 1) {
            stack -= size;
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
                for (int v = 0; v < PACK_VECS; v++)
                    sums[i][v] = vadd(vload(stack + i * PACK_COLUMNS + v * 16), sums[i][v]);
        }
        float *to = pass == 15 ? out : stack;
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
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
        packed_tile(PACK_ROWS, 1, p->packed_x + r / PACK_ROWS * p->x_lane * 16, panel, p->steps, p->x_lane, p->w_lane,
                    stack, tile);
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
    return a->rows > DIRECT_MAX_ROWS ? packed_linear(a) : direct_linear(a);
}

#endif
