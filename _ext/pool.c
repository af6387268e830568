/* A small pool: workers spin for a few tens of microseconds after a job, then sleep.
 *
 * Every thread has a share of neighbouring units, so that it reads memory in order, and takes what is left of the
 * others' afterwards. The caller works too, so it never waits for a worker to wake: a worker that comes late finds
 * nothing left. That makes starting a job cost a store and, where workers sleep, one wake-up call. While they spin,
 * workers fetch what the next job will probably read. After a fork the child has no workers; it starts its own when it
 * first needs them. */
#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#define SPIN_NANOSECONDS 60000
#define KEEP_BYTES ((size_t)64 << 20) /* a larger arena goes back to the system after its job */
#define AHEAD_BYTES ((int64_t)1 << 20) /* what a thread fetches ahead: about a second-level cache */
#define FETCHED_LINES 16              /* between two looks for a job */
#define STREAMS 1024

typedef struct {
    char *start;
    size_t bytes;
} arena;

typedef struct {
    _Atomic int64_t next;
    int64_t end;
    char apart[48]; /* a line of its own */
} share;

struct mp_job {
    int threads;
    int owns_pool;
    arena shared;
    size_t scratch_bytes;
    arena scratch; /* threads * scratch_bytes */
    mp_task task;
    void *args;
    share shares[MP_MAX_THREADS];
};

static struct {
    pthread_mutex_t busy; /* held by the job that owns the workers */
    pthread_mutex_t lock; /* guards sleeping */
    pthread_cond_t wake;
    _Atomic unsigned epoch; /* counts jobs */
    _Atomic int open;       /* workers may join */
    _Atomic int inside;     /* workers that look at the job */
    _Atomic int sleeping;
    _Atomic int wanted; /* threads, the caller included */
    int started;        /* workers */
    mp_job job;
} pool = {.busy = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER,
          .wanted = 1};

/* What followed each stream (mp_stream) the last time: a model reads its weights in the same order at every step. The
 * owner of the pool writes, workers read: a guess that is torn or wrong costs nothing but the fetching. */
typedef struct {
    _Atomic(const char *) stream, follower;
    _Atomic int64_t bytes; /* of the follower */
} succession;
static succession successions[STREAMS];
static const char *last_stream;
static _Atomic(const succession *) guess; /* what follows the stream of the latest job, or NULL */

#define get(variable) atomic_load_explicit(&(variable), memory_order_relaxed)
#define set(variable, value) atomic_store_explicit(&(variable), value, memory_order_relaxed)

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb");
#endif
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Subnormal numbers count and rounding is to nearest, whatever else the process has switched on for this thread (some
 * libraries flush subnormals): or the bits would depend on the company. Returns what to restore afterwards. */
#if defined(__x86_64__)
#define FP_CONTROL 0xFFC0u
#define FP_STANDARD 0x1F80u
static inline unsigned fp_standard(void) {
    unsigned before = _mm_getcsr();
    if ((before & FP_CONTROL) != FP_STANDARD) _mm_setcsr(FP_STANDARD);
    return before;
}
static inline void fp_restore(unsigned before) {
    if ((before & FP_CONTROL) != FP_STANDARD) _mm_setcsr(before);
}
#elif defined(__aarch64__)
static inline uint64_t fp_standard(void) {
    uint64_t before;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(before));
    if (before) __asm__ __volatile__("msr fpcr, %0" : : "r"((uint64_t)0));
    return before;
}
static inline void fp_restore(uint64_t before) {
    if (before) __asm__ __volatile__("msr fpcr, %0" : : "r"(before));
}
#else
static inline int fp_standard(void) { return 0; }
static inline void fp_restore(int before) { (void)before; }
#endif

static void work(mp_job *job, int thread) {
    char *scratch = job->scratch.start + (size_t)thread * job->scratch_bytes;
    __auto_type before = fp_standard();
    for (int i = 0; i < job->threads; i++) {
        share *s = &job->shares[(thread + i) % job->threads];
        int64_t unit;
        while ((unit = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed)) < s->end)
            job->task(job->args, unit, scratch);
    }
    fp_restore(before);
}

void mp_run_here(mp_task task, void *args) {
    __auto_type before = fp_standard();
    task(args, 0, NULL);
    fp_restore(before);
}

/* What a thread fetches while it waits: the beginning of its share of the stream that is to come. */
typedef struct {
    const char *after; /* the stream before it: each guess is followed once */
    const char *at, *end;
} fetching;

static void fetch_ahead(fetching *f, int thread) {
    const succession *next = get(guess);
    if (next && get(next->stream) != f->after) {
        int64_t bytes = get(next->bytes) / get(pool.wanted);
        f->after = get(next->stream);
        f->at = get(next->follower) + bytes * thread;
        f->end = f->at + (bytes < AHEAD_BYTES ? bytes : AHEAD_BYTES);
    }
    if (f->at >= f->end) return;
    for (int line = 0; line < FETCHED_LINES; line++) __builtin_prefetch(f->at + 64 * line, 0, 2);
    f->at += 64 * FETCHED_LINES;
}

