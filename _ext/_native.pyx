# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, embedsignature=False
"""The compiled kernels: this file checks shapes, releases the GIL and calls C. It allocates nothing.

Not for direct use: ``minipegasus.ops`` decides what runs here and prepares the arrays.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memset


cdef extern from "kernels.h" nogil:
    enum: MP_TABLES
    enum: WEIGHT_F32
    enum: WEIGHT_F16
    enum: WEIGHT_BF16

    ctypedef struct mp_linear_args:
        const float *x
        const void *weight
        const float *bias
        float *out
        int64_t rows, inner, outer
        int kind, activation

    ctypedef struct mp_attention_args:
        const float *q
        const float *k
        const float *v
        float *out
        int64_t q_strides[3]
        int64_t k_strides[3]
        int64_t v_strides[3]
        int64_t batch, key_batch, heads, queries, keys, width
        const int64_t *query_starts
        const int64_t *range_starts
        const int64_t *ranges
        int64_t blocks, plans, causal_offset
        int causal
        float scale
        const uint8_t *visible
        int64_t visible_batch
        const float *bias
        int64_t bias_strides[3]
        const int32_t *rows
        const float *head_scale
        float *probs
        const int64_t *probs_starts

    ctypedef struct mp_table:
        const char *name
        int (*layer_norm)(const float *, const float *, const float *, const float *, float, float *, int64_t,
                          int64_t) noexcept nogil
        int (*softmax)(const float *, float *, int64_t, int64_t, int) noexcept nogil
        int (*activate)(const float *, float *, int64_t, int) noexcept nogil
        int (*embed)(const int64_t *, const void *, int, float, float *, int64_t, int64_t) noexcept nogil
        int (*top_k)(const float *, float *, int64_t *, int64_t, int64_t, int64_t) noexcept nogil
        int (*linear)(const mp_linear_args *) noexcept nogil
        int (*attention)(const mp_attention_args *) noexcept nogil

    int mp_sinusoids(int64_t, int64_t, const double *, int64_t, int64_t, int, float *) noexcept
    const mp_table *mp_compiled(int) noexcept
    int mp_runs(int) noexcept

cdef extern from "pool.h" nogil:
    int mp_get_num_threads() noexcept
    void mp_set_num_threads(int) noexcept


cdef const mp_table *table = mp_compiled(0)


def compiled():
    """Names of the instruction sets that were compiled, slowest first."""
    return [mp_compiled(i).name.decode() for i in range(MP_TABLES) if mp_compiled(i) != NULL]


def runnable():
    """Names of those that this CPU and operating system run, slowest first."""
    return [mp_compiled(i).name.decode() for i in range(MP_TABLES) if mp_runs(i)]


def use(str name):
    """Use the kernels of instruction set ``name`` from now on, in every thread."""
    global table
    for i in range(MP_TABLES):
        if mp_runs(i) and mp_compiled(i).name.decode() == name:
            table = mp_compiled(i)
            return
    raise ValueError(f"instruction set: expected one of {runnable()}, found {name!r}")


def in_use():
    """Name of the instruction set in use."""
    return table.name.decode()


def get_num_threads():
    return mp_get_num_threads()


def set_num_threads(int threads):
    mp_set_num_threads(threads)


cdef int _done(int status) except -1:
    if status < 0:
        raise MemoryError("minipegasus: a kernel found no memory for its scratch buffers")
    return 0


cdef int _same(bint ok, str what) except -1:
    if not ok:
        raise ValueError(f"{what}: shapes do not fit each other")
    return 0


def layer_norm(const float[:, ::1] x, const float[::1] weight, const float[::1] bias, float eps, float[:, ::1] out,
               const float[:, ::1] residual=None):
    cdef int64_t rows = x.shape[0], width = x.shape[1]
    _same(weight.shape[0] == width and bias.shape[0] == width, "layer_norm")
    _same(out.shape[0] == rows and out.shape[1] == width, "layer_norm")
    cdef const float *more = NULL
    if residual is not None:
        _same(residual.shape[0] == rows and residual.shape[1] == width, "layer_norm")
        more = &residual[0, 0] if rows and width else NULL
    if not rows or not width:
        return
    cdef int status
    with nogil:
        status = table.layer_norm(&x[0, 0], more, &weight[0], &bias[0], eps, &out[0, 0], rows, width)
    _done(status)


def softmax(const float[:, ::1] x, float[:, ::1] out, bint logarithm):
    cdef int64_t rows = x.shape[0], width = x.shape[1]
    _same(out.shape[0] == rows and out.shape[1] == width, "softmax")
    if not rows or not width:
        return
    cdef int status
    with nogil:
        status = table.softmax(&x[0, 0], &out[0, 0], rows, width, logarithm)
    _done(status)


def activate(const float[::1] x, float[::1] out, int name):
    _same(out.shape[0] == x.shape[0], "activate")
    if not x.shape[0]:
        return
    cdef int status
    with nogil:
        status = table.activate(&x[0], &out[0], x.shape[0], name)
    _done(status)


def embed(const int64_t[::1] ids, const float[:, ::1] wide, const uint16_t[:, ::1] half, bint bfloat, float scale,
          float[:, ::1] out):
    """Either ``wide`` or ``half`` is the table; ids must lie in it."""
    cdef int64_t count = ids.shape[0], width = out.shape[1], entries, i
    cdef int kind = WEIGHT_F32, status
    cdef const void *rows = NULL
    if wide is not None:
        entries = wide.shape[0]
        _same(wide.shape[1] == width, "embed")
        rows = &wide[0, 0] if entries and width else NULL
    else:
        kind = WEIGHT_BF16 if bfloat else WEIGHT_F16
        entries = half.shape[0]
        _same(half.shape[1] == width, "embed")
        rows = &half[0, 0] if entries and width else NULL
    _same(out.shape[0] == count, "embed")
    for i in range(count):
        if not 0 <= ids[i] < entries:
            raise IndexError(f"embed: expected ids in [0, {entries}), found {ids[i]}")
    if not count or not width:
        return
    with nogil:
        status = table.embed(&ids[0], rows, kind, scale, &out[0, 0], count, width)
    _done(status)


def sinusoids(int64_t start, const double[::1] steps, int64_t sines, bint narrow, float[:, ::1] out):
    _same(out.shape[1] == steps.shape[0] and 0 <= sines <= steps.shape[0], "sinusoids")
    if not out.shape[0] or not out.shape[1]:
        return
    cdef int status
    with nogil:
        status = mp_sinusoids(start, out.shape[0], &steps[0], sines, steps.shape[0] - sines, narrow, &out[0, 0])
    _done(status)


def top_k(const float[:, ::1] x, float[:, ::1] values, int64_t[:, ::1] index):
    cdef int64_t rows = x.shape[0], k = values.shape[1]
    _same(values.shape[0] == rows and index.shape[0] == rows and index.shape[1] == k <= x.shape[1], "top_k")
    if not rows or not k:
        return
    cdef int status
    with nogil:
        status = table.top_k(&x[0, 0], &values[0, 0], &index[0, 0], rows, x.shape[1], k)
    _done(status)


def linear(const float[:, ::1] x, const float[:, ::1] wide, const uint16_t[:, ::1] half, bint bfloat,
           const float[::1] bias, int activation, float[:, ::1] out):
    """Either ``wide`` or ``half`` is the weight."""
    cdef mp_linear_args a
    cdef int status
    memset(&a, 0, sizeof(a))
    a.rows, a.inner, a.outer = x.shape[0], x.shape[1], out.shape[1]
    a.activation = activation
    _same(out.shape[0] == a.rows, "linear")
    if wide is not None:
        _same(wide.shape[0] == a.outer and wide.shape[1] == a.inner, "linear")
    else:
        _same(half.shape[0] == a.outer and half.shape[1] == a.inner, "linear")
    if bias is not None:
        _same(bias.shape[0] == a.outer, "linear")
    if not a.rows or not a.outer:
        return
    a.out = &out[0, 0]
    if bias is not None:
        a.bias = &bias[0]
    if a.inner:
        a.x = &x[0, 0]
        if wide is not None:
            a.kind, a.weight = WEIGHT_F32, &wide[0, 0]
        else:
            a.kind, a.weight = WEIGHT_BF16 if bfloat else WEIGHT_F16, &half[0, 0]
    with nogil:
        status = table.linear(&a)
    _done(status)


cdef int _check_pattern(const mp_attention_args *a, int64_t ranges) except -1:
    cdef int64_t i, p, borders = a.blocks + 1
    cdef bint ok = a.query_starts[0] == 0 and a.query_starts[a.blocks] == a.queries
    for i in range(a.blocks):
        ok = ok and a.query_starts[i] <= a.query_starts[i + 1]
    for p in range(a.plans):
        ok = ok and 0 <= a.range_starts[p * borders] and a.range_starts[p * borders + a.blocks] <= ranges
        for i in range(a.blocks):
            ok = ok and a.range_starts[p * borders + i] <= a.range_starts[p * borders + i + 1]
    for i in range(ranges):
        ok = ok and 0 <= a.ranges[2 * i] <= a.ranges[2 * i + 1] <= a.keys
    return _same(ok, "attention: pattern")


cdef int64_t _listed(const mp_attention_args *a, int64_t block):
    """The most keys that any plan lists for a block."""
    cdef int64_t most = 0, count, p, r
    for p in range(a.plans):
        count = 0
        for r in range(a.range_starts[p * (a.blocks + 1) + block], a.range_starts[p * (a.blocks + 1) + block + 1]):
            count += a.ranges[2 * r + 1] - a.ranges[2 * r]
        most = max(most, count)
    return most


cdef bint _rows_are_whole(const float[:, :, :, :] x):
    """Whether the last axis is contiguous; the others may have any stride."""
    return x.strides[3] == 4 or x.shape[3] <= 1


def attention(const float[:, :, :, :] q, const float[:, :, :, :] k, const float[:, :, :, :] v,
              float[:, :, :, ::1] out, const int64_t[::1] query_starts, const int64_t[:, ::1] range_starts,
              const int64_t[:, ::1] ranges, int64_t causal_offset, bint causal, float scale,
              const uint8_t[:, ::1] visible, const float[:, :, :, :] bias, const int32_t[:, ::1] rows,
              const float[::1] head_scale, float[::1] probs, const int64_t[::1] probs_starts):
    cdef mp_attention_args a
    cdef int i, status
    cdef int64_t b, s, room, strays = 0
    memset(&a, 0, sizeof(a))
    a.batch, a.heads, a.queries, a.width = q.shape[0], q.shape[1], q.shape[2], q.shape[3]
    a.key_batch, a.keys = k.shape[0], k.shape[2]
    a.blocks, a.plans = query_starts.shape[0] - 1, range_starts.shape[0]
    a.causal, a.causal_offset, a.scale = causal, causal_offset, scale
    _same(k.shape[1] == a.heads and k.shape[3] == a.width, "attention: k")
    for i in range(4):
        _same(v.shape[i] == k.shape[i], "attention: v")
    _same(_rows_are_whole(q) and _rows_are_whole(k) and _rows_are_whole(v), "attention: last axis")
    _same(out.shape[0] == a.batch and out.shape[1] == a.queries and out.shape[2] == a.heads
          and out.shape[3] == a.width, "attention: out")
    _same(a.blocks >= 0 and range_starts.shape[1] == a.blocks + 1 and ranges.shape[1] == 2
          and (a.plans == 1 or a.plans == a.heads), "attention: pattern")
    if not a.batch or not a.heads or not a.queries or not a.width or not a.blocks:
        return
    a.query_starts, a.range_starts = &query_starts[0], &range_starts[0, 0]
    a.ranges = &ranges[0, 0] if ranges.shape[0] else NULL
    _check_pattern(&a, ranges.shape[0])
    a.q, a.out = &q[0, 0, 0, 0], &out[0, 0, 0, 0]
    if a.key_batch and a.keys:
        a.k, a.v = &k[0, 0, 0, 0], &v[0, 0, 0, 0]
    for i in range(3):
        a.q_strides[i], a.k_strides[i], a.v_strides[i] = q.strides[i] // 4, k.strides[i] // 4, v.strides[i] // 4
    if rows is None:
        _same(a.key_batch > 0 and a.batch % a.key_batch == 0, "attention: k")
    else:
        _same(rows.shape[0] == a.batch and rows.shape[1] == a.keys, "attention: rows")
        for b in range(a.batch):
            for s in range(a.keys):
                strays += not 0 <= rows[b, s] < a.key_batch
        _same(not strays, "attention: rows")
        a.rows = &rows[0, 0] if a.keys else NULL
    if visible is not None and a.keys:
        a.visible_batch = visible.shape[0]
        _same(a.visible_batch > 0 and a.batch % a.visible_batch == 0 and visible.shape[1] == a.keys,
              "attention: visible")
        a.visible = &visible[0, 0]
    if bias is not None and a.keys:
        _same(bias.shape[0] == a.batch and bias.shape[1] == a.heads and bias.shape[2] == a.queries
              and bias.shape[3] == a.keys and _rows_are_whole(bias), "attention: bias")
        a.bias = &bias[0, 0, 0, 0]
        for i in range(3):
            a.bias_strides[i] = bias.strides[i] // 4
    if head_scale is not None:
        _same(head_scale.shape[0] == a.heads, "attention: head scale")
        a.head_scale = &head_scale[0]
    if probs is not None and probs.shape[0]:
        _same(probs_starts.shape[0] == a.blocks, "attention: probabilities")
        for i in range(a.blocks):
            room = probs.shape[0] if i + 1 == a.blocks else probs_starts[i + 1]
            _same(0 <= probs_starts[i] and _listed(&a, i) * (query_starts[i + 1] - query_starts[i]) * a.batch * a.heads
                  <= room - probs_starts[i], "attention: probabilities")
        a.probs, a.probs_starts = &probs[0], &probs_starts[0]
    with nogil:
        status = table.attention(&a)
    _done(status)
