/* transfer.c - see transfer.h.
 * One lock for all: a transfer takes it a few times per batch, which is nothing
 * beside the batch. */
#include "sync/transfer.h"

#include "base/error.h"
#include "sync/cancel.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct transfer {
    struct transfer_list *list;
    struct transfer *next;
    char user[64]; /* "": nobody's yet */
    struct transfer_facts facts;
};

struct transfer_list {
    pthread_mutex_t lock;
    struct transfer *first; /* newest first */
    uint64_t last_id;
    unsigned per_user;
};

int transfer_list_open(struct transfer_list **out, struct zs_error *e)
{
    struct transfer_list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return error_memory(e);
    list->per_user = TRANSFER_PER_USER;
    (void)pthread_mutex_init(&list->lock, NULL);
    *out = list;
    return ZS_OK;
}

void transfer_list_close(struct transfer_list *list)
{
    if (list == NULL)
        return;
    for (struct transfer *t = list->first, *next; t != NULL; t = next) {
        next = t->next;
        free(t);
    }
    (void)pthread_mutex_destroy(&list->lock);
    free(list);
}

void transfer_list_limit(struct transfer_list *list, unsigned per_user)
{
    list->per_user = per_user;
}

static bool ended(const struct transfer *t)
{
    return t->facts.ended_ns != 0;
}

/* Drop the ones that ended first, beyond what is kept.  By their end, not their place
 * in the list: a long one must not vanish at its end for the short ones meanwhile. */
static void forget_old(struct transfer_list *list)
{
    for (;;) {
        unsigned kept = 0;
        struct transfer **oldest = NULL;
        for (struct transfer **at = &list->first; *at != NULL; at = &(*at)->next) {
            if (!ended(*at))
                continue;
            kept++;
            if (oldest == NULL || (*at)->facts.ended_ns <= (*oldest)->facts.ended_ns)
                oldest = at;
        }
        if (kept <= TRANSFER_KEEP)
            return;
        struct transfer *t = *oldest;
        *oldest = t->next;
        free(t);
    }
}

struct transfer *transfer_begin(struct transfer_list *list, const char *command, const char *branch,
                                const char *peer)
{
    struct transfer *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    t->list = list;
    t->facts.command = command;
    (void)snprintf(t->facts.branch, sizeof t->facts.branch, "%s", branch);
    (void)snprintf(t->facts.peer, sizeof t->facts.peer, "%s", peer);
    t->facts.started_unix_ns = wall.tv_sec * INT64_C(1000000000) + wall.tv_nsec;
    t->facts.started_ns = clock_now_ns();
    pthread_mutex_lock(&list->lock);
    t->facts.id = ++list->last_id;
    t->next = list->first;
    list->first = t;
    forget_old(list);
    pthread_mutex_unlock(&list->lock);
    return t;
}

int transfer_own(struct transfer *t, const char *user, struct zs_error *e)
{
    struct transfer_list *list = t->list;
    unsigned running = 0;
    pthread_mutex_lock(&list->lock);
    (void)snprintf(t->user, sizeof t->user, "%s", user != NULL ? user : "");
    for (const struct transfer *at = list->first; at != NULL; at = at->next)
        running += !ended(at) && strcmp(at->user, t->user) == 0;
    pthread_mutex_unlock(&list->lock);
    if (list->per_user == 0 || running <= list->per_user)
        return ZS_OK;
    error_set(e, ZS_LIMIT_EXCEEDED, "user \"%s\" has %u transfers under way here already", t->user,
              list->per_user);
    error_hint(e, "Run the command again when \"zenith status\" on that server shows fewer, or "
                  "raise max_transfers there.");
    transfer_end(t, e);
    return ZS_FAIL;
}

int transfer_start(struct transfer_list *list, const char *command, const char *branch,
                   const char *peer, const char *user, struct transfer **out, struct zs_error *e)
{
    struct transfer *t = transfer_begin(list, command, branch, peer);
    if (t == NULL)
        return error_memory(e);
    TRY(transfer_own(t, user, e));
    *out = t;
    return ZS_OK;
}

void transfer_phase(struct transfer *t, enum transfer_phase phase)
{
    pthread_mutex_lock(&t->list->lock);
    t->facts.phase = phase;
    pthread_mutex_unlock(&t->list->lock);
}

