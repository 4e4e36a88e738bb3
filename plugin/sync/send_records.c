/* send_records.c - see send_records.h. */
#include "sync/send_records.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
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
        struct ack_message ack;
        TRY(ack_decode(m.body, m.body_bytes, &ack, e));
        transfer_durable(job->transfer, ack.bytes);
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

static int flush(const struct send_job *job, struct batch_writer *w, struct line *line,
                 struct zs_error *e)
{
    const void *message = NULL;
    uint64_t bytes = 0;
    uint64_t records = batch_count(w), raw = batch_raw_bytes(w);
    TRY(listen_first(job, e));
    if (records == 0)
        return ZS_OK;
    struct encoding_report report;
    TRY(encoding_plan(&line->encoding, w, &report, e));
    TRY(batch_finish(w, &message, &bytes, e));
    int64_t started_ns = clock_now_ns();
    TRY(wait_turn(job, line, bytes, e));
    TRY(conn_send_whole(job->conn, message, bytes, e));
    line->counted += bytes;
    encoding_sent(&line->encoding, &report, raw, bytes, started_ns, clock_now_ns());
    transfer_count(job->transfer, records, raw, job->conn->sent_bytes);
    progress_tell(job->progress);
    return ZS_OK;
}

static int add_all(const struct send_job *job, struct batch_writer *w, struct line *line,
                   const struct zs_record *records, uint64_t n, struct zs_error *e)
{
    for (uint64_t i = 0; i < n;) {
        bool added = false;
        TRY(batch_add(w, &records[i], &added, e));
        if (added)
            i++;
        else
            TRY(flush(job, w, line, e));
    }
    return ZS_OK;
}

/* The range into batches.  The store writes values straight into the batch where it
 * can; batch_add copies those that it only shows. */
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
    for (bool more = true; more;) {
        uint64_t room = 0, n = 0;
        void *values = batch_room(w, &room);
        TRY(cancel_check(job->cancel, e));
        TRY(selection_next(selection, records, batch_room_records(w), values, room, &n, &more, e));
        digest_add_records(&range->sum, records, n);
        for (uint64_t i = 0; i < n; i++)
            range->bytes += records[i].len;
        range->records += n;
        TRY(add_all(job, w, &line, records, n, e));
        (void)batch_room(w, &room); /* what is left now: less than a page would go alone */
        if (batch_room_records(w) == 0 || room < 8192)
            TRY(flush(job, w, &line, e));
        else if (n == 0)
            TRY(see_to_line((void *)(uintptr_t)job, e));
    }
    TRY(flush(job, w, &line, e));
    return wait_turn(job, &line, 0, e); /* the COMMIT, too, counts */
}
