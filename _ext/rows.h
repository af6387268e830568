/* Kernels that treat an array row by row: norm, softmax, activations, embedding lookup, the k largest. */
#ifndef MP_ROWS_H
#define MP_ROWS_H

#include <float.h>
#include <math.h>

#include "kernels.h"
#include "pool.h"
#include "vmath.h"

/* Work below this many elements a unit is not worth handing to another thread. */
#define UNIT_ELEMENTS 16384

typedef struct {
    const float *x, *residual, *weight, *bias;
    float *out;
    float eps;
    int64_t rows, width, rows_per_unit;
    int option;
    /* embed */
    const int64_t *ids;
    const void *table;
    float scale;
    /* top_k */
    int64_t *index;
    int64_t k;
} row_args;

static int run_rows(mp_task task, row_args *args) {
    args->rows_per_unit = args->width >= UNIT_ELEMENTS ? 1 : UNIT_ELEMENTS / (args->width ? args->width : 1);
    int64_t units = (args->rows + args->rows_per_unit - 1) / args->rows_per_unit;
    if (units < 2) {
        if (units) mp_run_here(task, args);
        return 0;
    }
    mp_job *job = mp_begin(0, 0);
    if (!job) return -1;
    mp_run(job, task, args, units);
    mp_end(job);
    return 0;
}

#define FOR_ROWS(a, unit) \
    for (int64_t row = (unit) * (a)->rows_per_unit, end = row + (a)->rows_per_unit < (a)->rows \
             ? row + (a)->rows_per_unit : (a)->rows; row < end; row++)

/* N1 sum of a row. */
VEC float row_sum(const float *x, int64_t n) {
    vf sum = vzero();
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) sum = vadd(sum, vload(x + i));
    if (i < n) sum = vadd(sum, vload_n(x + i, n - i));
    return vsum(sum);
}

static void norm_row(const row_args *a, const float *x, float *out) {
    int64_t n = a->width, i;
    vf mean = vset1(row_sum(x, n) / (float)n), squares = vzero();
    for (i = 0; i + 16 <= n; i += 16) {
        vf c = vsub(vload(x + i), mean);
        squares = vfma(c, c, squares);
    }
    if (i < n) {
        vf c = vfirst(vsub(vload_n(x + i, n - i), mean), n - i, 0.0f);
        squares = vfma(c, c, squares);
    }
    vf scale = vset1(1.0f / sqrtf(vsum(squares) / (float)n + a->eps));
    for (i = 0; i < n; i += 16) {
        int64_t m = n - i;
        vf c = vmul(vsub(vload_up_to(x + i, m), mean), scale);
        vstore_up_to(out + i, vfma(c, vload_up_to(a->weight + i, m), vload_up_to(a->bias + i, m)), m);
    }
}

static void norm_rows(void *args, int64_t unit, void *scratch) {
    const row_args *a = args;
    (void)scratch;
    FOR_ROWS(a, unit) {
        const float *x = a->x + row * a->width;
        float *out = a->out + row * a->width;
        if (a->residual) {
            const float *residual = a->residual + row * a->width;
            for (int64_t i = 0; i < a->width; i += 16) {
                int64_t m = a->width - i;
                vstore_up_to(out + i, vadd(vload_up_to(x + i, m), vload_up_to(residual + i, m)), m);
            }
            x = out;
        }
        norm_row(a, x, out);
    }
}

static int layer_norm(const float *x, const float *residual, const float *weight, const float *bias, float eps,
                      float *out, int64_t rows, int64_t width) {
    row_args args = {.x = x, .residual = residual, .weight = weight, .bias = bias, .eps = eps, .out = out,
                     .rows = rows, .width = width};
    return run_rows(norm_rows, &args);
}

VEC float row_max(const float *x, int64_t n) {
    vf most = vset1(-INFINITY);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) most = vmax(most, vload(x + i));
    if (i < n) most = vmax(most, vfirst(vload_n(x + i, n - i), n - i, -INFINITY));
    return vlargest(most);
}

/* x becomes exp(x - most); returns the N1 sum of it. */
VEC float row_exp(float *x, int64_t n, float most) {
    vf top = vset1(most), sum = vzero();
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        vf e = vexp(vsub(vload(x + i), top));
        vstore(x + i, e);
        sum = vadd(sum, e);
    }
    if (i < n) {
        vf e = vfirst(vexp(vsub(vload_n(x + i, n - i), top)), n - i, 0.0f);
        vstore_n(x + i, e, n - i);
        sum = vadd(sum, e);
    }
    return vsum(sum);
}

static void softmax_rows(void *args, int64_t unit, void *scratch) {
    const row_args *a = args;
    (void)scratch;
    FOR_ROWS(a, unit) {
        const float *x = a->x + row * a->width;
        float *out = a->out + row * a->width;
        float most = row_max(x, a->width);
        memcpy(out, x, (size_t)a->width * sizeof(float));
        vf total = vset1(row_exp(out, a->width, most));
        for (int64_t i = 0; i < a->width; i += 16) {
            int64_t m = a->width - i;
            vstore_up_to(out + i, vdiv(vload_up_to(out + i, m), total), m);
        }
    }
}

