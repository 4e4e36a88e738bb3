/* receive.c - see receive.h. */
#include "sync/receive.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"
#include "sync/beside.h"
#include "sync/history.h"
#include "sync/intake.h"
#include "sync/staging.h"
#include "wire/batch.h"

#include <string.h>

CLEANUP_POINTER(struct intake, intake_close)

/* ---- what this side has ---------------------------------------------------------------- */

int receive_state(const struct zs_store *store, const char *branch, struct state_message *state,
                  struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    struct zs_error missing = {0};
    *state = (struct state_message){
        .digests = store_has(store, ZS_STORE_DIGEST),
        .encodings = BATCH_READS_ALL,
        .encoding = BATCH_NONE,
    };
    if (snapshot_open(store, branch, &s, &missing) != ZS_OK) {
        if (error_is(&missing, ZS_NO_SUCH_BRANCH))
            return staging_find(store, branch, state, e);
        *e = missing;
        return ZS_FAIL;
    }
    state->exists = true;
    state->timeline = s.info.timeline;
    state->last = history_last(&s);
    TRY(history_thin(&s, 0, s.info.last_valid_lsn, &state->points, e));
    return staging_find(store, branch, state, e);
}

/* ---- negotiation -------------------------------------------------------------------------- */

/* The sender cannot tell and leaves it to this side: the same function, with what is
 * known here. */
static int decide(const struct receive_job *job, const struct offer_message *offer,
                  enum verdict *verdict, struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot s = {0};
    TRY(snapshot_open(job->store, job->branch, &s, e));
    if (offer->last.lsn >= s.info.last_valid_lsn) /* nothing to sum, so nothing to ask */
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side asked for a verdict that it could give itself");
    struct verdict_input in = {
        .exists = true,
        .digests = offer->digests && store_has(job->store, ZS_STORE_DIGEST),
        .same_timeline = timeline_equal(offer->timeline, s.info.timeline),
        .receiver = history_last(&s),
        .sender = offer->last,
        .common_lsn = offer->common_lsn,
    };
    TRY(history_digest_at(&s, offer->last.lsn, offer->last.digest, job->transfer, job->cancel,
                          job->conn, &in.receiver_at_sender, e));
    if (!in.receiver_at_sender.known) {
        error_set(e, ZS_NOT_SUPPORTED,
                  "cannot tell whether the histories fit at %s: versions up to %s have been "
                  "collected",
                  lsn_text(offer->last.lsn).s, lsn_text(s.info.gc_cutoff_lsn).s);
        return error_hint(e, "Send the branch in full, under a new name on the other side.");
    }
    (void)verdict_decide(&in, verdict); /* all that it may need is there */
    return ZS_OK;
}

/* An offer to send must fit what was told. */
static int check_offer(const struct offer_message *offer, const struct state_message *state,
                       struct zs_error *e)
{
    enum verdict fits = state->exists ? VERDICT_BEHIND : VERDICT_ABSENT;
    if (offer->verdict != fits || state->dry_run)
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side offers records for a branch that is %s here",
                         state->dry_run ? "not to be changed" : verdict_name(fits));
    if (state->exists && !(offer->digests && state->digests) &&
        !timeline_equal(offer->timeline, state->timeline))
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side offers records of another timeline, without digests");
    if (offer->from_lsn != state->last.lsn || offer->to_lsn < offer->from_lsn ||
        offer->last.lsn != offer->to_lsn) {
        error_set(e, ZS_PROTOCOL_VIOLATION, "the far side offers a range that does not fit");
        return error_detail(e, "It offers (%s, %s]; the branch here is at %s.",
                            lsn_text(offer->from_lsn).s, lsn_text(offer->to_lsn).s,
                            lsn_text(state->last.lsn).s);
    }
    const struct resume_point *r = &state->resume;
    if (offer->resume && (!r->present || offer->to_lsn != r->to.lsn ||
                          !digest_equal(offer->last.digest, r->to.digest)))
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side goes on with a transfer that was not begun here");
    if (offer->more && !offer->resume)
        return error_set(e, ZS_PROTOCOL_VIOLATION, "the far side offers its newest state in parts");
    return ZS_OK;
}

/* An offer to send nothing must fit too: "up to date" is what a person relies on.  Only
 * who pushes may want a dry run that this side was not told of. */
