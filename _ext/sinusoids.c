/* Sinusoidal positions. Our own sine, so that the table has the same bits on every platform: plain double
 * arithmetic without contraction, far more precise (1e-16) than the float32 it is rounded to. */
#include "kernels.h"
#include "pool.h"

#include <string.h>

#define ROWS_PER_UNIT 16

typedef struct {
    int64_t start, count;
    const double *steps;
    int64_t sines, cosines;
    int narrow;
    float *out;
} table_args;

/* sin(angle) for turn 0, cos(angle) for turn 1. Whole angles below 2^19 reduce exactly. */
static inline double sinusoid(double angle, int64_t turn) {
    /* pi / 2 in three pieces of 33, 33 and 53 bits: the first two times a whole number are exact. */
    const double piece1 = 0x1.921fb544p+0, piece2 = 0x1.0b4611a6p-34, piece3 = 0x1.3198a2e037073p-69;
    const double magic = 0x1.8p52;
    double shifted = angle * 0x1.45f306dc9c883p-1 + magic, n = shifted - magic;
    double r = ((angle - n * piece1) - n * piece2) - n * piece3, u = r * r;
    int64_t quadrant;
    memcpy(&quadrant, &shifted, 8); /* the low bits hold n */
    quadrant += turn;
    double sine = r + r * u * (-1.0 / 6 + u * (1.0 / 120 + u * (-1.0 / 5040 + u * (1.0 / 362880 +
                  u * (-1.0 / 39916800 + u * (1.0 / 6227020800.0 + u * (-1.0 / 1307674368000.0)))))));
    double cosine = 1.0 + u * (-0.5 + u * (1.0 / 24 + u * (-1.0 / 720 + u * (1.0 / 40320 +
                    u * (-1.0 / 3628800 + u * (1.0 / 479001600.0 + u * (-1.0 / 87178291200.0)))))));
    double value = quadrant & 1 ? cosine : sine;
    return quadrant & 2 ? -value : value;
}

static void fill_rows(void *args, int64_t unit, void *scratch) {
    const table_args *t = args;
    (void)scratch;
    int64_t width = t->sines + t->cosines, last = (unit + 1) * ROWS_PER_UNIT;
    for (int64_t row = unit * ROWS_PER_UNIT; row < last && row < t->count; row++) {
        double position = (double)(t->start + row);
        float *out = t->out + row * width;
        for (int64_t j = 0; j < width; j++) {
            double angle = t->narrow ? (double)((float)position * (float)t->steps[j]) : position / t->steps[j];
            out[j] = (float)sinusoid(angle, j >= t->sines);
        }
    }
}

int mp_sinusoids(int64_t start, int64_t count, const double *steps, int64_t sines, int64_t cosines, int narrow,
                 float *out) {
    table_args args = {start, count, steps, sines, cosines, narrow, out};
    mp_job *job = mp_begin(0, 0);
    if (!job) return -1;
    mp_run(job, fill_rows, &args, (count + ROWS_PER_UNIT - 1) / ROWS_PER_UNIT);
    mp_end(job);
    return 0;
}
