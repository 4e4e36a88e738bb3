/* send_records.c - see send_records.h. */
#include "sync/send_records.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/handoff.h"
#include "sync/answers.h"
#include "sync/encoding.h"
#include "sync/throttle.h"
#include "wire/batch.h"

CLEANUP_POINTER(struct batch_writer, batch_writer_close)

/* This side's wish comes before the receiver's, which is none unless it pulls. */
static uint32_t encoding_wanted(const struct send_job *job, const struct state_message *state)
{
    return job->encoding != BATCH_NONE ? job->encoding : state->encoding;
}

static uint64_t lower_rate(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

int send_heard_ack(const struct send_job *job, const struct message *m, struct zs_error *e)
{
    struct ack_message ack;
    struct transfer_facts facts = transfer_look(job->transfer);
    TRY(ack_decode(m->body, m->body_bytes, &ack, e));
    TRY(answers_ack(job->answers, &ack, facts.records, facts.bytes, e));
    transfer_durable(job->transfer, ack.bytes);
    return ZS_OK;
}

/* A receiver says nothing while records flow, but for an error: hear that before more
 * is written. */
static int listen_first(const struct send_job *job, struct zs_error *e)
{
    bool came = false;
    struct message m;
    TRY(cancel_check(job->cancel, e));
    for (;;) {
        TRY(conn_peek(job->conn, &came, &m, e));
        if (!came || m.type != MESSAGE_ACK)
            break;
        TRY(send_heard_ack(job, &m, e));
    }
    if (came)
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side sent %s in the middle of a transfer", message_name(m.type));
    return ZS_OK;
}

/* While nothing goes out: a slow rate, or a look that took long and found nothing. */
static int see_to_line(void *context, struct zs_error *e)
{
    const struct send_job *job = context;
    TRY(listen_first(job, e));
    return conn_keep_alive(job->conn, e);
}

/* ---- reading: records into batches ------------------------------------------------------------
 */

/* The store writes values straight into the batch where it can; batch_add copies those that
 * it only shows. */
#define READ_LONG_NS INT64_C(1000000000)

struct source {
    const struct zs_cancel *cancel;
    struct selection *selection;
    struct range *range;
    struct batch_writer *writer;
    struct encoding *encoding;
    struct zs_record *records; /* what the selection gave last: */
    uint64_t at, n;            /* these are not in a batch yet */
    bool more;                 /* it has more */
};

/* A batch on its way out. */
struct parcel {
    const void *message;
    uint64_t bytes;
    uint64_t records, raw_bytes; /* 0 records: nothing to send */
    struct encoding_report report;
    struct batch_memory memory; /* what the message stands in, if it is kept */
};

static int close_batch(struct source *s, struct parcel *p, struct zs_error *e)
{
    p->records = batch_count(s->writer);
    p->raw_bytes = batch_raw_bytes(s->writer);
    if (p->records == 0)
        return ZS_OK;
    s->range->records += p->records;
    s->range->bytes += p->raw_bytes;
    s->range->sum = digest_plus(s->range->sum, batch_sum(s->writer));
    TRY(encoding_plan(s->encoding, s->writer, &p->report, e));
    return batch_finish(s->writer, &p->message, &p->bytes, e);
}

/* The next batch; or, after a look that took long, none yet: what was found waits for more. */
static int read_batch(struct source *s, struct parcel *p, struct zs_error *e)
{
    int64_t long_ns = clock_now_ns() + READ_LONG_NS;
    p->records = 0;
    for (;;) {
        for (bool added = true; s->at < s->n; s->at += added) {
            TRY(batch_add(s->writer, &s->records[s->at], &added, e));
            if (!added)
                return close_batch(s, p, e);
        }
        uint64_t room = 0;
        void *values = batch_room(s->writer, &room);
        bool full = batch_count(s->writer) > 0 && room < 8192; /* less than a page would go alone */
        if (!s->more || batch_room_records(s->writer) == 0 || full)
            return close_batch(s, p, e);
        TRY(cancel_check(s->cancel, e));
        s->at = 0;
        TRY(selection_next(s->selection, s->records, batch_room_records(s->writer), values, room,
                           &s->n, &s->more, e));
        if (s->more && (s->n == 0 || clock_now_ns() > long_ns))
            return ZS_OK;
    }
}

static bool at_end(const struct source *s)
{
    return !s->more && s->at == s->n && batch_count(s->writer) == 0;
}

/* ---- sending ------------------------------------------------------------------------------------
 */

/* What goes out has a rate and an encoding. */
struct line {
    struct throttle throttle;
    uint64_t counted; /* of conn->sent_bytes, by the throttle */
    struct encoding encoding;
};

/* Until `bytes` may go; 0: until all that went is paid for. */
static int wait_turn(const struct send_job *job, struct line *line, uint64_t bytes,
                     struct zs_error *e)
{
    throttle_note(&line->throttle, job->conn->sent_bytes - line->counted, clock_now_ns());
    line->counted = job->conn->sent_bytes;
    return throttle_wait(&line->throttle, bytes, job->cancel, see_to_line, (void *)(uintptr_t)job,
                         e);
}

static int send_parcel(const struct send_job *job, const struct parcel *p, struct line *line,
                       struct zs_error *e)
{
    if (p->records == 0)
        return see_to_line((void *)(uintptr_t)job, e);
    TRY(listen_first(job, e));
    int64_t started_ns = clock_now_ns();
    TRY(wait_turn(job, line, p->bytes, e));
    TRY(conn_send_whole(job->conn, p->message, p->bytes, e));
    line->counted += p->bytes;
    encoding_sent(&line->encoding, &p->report, p->raw_bytes, p->bytes, started_ns, clock_now_ns());
    transfer_count(job->transfer, p->records, p->raw_bytes, job->conn->sent_bytes);
    progress_tell(job->progress);
    return ZS_OK;
}

/* ---- both at once -------------------------------------------------------------------------------
 */

#define LOOK_MS 50

struct pair {
    struct source *source;
    struct handoff *handoff;
    struct parcel parcels[SEND_SLOTS];
};

static void pair_close(struct pair *pair)
{
    handoff_close(pair->handoff);
    for (unsigned i = 0; i < SEND_SLOTS; i++)
        batch_memory_free(&pair->parcels[i].memory);
}

static int read_batches(void *context, struct handoff *h, struct zs_error *e)
{
    struct pair *pair = context;
    while (!at_end(pair->source)) {
        uint32_t i = 0;
        if (handoff_room(h, -1, &i, e) != HANDOFF_SLOT)
            return ZS_FAIL;
        struct parcel *p = &pair->parcels[i];
        TRY(read_batch(pair->source, p, e));
        if (p->records == 0)
            continue;
        TRY(batch_writer_swap(pair->source->writer, &p->memory, e));
        handoff_give(h, p->bytes);
    }
    handoff_end(h);
    return ZS_OK;
}

static int send_batches(const struct send_job *job, struct pair *pair, struct line *line,
                        struct zs_error *e)
{
    for (;;) {
        uint32_t i = 0;
        TRY(cancel_check(job->cancel, e));
        switch (handoff_take(pair->handoff, LOOK_MS, &i, e)) {
        case HANDOFF_FAILED:
            return ZS_FAIL;
        case HANDOFF_END:
            return ZS_OK;
        case HANDOFF_NOTHING:
            TRY(see_to_line((void *)(uintptr_t)job, e));
            break;
        case HANDOFF_SLOT:
            TRY(send_parcel(job, &pair->parcels[i], line, e));
            batch_memory_trim(&pair->parcels[i].memory);
            handoff_done(pair->handoff);
            break;
        }
    }
}

/* Where no thread can be had, nothing is done, and *began is false. */
static int read_and_send(const struct send_job *job, struct source *source, struct line *line,
                         bool *began, struct zs_error *e)
{
    CLEANUP(pair_close) struct pair pair = {.source = source};
    struct zs_error none = {0};
    *began = handoff_open(SEND_SLOTS, SEND_BYTES, &pair.handoff, &none) == ZS_OK &&
             handoff_start(pair.handoff, read_batches, &pair);
    if (!*began || send_batches(job, &pair, line, e) == ZS_OK)
        return ZS_OK;
    handoff_fail(pair.handoff, e); /* of two failures the first is told */
    return ZS_FAIL;
}

int send_records(const struct send_job *job, const struct state_message *state,
                 struct selection *selection, struct range *range, struct zs_error *e)
{
    struct line line = {.throttle.rate_bps = lower_rate(job->max_rate_bps, state->max_rate_bps),
                        .counted = job->conn->sent_bytes};
    CLEANUP(batch_writer_close_ptr) struct batch_writer *w = NULL;
    CLEANUP(free_ptr) struct zs_record *records = calloc(BATCH_MAX_RECORDS, sizeof *records);
    if (records == NULL)
        return error_memory(e);
    encoding_open(&line.encoding, encoding_wanted(job, state), state->encodings);
    TRY(batch_writer_open(BATCH_NONE, &w, e));
    batch_writer_limit(w, throttle_batch_bytes(&line.throttle));
    struct source source = {.cancel = job->cancel,
                            .selection = selection,
                            .range = range,
                            .writer = w,
                            .encoding = &line.encoding,
                            .records = records,
                            .more = true};
    bool threads = true;
    uint32_t most = job->inline_batches != 0 ? job->inline_batches : SEND_INLINE;
    for (uint32_t batches = 0; !at_end(&source);) {
        struct parcel parcel = {0};
        if (threads && batches >= most) {
            TRY(read_and_send(job, &source, &line, &threads, e));
            continue;
        }
        TRY(read_batch(&source, &parcel, e));
        TRY(send_parcel(job, &parcel, &line, e));
        batches += parcel.records > 0;
    }
    TRY(wait_turn(job, &line, 0, e)); /* the COMMIT, too, counts */
    return listen_first(job, e);
}