static int check_nothing(const struct offer_message *offer, const struct state_message *state,
                         bool pull, struct zs_error *e)
{
    bool fits = state->exists;
    switch (offer->verdict) {
    case VERDICT_ABSENT:
    case VERDICT_BEHIND:
        fits = state->exists == (offer->verdict == VERDICT_BEHIND) && (state->dry_run || !pull);
        break;
    case VERDICT_EQUAL:
        fits = state->exists && offer->last.lsn == state->last.lsn &&
               (!offer->digests || !state->digests ||
                digest_equal(offer->last.digest, state->last.digest));
        break;
    case VERDICT_AHEAD:
    case VERDICT_DIVERGED:
    case VERDICT_UNRELATED:
        break;
    }
    if (fits)
        return ZS_OK;
    error_set(e, ZS_PROTOCOL_VIOLATION, "the far side sends nothing for a branch that it calls %s",
              verdict_name(offer->verdict));
    return error_detail(e, "It is at %s; the branch here is at %s.", lsn_text(offer->last.lsn).s,
                        lsn_text(state->last.lsn).s);
}

static int send_done(const struct receive_job *job, const struct done_message *done,
                     struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    TRY(done_encode(done, &text, e));
    return conn_send(job->conn, MESSAGE_DONE, text, e);
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static int refuse_sum(struct zs_error *e, const struct offer_message *offer, const char *detail)
{
    error_set(e, ZS_CORRUPT, "what was received is not what the far side has");
    error_detail(e, "Range (%s, %s]: %s.", lsn_text(offer->from_lsn).s, lsn_text(offer->to_lsn).s,
                 detail);
    return error_hint(e, "Nothing was changed; run the command again, and check the far store if "
                         "it fails again.");
}

static int check_commit(const struct receive_job *job, const struct offer_message *offer,
                        const struct commit_message *m, const struct received *got,
                        const struct zs_ingest_state *state, struct zs_error *e)
{
    bool digests = store_has(job->store, ZS_STORE_DIGEST);
    if (m->records != got->records || m->bytes != got->bytes)
        return refuse_sum(e, offer, "the number of records or bytes differs");
    if (!digest_equal(m->sum, digests ? state->sum : got->sum))
        return refuse_sum(e, offer, "the sum over the records differs");
    if (m->end.lsn != offer->to_lsn || m->gc_cutoff_lsn > offer->to_lsn ||
        (offer->from_lsn > 0 && m->gc_cutoff_lsn > 0))
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side commits another range than it offered");
    if (offer->digests && !digest_equal(m->end.digest, offer->last.digest))
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side commits another state than it offered");
    bool collected = m->gc_cutoff_lsn > 0;
    if (digests && offer->digests && !collected &&
        !digest_equal(digest_plus(state->base.digest, m->sum), m->end.digest))
        return refuse_sum(e, offer, "the history digest differs");
    for (uint32_t i = 0; i < m->points.count; i++)
        if (m->points.at[i].lsn <= offer->from_lsn || m->points.at[i].lsn >= offer->to_lsn)
            return error_set(e, ZS_PROTOCOL_VIOLATION,
                             "the far side names a history point outside of the range offered");
    return ZS_OK;
}

/* Points came newest first; a store takes them oldest first. */
static void reverse(struct point_list *list)
{
    for (uint32_t i = 0; i < list->count / 2; i++) {
        struct zs_point p = list->at[i];
        list->at[i] = list->at[list->count - 1 - i];
        list->at[list->count - 1 - i] = p;
    }
}

/* A commit of so much may wait for a disk longer than a sender waits in silence. */
#define COMMIT_BESIDE_BYTES (UINT64_C(64) << 20)

struct committing {
    struct ingest *in;
    const struct zs_commit *commit;
};

static int commit_now(void *context, struct zs_error *e)
{
    const struct committing *c = context;
    return ingest_commit(c->in, c->commit, e);
}

static int commit(const struct receive_job *job, const struct offer_message *offer,
                  const struct commit_message *wanted, struct ingest *in,
                  const struct received *got, struct done_message *done, struct zs_error *e)
{
    struct commit_message c = *wanted;
    struct zs_ingest_state state;
    TRY(ingest_state(in, &state, e));
    TRY(check_commit(job, offer, &c, got, &state, e));
    TRY(cancel_check(job->cancel, e));
    transfer_phase(job->transfer, PHASE_COMMIT);
    reverse(&c.points);
    if (!offer->digests) { /* a sender that keeps no history: this side goes on with its own */
        c.points.count = 0;
        c.end.digest = digest_plus(state.base.digest, state.sum);
    }
    if (c.gc_cutoff_lsn == 0 && (state.base.lsn == 0 || state.base.records > 0)) {
        c.end.records = state.base.records + got->records; /* counted here, not believed */
        c.end.bytes = state.base.bytes + got->bytes;
    }
    struct zs_commit commit = {
        .struct_size = sizeof commit,
        .npoints = c.points.count,
        .upto_lsn = offer->to_lsn,
        .gc_cutoff_lsn = c.gc_cutoff_lsn,
        .sum = c.sum,
        .end = c.end,
        .points = c.points.at,
    };
    if (job->shield != NULL)
        shield_up(job->shield); /* so that DONE still reaches the sender */
    struct committing now = {.in = in, .commit = &commit};
    uint64_t beside = job->beside_bytes != 0 ? job->beside_bytes : COMMIT_BESIDE_BYTES;
    TRY(got->bytes >= beside ? beside_run(job, commit_now, &now, e) : commit_now(&now, e));
    *done =
        (struct done_message){.verdict = offer->verdict, .timeline = state.timeline, .last = c.end};
    return ZS_OK;
}

/* Begin to write, or begin again. */
static int begin(const struct receive_job *job, const struct state_message *state,
                 const struct offer_message *offer, struct ingest *in, struct intake **intake,
                 struct zs_error *e)
{
    bool exact = !(offer->digests && store_has(job->store, ZS_STORE_DIGEST));
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec,
        .flags = state->exists ? 0 : ZS_INGEST_CREATE | (exact ? ZS_INGEST_EXACT_TIMELINE : 0),
        .branch = job->branch,
        .timeline = state->exists ? state->timeline : offer->timeline,
        .base_lsn = state->last.lsn,
        .target_lsn = offer->to_lsn,
        .expected_bytes = offer->bytes,
    };
    intake_close(*intake);
    *intake = NULL;
    ingest_close(in);
    TRY(intake_open(job, state, offer, in, intake, e));
    transfer_durable(job->transfer, offer->resume ? state->resume.bytes : 0);
    if (!offer->resume)
        return ingest_begin(job->store, &spec, in, e); /* drops what was kept before */
    transfer_count(job->transfer, state->resume.records, state->resume.bytes,
                   job->conn->received_bytes);
    return staging_resume(job, state, in, e);
}

