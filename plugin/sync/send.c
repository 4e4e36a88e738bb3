/* send.c - see send.h. */
#include "sync/send.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"
#include "sync/answers.h"
#include "sync/history.h"
#include "sync/lease.h"
#include "sync/resume.h"
#include "sync/selection.h"
#include "sync/send_offer.h"
#include "sync/send_records.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- the end -------------------------------------------------------------------------- */

/* What this store handed out must be what its own history promised.  The receiver's
 * D(X) is this side's too: the verdict said so. */
static bool sum_fits(const struct send_job *job, const struct state_message *state,
                     const struct range *range)
{
    const struct snapshot *s = job->snapshot;
    if (!store_has(s->store, ZS_STORE_DIGEST) || !state->digests ||
        (range->whole && s->info.gc_cutoff_lsn > 0))
        return true;
    struct zs_digest from = range->whole ? (struct zs_digest){0} : state->last.digest;
    return digest_equal(digest_plus(from, range->sum), range->end.digest);
}

static int refuse_sum(const struct send_job *job, const struct range *range, struct zs_error *e)
{
    error_set(e, ZS_CORRUPT, "the records of branch \"%s\" do not add up to its history digest",
              job->snapshot->info.name);
    error_detail(e, "Records in (%s, %s] were read; the far branch was left as it was.",
                 lsn_text(range->after_lsn).s, lsn_text(range->upto_lsn).s);
    return error_hint(e, "The store of this pageserver is damaged, or it lost records.");
}

static int send_commit(const struct send_job *job, const struct range *range, struct zs_error *e)
{
    struct commit_message m = {
        .sum = range->sum,
        .records = range->records,
        .bytes = range->bytes,
        .end = range->end,
        .gc_cutoff_lsn = range->whole ? job->cutoff_lsn : 0,
    };
    (void)snprintf(m.said, sizeof m.said, "%s", range->said);
    CLEANUP(free_ptr) char *text = NULL;
    if (range->upto_lsn > 0)
        TRY(history_thin(job->snapshot, range->after_lsn, range->upto_lsn - 1, &m.points, e));
    TRY(commit_encode(&m, &text, e));
    TRY(cancel_check(job->cancel, e));
    transfer_phase(job->transfer, PHASE_COMMIT);
    if (job->shield != NULL)
        shield_up(job->shield);
    return conn_send(job->conn, MESSAGE_COMMIT, text, e);
}

/* What comes at the end of an offer.  *came tells, of a failure, that something did, and
 * that this side does not take it. */
static int hear_done(const struct send_job *job, enum offer_mode mode, struct done_message *done,
                     bool *came, struct zs_error *e)
{
    struct message m;
    enum conn_wait wait = mode == OFFER_NONE ? PEER_ANSWERS : PEER_WORKS;
    for (;;) {
        *came = false;
        TRY(conn_await(job->conn, wait, "DONE", &m, e));
        *came = true;
        if (m.type != MESSAGE_ACK || mode != OFFER_SEND)
            break;
        TRY(send_heard_ack(job, &m, e));
    }
    TRY(message_expect(&m, MESSAGE_DONE, e));
    return done_decode(m.body, m.body_bytes, done, e);
}

/* Once COMMIT is out, a failure that the far side did not tell leaves open what it did. */
static int receive_done(const struct send_job *job, enum offer_mode mode, struct done_message *done,
                        struct zs_error *e)
{
    bool came = false;
    if (hear_done(job, mode, done, &came, e) == ZS_OK)
        return ZS_OK;
    bool mine = error_is(e, ZS_CANCELLED) && cancel_requested(job->cancel);
    if (mode == OFFER_SEND && (came || mine || error_is(e, ZS_CONNECTION_LOST))) {
        error_detail(e, "The commit had been sent: the far branch is either complete or as it "
                        "was before.");
        error_hint(e, "Run the same command again: it finds out, and sends what is missing.");
    }
    return ZS_FAIL;
}

