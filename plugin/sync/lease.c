/* lease.c - see lease.h.
 * What leaves the list is gathered under the lock, in a chain, and closed after it: a
 * store may take its time. */
#include "sync/lease.h"

#include "base/clock.h"
#include "base/error.h"
#include "model/lsn.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct lease {
    struct lease *next;
    struct snapshot snapshot;
    zs_lsn from_lsn, to_lsn;
    bool committing;
    int64_t expires_ns, last_ns; /* last_ns: however often it is taken */
};

struct lease_list {
    int64_t keep_ns;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct lease *first; /* newest first, so that the last one expires first */
    pthread_t timer;
    bool started; /* the timer is to be joined */
    bool running; /* it has not left its loop */
    bool closing;
};

static void close_chain(struct lease *first)
{
    for (struct lease *next; first != NULL; first = next) {
        next = first->next;
        snapshot_close(&first->snapshot);
        free(first);
    }
}

/* Unlink what `at` points to, into a chain. */
static void unlink_into(struct lease **at, struct lease **chain)
{
    struct lease *one = *at;
    *at = one->next;
    one->next = *chain;
    *chain = one;
}

static void *timer_run(void *context)
{
    struct lease_list *list = context;
    pthread_mutex_lock(&list->lock);
    while (list->first != NULL && !list->closing) {
        struct lease *expired = NULL;
        int64_t now = clock_now_ns(), wake = INT64_MAX;
        for (struct lease **at = &list->first; *at != NULL;) {
            if ((*at)->expires_ns <= now) {
                unlink_into(at, &expired);
                continue;
            }
            wake = (*at)->expires_ns < wake ? (*at)->expires_ns : wake;
            at = &(*at)->next;
        }
        if (expired != NULL) {
            pthread_mutex_unlock(&list->lock);
            close_chain(expired);
            pthread_mutex_lock(&list->lock);
            continue;
        }
        struct timespec until = {.tv_sec = wake / 1000000000, .tv_nsec = wake % 1000000000};
        (void)pthread_cond_timedwait(&list->changed, &list->lock, &until);
    }
    list->running = false;
    pthread_mutex_unlock(&list->lock);
    return NULL;
}

/* Under the lock.  The host's signals are not for this thread. */
static bool timer_start(struct lease_list *list)
{
    sigset_t all, old;
    if (list->running)
        return true;
    if (list->started) /* it has left its loop: this does not wait for anything */
        (void)pthread_join(list->timer, NULL);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    list->started = pthread_create(&list->timer, NULL, timer_run, list) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    list->running = list->started;
    return list->started;
}

