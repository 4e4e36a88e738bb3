/* verdict.c - see verdict.h.
 * The point (0, 0) is everybody's and makes nobody related: an empty branch takes
 * whatever comes, and histories that share only it are unrelated. */
#include "sync/verdict.h"

#include "base/digest.h"

static enum verdict parted(const struct verdict_input *in)
{
    return in->common_lsn > 0 ? VERDICT_DIVERGED : VERDICT_UNRELATED;
}

static enum verdict by_lsn(zs_lsn receiver, zs_lsn sender)
{
    if (receiver == sender)
        return VERDICT_EQUAL;
    return receiver < sender ? VERDICT_BEHIND : VERDICT_AHEAD;
}

enum verdict_need verdict_decide(const struct verdict_input *in, enum verdict *verdict)
{
    zs_lsn x = in->receiver.lsn, y = in->sender.lsn;
    if (!in->exists) {
        *verdict = VERDICT_ABSENT;
        return VERDICT_DECIDED;
    }
    if (!in->digests) {
        *verdict = in->same_timeline ? by_lsn(x, y) : VERDICT_UNRELATED;
        return VERDICT_DECIDED;
    }
    if (x == 0 || y == 0) {
        *verdict = by_lsn(x, y);
        return VERDICT_DECIDED;
    }

    struct zs_digest here, there; /* both at the lower of the two LSNs */
    if (x == y) {
        here = in->sender.digest;
        there = in->receiver.digest;
    } else if (x < y) {
        if (!in->sender_at_receiver.known)
            return VERDICT_NEEDS_SENDER;
        here = in->sender_at_receiver.digest;
        there = in->receiver.digest;
    } else {
        if (!in->receiver_at_sender.known)
            return VERDICT_NEEDS_RECEIVER;
        here = in->sender.digest;
        there = in->receiver_at_sender.digest;
    }
    *verdict = digest_equal(here, there) ? by_lsn(x, y) : parted(in);
    return VERDICT_DECIDED;
}
