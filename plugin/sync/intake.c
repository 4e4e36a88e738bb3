/* intake.c - see intake.h. */
#include "sync/intake.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/handoff.h"
#include "model/lsn.h"
#include "sync/staging.h"
#include "wire/batch.h"

#include <sched.h>
#include <string.h>

/* A batch on its way; the reader's views are of `kept` or of `copy`. */
struct slot {
    struct batch_reader *reader;
    void *kept;    /* the channel's, to be released; NULL: none */
    uint8_t *copy; /* where the channel cannot keep messages */
    uint64_t copy_capacity;
    const struct zs_record *records;
    uint32_t n;
    bool summed; /* its values were not checked yet */
    struct zs_digest sum;
    uint64_t number;
    uint64_t bytes;      /* value bytes */
    uint64_t wire_bytes; /* that had come in all when it was received */
};

struct intake {
    const struct receive_job *job;
    const struct offer_message *offer;
    struct ingest *in;
    bool digests;
    struct received got;
    uint64_t batches;        /* received */
    uint64_t released;       /* slots of which nothing is held any more */
    struct handoff *handoff; /* NULL: not yet; with alone, never */
    bool alone;              /* no thread could be had, or none pays */
    struct slot slots[INTAKE_SLOTS];

    /* The thread's while there is one. */
    struct staging staging; /* but for what it tells */
    struct zs_digest sum;
};

/* On two cores it does not, by those that the process may run on, whatever their share (cgroups).
 * A test that sets inline_batches has it anyway.  More cores than a set has room for are an error,
 * and enough. */
static bool thread_pays(const struct receive_job *job)
{
    cpu_set_t cores;
    return job->inline_batches != 0 || sched_getaffinity(0, sizeof cores, &cores) != 0 ||
           CPU_COUNT(&cores) > 2;
}

/* ---- opening and closing --------------------------------------------------------------------- */

int intake_open(const struct receive_job *job, const struct state_message *state,
                const struct offer_message *offer, struct ingest *in, struct intake **out,
                struct zs_error *e)
{
    struct intake *x = calloc(1, sizeof *x);
    if (x == NULL)
        return error_memory(e);
    x->job = job;
    x->offer = offer;
    x->in = in;
    x->digests = store_has(job->store, ZS_STORE_DIGEST);
    x->alone = !thread_pays(job);
    staging_begin(&x->staging, job->store, state, offer, job->sync_bytes);
    if (offer->resume) {
        const struct resume_point *r = &state->resume;
        x->got.records = r->records;
        x->got.bytes = r->bytes;
        x->got.last_lsn = r->lsn;
        memcpy(x->got.last_key, r->key, ZS_KEY_BYTES);
    }
    *out = x;
    return ZS_OK;
}

static void slot_release(struct intake *x, struct slot *s)
{
    if (s->kept != NULL)
        conn_release(x->job->conn, s->kept);
    s->kept = NULL;
    if (s->copy_capacity > (uint64_t)2 * BATCH_VALUES_BYTES) {
        free(s->copy);
        s->copy = NULL;
        s->copy_capacity = 0;
    }
    if (s->reader != NULL)
        batch_reader_trim(s->reader);
}

void intake_close(struct intake *x)
{
    if (x == NULL)
        return;
    handoff_close(x->handoff);
    for (unsigned i = 0; i < INTAKE_SLOTS; i++) {
        struct slot *s = &x->slots[i];
        slot_release(x, s);
        batch_reader_close(s->reader);
        free(s->copy);
    }
    staging_end(&x->staging);
    free(x);
}

const struct received *intake_received(const struct intake *x)
{
    return &x->got;
}

/* ---- checking: the caller's thread --------------------------------------------------------------
 */

/* The peer's order and range, checked here so that the blame falls on it and not on
 * the store that would refuse them too. */
