/* Attention over a pattern: blocks of queries, each with a list of key ranges (minipegasus/nn/patterns.py).
 *
 * One unit of work is a tile of up to MAX_TILE queries of one head: its scores over all listed keys stand in scratch
 * memory, in listed order, then softmax in two passes, then the weighted sum of values (N2). Keys and values are read
 * where they lie. Ranges that hold no visible key of the tile are not computed: their weights are zero exactly. */
#ifndef MP_ATTENTION_H
#define MP_ATTENTION_H

#include "linear.h"

#define MAX_TILE 64
#define MIN_TILE 16
#define TILE_FLOATS 131072 /* scores of a tile that stay in the second-level cache */
#define MANY_QUERIES 6       /* from here on, laying keys side by side pays */
#define VALUE_KEYS 512     /* values that do, too */
#define KEYS_AHEAD 16      /* keys and values are fetched so many before their turn */
/* The score of a hidden key: set, not added, so that a row in which every key is hidden comes out uniform. */
#define HIDDEN (-FLT_MAX)

typedef struct {
    const mp_attention_args *a;
    int64_t sharing;       /* query rows that share one row of keys */
    int64_t groups;        /* batch / sharing */
    int64_t *tile_starts;  /* [blocks + 1]: tiles of one head before each block */
    int64_t *per_tile;     /* [blocks]: queries of one tile */
    int32_t *counts;       /* [visible_batch, s + 1]: visible keys before each position */
    int32_t *last_visible; /* [visible_batch]: one past the last visible key */
} plan;

typedef struct {
    const float *q;
    const uint8_t *visible;
    const int32_t *counts;
    int64_t batch, t;
    int64_t limit; /* keys below this are not in the future */
} query;

typedef struct {
    int64_t position; /* in listed order */
    int64_t start, stop, listed_stop;
    int64_t same_as; /* position of an earlier range with the same start and stop, or -1 */
} span;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t listed_keys(const mp_attention_args *a, int64_t p, int64_t block) {
    const int64_t *bounds = a->range_starts + p * (a->blocks + 1) + block;
    int64_t keys = 0;
    for (int64_t i = bounds[0]; i < bounds[1]; i++) keys += a->ranges[2 * i + 1] - a->ranges[2 * i];
    return keys;
}

static int64_t most_listed(const mp_attention_args *a, int64_t block) { /* over the heads' plans */
    int64_t keys = 0;
    for (int64_t i = 0; i < a->plans; i++) keys = larger(keys, listed_keys(a, i, block));
    return keys;
}

static int64_t tile_rows(int64_t keys) { return larger(MIN_TILE, smaller(MAX_TILE, TILE_FLOATS / larger(keys, 1))); }
static int64_t score_stride(int64_t keys) { return (keys + 15) / 16 * 16 + 16; }

static int any_visible(const query *q, int64_t start, int64_t stop) {
    stop = smaller(stop, q->limit);
    if (stop <= start) return 0;
    return !q->counts || q->counts[stop] > q->counts[start];
}

/* Which listed keys must be computed for these queries. Returns how many positions that spans. Where some query sees
 * no key at all, its weights are uniform over everything listed, so everything is kept. */
static int64_t active_spans(const plan *p, const query *queries, int64_t n, const int64_t *ranges, int64_t count,
                            span *spans, int64_t *active) {
    int64_t limit = 0, position = 0, reach = 0;
    int everything = 0;
    for (int64_t i = 0; i < n; i++) {
        int sees = 0;
        for (int64_t j = 0; j < count && !sees; j++) sees = any_visible(&queries[i], ranges[2 * j], ranges[2 * j + 1]);
        everything |= !sees;
        int64_t last = queries[i].limit;
        if (queries[i].counts)
            last = smaller(last, p->last_visible[(queries[i].counts - p->counts) / (p->a->keys + 1)]);
        limit = larger(limit, last);
    }
    *active = 0;
    for (int64_t j = 0; j < count; j++) {
        int64_t start = ranges[2 * j], listed_stop = ranges[2 * j + 1], stop = listed_stop, wanted = everything;
        if (!everything) {
            stop = smaller(stop, limit);
            for (int64_t i = 0; i < n && !wanted; i++) wanted = any_visible(&queries[i], start, stop);
        }
        if (wanted && start < stop) {
            span *s = &spans[(*active)++];
            *s = (span){position, start, stop, listed_stop, -1};
            for (span *earlier = spans; earlier < s && s->same_as < 0; earlier++)
                if (earlier->start == start && earlier->stop == stop) s->same_as = earlier->position;
            reach = position + stop - start;
        }
        position += listed_stop - start;
    }
    return reach;
}