/* A warning for this side's person, and with the COMMIT for the other's. */
static void warn(const struct send_job *job, struct range *range, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void warn(const struct send_job *job, struct range *range, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(range->said, sizeof range->said, format, args);
    va_end(args);
    progress_say(job->progress, "%s", range->said);
}

/* One pass over the range.  *complete is false if the change map was used and missed
 * something: a bit that is not set though a record is there. */
static int send_range(const struct send_job *job, const struct state_message *state, bool use_map,
                      struct range *range, bool *complete, struct zs_error *e)
{
    CLEANUP(selection_close) struct selection selection = {0};
    char why[128];
    /* A map is a hint, and only the digests of both sides prove that it left nothing out. */
    bool proven = store_has(job->snapshot->store, ZS_STORE_DIGEST) && state->digests;
    bool keeps = store_has(job->snapshot->store, ZS_STORE_BLOBS);
    TRY(selection_open(job->snapshot, range->after_lsn, range->upto_lsn, use_map && proven,
                       &selection, why, sizeof why, e));
    if (use_map && !proven && keeps && range->after_lsn > 0)
        (void)snprintf(why, sizeof why, "without digests on both sides a map proves nothing");
    if (why[0] != '\0')
        warn(job, range, "the whole branch is scanned for what changed: %s", why);
    if (range->resume != NULL)
        TRY(selection_skip(&selection, range->resume->key, range->resume->lsn, e));
    TRY(send_records(job, state, &selection, range, e));
    *complete = sum_fits(job, state, range);
    if (!*complete && selection.map == NULL && range->resume == NULL)
        return refuse_sum(job, range, e);
    return ZS_OK;
}

/* The receiver stood ahead by its own STATE, so all that it can find is a refusal. */
static int take_verdict(const struct send_job *job, const struct offer_message *offer,
                        const struct done_message *done, struct outcome *o, struct zs_error *e)
{
    if (done->verdict == VERDICT_ABSENT || done->verdict == VERDICT_BEHIND ||
        done->verdict == VERDICT_EQUAL) {
        error_set(e, ZS_MOVED_MEANWHILE,
                  "the receiving branch went back while the histories were compared");
        return error_hint(e, "Run the command again.");
    }
    o->verdict = done->verdict;
    transfer_range(job->transfer, done->verdict, offer->from_lsn, offer->to_lsn, 0, 0);
    return ZS_OK;
}

/* The same range again, from its start. */
static int start_over(const struct send_job *job, const struct offer_message *offer,
                      struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    struct offer_message again = *offer;
    again.resume = false;
    TRY(offer_encode(&again, &text, e));
    return conn_send(job->conn, MESSAGE_OFFER, text, e);
}

/* The receiver looks through what it kept before anything is sent on top of it. */
static int await_stage(const struct send_job *job, const struct resume_point *kept,
                       struct zs_error *e)
{
    struct message m;
    struct ack_message ack;
    TRY(conn_await(job->conn, PEER_WORKS, "ACK of what was kept", &m, e));
    TRY(message_expect(&m, MESSAGE_ACK, e));
    TRY(ack_decode(m.body, m.body_bytes, &ack, e));
    return answers_kept(&ack, kept, e);
}

static int transfer_records(const struct send_job *job, const struct state_message *state,
                            const struct offer_message *offer, struct outcome *o,
                            struct zs_error *e)
{
    const struct range whole = {.after_lsn = offer->from_lsn,
                                .upto_lsn = offer->to_lsn,
                                .whole = offer->from_lsn == 0,
                                .end = offer->last};
    const struct transfer_facts facts = transfer_look(job->transfer);
    struct range range = whole;
    struct done_message done;
    bool complete = false;
    transfer_phase(job->transfer, PHASE_SEND);
    if (job->shield != NULL)
        shield_down(job->shield); /* of an earlier range's commit */
    *job->answers = (struct answers){.before_records = facts.records, .before_bytes = facts.bytes};
    if (offer->resume) {
        TRY(await_stage(job, &state->resume, e));
        range.resume = &state->resume;
        job->answers->records = state->resume.records;
        job->answers->bytes = state->resume.bytes;
        range.sum = state->resume.sum;
        range.records = state->resume.records;
        range.bytes = state->resume.bytes;
        o->resumed = true;
        o->resumed_percent = resume_percent(range.bytes, offer->bytes);
        transfer_count(job->transfer, range.records, range.bytes, job->conn->sent_bytes);
        transfer_durable(job->transfer, range.bytes);
    }
    TRY(send_range(job, state, true, &range, &complete, e));
    if (!complete) {
        bool kept = range.resume != NULL;
        range = whole;
        if (kept)
            warn(job, &range, "what was kept and what was sent do not add up: all is sent again");
        else
            warn(job, &range,
                 "the change map missed something between %s and %s: the whole branch is scanned "
                 "and sent again; \"zenith branch rebuild-map %.100s\" on the sending server mends "
                 "the map",
                 lsn_text(offer->from_lsn).s, lsn_text(offer->to_lsn).s, job->snapshot->info.name);
        o->resumed = false;
        job->answers->again = true;
        transfer_durable(job->transfer, 0);
        TRY(start_over(job, offer, e));
        TRY(send_range(job, state, false, &range, &complete, e));
    }
    TRY(send_commit(job, &range, e));
    TRY(receive_done(job, OFFER_SEND, &done, e));
    o->late_cancel = cancel_requested(job->cancel);
    o->records = range.records - (range.resume != NULL ? range.resume->records : 0);
    o->raw_bytes = range.bytes - (range.resume != NULL ? range.resume->bytes : 0);
    return answers_done(&done, offer, &offer->last,
                        store_has(job->snapshot->store, ZS_STORE_DIGEST), e);
}

/* What is newer than the transfer that was gone on with. */
static int send_newer(const struct send_job *job, const struct state_message *state,
                      const struct offer_message *first, struct outcome *o, struct zs_error *e)
{
    const zs_lsn from_lsn = o->from_lsn;
    CLEANUP(free_ptr) char *text = NULL;
    struct state_message now = *state;
    struct offer_message offer = *first;
    struct outcome rest = {0};
    now.exists = true;
    now.last = first->last;
    now.resume = (struct resume_point){0};
    offer.verdict = VERDICT_BEHIND;
    offer.resume = offer.more = false;
    offer.from_lsn = first->to_lsn;
    offer.last = history_last(job->snapshot);
    offer.to_lsn = offer.last.lsn;
    offer.records = offer.bytes = 0;
    TRY(send_estimate(job, offer.from_lsn, &offer, e));
    transfer_range(job->transfer, first->verdict, first->from_lsn, offer.to_lsn,
                   first->records + offer.records, first->bytes + offer.bytes);
    transfer_durable(job->transfer, 0);
    TRY(offer_encode(&offer, &text, e));
    TRY(conn_send(job->conn, MESSAGE_OFFER, text, e));
    o->from_lsn = offer.from_lsn;
    o->to_lsn = offer.to_lsn;
    TRY(transfer_records(job, &now, &offer, &rest, e));
    o->from_lsn = from_lsn;
    o->records += rest.records;
    o->raw_bytes += rest.raw_bytes;
    o->late_cancel = rest.late_cancel;
    return ZS_OK;
}

/* ---- what is read ----------------------------------------------------------------------- */

/* The branch as it is, and as it was when a transfer of it was cut off. */
struct views {
    struct snapshot *newest; /* the caller's */
    struct snapshot kept;    /* open while it is what is read */
    bool taken;              /* a lease was; a failure gives one back */
    int64_t last_ns;         /* when that one ends for good */
};

static void views_fini(struct views *v)
{
    snapshot_close(&v->kept);
}

/* Read what was kept if only that still has what is missing. */
static int choose(struct send_job *job, struct views *v, const struct state_message *state,
                  struct outcome *o, struct zs_error *e)
{
    const struct resume_point *r = &state->resume;
    struct zs_point y = {0}, listed = {0};
    bool found = false, fits = false;
    if (!r->present || job->dry_run || state->dry_run)
        return ZS_OK;
    v->taken = lease_take(job->leases, &v->newest->info, state->last.lsn, r->to.lsn, &v->kept,
                          &v->last_ns);
    if (!v->taken)
        return ZS_OK;
    o->from_lsn = state->last.lsn;
    o->to_lsn = r->to.lsn;
    if (v->newest->info.gc_cutoff_lsn <= state->last.lsn)
        TRY(history_find(v->newest, r->to.lsn, &fits, &listed, e));
    if (!fits || !digest_equal(listed.digest, r->to.digest)) /* a host may list fewer points */
        TRY(history_find(&v->kept, r->to.lsn, &found, &y, e));
    /* Several receivers may wait for one Y, and none says whose snapshot this was: what another
     * one was sent may be collected up to where the branch is by now, and no digest tells. */
    bool collected = state->last.lsn == 0 && v->kept.info.gc_cutoff_lsn > 0;
    zs_lsn cutoff_lsn = v->newest->info.gc_cutoff_lsn;
    if (found && digest_equal(y.digest, r->to.digest) && (!collected || cutoff_lsn <= r->to.lsn)) {
        job->snapshot = &v->kept;
        job->leased = true;
        job->cutoff_lsn = collected ? cutoff_lsn : 0;
    } else {
        snapshot_close(&v->kept);
    }
    return ZS_OK;
}

/* From here on what is newest is read: all that the receiver waited for is there. */
static void forget_kept(struct send_job *job, struct views *v)
{
    job->snapshot = v->newest;
    job->cutoff_lsn = v->newest->info.gc_cutoff_lsn;
    job->leased = v->taken = false;
    v->last_ns = 0;
    snapshot_close(&v->kept);
}

/* What was kept ends at the receiver's Y; is there more, and can it be sent? */
static void offer_newer(const struct send_job *job, const struct views *v,
                        struct offer_message *offer)
{
    const struct zs_branch_info *newest = &v->newest->info;
    if (!job->leased || !offer->resume || newest->last_valid_lsn <= offer->to_lsn)
        return;
    offer->more = newest->gc_cutoff_lsn <= offer->to_lsn;
    if (offer->more)
        return;
    offer->collected_lsn = newest->gc_cutoff_lsn;
    progress_say(job->progress,
                 "the interrupted transfer goes on to %s, where it was to end; newer versions "
                 "up to %s have been collected, and what is new after it cannot be sent alone",
                 lsn_text(offer->to_lsn).s, lsn_text(newest->gc_cutoff_lsn).s);
}

static int run(struct send_job *job, struct views *v, const struct state_message *state,
               struct outcome *outcome, struct zs_error *e)
{
    struct state_message received;
    struct offer_message offer;
    CLEANUP(free_ptr) char *text = NULL;
    *outcome = (struct outcome){0};
    transfer_phase(job->transfer, PHASE_NEGOTIATE);
    if (state == NULL) {
        struct message m;
        TRY(conn_await(job->conn, PEER_ANSWERS, "STATE", &m, e));
        TRY(message_expect(&m, MESSAGE_STATE, e));
        TRY(state_decode(m.body, m.body_bytes, &received, e));
        state = &received;
    }
    TRY(answers_state(state, e));
    TRY(choose(job, v, state, outcome, e));
    TRY(send_offer(job, state, outcome, &offer, e));
    bool fits =
        offer.mode == OFFER_SEND || (offer.mode == OFFER_NONE && offer.verdict == VERDICT_EQUAL);
    if (fits && !job->dry_run && !state->dry_run) /* the receiver is where it says */
        lease_settle(job->leases, &v->newest->info, state->last.lsn);
    offer_newer(job, v, &offer);
    outcome->near_lsn = offer.to_lsn;
    outcome->far_lsn = state->last.lsn;
    outcome->from_lsn = state->last.lsn;
    outcome->to_lsn = offer.to_lsn;
    outcome->records = offer.records;
    outcome->raw_bytes = offer.bytes;
    transfer_range(job->transfer, offer.verdict, offer.from_lsn, offer.to_lsn, offer.records,
                   offer.bytes);
    TRY(offer_encode(&offer, &text, e));
    TRY(conn_send(job->conn, MESSAGE_OFFER, text, e));
    if (offer.mode == OFFER_SEND) {
        TRY(transfer_records(job, state, &offer, outcome, e));
        forget_kept(job, v);
        if (offer.more)
            TRY(send_newer(job, state, &offer, outcome, e));
    } else {
        struct done_message done;
        TRY(receive_done(job, offer.mode, &done, e));
        if (offer.mode == OFFER_ASK)
            TRY(take_verdict(job, &offer, &done, outcome, e));
        else
            TRY(answers_done(&done, &offer, &state->last, true, e));
    }
    outcome->wire_bytes = job->conn->sent_bytes + job->conn->received_bytes;
    return ZS_OK;
}

/* The branch may be deleted at any time: whoever did looks for leases then, and this one looks for
 * the branch after the lease is there. */
static void keep(struct send_job *job, const struct outcome *o, bool committing, int64_t last_ns)
{
    const struct zs_store *store = job->snapshot->store;
    const struct zs_branch_info was = job->snapshot->info;
    struct zs_branch_info now;
    struct zs_error e = {0};
    lease_keep(job->leases, job->snapshot, o->from_lsn, o->to_lsn, committing, last_ns);
    bool there = store_branch_find(store, was.name, &now, &e) == ZS_OK;
    if (there ? !timeline_equal(now.timeline, was.timeline) : error_is(&e, ZS_NO_SUCH_BRANCH))
        lease_drop(job->leases, was.name);
}

int send_run(const struct send_job *theirs, const struct state_message *state,
             struct outcome *outcome, struct zs_error *e)
{
    CLEANUP(views_fini) struct views views = {.newest = theirs->snapshot};
    struct answers answers = {0};
    struct send_job job = *theirs;
    job.answers = &answers;
    job.cutoff_lsn = job.snapshot->info.gc_cutoff_lsn;
    if (run(&job, &views, state, outcome, e) == ZS_OK)
        return ZS_OK;
    struct transfer_facts facts = transfer_look(job.transfer);
    bool cut = facts.records > 0 && (error_is(e, ZS_CONNECTION_LOST) || error_is(e, ZS_CANCELLED));
    if (cut && facts.phase == PHASE_SEND && facts.durable_bytes > 0)
        resume_hint(e, resume_percent(facts.durable_bytes, facts.total_bytes));
    /* How far the receiver came is not known: what it made durable last may not have been
     * heard of, nor a COMMIT that was sent have been reached. */
    if ((cut || views.taken) && job.leases != NULL)
        keep(&job, outcome, facts.phase == PHASE_COMMIT, views.last_ns);
    return ZS_FAIL;
}