/* A sender that finds that it left something out offers the same range again, once,
 * and starts over; what came so far was never visible. */
static int begin_again(const struct receive_job *job, const struct state_message *state,
                       const struct offer_message *offer, const struct message *m, bool *again,
                       struct offer_message *second, struct ingest *in, struct intake **intake,
                       struct zs_error *e)
{
    TRY(offer_decode(m->body, m->body_bytes, second, e));
    if (*again || second->mode != OFFER_SEND || second->from_lsn != offer->from_lsn ||
        second->to_lsn != offer->to_lsn || second->resume ||
        !digest_equal(second->last.digest, offer->last.digest))
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side changed its offer in the middle of a transfer");
    *again = true;
    return begin(job, state, second, in, intake, e);
}

/* Everything between the OFFER and the commit.  *in stays the caller's. */
static int receive_stream(const struct receive_job *job, const struct state_message *state,
                          const struct offer_message *offer, struct ingest *in,
                          struct received *got, bool *again, struct done_message *done,
                          struct zs_error *e)
{
    CLEANUP(intake_close_ptr) struct intake *intake = NULL;
    struct offer_message second;
    struct commit_message wanted;
    struct message m;
    TRY(begin(job, state, offer, in, &intake, e));
    for (;;) {
        TRY(intake_recv(intake, &m, e));
        if (m.type == MESSAGE_OFFER) {
            TRY(begin_again(job, state, offer, &m, again, &second, in, &intake, e));
            continue;
        }
        if (m.type == MESSAGE_COMMIT)
            break;
        TRY(message_expect(&m, MESSAGE_BATCH, e));
        TRY(intake_batch(intake, &m, e));
    }
    TRY(commit_decode(m.body, m.body_bytes, &wanted, e));
    if (wanted.said[0] != '\0')
        progress_say(job->progress, "the far side says: %s", wanted.said);
    TRY(intake_drain(intake, e));
    *got = *intake_received(intake);
    return commit(job, offer, &wanted, in, got, done, e);
}