/* ---- scores of many queries: the packed path of linear.h ---- */

/* Scratch for one tile of queries: x and w are its panels of queries and of PACK_COLUMNS keys. */
typedef struct {
    float *x, *w, *stack, *tile;
    int64_t steps, x_lane, w_lane;
} packed_scores;

static int64_t packed_scores_floats(int64_t width, int64_t queries) {
    int64_t steps = (width + 15) / 16, panels = (queries + SCORE_ROWS - 1) / SCORE_ROWS;
    return 16 * (panels * (steps * SCORE_ROWS + 16) + steps * PACK_COLUMNS + 16) + 5 * SCORE_ROWS * PACK_COLUMNS;
}

static packed_scores packed_scores_in(float *scratch, int64_t width) {
    int64_t steps = (width + 15) / 16;
    packed_scores p = {.stack = scratch, .steps = steps, .x_lane = steps * SCORE_ROWS + 16, .w_lane = steps * PACK_COLUMNS};
    p.tile = p.stack + 4 * SCORE_ROWS * PACK_COLUMNS;
    p.w = p.tile + SCORE_ROWS * PACK_COLUMNS;
    p.x = p.w + 16 * p.w_lane;
    return p;
}

static void lay_queries(const packed_scores *p, const query *queries, int64_t n, int64_t width) {
    for (int64_t first = 0; first < n; first += SCORE_ROWS)
        for (int64_t k = 0; k < p->steps; k++) {
            vf r[16];
            for (int i = 0; i < 16; i++)
                r[i] = i < SCORE_ROWS && first + i < n ? vload_up_to(queries[first + i].q + 16 * k, width - 16 * k) : vzero();
            lay_side_by_side(r, p->x + first / SCORE_ROWS * 16 * p->x_lane + k * SCORE_ROWS, p->x_lane);
        }
}

/* The keys from j on. */
static void lay_keys(const packed_scores *p, const mp_attention_args *a, const float *keys, const int32_t *source,
                     int64_t j, int64_t stop) {
    for (int v = 0; v < PACK_VECS; v++, j += 16) {
        const float *from[16];
        for (int64_t c = 0; c < 16; c++) {
            int64_t key = smaller(j + c, stop - 1); /* past the end: the last one again, not stored */
            from[c] = keys + key * a->k_strides[2] + (source ? source[key] * a->k_strides[0] : 0);
        }
        for (int64_t k = 0; k < p->steps; k++) {
            vf r[16];
            if (!source) /* the next panel */
                for (int c = 0; c < 16; c++) __builtin_prefetch(from[c] + 16 * k + PACK_COLUMNS * a->k_strides[2]);
            for (int c = 0; c < 16; c++) r[c] = vload_up_to(from[c] + 16 * k, a->width - 16 * k);
            lay_side_by_side(r, p->w + k * PACK_COLUMNS + 16 * v, p->w_lane);
        }
    }
}

/* Raw scores q . k of one span, for n queries that lay_queries has laid out. */
VEC void span_scores(const packed_scores *p, int64_t steps, const mp_attention_args *a, int64_t n, const float *keys,
                     const int32_t *source, const span *s, float *scores, int64_t stride) {
    for (int64_t j = s->start; j < s->stop; j += PACK_COLUMNS) {
        lay_keys(p, a, keys, source, j, s->stop);
        float *to = scores + s->position + j - s->start;
        int64_t count = smaller(PACK_COLUMNS, s->stop - j);
        for (int64_t r = 0; r < n; r += SCORE_ROWS) {
            const float *x = p->x + r / SCORE_ROWS * 16 * p->x_lane;
            packed_tile(SCORE_ROWS, 0, x, p->w, steps, p->x_lane, p->w_lane, p->stack, p->tile);
            for (int64_t i = 0; i < SCORE_ROWS && r + i < n; i++)
                for (int64_t c = 0; c < count; c += 16)
                    vstore_up_to(to + (r + i) * stride + c, vload(p->tile + i * PACK_COLUMNS + c), count - c);
        }
    }
}

/* ---- scores of few queries: sixteen lanes along the head's width ---- */