static int check_records(const struct received *got, const struct offer_message *offer,
                         const struct zs_record *records, uint32_t n, struct zs_error *e)
{
    const uint8_t *last_key = got->last_key;
    zs_lsn last_lsn = got->last_lsn;
    for (uint32_t i = 0; i < n; i++) {
        const struct zs_record *r = &records[i];
        int order = last_lsn == 0 ? 1 : memcmp(r->key, last_key, ZS_KEY_BYTES);
        const char *fault = NULL;
        if (order < 0 || (order == 0 && r->lsn <= last_lsn))
            fault = "it is out of order";
        else if (r->lsn <= offer->from_lsn || r->lsn > offer->to_lsn)
            fault = "its LSN is outside of the range offered";
        if (fault != NULL) {
            error_set(e, ZS_PROTOCOL_VIOLATION, "the far side sent a record that may not be: %s",
                      fault);
            return error_detail(e, "Record %llu of the transfer, at %s; (%s, %s] was offered.",
                                (unsigned long long)got->records + i + 1, lsn_text(r->lsn).s,
                                lsn_text(offer->from_lsn).s, lsn_text(offer->to_lsn).s);
        }
        last_key = r->key;
        last_lsn = r->lsn;
    }
    return ZS_OK;
}

/* Decode and check what stands at `bytes`, and count it. */
static int check_batch(struct intake *x, struct slot *s, const uint8_t *bytes, uint64_t len,
                       struct zs_error *e)
{
    if (s->reader == NULL)
        TRY(batch_reader_open(&s->reader, e));
    batch_reader_expect(s->reader, x->batches);
    TRY(batch_decode(s->reader, bytes, len, &s->records, &s->n, e));
    TRY(check_records(&x->got, x->offer, s->records, s->n, e));
    s->summed = batch_reader_sum(s->reader, &s->sum);
    s->number = x->batches;
    s->bytes = 0;
    for (uint32_t i = 0; i < s->n; i++)
        s->bytes += s->records[i].len;
    s->wire_bytes = x->job->conn->received_bytes;
    memcpy(x->got.last_key, s->records[s->n - 1].key, ZS_KEY_BYTES);
    x->got.last_lsn = s->records[s->n - 1].lsn;
    x->got.records += s->n;
    x->got.bytes += s->bytes;
    x->batches++;
    return ZS_OK;
}

/* ---- storing: the thread's, or the caller's
 * -------------------------------------------------------- */

/* Of all that was put: the store's, or where it keeps none, this side's. */
static int sum_now(struct intake *x, struct zs_digest *sum, struct zs_error *e)
{
    struct zs_ingest_state state;
    *sum = x->sum;
    if (!x->digests)
        return ZS_OK;
    TRY(ingest_state(x->in, &state, e));
    *sum = state.sum;
    return ZS_OK;
}

/* Nothing of a batch is kept before its sum fits. */
static int put_records(struct intake *x, const struct slot *s, struct zs_error *e)
{
    struct zs_digest before = {0}, after = {0};
    if (s->summed)
        TRY(sum_now(x, &before, e));
    TRY(ingest_put(x->in, s->records, s->n, e));
    if (!x->digests)
        digest_add_records(&x->sum, s->records, s->n);
    if (!s->summed)
        return ZS_OK;
    TRY(sum_now(x, &after, e));
    if (digest_equal(digest_minus(after, before), s->sum))
        return ZS_OK;
    error_set(e, ZS_CORRUPT, "a batch was damaged on its way: the sum of its records does not fit");
    error_detail(e, "Batch %llu of %llu bytes.", (unsigned long long)s->number,
                 (unsigned long long)s->bytes);
    return error_hint(e, "Nothing was changed; run the command again.");
}

static int put(struct intake *x, const struct slot *s, struct zs_error *e)
{
    const struct zs_record *last = &s->records[s->n - 1];
    TRY(put_records(x, s, e));
    transfer_count(x->job->transfer, s->n, s->bytes, s->wire_bytes);
    return staging_step(&x->staging, x->in, last->key, last->lsn, x->job->transfer, e);
}

static int store_slots(void *context, struct handoff *h, struct zs_error *e)
{
    struct intake *x = context;
    for (;;) {
        uint32_t i = 0;
        enum handoff_got got = handoff_take(h, -1, &i, e);
        if (got != HANDOFF_SLOT)
            return got == HANDOFF_END ? ZS_OK : ZS_FAIL;
        TRY(put(x, &x->slots[i], e));
        handoff_done(h);
    }
}

/* ---- the caller's thread beside it -------------------------------------------------------------
 */

/* What the thread did meanwhile: its failure, its slots that are free again.  *busy tells if
 * it had anything to do at that moment. */
static int look_after(struct intake *x, bool *busy, struct zs_error *e)
{
    uint64_t given = 0, done = 0;
    *busy = false;
    if (x->handoff == NULL)
        return ZS_OK;
    TRY(handoff_look(x->handoff, &given, &done, e));
    *busy = done < given;
    for (; x->released < done; x->released++)
        slot_release(x, &x->slots[x->released % INTAKE_SLOTS]);
    return ZS_OK;
}

