/* perform_verify.c - compare a branch of this host with another pageserver's.
 * Flow: snapshot of the host's store -> sync/compare -> transport ~> far branch_verify.
 * The first COMPARE_NAMED records that differ are named by notices, as faults are
 * (verify.h), with "key", "block" and "lsn"; all are counted.  The end is one row if both
 * hold the same, else XX001. */
#include "base/cleanup.h"
#include "base/error.h"
#include "command/command.h"
#include "command/perform.h"
#include "command/row.h"
#include "command/verify.h"
#include "model/key.h"
#include "model/lsn.h"
#include "sync/compare.h"

#include <inttypes.h>
#include <stdio.h>

#define COMPARE_NAMED 20u

struct naming {
    struct perform *p;
    uint64_t named, counts[3];
};

static void name_one(void *context, const struct difference *d)
{
    static const char *const sentences[] = {
        [DIFFERENT] = "is not the same on both sides",
        [MISSING_HERE] = "is missing here",
        [MISSING_THERE] = "is missing on the far side",
    };
    struct naming *n = context;
    struct zs_error notice;
    char lsn[LSN_TEXT + 16] = "";
    n->counts[d->kind]++;
    if (n->named++ >= COMPARE_NAMED)
        return;
    if (d->lsn > 0)
        (void)snprintf(lsn, sizeof lsn, " at %s", lsn_text(d->lsn).s);
    error_set(&notice, "01000", "key %s%s %s", key_text(d->key).s, lsn, sentences[d->kind]);
    error_detail(&notice, "{\"fault\":{\"kind\":\"%s\",\"key\":\"%s\"%s%s%s}}",
                 difference_name(d->kind), key_hex(d->key).s, d->lsn > 0 ? ",\"lsn\":\"" : "",
                 d->lsn > 0 ? lsn_text(d->lsn).s : "", d->lsn > 0 ? "\"" : "");
    n->p->session->notice(n->p->session->self, &notice);
}

/* Whose records are not what its history says; what cannot be told is not said. */
static const char *blame(const struct compare_result *r)
{
    bool near_bad = r->near_known && !r->near_sound, far_bad = r->far_known && !r->far_sound;
    if (near_bad && far_bad)
        return "On neither side the records add up to its own history.";
    if (near_bad)
        return "The records of this side do not add up to its own history.";
    if (far_bad)
        return "The records of the far side do not add up to its own history.";
    return "";
}

static int refuse(const struct perform *p, const struct compare_result *r, const struct naming *n,
                  struct zs_error *e)
{
    bool far = r->far_known && !r->far_sound;
    if (r->found > 0 || r->more) {
        error_set(e, ZS_CORRUPT,
                  "branch \"%s\" and the far branch \"%s\" do not hold the same up to %s: %s"
                  "%" PRIu64 " record%s differ%s",
                  p->branch, p->far_branch, lsn_text(r->to_lsn).s, r->more ? "more than " : "",
                  r->found, r->found == 1 ? "" : "s", r->found == 1 ? "s" : "");
        error_detail(e,
                     "%" PRIu64 " not the same, %" PRIu64 " missing here, %" PRIu64
                     " missing on the far side. %s",
                     n->counts[DIFFERENT], n->counts[MISSING_HERE], n->counts[MISSING_THERE],
                     blame(r));
    } else {
        error_set(e, ZS_CORRUPT,
                  "branch \"%s\" and the far branch \"%s\" hold the same up to %s, but not what "
                  "the history says",
                  p->branch, p->far_branch, lsn_text(r->to_lsn).s);
        error_detail(e, "%s", blame(r));
    }
    if (far && !(r->near_known && !r->near_sound))
        return error_hint(e,
                          "Run \"zenith verify %s\" on the far side; this side can be pushed to "
                          "it again, under another name.",
                          p->far_branch);
    return error_hint(e,
                      "Run \"zenith verify %s\" here and \"zenith verify %s\" on the far side; a "
                      "side that is sound can be pushed or pulled again, under another name.",
                      p->branch, p->far_branch);
}

static int tell_equal(const struct perform *p, const struct compare_result *r, struct zs_error *e)
{
    static const char *const names[] = {"result",  "branch",   "far_branch", "from_lsn",
                                        "to_lsn",  "near_lsn", "far_lsn",    "digest",
                                        "records", "bytes",    "wire_bytes", "milliseconds"};
    enum { COLUMNS = sizeof names / sizeof *names };
    const struct zs_session *s = p->session;
    struct lsn_text from = lsn_text(r->from_lsn), to = lsn_text(r->to_lsn),
                    near = lsn_text(r->near_lsn), far = lsn_text(r->far_lsn);
    struct hex_text digest = digest_text(r->sum);
    struct number_text records = number_text(r->records), bytes = number_text(r->bytes),
                       wire = number_text(p->conn.sent_bytes + p->conn.received_bytes),
                       ms = number_text((uint64_t)(clock_now_ns() - p->started_ns) / 1000000);
    const char *const row[COLUMNS] = {"equal", p->branch, p->far_branch, from.s,  to.s,   near.s,
                                      far.s,   digest.s,  records.s,     bytes.s, wire.s, ms.s};
    return row_only(s, names, row, COLUMNS, e);
}

static int compare(struct perform *p, struct zs_error *e)
{
    CLEANUP(snapshot_close) struct snapshot snapshot = {0};
    struct naming naming = {.p = p};
    struct compare_result result;
    TRY(snapshot_open(&p->module->store, p->branch, &snapshot, e));
    progress_tell(&p->progress);
    TRY(perform_connect(p, "branch_verify", snapshot.info.timeline, "{\"protocol\":1}", e));
    const struct compare_job job = {.reader = {.snapshot = &snapshot,
                                               .conn = &p->conn,
                                               .cancel = p->session->cancel,
                                               .transfer = p->transfer,
                                               .progress = &p->progress},
                                    .branch = p->branch,
                                    .far_branch = p->far_branch,
                                    .tell = name_one,
                                    .context = &naming};
    TRY(compare_run(&job, &result, e));
    if (result.found > 0 || result.more || (result.near_known && !result.near_sound) ||
        (result.far_known && !result.far_sound))
        return refuse(p, &result, &naming, e);
    return tell_equal(p, &result, e);
}

int perform_verify(void *self, const struct zs_session *session, const char *args,
                   struct zs_error *e)
{
    CLEANUP(perform_close) struct perform p = {0};
    bool progress = true;
    TRY(perform_open(&p, "perform_verify", self, session, args, e));
    int rc = verify_options_read(&p.args, &progress, e);
    if (rc == ZS_OK)
        rc = compare(&p, e);
    return perform_end(&p, rc, e);
}