int lease_list_open(int64_t keep_ns, struct lease_list **out, struct zs_error *e)
{
    pthread_condattr_t monotonic;
    struct lease_list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return error_memory(e);
    list->keep_ns = keep_ns;
    (void)pthread_mutex_init(&list->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&list->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    *out = list;
    return ZS_OK;
}

void lease_list_close(struct lease_list *list)
{
    if (list == NULL)
        return;
    pthread_mutex_lock(&list->lock);
    list->closing = true;
    (void)pthread_cond_signal(&list->changed);
    pthread_mutex_unlock(&list->lock);
    if (list->started)
        (void)pthread_join(list->timer, NULL);
    close_chain(list->first);
    (void)pthread_cond_destroy(&list->changed);
    (void)pthread_mutex_destroy(&list->lock);
    free(list);
}

void lease_keep(struct lease_list *list, struct snapshot *s, zs_lsn from_lsn, zs_lsn to_lsn,
                bool committing, int64_t last_ns)
{
    const int64_t now_ns = clock_now_ns();
    struct lease *dropped = NULL;
    bool none = list == NULL || list->keep_ns == 0 || (last_ns != 0 && last_ns <= now_ns);
    struct lease *one = none ? NULL : calloc(1, sizeof *one);
    if (one == NULL)
        return;
    if (last_ns == 0)
        last_ns = now_ns + LEASE_TIMES * list->keep_ns;
    int64_t expires_ns = now_ns + list->keep_ns;
    unsigned n = 0;
    pthread_mutex_lock(&list->lock);
    *one = (struct lease){.next = list->first,
                          .from_lsn = from_lsn,
                          .to_lsn = to_lsn,
                          .committing = committing,
                          .expires_ns = expires_ns < last_ns ? expires_ns : last_ns,
                          .last_ns = last_ns};
    list->first = one; /* before the timer starts, which leaves when there is nothing */
    if (timer_start(list)) {
        one->snapshot = *s;
        *s = (struct snapshot){0};
    } else {
        unlink_into(&list->first, &dropped); /* it would never end */
    }
    for (struct lease **at = &list->first; *at != NULL;) {
        if (++n > LEASES_MAX)
            unlink_into(at, &dropped);
        else
            at = &(*at)->next;
    }
    (void)pthread_cond_signal(&list->changed);
    pthread_mutex_unlock(&list->lock);
    close_chain(dropped);
}

static bool is_of(const struct lease *l, const struct zs_branch_info *branch)
{
    const struct zs_branch_info *info = &l->snapshot.info;
    return strcmp(info->name, branch->name) == 0 &&
           timeline_equal(info->timeline, branch->timeline);
}

bool lease_take(struct lease_list *list, const struct zs_branch_info *branch, zs_lsn from_lsn,
                zs_lsn to_lsn, struct snapshot *out, int64_t *last_ns)
{
    struct lease *taken = NULL;
    if (list == NULL)
        return false;
    pthread_mutex_lock(&list->lock);
    for (struct lease **at = &list->first; *at != NULL && taken == NULL;) {
        if ((*at)->from_lsn == from_lsn && (*at)->to_lsn == to_lsn && is_of(*at, branch))
            unlink_into(at, &taken);
        else
            at = &(*at)->next;
    }
    (void)pthread_cond_signal(&list->changed);
    pthread_mutex_unlock(&list->lock);
    if (taken == NULL)
        return false;
    *out = taken->snapshot;
    *last_ns = taken->last_ns;
    free(taken);
    return true;
}

void lease_settle(struct lease_list *list, const struct zs_branch_info *branch, zs_lsn at_lsn)
{
    struct lease *settled = NULL;
    if (list == NULL)
        return;
    pthread_mutex_lock(&list->lock);
    for (struct lease **at = &list->first; *at != NULL && settled == NULL;) {
        if ((*at)->committing && (*at)->to_lsn == at_lsn && is_of(*at, branch))
            unlink_into(at, &settled);
        else
            at = &(*at)->next;
    }
    (void)pthread_cond_signal(&list->changed);
    pthread_mutex_unlock(&list->lock);
    close_chain(settled);
}

void lease_drop(struct lease_list *list, const char *branch)
{
    struct lease *dropped = NULL;
    pthread_mutex_lock(&list->lock);
    for (struct lease **at = &list->first; *at != NULL;) {
        if (strcmp((*at)->snapshot.info.name, branch) == 0)
            unlink_into(at, &dropped);
        else
            at = &(*at)->next;
    }
    (void)pthread_cond_signal(&list->changed);
    pthread_mutex_unlock(&list->lock);
    close_chain(dropped);
}

unsigned lease_list_look(struct lease_list *list, struct lease_facts out[LEASES_MAX])
{
    unsigned n = 0;
    pthread_mutex_lock(&list->lock);
    int64_t now = clock_now_ns();
    for (const struct lease *l = list->first; l != NULL && n < LEASES_MAX; l = l->next) {
        int64_t left_ns = l->expires_ns - now;
        out[n] =
            (struct lease_facts){.from_lsn = l->from_lsn,
                                 .to_lsn = l->to_lsn,
                                 .left_seconds = left_ns > 0 ? (uint64_t)left_ns / 1000000000u : 0};
        memcpy(out[n++].branch, l->snapshot.info.name, sizeof out->branch);
    }
    pthread_mutex_unlock(&list->lock);
    return n;
}