/* The first failure of both threads is the one to tell. */
static int failed(struct intake *x, struct zs_error *e)
{
    if (x->handoff != NULL)
        handoff_fail(x->handoff, e);
    return ZS_FAIL;
}

static int next_message(struct intake *x, struct message *m, struct zs_error *e)
{
    for (;;) {
        bool busy = false;
        bool came = false;
        TRY(cancel_check(x->job->cancel, e));
        TRY(look_after(x, &busy, e));
        TRY(staging_tell(&x->staging, x->job->conn, e));
        if (!busy)
            return conn_await(x->job->conn, PEER_WORKS, "BATCH or COMMIT", m, e);
        progress_tell(x->job->progress);
        TRY(conn_recv_soon(x->job->conn, INTAKE_LOOK_MS, &came, m, e));
        if (came)
            return ZS_OK;
    }
}

int intake_recv(struct intake *x, struct message *m, struct zs_error *e)
{
    return next_message(x, m, e) == ZS_OK ? ZS_OK : failed(x, e);
}

static void start_thread(struct intake *x)
{
    struct zs_error none = {0};
    if (x->handoff != NULL || x->alone)
        return;
    x->alone = handoff_open(INTAKE_SLOTS, INTAKE_BYTES, &x->handoff, &none) != ZS_OK;
    if (x->alone || handoff_start(x->handoff, store_slots, x))
        return;
    handoff_close(x->handoff);
    x->handoff = NULL;
    x->alone = true;
}

/* Make the message outlive the next one. */
static int keep(struct intake *x, struct slot *s, const struct message *m, const uint8_t **bytes,
                struct zs_error *e)
{
    *bytes = m->whole;
    s->kept = conn_keep(x->job->conn);
    if (s->kept != NULL)
        return ZS_OK;
    if (s->copy_capacity < m->whole_bytes) {
        uint8_t *grown = realloc(s->copy, m->whole_bytes);
        if (grown == NULL)
            return error_memory(e);
        s->copy = grown;
        s->copy_capacity = m->whole_bytes;
    }
    memcpy(s->copy, m->whole, m->whole_bytes);
    *bytes = s->copy;
    return ZS_OK;
}

static int hand_on(struct intake *x, const struct message *m, struct zs_error *e)
{
    enum handoff_got got;
    const uint8_t *bytes = NULL;
    uint32_t i = 0;
    bool busy = false;
    while ((got = handoff_room(x->handoff, INTAKE_LOOK_MS, &i, e)) == HANDOFF_NOTHING)
        TRY(cancel_check(x->job->cancel, e));
    if (got != HANDOFF_SLOT)
        return ZS_FAIL;
    TRY(look_after(x, &busy, e)); /* what the slot held is released, if it was not yet */
    TRY(keep(x, &x->slots[i], m, &bytes, e));
    TRY(check_batch(x, &x->slots[i], bytes, m->whole_bytes, e));
    handoff_give(x->handoff, m->whole_bytes);
    return ZS_OK;
}

int intake_batch(struct intake *x, const struct message *m, struct zs_error *e)
{
    if (x->batches >= (x->job->inline_batches != 0 ? x->job->inline_batches : INTAKE_INLINE))
        start_thread(x);
    if (x->handoff != NULL)
        return hand_on(x, m, e) == ZS_OK ? ZS_OK : failed(x, e);
    TRY(check_batch(x, &x->slots[0], m->whole, m->whole_bytes, e));
    TRY(put(x, &x->slots[0], e));
    progress_tell(x->job->progress);
    return staging_tell(&x->staging, x->job->conn, e);
}

static int drain(struct intake *x, struct zs_error *e)
{
    bool busy = true;
    while (busy) {
        TRY(cancel_check(x->job->cancel, e));
        TRY(look_after(x, &busy, e));
        if (busy && handoff_rest(x->handoff, INTAKE_LOOK_MS, e) == HANDOFF_FAILED)
            return ZS_FAIL;
        TRY(conn_keep_alive(x->job->conn, e));
    }
    x->got.sum = x->sum;
    return staging_tell(&x->staging, x->job->conn, e);
}

int intake_drain(struct intake *x, struct zs_error *e)
{
    return drain(x, e) == ZS_OK ? ZS_OK : failed(x, e);
}