VEC void span_scores_of_few(const mp_attention_args *a, const query *queries, int64_t n, const float *keys,
                            const int32_t *source, const span *s, float *scores, int64_t stride) {
    for (int64_t j = s->start; j < s->stop; j += 4) {
        const void *k[4];
        const char *next[4];
        int64_t count = smaller(4, s->stop - j);
        for (int64_t c = 0; c < 4; c++) {
            int64_t key = j + (c < count ? c : count - 1);
            const float *at = keys + key * a->k_strides[2] + (source ? source[key] * a->k_strides[0] : 0);
            k[c] = at, next[c] = (const char *)(at + KEYS_AHEAD * a->k_strides[2]);
        }
        for (int64_t i = 0; i < n; i++) {
            float tile[4];
            if (i || source) dot_tile(1, &queries[i].q, k, 0, a->width, a->width, WEIGHT_F32, next, 0, NULL, tile, 4);
            else dot_tile(1, &queries[i].q, k, 0, a->width, a->width, WEIGHT_F32, next, 4, NULL, tile, 4);
            memcpy(scores + i * stride + s->position + j - s->start, tile, (size_t)count * sizeof(float));
        }
    }
}

/* Scale, bias and mask one query's raw scores in one span; returns the running maximum. */
VEC vf mask_span(const query *q, const span *s, const float *bias, float scale, float *scores, vf most) {
    for (int64_t key = s->start; key < s->stop; key += 16) {
        int64_t m = s->stop - key, before_limit = q->limit - key;
        float *at = scores + s->position + key - s->start;
        vf x = vmul(vload_up_to(at, m), vset1(scale));
        if (bias) x = vadd(x, vload_up_to(bias + key, m));
        if (q->visible) {
            uint8_t last[16] = {0};
            const uint8_t *visible = q->visible + key;
            if (m < 16) visible = memcpy(last, visible, (size_t)m);
            x = vif_bytes(visible, x, vset1(HIDDEN));
        }
        if (before_limit < 16) x = vfirst(x, larger(before_limit, 0), HIDDEN);
        if (m < 16) {
            vstore_n(at, x, m);
            x = vfirst(x, m, HIDDEN);
        } else
            vstore(at, x);
        most = vmax(most, x);
    }
    return most;
}

/* Turn a query's raw scores over `reach` positions into weights. */
static void weigh(const mp_attention_args *a, const query *q, const span *spans, int64_t active, int64_t reach,
                  int64_t head, float *scores) {
    vf most = vset1(HIDDEN);
    int64_t filled = 0;
    const float *bias = a->bias ? a->bias + q->batch * a->bias_strides[0] + head * a->bias_strides[1] +
                                      q->t * a->bias_strides[2] : NULL;
    for (int64_t i = 0; i < active; i++) {
        for (; filled < spans[i].position; filled++) scores[filled] = HIDDEN;
        most = mask_span(q, &spans[i], bias, a->scale, scores, most);
        filled = spans[i].position + spans[i].stop - spans[i].start;
    }
    vf total = vset1(row_exp(scores, reach, vlargest(most)));
    vf factor = vset1(a->head_scale ? a->head_scale[head] : 1.0f);
    for (int64_t i = 0; i < reach; i += 16) { /* the row has room for whole vectors */
        vf p = vdiv(vload(scores + i), total);
        vstore(scores + i, a->head_scale ? vmul(p, factor) : p);
    }
}

/* sums[r] += weights * values over one chunk of keys, for `rows` queries and `vecs` vectors of the head's width. */
VEC void value_tile(int rows, int vecs, const float *const *weights, const float *values, int64_t stride,
                    const int32_t *source, int64_t source_stride, int64_t keys, int64_t lanes, float *const *sums) {
    vf acc[VALUE_ROWS][VALUE_VECS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++) acc[r][v] = vload(sums[r] + 16 * v);
    for (int64_t j = 0; j < keys; j++) {
        const float *from = values + j * stride + (source ? source[j] * source_stride : 0);
        vf b[VALUE_VECS];
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++) __builtin_prefetch(from + KEYS_AHEAD * stride + 16 * v);
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++) b[v] = lanes < 16 ? vload_n(from, lanes) : vload(from + 16 * v);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vf p = vset1(weights[r][j]);
#pragma GCC unroll 4
            for (int v = 0; v < vecs; v++) acc[r][v] = vfma(p, b[v], acc[r][v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++) vstore(sums[r] + 16 * v, acc[r][v]);
}

VEC void value_rows(int rows, const mp_attention_args *a, const float *const *weights, const float *values,
                    const int32_t *source, int64_t keys, float *const *sums) {
    float *at[VALUE_ROWS];
    for (int64_t d = 0; d < a->width;) {
        int64_t left = a->width - d;
        for (int r = 0; r < rows; r++) at[r] = sums[r] + d;
        if (left >= 16 * VALUE_VECS) {
            value_tile(rows, VALUE_VECS, weights, values + d, a->v_strides[2], source, a->v_strides[0], keys, 16, at);
            d += 16 * VALUE_VECS;
        } else {
            if (left >= 16) value_tile(rows, 1, weights, values + d, a->v_strides[2], source, a->v_strides[0], keys, 16, at);
            else value_tile(rows, 1, weights, values + d, a->v_strides[2], source, a->v_strides[0], keys, left, at);
            d += 16;
        }
    }
}