/* Wait until the epoch leaves `seen`: spinning first, so that the next kernel of a model finds us awake. */
static unsigned wait_for_job(unsigned seen, int thread, fetching *f) {
    int64_t deadline = 0;
    for (int turn = 1;; turn++) {
        unsigned epoch = atomic_load(&pool.epoch);
        if (epoch != seen) return epoch;
        fetch_ahead(f, thread);
        relax(); /* also what keeps the fetching at the pace of the memory: a CPU drops what comes faster */
        if (turn % 64) continue;
        int64_t time = now();
        if (!deadline) deadline = time + SPIN_NANOSECONDS;
        if (time > deadline) break;
    }
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.sleeping, 1);
    while (atomic_load(&pool.epoch) == seen) pthread_cond_wait(&pool.wake, &pool.lock);
    atomic_fetch_sub(&pool.sleeping, 1);
    pthread_mutex_unlock(&pool.lock);
    return atomic_load(&pool.epoch);
}

static void *worker(void *argument) {
    int thread = (int)(intptr_t)argument;
    unsigned seen = 0;
    fetching ahead = {0};
    for (;;) {
        seen = wait_for_job(seen, thread, &ahead);
        atomic_fetch_add(&pool.inside, 1);
        if (atomic_load(&pool.open) && thread < pool.job.threads) work(&pool.job, thread);
        atomic_fetch_sub(&pool.inside, 1);
    }
    return NULL;
}

static void forget_workers(void) {
    pthread_mutex_init(&pool.busy, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    atomic_store(&pool.open, 0);
    atomic_store(&pool.inside, 0);
    atomic_store(&pool.sleeping, 0);
    pool.started = 0;
}

static void start_workers(int threads) {
    static int fork_watched = 0;
    if (!fork_watched) {
        pthread_atfork(NULL, NULL, forget_workers);
        fork_watched = 1;
    }
    if (pool.started >= threads - 1) return;
    sigset_t all, before; /* signals are for the threads that Python knows */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.started < threads - 1) {
        pthread_attr_t attributes;
        pthread_t handle;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, (size_t)1 << 20);
        int failed = pthread_create(&handle, &attributes, worker, (void *)(intptr_t)(pool.started + 1));
        pthread_attr_destroy(&attributes);
        if (failed) break; /* fewer threads: slower, the same result */
        pool.started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void release(arena *a, size_t keep) {
    if (a->bytes <= keep) return;
    char *start = a->start;
    *a = (arena){NULL, 0}; /* first: a fork in another thread must not leave its child a freed block */
    free(start);
}

static int reserve(arena *a, size_t bytes) {
    if (bytes <= a->bytes) return 1;
    release(a, 0);
    size_t rounded = (bytes + 4095) & ~(size_t)4095;
    a->start = aligned_alloc(4096, rounded);
    a->bytes = a->start ? rounded : 0;
    return a->start != NULL;
}

mp_job *mp_begin(size_t shared, size_t scratch) {
    /* An odd number of cache lines apart: buffers a power of two apart would share cache sets. */
    scratch = ((scratch + 127) & ~(size_t)127) + 64;
    int threads = atomic_load(&pool.wanted), owns_pool = pthread_mutex_trylock(&pool.busy) == 0;
    mp_job *job = owns_pool ? &pool.job : calloc(1, sizeof *job);
    if (!job) return NULL;
    if (owns_pool) start_workers(threads);
    job->owns_pool = owns_pool;
    job->threads = owns_pool ? threads : 1;
    job->scratch_bytes = scratch;
    if (reserve(&job->shared, shared) && reserve(&job->scratch, scratch * (size_t)job->threads)) return job;
    mp_end(job);
    return NULL;
}

void *mp_shared(mp_job *job) { return job->shared.start; }
int mp_threads(const mp_job *job) { return job->threads; }

void mp_run(mp_job *job, mp_task task, void *args, int64_t units) {
    job->task = task, job->args = args;
    for (int64_t i = 0; i < job->threads; i++) {
        job->shares[i].end = units * (i + 1) / job->threads;
        set(job->shares[i].next, units * i / job->threads);
    }
    if (job->threads < 2 || units < 2) {
        work(job, 0);
        return;
    }
    atomic_store(&pool.open, 1);
    atomic_fetch_add(&pool.epoch, 1);
    if (atomic_load(&pool.sleeping)) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.lock);
    }
    work(job, 0);
    /* A worker raises `inside` before it reads `open`: either it sees the job closed, or we see it inside. */
    atomic_store(&pool.open, 0);
    static fetching ahead;
    for (int turn = 1; atomic_load(&pool.inside); turn++)
        if (turn % 4096) fetch_ahead(&ahead, 0), relax();
        else sched_yield(); /* it has lost its core */
}

static succession *succession_of(const char *stream) {
    return &successions[((uintptr_t)stream >> 6) * UINT64_C(0x9E3779B97F4A7C15) >> 54]; /* STREAMS = 2^10 */
}

void mp_stream(const mp_job *job, const void *start, int64_t bytes) {
    if (!job->owns_pool) return;
    succession *now = succession_of(last_stream), *next = succession_of(start);
    set(now->stream, last_stream), set(now->follower, start), set(now->bytes, bytes);
    set(guess, get(next->stream) == start ? next : NULL);
    last_stream = start;
}

void mp_end(mp_job *job) {
    release(&job->shared, job->owns_pool ? KEEP_BYTES : 0);
    release(&job->scratch, job->owns_pool ? KEEP_BYTES : 0);
    if (job->owns_pool) pthread_mutex_unlock(&pool.busy);
    else free(job);
}

int mp_get_num_threads(void) { return atomic_load(&pool.wanted); }

void mp_set_num_threads(int threads) {
    atomic_store(&pool.wanted, threads < 1 ? 1 : threads > MP_MAX_THREADS ? MP_MAX_THREADS : threads);
}
