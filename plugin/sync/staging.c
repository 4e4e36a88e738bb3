/* staging.c - see staging.h. */
#include "sync/staging.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "sync/beside.h"
#include "sync/cancel.h"

#include <string.h>

struct search {
    const char *branch;
    bool found;
    struct resume_token token;
};

static int32_t look(void *context, const struct zs_stage_info *info)
{
    struct search *s = context;
    if (strcmp(info->branch, s->branch) != 0)
        return 0;
    s->found = resume_token_decode(info->token, info->token_bytes, &s->token);
    return 1;
}

static int search(const struct zs_store *store, struct search *s, struct zs_error *e)
{
    return store_has(store, ZS_STORE_RESUME) ? store_stage_list(store, look, s, e) : ZS_OK;
}

int staging_find(const struct zs_store *store, const char *branch, struct state_message *state,
                 struct zs_error *e)
{
    struct search s = {.branch = branch};
    TRY(search(store, &s, e));
    if (s.found && s.token.from.lsn == state->last.lsn &&
        digest_equal(s.token.from.digest, state->last.digest))
        state->resume = s.token.at;
    return ZS_OK;
}

static bool same_point(const struct resume_point *a, const struct resume_point *b)
{
    return a->to.lsn == b->to.lsn && digest_equal(a->to.digest, b->to.digest) &&
           memcmp(a->key, b->key, ZS_KEY_BYTES) == 0 && a->lsn == b->lsn &&
           digest_equal(a->sum, b->sum) && a->records == b->records && a->bytes == b->bytes;
}

static int gone(struct zs_error *e)
{
    error_set(e, ZS_MOVED_MEANWHILE, "what was kept of the interrupted transfer has changed");
    return error_hint(e, "Run the command again.");
}

static int drop_damaged(const struct zs_store *store, const char *branch, struct ingest *in,
                        struct zs_error *e)
{
    struct zs_error ignored = {0};
    ingest_close(in);
    (void)store_stage_drop(store, branch, &ignored);
    error_set(e, ZS_CORRUPT, "what was kept of the interrupted transfer of \"%s\" is damaged",
              branch);
    return error_hint(e, "It has been dropped; run the command again, and check this disk.");
}

static int32_t go_on(void *context, const uint8_t key[ZS_KEY_BYTES])
{
    (void)key;
    return cancel_requested(context) ? 1 : 0;
}

/* Everything in it, once: that it is whole, and for the change map, which keys it has. */
static int look_through(const struct receive_job *job, struct ingest *in, struct zs_error *e)
{
    bool known = false;
    if (ingest_keys(in, go_on, (void *)(uintptr_t)job->cancel, &known, e) == ZS_OK)
        return cancel_check(job->cancel, e);
    return error_is(e, ZS_CORRUPT) ? drop_damaged(job->store, job->branch, in, e) : ZS_FAIL;
}

static int open_stage(const struct receive_job *job, const struct state_message *state,
                      struct ingest *in, struct zs_error *e)
{
    const struct zs_store *store = job->store;
    const char *branch = job->branch;
    uint8_t bytes[ZS_TOKEN_MAX];
    uint64_t len = 0;
    struct resume_token t;
    struct zs_ingest_state now;
    if (ingest_resume(store, branch, bytes, &len, in, e) != ZS_OK)
        return error_is(e, ZS_NO_SUCH_BRANCH) ? gone(e) : ZS_FAIL;
    TRY(ingest_state(in, &now, e));
    if (!resume_token_decode(bytes, len, &t) || !same_point(&t.at, &state->resume) ||
        now.base.lsn != state->last.lsn)
        return gone(e);
    if (!digest_equal(now.sum, t.at.sum) || now.records != t.at.records || now.bytes != t.at.bytes)
        return drop_damaged(store, branch, in, e);
    return look_through(job, in, e);
}

struct opening {
    const struct receive_job *job;
    const struct state_message *state;
    struct ingest *in;
};

static int open_now(void *context, struct zs_error *e)
{
    const struct opening *o = context;
    return open_stage(o->job, o->state, o->in, e);
}

int staging_resume(const struct receive_job *job, const struct state_message *state,
                   struct ingest *in, struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    struct opening o = {.job = job, .state = state, .in = in};
    struct ack_message kept = {.records = state->resume.records, .bytes = state->resume.bytes};
    TRY(beside_run(job, open_now, &o, e));
    TRY(cancel_check(job->cancel, e));
    TRY(ack_encode(&kept, &text, e));
    return conn_send(job->conn, MESSAGE_ACK, text, e);
}

void staging_begin(struct staging *s, const struct zs_store *store,
                   const struct state_message *state, const struct offer_message *offer,
                   uint64_t every_bytes)
{
    *s = (struct staging){
        .on = store_has(store, ZS_STORE_RESUME) && state->digests && offer->digests,
        .acks = offer->acks,
        .every_bytes = every_bytes != 0 ? every_bytes : STAGING_SYNC_BYTES,
        .synced_bytes = offer->resume ? state->resume.bytes : 0,
        .synced_ns = clock_now_ns(),
        .token = {.from = state->last, .at = {.present = true, .to = offer->last}},
    };
    (void)pthread_mutex_init(&s->lock, NULL);
}

void staging_end(struct staging *s)
{
    (void)pthread_mutex_destroy(&s->lock);
}

int staging_step(struct staging *s, struct ingest *in, const uint8_t key[ZS_KEY_BYTES], zs_lsn lsn,
                 struct transfer *transfer, struct zs_error *e)
{
    uint8_t bytes[RESUME_TOKEN_BYTES];
    struct zs_ingest_state now;
    bool synced = false;
    if (!s->on)
        return ZS_OK;
    TRY(ingest_state(in, &now, e));
    if (now.bytes - s->synced_bytes < s->every_bytes &&
        clock_now_ns() - s->synced_ns < STAGING_SYNC_NS)
        return ZS_OK;
    struct resume_point *at = &s->token.at;
    memcpy(at->key, key, ZS_KEY_BYTES);
    at->lsn = lsn;
    at->sum = now.sum;
    at->records = now.records;
    at->bytes = now.bytes;
    resume_token_encode(&s->token, bytes);
    TRY(ingest_sync(in, bytes, sizeof bytes, &synced, e));
    s->synced_bytes = now.bytes;
    s->synced_ns = clock_now_ns();
    if (!synced)
        return ZS_OK;
    transfer_durable(transfer, now.bytes);
    (void)pthread_mutex_lock(&s->lock);
    s->news = s->acks;
    s->durable = (struct ack_message){.records = now.records, .bytes = now.bytes};
    (void)pthread_mutex_unlock(&s->lock);
    return ZS_OK;
}

int staging_tell(struct staging *s, struct conn *conn, struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    (void)pthread_mutex_lock(&s->lock);
    bool news = s->news;
    struct ack_message ack = s->durable;
    s->news = false;
    (void)pthread_mutex_unlock(&s->lock);
    if (!news)
        return ZS_OK;
    TRY(ack_encode(&ack, &text, e));
    return conn_send(conn, MESSAGE_ACK, text, e);
}

void staging_failed(const struct zs_store *store, const char *branch, struct zs_error *e)
{
    struct zs_error ignored = {0};
    struct search s = {.branch = branch};
    if (!store_has(store, ZS_STORE_RESUME))
        return;
    if (error_is(e, ZS_DISK_FULL))
        (void)store_stage_drop(store, branch, &ignored);
    if (search(store, &s, &ignored) == ZS_OK && s.found)
        resume_hint(e, resume_percent(s.token.at.bytes, resume_total_bytes(&s.token)));
}