/* Weighted sum of the values of one span into sums [n, sum_stride]. */
static void span_values(const mp_attention_args *a, const span *s, int64_t n, const float *values,
                        const int32_t *source, const float *weights, int64_t stride, float *sums, int64_t sum_stride,
                        float *unused) {
    for (int64_t key = s->start; key < s->stop; key += VALUE_KEYS) {
        int64_t keys = smaller(VALUE_KEYS, s->stop - key);
        const float *from = values + key * a->v_strides[2];
        const float *w = weights + s->position + key - s->start;
        for (int64_t i = 0; i < n;) {
            const float *p[VALUE_ROWS];
            float *to[VALUE_ROWS];
            int rows = n - i > 1 ? VALUE_ROWS : 1;
            for (int r = 0; r < rows; r++) { /* past the end: the last one again, into a row that is not read */
                p[r] = w + (i + r < n ? i + r : n - 1) * stride;
                to[r] = i + r < n ? sums + (i + r) * sum_stride : unused;
            }
            if (source) {
                for (int r = 0; r < rows && i + r < n; r++) value_rows(1, a, p + r, from, source + key, keys, to + r);
            } else if (rows == 1) value_rows(1, a, p, from, NULL, keys, to);
            else value_rows(VALUE_ROWS, a, p, from, NULL, keys, to);
            i += rows;
        }
    }
}

static void store_probs(const mp_attention_args *a, const query *q, int64_t head, int64_t block, int64_t listed,
                        int64_t reach, const float *weights) {
    int64_t first = a->query_starts[block], queries = a->query_starts[block + 1] - first;
    float *to = a->probs + a->probs_starts[block] +
                ((q->batch * a->heads + head) * queries + q->t - first) * listed;
    memcpy(to, weights, (size_t)reach * sizeof(float));
    memset(to + reach, 0, (size_t)(listed - reach) * sizeof(float));
}

static void attention_unit(void *args, int64_t unit, void *scratch) {
    const plan *p = args;
    const mp_attention_args *a = p->a;
    int64_t tiles = p->tile_starts[a->blocks], tile = unit % tiles, head = unit / tiles % a->heads;
    int64_t group = unit / tiles / a->heads, low = 0, high = a->blocks;
    while (high - low > 1) { /* the block that owns this tile */
        int64_t middle = (low + high) / 2;
        if (p->tile_starts[middle] <= tile) low = middle;
        else high = middle;
    }
    int64_t block = low, one_plan = a->plans > 1 ? head : 0;
    const int64_t *bounds = a->range_starts + one_plan * (a->blocks + 1) + block;
    int64_t listed = listed_keys(a, one_plan, block), stride = score_stride(listed), per_tile = p->per_tile[block];
    int64_t first_t = a->query_starts[block], length = a->query_starts[block + 1] - first_t;
    int64_t from = (tile - p->tile_starts[block]) * per_tile, n = smaller(per_tile, length * p->sharing - from);

    query queries[MAX_TILE];
    for (int64_t i = 0; i < n; i++) {
        query *q = &queries[i];
        q->batch = group * p->sharing + (from + i) / length, q->t = first_t + (from + i) % length;
        q->q = a->q + q->batch * a->q_strides[0] + head * a->q_strides[1] + q->t * a->q_strides[2];
        q->limit = a->causal ? larger(0, smaller(a->keys, q->t + a->causal_offset + 1)) : a->keys;
        q->visible = NULL, q->counts = NULL;
        if (a->visible) {
            int64_t row = q->batch / (a->batch / a->visible_batch);
            q->visible = a->visible + row * a->keys, q->counts = p->counts + row * (a->keys + 1);
        }
    }
    int64_t width = (a->width + 15) / 16 * 16, active;
    float *scores = scratch, *sums = scores + per_tile * stride, *unused = sums + per_tile * width;
    packed_scores packed = packed_scores_in(unused + width, a->width);
    span *spans = (span *)(unused + width + packed_scores_floats(a->width, per_tile));
    int64_t reach = active_spans(p, queries, n, a->ranges + 2 * bounds[0], bounds[1] - bounds[0], spans, &active);

    const int32_t *source = a->rows ? a->rows + group * a->keys : NULL; /* then a group is one query row */
    int64_t key_row = source ? 0 : group;
    const float *keys = a->k + key_row * a->k_strides[0] + head * a->k_strides[1];
    const float *values = a->v + key_row * a->v_strides[0] + head * a->v_strides[1];
    if (n >= MANY_QUERIES) lay_queries(&packed, queries, n, a->width);
    for (int64_t j = 0; j < active; j++) {
        const span *s = &spans[j];
        if (s->same_as >= 0)
            for (int64_t i = 0; i < n; i++)
                memcpy(scores + i * stride + s->position, scores + i * stride + s->same_as,
                       (size_t)(s->stop - s->start) * sizeof(float));
        else if (n < MANY_QUERIES) span_scores_of_few(a, queries, n, keys, source, s, scores, stride);
        else if (a->width == 64) span_scores(&packed, 4, a, n, keys, source, s, scores, stride); /* unrolled */
        else span_scores(&packed, packed.steps, a, n, keys, source, s, scores, stride);
    }
    for (int64_t i = 0; i < n; i++) {
        weigh(a, &queries[i], spans, active, reach, head, scores + i * stride);
        if (a->probs) store_probs(a, &queries[i], head, block, listed, reach, scores + i * stride);
    }
    memset(sums, 0, (size_t)(n * width) * sizeof(float));
    for (int64_t j = 0; j < active; j++) span_values(a, &spans[j], n, values, source, scores, stride, sums, width, unused);
    for (int64_t i = 0; i < n; i++) {
        float *out = a->out + ((queries[i].batch * a->queries + queries[i].t) * a->heads + head) * a->width;
        /* Plus zero: an underflow to -0 must not depend on which zero weights were skipped. */
        for (int64_t d = 0; d < a->width; d += 16)
            vstore_up_to(out + d, vadd(vload(sums + i * width + d), vzero()), a->width - d);
    }
}

