/* What this machine can do now: float multiply-adds per second and bytes read per second, on N threads.
   cc -O3 -march=native -pthread -o peak peak.c && ./peak 2      prints: FLOP/s bytes/s */
#include <pthread.h>
#include <stdio.h>
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

#define SUMS 20           /* enough chains to hide the latency of a multiply-add */
#define LOOPS 20000000L
#define BYTES (512L << 20) /* per thread: far beyond any cache */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static volatile float sink;

static void *multiply(void *unused) {
  (void)unused;
  vec sums[SUMS], factor, term;
  for (int i = 0; i < LANES; i++) factor[i] = 0.999f, term[i] = 0.001f;
  for (int j = 0; j < SUMS; j++) sums[j] = term;
  for (long i = 0; i < LOOPS; i++)
#pragma GCC unroll 20
    for (int j = 0; j < SUMS; j++) sums[j] = sums[j] * factor + term;
  for (int j = 1; j < SUMS; j++) sums[0] += sums[j];
  sink = sums[0][0];
  return NULL;
}

static void *add_up(void *data) {
  const vec *from = data;
  vec sums[8];
  memset(sums, 0, sizeof sums);
  for (int pass = 0; pass < 3; pass++)
    for (long i = 0; i < BYTES / (long)sizeof(vec); i += 8)
      for (int j = 0; j < 8; j++) sums[j] += from[i + j];
  for (int j = 1; j < 8; j++) sums[0] += sums[j];
  sink = sums[0][0];
  return NULL;
}

static double on_threads(int n, void *(*work)(void *), void **data) {
  pthread_t threads[256];
  double start = now();
  for (int i = 0; i < n; i++) pthread_create(&threads[i], NULL, work, data ? data[i] : NULL);
  for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
  return now() - start;
}

int main(int count, char **words) {
  int n = count > 1 ? atoi(words[1]) : 1;
  if (n < 1 || n > 256) return 2;
  void *data[256];
  for (int i = 0; i < n; i++) {
    if (posix_memalign(&data[i], 64, BYTES)) return 1;
    memset(data[i], 1, BYTES);
  }
  double flops = 2.0 * LANES * SUMS * (double)LOOPS * n / on_threads(n, multiply, NULL);
  double bytes = 3.0 * BYTES * n / on_threads(n, add_up, data);
  printf("%.6g %.6g\n", flops, bytes);
  return 0;
}
