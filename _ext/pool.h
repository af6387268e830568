/* Threads and scratch memory. Work is split over outputs only, so results do not depend on how many threads run. */
#ifndef MP_POOL_H
#define MP_POOL_H

#include <stddef.h>
#include <stdint.h>

#define MP_MAX_THREADS 256

typedef struct mp_job mp_job;
/* One unit of work; scratch belongs to the calling thread until the unit is done. */
typedef void (*mp_task)(void *args, int64_t unit, void *scratch);

/* Reserve the pool, one shared buffer and one scratch buffer a thread (bytes, 64-aligned, contents undefined). A
 * second caller, while another thread's kernel runs, gets a job of one thread. NULL: out of memory. */
mp_job *mp_begin(size_t shared, size_t scratch);
void *mp_shared(mp_job *job);
int mp_threads(const mp_job *job);
/* Run units 0 .. units-1, in any order, and return when all are done. */
void mp_run(mp_job *job, mp_task task, void *args, int64_t units);
void mp_end(mp_job *job);
/* Before mp_run: its units will read `bytes` from `start` on, once and in their order. Then those workers that wait
 * for the next job fetch the beginning of what followed this stream the last time. */
void mp_stream(const mp_job *job, const void *start, int64_t bytes);
/* One unit without a job, in this thread. */
void mp_run_here(mp_task task, void *args);

int mp_get_num_threads(void);
void mp_set_num_threads(int threads);

#endif
