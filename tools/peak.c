/* What this machine can do: fused multiply-adds and bytes read per second, on n threads. For tools/bench_kernels.py. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
typedef float vec __attribute__((vector_size(LANES * 4)));
typedef float vec_any __attribute__((vector_size(LANES * 4), aligned(4)));

#define CHAINS 12
#define STEPS 4000000
#define BYTES ((size_t)192 << 20)

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *multiply(void *argument) {
    vec sums[CHAINS], x, y;
    for (int i = 0; i < LANES; i++) x[i] = 0.999f, y[i] = 1e-3f;
    for (int c = 0; c < CHAINS; c++) sums[c] = y;
    for (int i = 0; i < STEPS; i++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) sums[c] = sums[c] * x + y;
    vec total = sums[0];
    for (int c = 1; c < CHAINS; c++) total += sums[c];
    *(volatile float *)argument = total[0];
    return NULL;
}

static void *read_all(void *argument) {
    const float *p = *(float **)argument;
    vec sums[8];
    memset(sums, 0, sizeof sums);
    for (size_t i = 0; i < BYTES / sizeof(float); i += 8 * LANES)
#pragma GCC unroll 8
        for (int c = 0; c < 8; c++) {
            __builtin_prefetch(p + i + c * LANES + 2048);
            sums[c] += *(const vec_any *)(p + i + c * LANES);
        }
    vec total = sums[0];
    for (int c = 1; c < 8; c++) total += sums[c];
    volatile float keep = total[0];
    (void)keep;
    return NULL;
}

static double best_of(int threads, void *(*work)(void *), void **arguments) {
    double best = 1e9;
    pthread_t handles[64];
    for (int repeat = 0; repeat < 5; repeat++) {
        double start = now();
        for (int i = 1; i < threads; i++) pthread_create(&handles[i], NULL, work, arguments[i]);
        work(arguments[0]);
        for (int i = 1; i < threads; i++) pthread_join(handles[i], NULL);
        double seconds = now() - start;
        if (seconds < best) best = seconds;
    }
    return best;
}

/* Floating-point operations (two per multiply-add) per second. */
double fma_peak(int threads) {
    float results[64];
    void *arguments[64];
    for (int i = 0; i < threads; i++) arguments[i] = &results[i];
    return 2.0 * LANES * CHAINS * STEPS * threads / best_of(threads, multiply, arguments);
}

/* Bytes per second, each thread reading memory of its own. */
double read_bandwidth(int threads) {
    float *buffers[64];
    void *arguments[64];
    for (int i = 0; i < threads; i++) {
        buffers[i] = aligned_alloc(4096, BYTES);
        if (!buffers[i]) return 0.0;
        memset(buffers[i], 1, BYTES);
        arguments[i] = &buffers[i];
    }
    double seconds = best_of(threads, read_all, arguments);
    for (int i = 0; i < threads; i++) free(buffers[i]);
    return (double)BYTES * threads / seconds;
}
