/* answers.c - see answers.h. */
#include "sync/answers.h"

#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"

static int lie_hint(struct zs_error *e)
{
    return error_hint(e, "Nothing was changed on this side; look for a newer zenith-sync for the "
                         "far side, and at its log.");
}

int answers_state(const struct state_message *state, struct zs_error *e)
{
    zs_lsn newest = state->points.count > 0 ? state->points.at[0].lsn : 0;
    if (!state->exists && (state->last.lsn > 0 || newest > 0))
        error_set(e, ZS_PROTOCOL_VIOLATION,
                  "the far side has no such branch, and says that it is at %s",
                  lsn_text(state->last.lsn > newest ? state->last.lsn : newest).s);
    else if (newest > state->last.lsn)
        error_set(e, ZS_PROTOCOL_VIOLATION,
                  "the far side says that its branch is at %s, and has a history up to %s",
                  lsn_text(state->last.lsn).s, lsn_text(newest).s);
    else
        return ZS_OK;
    return lie_hint(e);
}

int answers_kept(const struct ack_message *ack, const struct resume_point *kept, struct zs_error *e)
{
    if (ack->records == kept->records && ack->bytes == kept->bytes)
        return ZS_OK;
    error_set(e, ZS_PROTOCOL_VIOLATION,
              "the far side kept %llu records of %llu bytes, and said %llu of %llu before",
              (unsigned long long)ack->records, (unsigned long long)ack->bytes,
              (unsigned long long)kept->records, (unsigned long long)kept->bytes);
    return lie_hint(e);
}

int answers_ack(struct answers *a, const struct ack_message *ack, uint64_t sent_records,
                uint64_t sent_bytes, struct zs_error *e)
{
    bool forward = ack->records > a->records && ack->bytes >= a->bytes;
    bool sent = ack->records <= sent_records - a->before_records &&
                ack->bytes <= sent_bytes - a->before_bytes;
    if (sent && (forward || (a->again && ack->records > 0))) {
        a->again = a->again && forward;
        a->records = ack->records;
        a->bytes = ack->bytes;
        return ZS_OK;
    }
    error_set(e, ZS_PROTOCOL_VIOLATION, "the far side's ACK names %s",
              sent ? "no more than the one before" : "more than was sent");
    error_detail(e,
                 "It names %llu records of %llu bytes; the one before named %llu of %llu, and %llu "
                 "of %llu were sent.",
                 (unsigned long long)ack->records, (unsigned long long)ack->bytes,
                 (unsigned long long)a->records, (unsigned long long)a->bytes,
                 (unsigned long long)(sent_records - a->before_records),
                 (unsigned long long)(sent_bytes - a->before_bytes));
    return lie_hint(e);
}

int answers_done(const struct done_message *done, const struct offer_message *offer,
                 const struct zs_point *there, bool digests, struct zs_error *e)
{
    bool records = offer->mode == OFFER_SEND;
    bool fits = done->last.lsn == there->lsn &&
                (!digests || digest_equal(done->last.digest, there->digest));
    if (done->verdict != offer->verdict)
        error_set(e, ZS_PROTOCOL_VIOLATION,
                  "the far side calls its branch %s at the end, and it was %s",
                  verdict_name(done->verdict), verdict_name(offer->verdict));
    else if (!fits)
        error_set(e, records ? ZS_CORRUPT : ZS_PROTOCOL_VIOLATION,
                  "the far side says that it is at %s, not at %s as %s", lsn_text(done->last.lsn).s,
                  lsn_text(there->lsn).s, records ? "it was sent" : "it said before");
    else
        return ZS_OK;
    if (!records)
        return lie_hint(e);
    error_detail(e, "The digest there is %s, and here %s.", digest_text(done->last.digest).s,
                 digest_text(there->digest).s);
    return error_hint(e, "Nothing was changed on this side; run \"zenith verify\" on the far side, "
                         "and here against it.");
}