static void log_softmax_rows(void *args, int64_t unit, void *scratch) {
    const row_args *a = args;
    (void)scratch;
    FOR_ROWS(a, unit) {
        const float *x = a->x + row * a->width;
        float *out = a->out + row * a->width;
        vf top = vset1(row_max(x, a->width)), sum = vzero();
        int64_t i = 0, n = a->width;
        for (; i + 16 <= n; i += 16) sum = vadd(sum, vexp(vsub(vload(x + i), top)));
        if (i < n) sum = vadd(sum, vfirst(vexp(vsub(vload_n(x + i, n - i), top)), n - i, 0.0f));
        vf logs = vlog(vset1(vsum(sum)));
        for (i = 0; i < n; i += 16)
            vstore_up_to(out + i, vsub(vsub(vload_up_to(x + i, n - i), top), logs), n - i);
    }
}

static int softmax(const float *x, float *out, int64_t rows, int64_t width, int logarithm) {
    row_args args = {.x = x, .out = out, .rows = rows, .width = width};
    return run_rows(logarithm ? log_softmax_rows : softmax_rows, &args);
}

VEC void activate_span(const float *x, float *out, int64_t n, int name) {
    for (int64_t i = 0; i < n; i += 16) vstore_up_to(out + i, vactivate(vload_up_to(x + i, n - i), name), n - i);
}

#define ACTIVATE_AS(name) case name: activate_span(x, out, n, name); break;
static void activate_row(const float *x, float *out, int64_t n, int name) {
    switch (name) { /* one loop for each, without a choice inside */
        ACTIVATE_AS(ACT_LINEAR) ACTIVATE_AS(ACT_RELU) ACTIVATE_AS(ACT_GELU) ACTIVATE_AS(ACT_GELU_NEW)
        ACTIVATE_AS(ACT_QUICK_GELU) ACTIVATE_AS(ACT_SILU) ACTIVATE_AS(ACT_TANH)
    default: activate_span(x, out, n, name);
    }
}

static void activate_rows(void *args, int64_t unit, void *scratch) {
    const row_args *a = args;
    (void)scratch;
    int64_t first = unit * a->rows_per_unit, last = first + a->rows_per_unit; /* "rows" of one element */
    if (last > a->rows) last = a->rows;
    activate_row(a->x + first, a->out + first, last - first, a->option);
}

static int activate(const float *x, float *out, int64_t count, int name) {
    row_args args = {.x = x, .out = out, .rows = count, .width = 1, .option = name};
    return run_rows(activate_rows, &args);
}

VEC int64_t weight_bytes(int kind) { return kind == WEIGHT_F32 ? 4 : 2; }

/* Sixteen weights (or the n < 16 that are left, then zeros) of a row, widened. */
VEC vf load_weights(const void *row, int64_t i, int64_t n, int kind) {
    if (kind == WEIGHT_F32) return vload_up_to((const float *)row + i, n);
    uint16_t last[16] = {0};
    const uint16_t *p = (const uint16_t *)row + i;
    if (n < 16) p = memcpy(last, p, (size_t)n * 2);
    return kind == WEIGHT_F16 ? vload_f16(p) : vload_bf16(p);
}

VEC void embed_span(const row_args *a, int64_t unit, int kind) {
    size_t element = (size_t)weight_bytes(kind);
    vf scale = vset1(a->scale);
    FOR_ROWS(a, unit) {
        const char *source = (const char *)a->table + (size_t)a->ids[row] * (size_t)a->width * element;
        float *out = a->out + row * a->width;
        for (int64_t i = 0; i < a->width; i += 16) {
            int64_t m = a->width - i;
            vstore_up_to(out + i, vmul(load_weights(source, i, m, kind), scale), m);
        }
    }
}

static void embed_rows(void *args, int64_t unit, void *scratch) {
    const row_args *a = args;
    (void)scratch;
    if (a->option == WEIGHT_F32) embed_span(a, unit, WEIGHT_F32);
    else embed_span(a, unit, a->option);
}

static int embed(const int64_t *ids, const void *table, int kind, float scale, float *out, int64_t count,
                 int64_t width) {
    row_args args = {.ids = ids, .table = table, .option = kind, .scale = scale, .out = out, .rows = count,
                     .width = width};
    return run_rows(embed_rows, &args);
}

#define SCAN 128
VEC int any_above(const float *x, float bound) { /* among SCAN values */
    vf most = vload(x);
    for (int i = 16; i < SCAN; i += 16) most = vmax(most, vload(x + i));
    return vlargest(most) > bound;
}

/* The k largest so far stand in order; a later equal goes behind. */
static void top_k_rows(void *args, int64_t unit, void *scratch) {
    const row_args *a = args;
    (void)scratch;
    FOR_ROWS(a, unit) {
        const float *x = a->x + row * a->width;
        float *values = a->out + row * a->k;
        int64_t *index = a->index + row * a->k, held = 0;
        for (int64_t i = 0, stop; i < a->width; i = stop) {
            stop = i + SCAN < a->width ? i + SCAN : a->width;
            if (held == a->k && stop == i + SCAN && !any_above(x + i, values[held - 1])) continue;
            for (int64_t j = i; j < stop; j++) {
                if (held == a->k && !(x[j] > values[held - 1])) continue;
                int64_t place = held < a->k ? held++ : held - 1;
                for (; place && x[j] > values[place - 1]; place--)
                    values[place] = values[place - 1], index[place] = index[place - 1];
                values[place] = x[j], index[place] = j;
            }
        }
    }
}

static int top_k(const float *x, float *values, int64_t *index, int64_t rows, int64_t width, int64_t k) {
    row_args args = {.x = x, .out = values, .index = index, .rows = rows, .width = width, .k = k};
    return run_rows(top_k_rows, &args);
}

#endif