/* One range; adds to what the outcome has. */
static int receive_records(const struct receive_job *job, const struct state_message *state,
                           const struct offer_message *offer, struct outcome *o, struct zs_error *e)
{
    CLEANUP(ingest_close) struct ingest in = {0};
    struct received got;
    struct done_message done;
    bool again = false;
    transfer_phase(job->transfer, PHASE_RECEIVE);
    if (job->shield != NULL)
        shield_down(job->shield); /* of an earlier range's commit */
    if (state->resume.present && !offer->resume)
        progress_say(job->progress, "what was kept of an interrupted transfer does not fit any "
                                    "more: it starts again");
    if (receive_stream(job, state, offer, &in, &got, &again, &done, e) != ZS_OK) {
        ingest_close(&in); /* first, so that what it keeps can be seen */
        staging_failed(job->store, job->branch, e);
        return ZS_FAIL;
    }
    ingest_close(&in); /* whoever hears DONE may write the branch at once */
    bool resumed = offer->resume && !again;
    o->records += got.records - (resumed ? state->resume.records : 0);
    o->raw_bytes += got.bytes - (resumed ? state->resume.bytes : 0);
    if (resumed) {
        o->resumed = true;
        o->resumed_percent = resume_percent(state->resume.bytes, offer->bytes);
    }
    o->late_cancel = cancel_requested(job->cancel);

    /* The branch is complete, whether or not the sender still hears it; who has more to send
     * would wait for it. */
    struct zs_error unheard = {0};
    if (send_done(job, &done, &unheard) == ZS_OK || !offer->more)
        return ZS_OK;
    *e = unheard;
    return ZS_FAIL;
}

/* The sender went on with an interrupted transfer and has newer records, too: the same
 * again, from what this side has now. */
static int receive_newer(const struct receive_job *job, const struct offer_message *first,
                         struct outcome *o, struct zs_error *e)
{
    struct state_message now;
    struct offer_message offer;
    struct message m;
    TRY(receive_state(job->store, job->branch, &now, e));
    TRY(conn_await(job->conn, PEER_ANSWERS, "a second OFFER", &m, e));
    TRY(message_expect(&m, MESSAGE_OFFER, e));
    TRY(offer_decode(m.body, m.body_bytes, &offer, e));
    if (offer.mode != OFFER_SEND)
        return error_set(e, ZS_PROTOCOL_VIOLATION, "the far side promised more and offers none");
    TRY(check_offer(&offer, &now, e));
    transfer_range(job->transfer, first->verdict, first->from_lsn, offer.to_lsn,
                   first->records + offer.records, first->bytes + offer.bytes);
    TRY(receive_records(job, &now, &offer, o, e));
    o->to_lsn = offer.to_lsn;
    o->far_lsn = offer.last.lsn;
    return ZS_OK;
}

int receive_run(const struct receive_job *job, const struct state_message *state, bool tell,
                struct outcome *outcome, struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    struct offer_message offer;
    struct message m;
    *outcome = (struct outcome){0};
    transfer_phase(job->transfer, PHASE_NEGOTIATE);
    if (tell) {
        TRY(state_encode(state, &text, e));
        TRY(conn_send(job->conn, MESSAGE_STATE, text, e));
    }
    TRY(conn_await(job->conn, PEER_WORKS, "OFFER", &m, e));
    TRY(message_expect(&m, MESSAGE_OFFER, e));
    TRY(offer_decode(m.body, m.body_bytes, &offer, e));
    outcome->verdict = offer.verdict;
    outcome->near_lsn = state->last.lsn;
    outcome->far_lsn = offer.last.lsn;
    outcome->from_lsn = offer.from_lsn;
    outcome->to_lsn = offer.to_lsn;
    outcome->common_lsn = offer.common_lsn;
    outcome->records = offer.records;
    outcome->raw_bytes = offer.bytes;
    if (offer.mode == OFFER_ASK)
        TRY(decide(job, &offer, &outcome->verdict, e));
    transfer_range(job->transfer, outcome->verdict, offer.from_lsn, offer.to_lsn, offer.records,
                   offer.bytes);
    if (offer.mode == OFFER_SEND) {
        TRY(check_offer(&offer, state, e));
        outcome->records = outcome->raw_bytes = 0; /* counted from here on */
        if (offer.collected_lsn > 0)
            progress_say(job->progress,
                         "the interrupted transfer goes on to %s, where it was to end; newer "
                         "versions up to %s have been collected on the far side, and what is new "
                         "after it cannot be sent alone",
                         lsn_text(offer.to_lsn).s, lsn_text(offer.collected_lsn).s);
        TRY(receive_records(job, state, &offer, outcome, e));
        if (offer.more)
            TRY(receive_newer(job, &offer, outcome, e));
    } else {
        if (offer.mode == OFFER_NONE)
            TRY(check_nothing(&offer, state, !tell, e));
        struct done_message done = {.verdict = outcome->verdict,
                                    .common_lsn = offer.common_lsn,
                                    .timeline = state->timeline,
                                    .last = state->last};
        TRY(send_done(job, &done, e));
    }
    outcome->wire_bytes = job->conn->sent_bytes + job->conn->received_bytes;
    return ZS_OK;
}