bool transfer_sum_begin(struct transfer *t)
{
    unsigned sums = 0;
    pthread_mutex_lock(&t->list->lock);
    for (const struct transfer *at = t->list->first; at != NULL; at = at->next)
        sums += at->facts.phase == PHASE_SUM;
    bool mine = sums < TRANSFER_SUMS_MAX;
    if (mine)
        t->facts.phase = PHASE_SUM;
    pthread_mutex_unlock(&t->list->lock);
    return mine;
}

void transfer_range(struct transfer *t, enum verdict verdict, zs_lsn from_lsn, zs_lsn to_lsn,
                    uint64_t total_records, uint64_t total_bytes)
{
    pthread_mutex_lock(&t->list->lock);
    t->facts.has_verdict = true;
    t->facts.verdict = verdict;
    t->facts.from_lsn = from_lsn;
    t->facts.to_lsn = to_lsn;
    t->facts.total_records = total_records;
    t->facts.total_bytes = total_bytes;
    pthread_mutex_unlock(&t->list->lock);
}

void transfer_expect(struct transfer *t, uint64_t total_records, uint64_t total_bytes)
{
    pthread_mutex_lock(&t->list->lock);
    t->facts.total_records = total_records;
    t->facts.total_bytes = total_bytes;
    pthread_mutex_unlock(&t->list->lock);
}

void transfer_count(struct transfer *t, uint64_t records, uint64_t bytes, uint64_t wire_bytes)
{
    pthread_mutex_lock(&t->list->lock);
    t->facts.records += records;
    t->facts.bytes += bytes;
    t->facts.wire_bytes = wire_bytes;
    pthread_mutex_unlock(&t->list->lock);
}

void transfer_durable(struct transfer *t, uint64_t bytes)
{
    pthread_mutex_lock(&t->list->lock);
    t->facts.durable_bytes = bytes;
    pthread_mutex_unlock(&t->list->lock);
}

struct transfer_facts transfer_look(const struct transfer *t)
{
    pthread_mutex_lock(&t->list->lock);
    struct transfer_facts facts = t->facts;
    pthread_mutex_unlock(&t->list->lock);
    return facts;
}

void transfer_end(struct transfer *t, const struct zs_error *e)
{
    struct transfer_list *list = t->list;
    pthread_mutex_lock(&list->lock);
    t->facts.ended_ns = clock_now_ns();
    t->facts.phase = e == NULL ? PHASE_DONE : PHASE_FAILED;
    if (e != NULL)
        t->facts.error = *e;
    forget_old(list);
    pthread_mutex_unlock(&list->lock);
}

int transfer_list_visit(struct transfer_list *list,
                        int (*visit)(void *context, const struct transfer_facts *facts),
                        void *context, struct zs_error *e)
{
    /* Copy under the lock, visit without: a visitor may wait for its client. */
    pthread_mutex_lock(&list->lock);
    size_t n = 0, max = 0;
    for (const struct transfer *t = list->first; t != NULL; t = t->next)
        max++;
    struct transfer_facts *copies = calloc(max + 1, sizeof *copies);
    for (int pass = 0; pass < 2 && copies != NULL; pass++)
        for (const struct transfer *t = list->first; t != NULL; t = t->next)
            if (ended(t) == (pass == 1))
                copies[n++] = t->facts;
    pthread_mutex_unlock(&list->lock);
    if (copies == NULL)
        return error_memory(e);
    for (size_t i = 0; i < n; i++)
        if (visit(context, &copies[i]) != 0)
            break;
    free(copies);
    return ZS_OK;
}

const char *phase_name(enum transfer_phase phase)
{
    switch (phase) {
    case PHASE_CONNECT:
        return "connect";
    case PHASE_NEGOTIATE:
        return "negotiate";
    case PHASE_SUM:
        return "sum";
    case PHASE_SEND:
        return "send";
    case PHASE_RECEIVE:
        return "receive";
    case PHASE_COMMIT:
        return "commit";
    case PHASE_SCAN:
        return "scan";
    case PHASE_VERIFY:
        return "verify";
    case PHASE_DONE:
        return "done";
    case PHASE_FAILED:
        return "failed";
    }
    return NULL;
}
