/* send_offer.c - see send_offer.h. */
#include "sync/send_offer.h"

#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"
#include "sync/history.h"

/* The verdict as far as this side can tell.  *decided is false if only the receiver
 * can. */
static int decide(const struct send_job *job, const struct state_message *state, struct outcome *o,
                  bool *decided, struct zs_error *e)
{
    const struct snapshot *s = job->snapshot;
    struct verdict_input in = {
        .exists = state->exists,
        .digests = state->digests && store_has(s->store, ZS_STORE_DIGEST),
        .same_timeline = timeline_equal(state->timeline, s->info.timeline),
        .receiver = state->last,
        .sender = history_last(s),
    };
    if (in.exists && in.digests)
        TRY(history_common(s, &state->points, &in.common_lsn, e));
    for (uint32_t i = 0; i < state->points.count; i++)
        if (state->points.at[i].lsn == in.sender.lsn)
            in.receiver_at_sender =
                (struct maybe_digest){.known = true, .digest = state->points.at[i].digest};

    enum verdict_need need = verdict_decide(&in, &o->verdict);
    if (need == VERDICT_NEEDS_SENDER) {
        TRY(history_digest_at(s, in.receiver.lsn, in.receiver.digest, job->transfer, job->cancel,
                              job->conn, &in.sender_at_receiver, e));
        if (!in.sender_at_receiver.known) {
            error_set(
                e, ZS_NOT_SUPPORTED,
                "cannot send only what is new after %s: versions up to %s have been collected",
                lsn_text(in.receiver.lsn).s, lsn_text(s->info.gc_cutoff_lsn).s);
            return error_hint(e, "Send the branch in full, under a new name on the other side.");
        }
        need = verdict_decide(&in, &o->verdict);
    }
    *decided = need == VERDICT_DECIDED;
    o->common_lsn = in.common_lsn;
    return ZS_OK;
}

/* A delta over collected versions would miss tombstones. */
static int check_collected(const struct send_job *job, const struct state_message *state,
                           struct zs_error *e)
{
    zs_lsn cutoff = job->snapshot->info.gc_cutoff_lsn;
    if (state->last.lsn == 0 || state->last.lsn >= cutoff)
        return ZS_OK;
    error_set(e, ZS_NOT_SUPPORTED,
              "cannot send only what is new after %s: versions up to %s have been collected",
              lsn_text(state->last.lsn).s, lsn_text(cutoff).s);
    return error_hint(e, "Send the branch in full, under a new name on the other side.");
}

int send_estimate(const struct send_job *job, zs_lsn after_lsn, struct offer_message *offer,
                  struct zs_error *e)
{
    struct zs_point from = {0};
    bool known = after_lsn == 0;
    if (!known)
        TRY(history_find(job->snapshot, after_lsn, &known, &from, e));
    if (known && offer->last.records >= from.records && offer->last.bytes >= from.bytes) {
        offer->records = offer->last.records - from.records;
        offer->bytes = offer->last.bytes - from.bytes;
    }
    return ZS_OK;
}

/* Go on with what was cut off, if this is the history that it came from: its Y listed
 * here with that digest (a listed point has the counts that the commit needs, and no
 * scan is spent on a stage that may not fit), and nothing collected above X since. */
static int try_resume(const struct send_job *job, const struct state_message *state,
                      struct offer_message *offer, struct zs_error *e)
{
    /* What was kept is what a whole transfer began to read, whatever had been collected. */
    bool whole = job->leased && state->last.lsn == 0;
    const struct zs_branch_info *mine = &job->snapshot->info;
    const struct resume_point *r = &state->resume;
    struct zs_point y = {0};
    bool fits = offer->digests && state->digests &&
                (mine->gc_cutoff_lsn <= state->last.lsn || whole) &&
                r->to.lsn <= mine->last_valid_lsn && r->lsn > state->last.lsn;
    if (fits)
        TRY(history_find(job->snapshot, r->to.lsn, &fits, &y, e));
    bool counted = y.records != 0 || y.bytes != 0; /* a host need not know its counts */
    if (!fits || !digest_equal(y.digest, r->to.digest) ||
        (counted && (r->records > y.records || r->bytes > y.bytes))) {
        progress_say(job->progress, "what the receiver kept of an interrupted transfer does not "
                                    "fit this branch any more: it starts again");
        return ZS_OK;
    }
    offer->resume = true;
    offer->more = y.lsn < offer->to_lsn;
    offer->to_lsn = y.lsn;
    offer->last = y;
    return ZS_OK;
}

int send_offer(const struct send_job *job, const struct state_message *state, struct outcome *o,
               struct offer_message *offer, struct zs_error *e)
{
    bool decided = false;
    TRY(decide(job, state, o, &decided, e));
    *offer = (struct offer_message){
        .verdict = decided ? o->verdict : VERDICT_AHEAD,
        .mode = decided ? OFFER_NONE : OFFER_ASK,
        .digests = store_has(job->snapshot->store, ZS_STORE_DIGEST),
        .acks = true,
        .timeline = job->snapshot->info.timeline,
        .from_lsn = state->last.lsn,
        .to_lsn = job->snapshot->info.last_valid_lsn,
        .common_lsn = o->common_lsn,
        .last = history_last(job->snapshot),
    };
    if (!decided || (o->verdict != VERDICT_ABSENT && o->verdict != VERDICT_BEHIND))
        return ZS_OK;
    TRY(check_collected(job, state, e));
    if (!job->dry_run && !state->dry_run)
        offer->mode = OFFER_SEND;
    if (offer->mode == OFFER_SEND && state->resume.present)
        TRY(try_resume(job, state, offer, e));
    return send_estimate(job, state->last.lsn, offer, e);
}
