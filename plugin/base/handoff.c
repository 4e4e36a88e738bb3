/* handoff.c - see handoff.h.
 * Slots go round: the n-th that is given is slot n mod slots.  One lock and one condition, for
 * a handful of changes per MiB. */
#include "base/handoff.h"

#include "base/clock.h"
#include "base/error.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct handoff {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t slots;
    uint64_t max_bytes;
    uint64_t given, taken, done; /* counts; done <= taken <= given <= done + slots */
    uint64_t bytes;              /* of those that were given and are not done */
    bool ended, stopped, failed;
    struct zs_error error; /* if failed */

    bool started;
    pthread_t thread;
    int (*work)(void *context, struct handoff *h, struct zs_error *e);
    void *context;
    uint64_t sizes[]; /* of the slots on their way */
};

static int sync_init(struct handoff *h)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return ZS_FAIL;
    int rc = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    rc = rc != 0 ? rc : pthread_cond_init(&h->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (rc != 0)
        return ZS_FAIL;
    if (pthread_mutex_init(&h->lock, NULL) == 0)
        return ZS_OK;
    (void)pthread_cond_destroy(&h->changed);
    return ZS_FAIL;
}

int handoff_open(uint32_t slots, uint64_t max_bytes, struct handoff **out, struct zs_error *e)
{
    struct handoff *h = calloc(1, sizeof *h + slots * sizeof *h->sizes);
    if (h == NULL)
        return error_memory(e);
    if (sync_init(h) != ZS_OK) {
        free(h);
        return error_memory(e);
    }
    h->slots = slots;
    h->max_bytes = max_bytes;
    *out = h;
    return ZS_OK;
}

/* ---- the thread -------------------------------------------------------------------------- */

static void *run(void *arg)
{
    struct handoff *h = arg;
    struct zs_error e = {0};
    if (h->work(h->context, h, &e) != ZS_OK)
        handoff_fail(h, &e);
    return NULL;
}

bool handoff_start(struct handoff *h,
                   int (*work)(void *context, struct handoff *h, struct zs_error *e), void *context)
{
    sigset_t all, before;
    h->work = work;
    h->context = context;
    (void)sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return false;
    h->started = pthread_create(&h->thread, NULL, run, h) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return h->started;
}

void handoff_close(struct handoff *h)
{
    if (h == NULL)
        return;
    (void)pthread_mutex_lock(&h->lock);
    h->stopped = true;
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
    if (h->started)
        (void)pthread_join(h->thread, NULL);
    (void)pthread_cond_destroy(&h->changed);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}

/* ---- waiting; the lock is held ------------------------------------------------------------- */

static bool has_room(const struct handoff *h)
{
    return h->given - h->done < h->slots && h->bytes < h->max_bytes;
}

static bool has_news(const struct handoff *h)
{
    return h->given > h->taken || h->ended;
}

static bool has_rest(const struct handoff *h)
{
    return h->given == h->done;
}

static enum handoff_got wait_until(struct handoff *h, bool (*ready)(const struct handoff *h),
                                   int timeout_ms, struct zs_error *e)
{
    int64_t until = timeout_ms < 0 ? 0 : clock_now_ns() + (int64_t)timeout_ms * 1000000;
    struct timespec at = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    int late = 0;
    for (;;) {
        if (h->failed) {
            *e = h->error;
            return HANDOFF_FAILED;
        }
        if (h->stopped) {
            error_set(e, ZS_CANCELLED, "the transfer has ended");
            return HANDOFF_FAILED;
        }
        if (ready(h))
            return HANDOFF_SLOT;
        if (late != 0)
            return HANDOFF_NOTHING;
        late = timeout_ms < 0 ? pthread_cond_wait(&h->changed, &h->lock)
                              : pthread_cond_timedwait(&h->changed, &h->lock, &at);
    }
}

/* ---- giving and taking ----------------------------------------------------------------------- */

enum handoff_got handoff_room(struct handoff *h, int timeout_ms, uint32_t *slot, struct zs_error *e)
{
    (void)pthread_mutex_lock(&h->lock);
    enum handoff_got got = wait_until(h, has_room, timeout_ms, e);
    *slot = (uint32_t)(h->given % h->slots);
    (void)pthread_mutex_unlock(&h->lock);
    return got;
}

void handoff_give(struct handoff *h, uint64_t bytes)
{
    (void)pthread_mutex_lock(&h->lock);
    h->sizes[h->given % h->slots] = bytes;
    h->bytes += bytes;
    h->given++;
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
}

void handoff_end(struct handoff *h)
{
    (void)pthread_mutex_lock(&h->lock);
    h->ended = true;
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
}

enum handoff_got handoff_take(struct handoff *h, int timeout_ms, uint32_t *slot, struct zs_error *e)
{
    (void)pthread_mutex_lock(&h->lock);
    enum handoff_got got = wait_until(h, has_news, timeout_ms, e);
    if (got == HANDOFF_SLOT && h->given == h->taken)
        got = HANDOFF_END;
    *slot = (uint32_t)(h->taken % h->slots);
    if (got == HANDOFF_SLOT)
        h->taken++;
    (void)pthread_mutex_unlock(&h->lock);
    return got;
}

void handoff_done(struct handoff *h)
{
    (void)pthread_mutex_lock(&h->lock);
    h->bytes -= h->sizes[h->done % h->slots];
    h->done++;
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
}

enum handoff_got handoff_rest(struct handoff *h, int timeout_ms, struct zs_error *e)
{
    (void)pthread_mutex_lock(&h->lock);
    enum handoff_got got = wait_until(h, has_rest, timeout_ms, e);
    (void)pthread_mutex_unlock(&h->lock);
    return got;
}

void handoff_fail(struct handoff *h, struct zs_error *e)
{
    (void)pthread_mutex_lock(&h->lock);
    if (h->failed) {
        *e = h->error;
    } else {
        h->failed = true;
        h->error = *e;
    }
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
}

int handoff_look(struct handoff *h, uint64_t *given, uint64_t *done, struct zs_error *e)
{
    (void)pthread_mutex_lock(&h->lock);
    int rc = h->failed ? ZS_FAIL : ZS_OK;
    if (h->failed)
        *e = h->error;
    *given = h->given;
    *done = h->done;
    (void)pthread_mutex_unlock(&h->lock);
    return rc;
}
