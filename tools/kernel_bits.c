/* Run every kernel of every instruction set that this machine has, on made-up numbers, and print a hash of the bits.
 * All instruction sets, on all machines, must print the lines of tests/data/kernel_bits.txt; see check_arm64.sh. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../_ext/kernels.h"
#include "../_ext/pool.h"

static uint32_t state;
static uint32_t draw(void) { /* xorshift */
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state;
}
static float *floats(int64_t count) { /* in [-2, 2), exactly representable */
    float *x = malloc((size_t)(count + 1) * sizeof(float));
    for (int64_t i = 0; i < count; i++) x[i] = (float)(int32_t)draw() * 0x1p-30f;
    return x;
}

static uint64_t hash;
static void take(const void *data, size_t bytes) { /* FNV-1a */
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ p[i]) * 1099511628211u;
}
static void take_floats(const float *x, int64_t count) { /* which NaN it is, no standard says */
    for (int64_t i = 0; i < count; i++) {
        float value = isnan(x[i]) ? 0.0f : x[i];
        uint32_t bits;
        memcpy(&bits, &value, 4);
        if (isnan(x[i])) bits = 0x7FC00000u;
        take(&bits, 4);
    }
}

static void rows_case(const mp_table *t, int kernel) {
    static const int64_t widths[] = {1, 2, 7, 15, 16, 17, 67, 1024, 3000};
    for (unsigned w = 0; w < sizeof widths / sizeof *widths; w++) {
        int64_t rows = 7, width = widths[w], count = rows * width;
        float *x = floats(count), *more = floats(count), *gain = floats(width), *shift = floats(width);
        float *out = calloc((size_t)count, sizeof(float));
        int64_t index[7 * 5] = {0};
        switch (kernel) {
        case 0: t->layer_norm(x, NULL, gain, shift, 1e-5f, out, rows, width); break;
        case 1: t->layer_norm(x, more, gain, shift, 1e-12f, out, rows, width); break;
        case 2: t->softmax(x, out, rows, width, 0); break;
        case 3: t->softmax(x, out, rows, width, 1); break;
        default: t->top_k(x, out, index, rows, width, width < 5 ? width : 5); take(index, sizeof index);
        }
        take_floats(out, count);
        free(x), free(more), free(gain), free(shift), free(out);
    }
}

static void activate_case(const mp_table *t, int name) {
    int64_t count = 20000;
    float *x = floats(count), *out = malloc((size_t)count * sizeof(float));
    for (int64_t i = 0; i < count; i++) {
        uint32_t any = draw();
        if (i % 2) memcpy(&x[i], &any, 4); /* any bit pattern */
        else x[i] *= 8.0f;
    }
    t->activate(x, out, count, name);
    take_floats(out, count);
    free(x), free(out);
}

static void embed_case(const mp_table *t, int kind) {
    enum { ENTRIES = 1024, WIDTH = 64 }; /* every 16-bit pattern once */
    uint16_t *half = malloc(ENTRIES * WIDTH * sizeof *half);
    int64_t ids[ENTRIES];
    float *wide = floats(ENTRIES * WIDTH), *out = malloc(ENTRIES * WIDTH * sizeof *out);
    for (int i = 0; i < ENTRIES * WIDTH; i++) half[i] = (uint16_t)i;
    for (int i = 0; i < ENTRIES; i++) ids[i] = draw() % ENTRIES;
    t->embed(ids, kind == WEIGHT_F32 ? (void *)wide : half, kind, 1.7f, out, ENTRIES, WIDTH);
    take_floats(out, ENTRIES * WIDTH);
    free(half), free(wide), free(out);
}

static void linear_case(const mp_table *t, int kind) {
    static const int64_t all_rows[] = {1, 2, 3, 4, 5, 8, 9, 27, 100}, inners[] = {1, 16, 50, 200}, outers[] = {1, 6, 70};
    for (int r = 0; r < 9; r++)
        for (int i = 0; i < 4; i++)
            for (int o = 0; o < 3; o++) {
                mp_linear_args a = {.rows = all_rows[r], .inner = inners[i], .outer = outers[o], .kind = kind,
                                    .activation = r % 3 * 2};
                float *x = floats(a.rows * a.inner), *w = floats(a.outer * a.inner), *bias = floats(a.outer);
                uint16_t *half = malloc((size_t)(a.outer * a.inner) * sizeof *half);
                for (int64_t j = 0; j < a.outer * a.inner; j++) half[j] = (uint16_t)((draw() & 0x83FF) | 0x3800);
                a.x = x, a.weight = kind == WEIGHT_F32 ? (void *)w : half, a.bias = r % 2 ? bias : NULL;
                a.out = malloc((size_t)(a.rows * a.outer) * sizeof(float));
                t->linear(&a);
                take_floats(a.out, a.rows * a.outer);
                free(x), free(w), free(bias), free(half), free(a.out);
            }
}

