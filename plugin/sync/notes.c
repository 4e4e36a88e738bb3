/* notes.c - see notes.h.  One lock for all writers: it is held for a key's bit, or to make a
 * copy of a set for a transfer that begins. */
#include "sync/notes.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "model/lsn.h"
#include "sync/epochs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

CLEANUP_POINTER(struct change_map, change_map_close)

struct zs_writer {
    struct notes_list *list;
    struct zs_writer *next;
    struct zs_timeline_id timeline;
    zs_lsn previous_from;
    zs_lsn from_lsn; /* UINT64_MAX: not known yet, and nothing is shown */
    zs_lsn sealing_to, highest_lsn;
    struct change_map *previous; /* (previous_from, from]; NULL: not known any more */
    struct change_map *sealing;  /* (from, sealing_to]; NULL: no seal is under way */
    struct change_map *current;
    struct epoch_edits edits; /* of the seal */
};

struct notes_list {
    const struct zs_store *store;
    pthread_mutex_t lock;
    struct zs_writer *first;
    struct notes_commit *committing;
};

int notes_open(const struct zs_store *store, struct notes_list **out, struct zs_error *e)
{
    struct notes_list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return error_memory(e);
    list->store = store;
    (void)pthread_mutex_init(&list->lock, NULL);
    *out = list;
    return ZS_OK;
}

static void writer_free(struct zs_writer *w)
{
    change_map_close(w->previous);
    change_map_close(w->sealing);
    change_map_close(w->current);
    epoch_edits_close(&w->edits);
    free(w);
}

void notes_close(struct notes_list *list)
{
    if (list == NULL)
        return;
    (void)pthread_mutex_destroy(&list->lock);
    free(list);
}

/* Under the lock. */
static struct zs_writer *writer_of(const struct notes_list *list, struct zs_timeline_id timeline)
{
    struct zs_writer *w = list->first;
    while (w != NULL && !timeline_equal(w->timeline, timeline))
        w = w->next;
    return w;
}

/* Under the lock: what is being committed may be seen before the writer's first key. */
static void note_commits(const struct notes_list *list, struct zs_writer *w)
{
    for (const struct notes_commit *c = list->committing; c != NULL; c = c->next)
        if (timeline_equal(c->timeline, w->timeline)) {
            change_map_become_everything(w->current);
            w->highest_lsn = c->upto_lsn; /* a timeline has one ingest at a time */
        }
}

struct newest {
    struct zs_timeline_id timeline;
    zs_lsn last_lsn;
};

static int32_t look_for(void *context, const struct zs_branch_info *info)
{
    struct newest *n = context;
    if (!timeline_equal(info->timeline, n->timeline))
        return 0;
    n->last_lsn = info->last_valid_lsn;
    return 1;
}

/* The writer is on the list: whatever is committed from here on is told to it.  What is there
 * already it cannot know, wherever the host thinks that it begins. */
static int begin_behind(struct notes_list *list, struct zs_writer *w, zs_lsn from_lsn,
                        struct zs_error *e)
{
    struct newest newest = {.timeline = w->timeline};
    TRY(store_branch_list(list->store, look_for, &newest, e));
    zs_lsn begin_lsn = newest.last_lsn > from_lsn ? newest.last_lsn : from_lsn;
    pthread_mutex_lock(&list->lock);
    w->from_lsn = begin_lsn;
    if (begin_lsn > w->highest_lsn)
        w->highest_lsn = begin_lsn;
    pthread_mutex_unlock(&list->lock);
    return ZS_OK;
}

int writer_open(struct notes_list *list, const struct zs_timeline_id *timeline, zs_lsn from_lsn,
                struct zs_writer **out, struct zs_error *e)
{
    if (!store_has(list->store, ZS_STORE_BLOBS)) {
        error_set(e, ZS_NOT_SUPPORTED, "this pageserver's store keeps no change map");
        return error_hint(e, "Offer ZS_STORE_BLOBS, or do without: a push then scans the branch.");
    }
    struct zs_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return error_memory(e);
    *w = (struct zs_writer){.list = list, .timeline = *timeline, .from_lsn = UINT64_MAX};
    if (change_map_open(&w->current, e) != ZS_OK) {
        writer_free(w);
        return ZS_FAIL;
    }
    pthread_mutex_lock(&list->lock);
    bool taken = writer_of(list, *timeline) != NULL;
    if (!taken) {
        note_commits(list, w);
        w->next = list->first;
        list->first = w;
    }
    pthread_mutex_unlock(&list->lock);
    if (!taken) {
        if (begin_behind(list, w, from_lsn, e) == ZS_OK) {
            *out = w;
            return ZS_OK;
        }
        writer_close(w);
        return ZS_FAIL;
    }
    writer_free(w);
    error_set(e, ZS_BUSY, "timeline %s has a writer already", timeline_text(*timeline).s);
    return error_hint(e, "Close that one first: a timeline has one at a time.");
}

void writer_note(struct zs_writer *w, const uint8_t *keys, uint64_t n, zs_lsn upto_lsn)
{
    struct zs_error unsaid = {0};
    pthread_mutex_lock(&w->list->lock);
    for (uint64_t i = 0; i < n; i++)
        if (change_map_add(w->current, keys + i * ZS_KEY_BYTES, &unsaid) != ZS_OK)
            change_map_become_everything(w->current);
    if (upto_lsn > w->highest_lsn)
        w->highest_lsn = upto_lsn;
    pthread_mutex_unlock(&w->list->lock);
}

/* Begin a seal: what was noted is set aside, and *copy has the same for the encoder, which
 * reorders a set while transfers may read it. */
