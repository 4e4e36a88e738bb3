/* outcome.c - see outcome.h. */
#include "sync/outcome.h"

#include "base/error.h"
#include "model/lsn.h"

int outcome_refusal(const struct outcome *o, enum direction direction, const char *near_branch,
                    const char *far_branch, struct zs_error *e)
{
    bool push = direction == DIRECTION_PUSH;
    switch (o->verdict) {
    case VERDICT_ABSENT:
    case VERDICT_BEHIND:
    case VERDICT_EQUAL:
        return ZS_OK;
    case VERDICT_AHEAD:
        error_set(e, ZS_NOT_FAST_FORWARD, "%s branch \"%s\" is ahead", push ? "the far" : "this",
                  push ? far_branch : near_branch);
        error_detail(e, "It stands at %s, the branch here at %s.", lsn_text(o->far_lsn).s,
                     lsn_text(o->near_lsn).s);
        if (!push)
            error_detail(e, "It stands at %s, the far branch at %s.", lsn_text(o->near_lsn).s,
                         lsn_text(o->far_lsn).s);
        return push ? error_hint(e, "Pull instead: zenith pull %s ORIGIN:%s", near_branch,
                                 far_branch)
                    : error_hint(e, "Push instead: zenith push %s ORIGIN:%s", near_branch,
                                 far_branch);
    case VERDICT_DIVERGED:
        error_set(e, ZS_DIVERGED, "branch \"%s\" here and \"%s\" on the far side have diverged",
                  near_branch, far_branch);
        error_detail(e, "Both were changed after %s; here it is at %s, over there at %s.",
                     lsn_text(o->common_lsn).s, lsn_text(o->near_lsn).s, lsn_text(o->far_lsn).s);
        break;
    case VERDICT_UNRELATED:
        error_set(e, ZS_UNRELATED,
                  "branch \"%s\" here and \"%s\" on the far side have no common history",
                  near_branch, far_branch);
        error_detail(e, "Here it is at %s, over there at %s.", lsn_text(o->near_lsn).s,
                     lsn_text(o->far_lsn).s);
        break;
    }
    return push ? error_hint(e, "Push under another name: zenith push %s ORIGIN:NEW_NAME",
                             near_branch)
                : error_hint(e, "Pull under another name: zenith pull NEW_NAME ORIGIN:%s",
                             far_branch);
}