static void count_visible(const plan *p) {
    const mp_attention_args *a = p->a;
    for (int64_t row = 0; row < a->visible_batch; row++) {
        int32_t *counts = p->counts + row * (a->keys + 1);
        const uint8_t *visible = a->visible + row * a->keys;
        counts[0] = 0, p->last_visible[row] = 0;
        for (int64_t s = 0; s < a->keys; s++) {
            counts[s + 1] = counts[s] + (visible[s] != 0);
            if (visible[s]) p->last_visible[row] = (int32_t)s + 1;
        }
    }
}

static int attention(const mp_attention_args *a) {
    if (!a->batch || !a->heads || !a->queries || !a->width) return 0;
    plan p = {.a = a, .sharing = a->rows ? 1 : a->batch / a->key_batch};
    p.groups = a->batch / p.sharing;
    int64_t visible_rows = a->visible ? a->visible_batch : 0, width = (a->width + 15) / 16 * 16, scratch = 0;
    size_t starts_bytes = (size_t)(2 * a->blocks + 1) * sizeof(int64_t);
    size_t counts_bytes = (size_t)(visible_rows * (a->keys + 1)) * sizeof(int32_t);
    for (int64_t block = 0; block < a->blocks; block++) {
        int64_t listed = most_listed(a, block), rows = tile_rows(listed);
        int64_t floats = rows * (score_stride(listed) + width) + width + packed_scores_floats(a->width, rows);
        for (int64_t i = 0; i < a->plans; i++) {
            const int64_t *bounds = a->range_starts + i * (a->blocks + 1) + block;
            int64_t spans = (bounds[1] - bounds[0]) * (int64_t)sizeof(span);
            scratch = larger(scratch, floats * (int64_t)sizeof(float) + spans);
        }
    }
    mp_job *job = mp_begin(starts_bytes + counts_bytes + (size_t)visible_rows * sizeof(int32_t), (size_t)scratch);
    if (!job) return -1;
    p.tile_starts = mp_shared(job);
    p.per_tile = p.tile_starts + a->blocks + 1;
    p.counts = (int32_t *)((char *)p.tile_starts + starts_bytes);
    p.last_visible = p.counts + visible_rows * (a->keys + 1);
    if (a->visible) count_visible(&p);
    p.tile_starts[0] = 0;
    for (int64_t block = 0; block < a->blocks; block++) {
        int64_t rows = (a->query_starts[block + 1] - a->query_starts[block]) * p.sharing;
        p.per_tile[block] = tile_rows(most_listed(a, block));
        p.tile_starts[block + 1] = p.tile_starts[block] + (rows + p.per_tile[block] - 1) / p.per_tile[block];
    }
    mp_run(job, attention_unit, &p, p.groups * a->heads * p.tile_starts[a->blocks]);
    mp_end(job);
    return 0;
}

#endif