static int set_aside(struct zs_writer *w, zs_lsn upto_lsn, struct change_map **copy,
                     struct zs_error *e)
{
    CLEANUP(change_map_close_ptr) struct change_map *fresh = NULL;
    TRY(change_map_open(&fresh, e));
    TRY(change_map_open(copy, e));
    pthread_mutex_lock(&w->list->lock);
    int rc = change_map_merge(*copy, w->current, e);
    if (w->highest_lsn > upto_lsn && rc == ZS_OK) /* some of it may be above the seal */
        rc = change_map_merge(fresh, w->current, e);
    if (rc == ZS_OK) {
        w->sealing = w->current;
        w->sealing_to = upto_lsn;
        w->current = fresh;
        fresh = NULL;
    }
    pthread_mutex_unlock(&w->list->lock);
    return rc;
}

int writer_seal(struct zs_writer *w, const char *branch, zs_lsn upto_lsn,
                const struct zs_blob **blobs, uint64_t *nblobs, struct zs_error *e)
{
    CLEANUP(change_map_close_ptr) struct change_map *copy = NULL;
    if (w->sealing != NULL)
        return error_set(e, ZS_BAD_VALUE, "the seal before was not ended");
    if (upto_lsn <= w->from_lsn)
        return error_set(e, ZS_BAD_VALUE, "a seal up to %s is not above the last one, at %s",
                         lsn_text(upto_lsn).s, lsn_text(w->from_lsn).s);
    struct change_epoch epoch = {
        .timeline = w->timeline, .from_lsn = w->from_lsn, .to_lsn = upto_lsn};
    TRY(set_aside(w, upto_lsn, &copy, e));
    if (epoch_edits_make(w->list->store, branch, copy, &epoch, &w->edits, e) != ZS_OK) {
        writer_sealed(w, 0);
        return ZS_FAIL;
    }
    *blobs = w->edits.blobs;
    *nblobs = w->edits.count;
    return ZS_OK;
}

void writer_sealed(struct zs_writer *w, int32_t durable)
{
    struct zs_error unsaid = {0};
    if (w->sealing == NULL)
        return;
    pthread_mutex_lock(&w->list->lock);
    if (durable != 0) {
        change_map_close(w->previous);
        w->previous = w->sealing;
        w->previous_from = w->from_lsn;
        w->from_lsn = w->sealing_to;
    } else {
        if (change_map_merge(w->current, w->sealing, &unsaid) != ZS_OK)
            change_map_become_everything(w->current);
        change_map_close(w->sealing);
    }
    w->sealing = NULL;
    pthread_mutex_unlock(&w->list->lock);
    epoch_edits_close(&w->edits);
}

void writer_close(struct zs_writer *w)
{
    if (w == NULL)
        return;
    struct notes_list *list = w->list;
    pthread_mutex_lock(&list->lock);
    struct zs_writer **at = &list->first;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    pthread_mutex_unlock(&list->lock);
    writer_free(w);
}

/* All that is known above *from, into `all`; false if nothing is, or too much changed. */
static bool gather(const struct zs_writer *w, zs_lsn upto_lsn, zs_lsn *from, struct change_map *all,
                   int *rc, struct zs_error *e)
{
    enum { SETS = 3 };
    const struct change_map *sets[SETS] = {w->current, w->sealing, NULL};
    *from = w->from_lsn;
    if (w->from_lsn >= upto_lsn && w->previous != NULL) { /* sealed since the snapshot */
        sets[2] = w->previous;
        *from = w->previous_from;
    }
    if (*from >= upto_lsn)
        return false;
    for (size_t i = 0; i < SETS && *rc == ZS_OK; i++)
        if (sets[i] != NULL)
            *rc = change_map_merge(all, sets[i], e);
    return *rc == ZS_OK && !change_map_is_everything(all);
}

int notes_tail(struct notes_list *list, struct zs_timeline_id timeline, zs_lsn upto_lsn,
               uint8_t **data, size_t *len, struct zs_error *e)
{
    CLEANUP(change_map_close_ptr) struct change_map *all = NULL;
    struct change_epoch epoch = {.timeline = timeline, .to_lsn = upto_lsn};
    bool known = false;
    int rc = ZS_OK;
    *data = NULL;
    *len = 0;
    if (list == NULL)
        return ZS_OK;
    TRY(change_map_open(&all, e));
    pthread_mutex_lock(&list->lock);
    const struct zs_writer *w = writer_of(list, timeline);
    if (w != NULL)
        known = gather(w, upto_lsn, &epoch.from_lsn, all, &rc, e);
    pthread_mutex_unlock(&list->lock);
    TRY(rc);
    return known ? change_map_encode(all, &epoch, data, len, e) : ZS_OK;
}

void notes_begin(struct notes_list *list, struct notes_commit *c, struct zs_timeline_id timeline,
                 const struct change_map *map, zs_lsn upto_lsn)
{
    struct zs_error unsaid = {0};
    *c = (struct notes_commit){.timeline = timeline, .upto_lsn = upto_lsn};
    if (list == NULL)
        return;
    pthread_mutex_lock(&list->lock);
    struct zs_writer *w = writer_of(list, timeline);
    if (w != NULL && (map == NULL || change_map_merge(w->current, map, &unsaid) != ZS_OK))
        change_map_become_everything(w->current);
    if (w != NULL && upto_lsn > w->highest_lsn) /* a seal below it must not take these keys away */
        w->highest_lsn = upto_lsn;
    c->next = list->committing;
    list->committing = c;
    pthread_mutex_unlock(&list->lock);
}

void notes_end(struct notes_list *list, struct notes_commit *c)
{
    if (list == NULL)
        return;
    pthread_mutex_lock(&list->lock);
    struct notes_commit **at = &list->committing;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    pthread_mutex_unlock(&list->lock);
}
