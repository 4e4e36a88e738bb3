/* sessions.c - see sessions.h. */
#include "pageserver/sessions.h"

#include "base/error.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#define TOO_MANY_CONNECTIONS "53300"

int sessions_init(struct sessions *s, uint32_t max_half_open, uint32_t max_logged_in,
                  struct zs_error *e)
{
    *s = (struct sessions){.max_half_open = max_half_open, .max_logged_in = max_logged_in};
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    if (rc == 0)
        rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (rc == 0)
        rc = pthread_cond_init(&s->gone, &attr);
    if (rc == 0)
        rc = pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_destroy(&attr);
    return rc == 0 ? ZS_OK : error_errno(e, rc, "cannot make a lock");
}

void sessions_fini(struct sessions *s)
{
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->gone);
}

static int too_many(const char *what, uint32_t max, const char *setting, struct zs_error *e)
{
    error_set(e, TOO_MANY_CONNECTIONS, "there are %u %s already", max, what);
    e->retry = ZS_RETRY_LATER;
    return error_hint(e, "Try again later, or raise %s in pageserver.toml.", setting);
}

int sessions_reserve(struct sessions *s, bool is_local, struct zs_error *e)
{
    (void)pthread_mutex_lock(&s->lock);
    bool full = s->half_open >= s->max_half_open && !is_local;
    if (!full)
        s->half_open++;
    (void)pthread_mutex_unlock(&s->lock);
    return full ? too_many("connections that are logging in", s->max_half_open, "max_half_open", e)
                : ZS_OK;
}

static void one_less(struct sessions *s, uint32_t *count)
{
    (*count)--;
    if (s->half_open + s->logged_in == 0)
        (void)pthread_cond_broadcast(&s->gone);
}

void sessions_release(struct sessions *s)
{
    (void)pthread_mutex_lock(&s->lock);
    one_less(s, &s->half_open);
    (void)pthread_mutex_unlock(&s->lock);
}

int sessions_enter(struct sessions *s, struct session_entry *entry, struct zs_error *e)
{
    if (getrandom(&entry->key, sizeof entry->key, 0) != (ssize_t)sizeof entry->key)
        return error_errno(e, errno, "cannot get random bytes");
    (void)pthread_mutex_lock(&s->lock);
    entry->id = ++s->last_id;
    entry->logged_in = entry->running = false;
    entry->next = s->first;
    entry->link = &s->first;
    if (s->first != NULL)
        s->first->link = &entry->next;
    s->first = entry;
    if (s->stopping)
        cancel_set(entry->cancel, CANCEL_SHUTDOWN);
    (void)pthread_mutex_unlock(&s->lock);
    return ZS_OK;
}

void sessions_leave_begin(struct sessions *s, struct session_entry *entry)
{
    (void)pthread_mutex_lock(&s->lock);
    *entry->link = entry->next;
    if (entry->next != NULL)
        entry->next->link = entry->link;
    (void)pthread_mutex_unlock(&s->lock);
}

void sessions_leave_end(struct sessions *s, bool logged_in)
{
    (void)pthread_mutex_lock(&s->lock);
    one_less(s, logged_in ? &s->logged_in : &s->half_open);
    (void)pthread_mutex_unlock(&s->lock);
}

int sessions_promote(struct sessions *s, struct session_entry *entry, bool is_admin,
                     struct zs_error *e)
{
    uint32_t half = s->max_logged_in / 2;
    uint32_t kept = half < SESSIONS_FOR_ADMINS ? half : SESSIONS_FOR_ADMINS;
    uint32_t max = is_admin ? s->max_logged_in : s->max_logged_in - kept;
    (void)pthread_mutex_lock(&s->lock);
    bool full = s->logged_in >= max;
    if (!full) {
        s->half_open--;
        s->logged_in++;
        entry->logged_in = true;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return full ? too_many("sessions", max, "max_connections", e) : ZS_OK;
}

void sessions_command_begin(struct sessions *s, struct session_entry *entry)
{
    (void)pthread_mutex_lock(&s->lock);
    cancel_reset(entry->cancel);
    entry->running = true;
    (void)pthread_mutex_unlock(&s->lock);
}

void sessions_command_end(struct sessions *s, struct session_entry *entry)
{
    (void)pthread_mutex_lock(&s->lock);
    entry->running = false;
    cancel_reset(entry->cancel);
    (void)pthread_mutex_unlock(&s->lock);
}

bool sessions_cancel(struct sessions *s, uint32_t id, uint32_t key)
{
    bool found = false;
    (void)pthread_mutex_lock(&s->lock);
    for (struct session_entry *p = s->first; p != NULL; p = p->next) {
        if (p->id != id || p->key != key || !p->running)
            continue;
        cancel_set(p->cancel, CANCEL_REQUEST);
        found = true;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return found;
}

uint32_t sessions_count(struct sessions *s)
{
    (void)pthread_mutex_lock(&s->lock);
    uint32_t n = s->logged_in;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

void sessions_stop(struct sessions *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->stopping = true;
    for (struct session_entry *p = s->first; p != NULL; p = p->next)
        cancel_set(p->cancel, CANCEL_SHUTDOWN);
    (void)pthread_mutex_unlock(&s->lock);
}

bool sessions_wait(struct sessions *s, int timeout_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&s->lock);
    int rc = 0;
    while (s->half_open + s->logged_in > 0 && rc == 0)
        rc = pthread_cond_timedwait(&s->gone, &s->lock, &until);
    bool none = s->half_open + s->logged_in == 0;
    (void)pthread_mutex_unlock(&s->lock);
    return none;
}

void sessions_cut(struct sessions *s)
{
    (void)pthread_mutex_lock(&s->lock);
    for (struct session_entry *p = s->first; p != NULL; p = p->next)
        (void)shutdown(p->fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&s->lock);
}