/* Two blocks of queries with overlapping and repeated ranges, hidden keys, shared keys, a causal limit. */
static void attention_case(const mp_table *t, int variant) {
    static const int64_t widths[] = {3, 16, 64, 72};
    int64_t width = widths[variant % 4], batch = 4, key_batch = variant & 4 ? 4 : 2, heads = 2, queries = 70, keys = 90;
    int64_t query_starts[] = {0, 45, 70}, range_starts[] = {0, 3, 4}, ranges[] = {0, 33, 60, 90, 0, 33, 0, 90};
    int64_t probs_starts[] = {0, batch * heads * 45 * 96};
    int64_t probs_count = probs_starts[1] + batch * heads * 25 * 90;
    float *q = floats(batch * heads * queries * width), *k = floats(key_batch * heads * keys * width);
    float *v = floats(key_batch * heads * keys * width), *bias = floats(queries * keys), scale[] = {0.5f, 1.25f};
    float *out = malloc((size_t)(batch * heads * queries * width) * sizeof(float));
    float *probs = calloc((size_t)probs_count, sizeof(float));
    uint8_t visible[2 * 90];
    int32_t rows[4 * 90];
    for (int i = 0; i < 2 * 90; i++) visible[i] = draw() % 4 != 0 && i != 0;
    for (int i = 0; i < 4 * 90; i++) rows[i] = (int32_t)(draw() % (uint32_t)key_batch);
    mp_attention_args a = {
        .q = q, .k = k, .v = v, .out = out, .batch = batch, .key_batch = key_batch, .heads = heads, .queries = queries,
        .keys = keys, .width = width, .query_starts = query_starts, .range_starts = range_starts, .ranges = ranges,
        .blocks = 2, .plans = 1, .scale = 0.25f, .probs = probs, .probs_starts = probs_starts,
        .q_strides = {heads * queries * width, queries * width, width},
        .k_strides = {heads * keys * width, keys * width, width},
        .v_strides = {heads * keys * width, keys * width, width},
        .causal = variant & 1, .causal_offset = 20,
        .visible = variant & 2 ? visible : NULL, .visible_batch = 2,
        .rows = variant & 8 ? rows : NULL, .bias = variant & 16 ? bias : NULL, .bias_strides = {0, 0, keys},
        .head_scale = variant & 32 ? scale : NULL,
    };
    t->attention(&a);
    take_floats(out, batch * heads * queries * width);
    take_floats(probs, probs_count);
    free(q), free(k), free(v), free(bias), free(out), free(probs);
}

static void report(const char *isa, const char *kernel, int variant) {
    printf("%s %s %d %016llx\n", isa, kernel, variant, (unsigned long long)hash);
}
#define EACH(kernel, count, call) \
    for (int i = 0; i < (count); i++) { \
        state = 2463534242u + (uint32_t)i, hash = 14695981039346656037u; \
        call(t, i); \
        report(t->name, kernel, i); \
    }

int main(void) {
    mp_set_num_threads(2);
    for (int i = 0; i < MP_TABLES; i++) {
        const mp_table *t = mp_runs(i) ? mp_compiled(i) : NULL;
        if (!t) continue;
        EACH("rows", 5, rows_case)
        EACH("activate", 18, activate_case)
        EACH("embed", 3, embed_case)
        EACH("linear", 3, linear_case)
        EACH("attention", 64, attention_case)
    }
    double steps[33];
    float out[40 * 33];
    for (int narrow = 0; narrow < 2; narrow++) {
        for (int j = 0; j < 33; j++) steps[j] = narrow ? (float)(1.0 / (1 + j * j)) : 1 + j * j * 1.5;
        hash = 14695981039346656037u;
        mp_sinusoids(16300, 40, steps, 17, 16, narrow, out);
        take_floats(out, 40 * 33);
        report("any", "sinusoids", narrow);
    }
    return 0;
}
