"""The bricks: functions of arrays and of a read-only view of the weights.

::

    stacks ── blocks ─┬─ attention ── ops.attention(q, k, v, pattern)
                      └─ layers ───── ops.linear, ops.layer_norm
    params   the weights under a path, and the recorder
    patterns which keys a block of queries sees
    masks    what callers pass, checked, as booleans
    cache    keys and values of the positions already seen
"""
