/* housekeeper.c - see housekeeper.h. */
#include "pageserver/housekeeper.h"

#include "base/error.h"
#include "kv/kv.h"

#include <time.h>

#define EVERY_S 60u

/* Until it is stopped, or it is time again; the lock is held. */
static void rest(struct housekeeper *h)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)h->every_s;
    while (!h->stopped && pthread_cond_timedwait(&h->changed, &h->lock, &until) == 0)
        continue;
}

static void *keep_house(void *context)
{
    struct housekeeper *h = context;
    (void)pthread_mutex_lock(&h->lock);
    while (!h->stopped) {
        (void)pthread_mutex_unlock(&h->lock);
        kv_expire_stages(h->kv);
        (void)pthread_mutex_lock(&h->lock);
        rest(h);
    }
    (void)pthread_mutex_unlock(&h->lock);
    return NULL;
}

int housekeeper_start(struct housekeeper *h, struct kv *kv, uint32_t stage_timeout_s,
                      struct zs_error *e)
{
    pthread_condattr_t monotonic;
    *h = (struct housekeeper){.kv = kv, .every_s = EVERY_S};
    if (stage_timeout_s < EVERY_S)
        h->every_s = stage_timeout_s > 0 ? stage_timeout_s : 1;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_cond_init(&h->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    kv_set_stage_timeout(kv, stage_timeout_s);
    int rc = pthread_create(&h->thread, NULL, keep_house, h);
    if (rc == 0)
        return ZS_OK;
    (void)pthread_cond_destroy(&h->changed);
    (void)pthread_mutex_destroy(&h->lock);
    return error_errno(e, rc, "cannot start a thread");
}

void housekeeper_stop(struct housekeeper *h)
{
    (void)pthread_mutex_lock(&h->lock);
    h->stopped = true;
    (void)pthread_cond_signal(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
    (void)pthread_join(h->thread, NULL);
    (void)pthread_cond_destroy(&h->changed);
    (void)pthread_mutex_destroy(&h->lock);
}
