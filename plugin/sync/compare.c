/* compare.c - the half that asks (compare.h).
 * Ranges that differ are gone into depth first and in key order; those that wait stand on a
 * stack, whose depth is bounded by the parts of one answer per level.  An answer must add
 * up to what the part that it is about was said to be, so that a far side can neither lead
 * in circles nor change its mind. */
#include "sync/compare.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "model/key.h"
#include "model/lsn.h"
#include "sync/answers.h"
#include "sync/cancel.h"
#include "sync/history.h"

#include <string.h>

#define STACK_MAX (16u * SUMS_MAX)
#define END_MS    5000 /* all that is left to the far side then is to say that it is done */

/* A range in which the sides differ. */
struct range {
    uint8_t first[ZS_KEY_BYTES], last[ZS_KEY_BYTES];
    uint64_t records; /* the far side's */
    struct zs_digest sum;
};

struct compare {
    const struct compare_job *job;
    struct compare_result *result;
    struct state_message state;
    struct ask_message ask;   /* the one under way */
    struct sums_message sums; /* its answer */
    struct sum_part mine[SUMS_MAX];
    bool decided; /* it is this side's turn, and nothing is left to be asked */
    uint64_t asks;
    uint32_t waiting;
    struct range stack[STACK_MAX];
    /* A list is compared as this side's records come by. */
    uint32_t at;
    uint64_t records;
};

const char *difference_name(enum difference_kind kind)
{
    switch (kind) {
    case DIFFERENT:
        return "different";
    case MISSING_HERE:
        return "missing_here";
    case MISSING_THERE:
        return "missing_there";
    }
    return NULL;
}

static void tell(struct compare *c, enum difference_kind kind, const uint8_t key[ZS_KEY_BYTES],
                 zs_lsn lsn)
{
    struct difference d = {.kind = kind, .lsn = lsn};
    memcpy(d.key, key, ZS_KEY_BYTES);
    c->result->found++;
    c->job->tell(c->job->context, &d);
}

/* ---- asking -------------------------------------------------------------------------------- */

static int send_ask(const struct compare *c, struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    TRY(ask_encode(&c->ask, &text, e));
    return conn_send(c->job->reader.conn, MESSAGE_ASK, text, e);
}

static int receive_sums(struct compare *c, struct zs_error *e)
{
    struct message m;
    TRY(conn_await(c->job->reader.conn, PEER_WORKS, "SUMS", &m, e));
    TRY(message_expect(&m, MESSAGE_SUMS, e));
    return sums_decode(m.body, m.body_bytes, &c->ask, &c->sums, e);
}

static int ask_of(struct compare *c, const struct range *range, struct zs_error *e)
{
    c->asks++;
    memcpy(c->ask.first, range->first, ZS_KEY_BYTES);
    memcpy(c->ask.last, range->last, ZS_KEY_BYTES);
    TRY(send_ask(c, e));
    TRY(receive_sums(c, e));
    if (c->sums.records == range->records && digest_equal(c->sums.sum, range->sum))
        return ZS_OK;
    return error_set(e, ZS_PROTOCOL_VIOLATION,
                     "the far side's answers about key %s and behind do not add up",
                     key_text(range->first).s);
}

/* ---- what differs ------------------------------------------------------------------------- */

/* Where the record of this side stands in the far side's list. */
static void compare_record(void *context, const struct zs_record *r)
{
    struct compare *c = context;
    for (; c->at < c->sums.count; c->at++) {
        const struct sum_record *theirs = &c->sums.list[c->at];
        int order = memcmp(theirs->key, r->key, ZS_KEY_BYTES);
        if (order > 0 || (order == 0 && theirs->lsn > r->lsn))
            break;
        if (order == 0 && theirs->lsn == r->lsn) {
            if (!digest_equal(theirs->sum, digest_record(r)))
                tell(c, DIFFERENT, r->key, r->lsn);
            c->at++;
            return;
        }
        tell(c, MISSING_HERE, theirs->key, theirs->lsn);
    }
    tell(c, MISSING_THERE, r->key, r->lsn);
}

static int compare_list(struct compare *c, struct zs_error *e)
{
    c->at = 0;
    TRY(key_read(&c->job->reader, &c->ask, compare_record, c, e));
    for (; c->at < c->sums.count; c->at++)
        tell(c, MISSING_HERE, c->sums.list[c->at].key, c->sums.list[c->at].lsn);
    return ZS_OK;
}

/* The parts that differ onto the stack, the first one on top. */
static int compare_parts(struct compare *c, struct zs_error *e)
{
    uint64_t records = 0, bytes = 0;
    const struct sums_message *s = &c->sums;
    TRY(key_sums_by(&c->job->reader, &c->ask, s, c->mine, &records, &bytes, e));
    for (uint32_t i = s->count; i-- > 0;) {
        const struct sum_part *p = &s->parts[i];
        struct range range = {.records = p->records, .sum = p->sum};
        if (digest_equal(p->sum, c->mine[i].sum) && p->records == c->mine[i].records)
            continue;
        memcpy(range.first, i == 0 ? c->ask.first : s->parts[i - 1].last, ZS_KEY_BYTES);
        if (i > 0)
            (void)key_add(range.first, 0); /* parts ascend: it is not the highest key */
        memcpy(range.last, i + 1 == s->count ? c->ask.last : p->last, ZS_KEY_BYTES);
        if (s->count == 1) { /* all of it is one key's versions: nothing narrower is there */
            tell(c, DIFFERENT, p->last, 0);
            continue;
        }
        if (c->waiting == STACK_MAX) {
            c->result->more = true;
            return ZS_OK;
        }
        c->stack[c->waiting++] = range;
    }
    return ZS_OK;
}

static int compare_sums(struct compare *c, struct zs_error *e)
{
    return c->sums.listed ? compare_list(c, e) : compare_parts(c, e);
}

static int narrow(struct compare *c, struct zs_error *e)
{
    TRY(compare_sums(c, e));
    while (c->waiting > 0) {
        if (c->asks >= COMPARE_MAX_ASKS || c->result->found >= COMPARE_MAX_FOUND) {
            c->result->more = true;
            return ZS_OK;
        }
        struct range range = c->stack[--c->waiting];
        TRY(cancel_check(c->job->reader.cancel, e));
        TRY(ask_of(c, &range, e));
        TRY(compare_sums(c, e));
    }
    return ZS_OK;
}

/* Sums that differ never end as "both hold the same", whoever said what it does not hold. */
static int check_found(const struct compare *c, struct zs_error *e)
{
    if (c->result->found > 0 || c->result->more)
        return ZS_OK;
    error_set(e, ZS_PROTOCOL_VIOLATION, "the sides' sums differ, and no record that was told does");
    return error_hint(e, "Run the command again; \"zenith verify\" on each side tells whether it "
                         "is sound.");
}

/* ---- the beginning -------------------------------------------------------------------------- */

static int receive_state(struct compare *c, struct zs_error *e)
{
    struct message m;
    const struct zs_branch_info *mine = &c->job->reader.snapshot->info;
    struct compare_result *r = c->result;
    TRY(conn_await(c->job->reader.conn, PEER_ANSWERS, "STATE", &m, e));
    TRY(message_expect(&m, MESSAGE_STATE, e));
    TRY(state_decode(m.body, m.body_bytes, &c->state, e));
    if (!c->state.exists)
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side compares, and says that it has no such branch");
    TRY(answers_state(&c->state, e));
    r->near_lsn = mine->last_valid_lsn;
    r->far_lsn = c->state.last.lsn;
    r->to_lsn = r->near_lsn < r->far_lsn ? r->near_lsn : r->far_lsn;
    r->from_lsn =
        mine->gc_cutoff_lsn > c->state.gc_cutoff_lsn ? mine->gc_cutoff_lsn : c->state.gc_cutoff_lsn;
    if (r->from_lsn <= r->to_lsn)
        return ZS_OK;
    error_set(e, ZS_NOT_SUPPORTED,
              "cannot compare: one side stands at %s, and the other has collected versions up to "
              "%s",
              lsn_text(r->to_lsn).s, lsn_text(r->from_lsn).s);
    c->decided = true;
    return error_hint(e, "Push or pull first, so that both stand at the same LSN.");
}

static void sum_one(void *context, const struct zs_record *r)
{
    struct compare *c = context;
    c->result->records++;
    c->result->bytes += r->len;
    c->result->sum = digest_plus(c->result->sum, digest_record(r));
}

/* Both sides' histories at to_lsn, where they list it, against what their records are. */
static int judge(struct compare *c, struct maybe_digest *near, struct zs_error *e)
{
    struct compare_result *r = c->result;
    const struct snapshot *s = c->job->reader.snapshot;
    struct zs_point point;
    bool both = store_has(s->store, ZS_STORE_DIGEST) && c->state.digests;
    TRY(history_find(s, r->to_lsn, &near->known, &point, e));
    near->known = near->known && both;
    near->digest = point.digest;
    c->sums.has_told = c->sums.has_told && both;
    r->near_known = near->known && r->from_lsn == 0;
    r->far_known = c->sums.has_told && r->from_lsn == 0;
    r->near_sound = r->near_known && digest_equal(near->digest, r->sum);
    r->far_sound = r->far_known && digest_equal(c->sums.told, c->sums.sum);
    return ZS_OK;
}

static void add_one(void *context, const struct zs_record *r)
{
    struct zs_digest *sum = context;
    *sum = digest_plus(*sum, digest_record(r));
}

/* D(to_lsn) of the side that goes on behind it and does not list it: its newest digest less
 * the records above. */
static int near_digest(struct compare *c, struct zs_digest *out, struct zs_error *e)
{
    const struct zs_branch_info *mine = &c->job->reader.snapshot->info;
    struct ask_message above = {.after_lsn = c->result->to_lsn, .upto_lsn = mine->last_valid_lsn};
    struct zs_digest sum = {0};
    memset(above.last, 0xff, ZS_KEY_BYTES);
    TRY(key_read(&c->job->reader, &above, add_one, &sum, e));
    *out = digest_minus(mine->digest, sum);
    return ZS_OK;
}

static int far_digest(struct compare *c, struct zs_digest *out, struct zs_error *e)
{
    const struct ask_message before = c->ask;
    CLEANUP(free_ptr) struct sums_message *first = malloc(sizeof *first);
    if (first == NULL)
        return error_memory(e);
    *first = c->sums;
    c->ask.after_lsn = c->result->to_lsn;
    c->ask.upto_lsn = c->result->far_lsn;
    TRY(send_ask(c, e));
    TRY(receive_sums(c, e));
    *out = digest_minus(c->state.last.digest, c->sums.sum);
    c->ask = before;
    c->sums = *first;
    return ZS_OK;
}

static int refuse(struct compare *c, struct zs_error *e)
{
    const char *near = c->job->branch, *far = c->job->far_branch;
    zs_lsn common = 0;
    TRY(history_common(c->job->reader.snapshot, &c->state.points, &common, e));
    c->decided = true;
    if (common == 0) {
        error_set(e, ZS_UNRELATED,
                  "branch \"%s\" and the far branch \"%s\" have no history in common", near, far);
        return error_hint(e, "Compare branches of which one was pushed or pulled from the other.");
    }
    error_set(e, ZS_DIVERGED, "branch \"%s\" and the far branch \"%s\" have parted after %s", near,
              far, lsn_text(common).s);
    return error_hint(
        e,
        "Each may be sound: \"zenith verify %s\" here and \"zenith verify %s\" on the "
        "far side tell.",
        near, far);
}

/* Both histories list an LSN and not the same digest there: that is told before anything is
 * read.  The newest such LSN counts, and none above what is compared. */
static int check_points(struct compare *c, struct zs_error *e)
{
    const struct snapshot *s = c->job->reader.snapshot;
    if (!store_has(s->store, ZS_STORE_DIGEST) || !c->state.digests)
        return ZS_OK;
    for (uint32_t i = 0; i < c->state.points.count; i++) {
        const struct zs_point *theirs = &c->state.points.at[i];
        struct zs_point mine;
        bool found = false;
        if (theirs->lsn > c->result->to_lsn)
            continue;
        TRY(history_find(s, theirs->lsn, &found, &mine, e));
        if (found)
            return digest_equal(mine.digest, theirs->digest) ? ZS_OK : refuse(c, e);
    }
    return ZS_OK;
}

/* Their sums differ: because they have gone different ways, or is one damaged?  That is
 * told by the digests that each noted when it was written. */
static int check_history(struct compare *c, const struct maybe_digest *near, struct zs_error *e)
{
    struct zs_digest here = near->digest, there = c->sums.told;
    if (!store_has(c->job->reader.snapshot->store, ZS_STORE_DIGEST) || !c->state.digests)
        return ZS_OK;
    if (!near->known)
        TRY(near_digest(c, &here, e));
    if (!c->sums.has_told)
        TRY(far_digest(c, &there, e));
    return digest_equal(here, there) ? ZS_OK : refuse(c, e);
}

static int run(struct compare *c, struct zs_error *e)
{
    const struct compare_job *job = c->job;
    const struct zs_branch_info *mine = &job->reader.snapshot->info;
    struct compare_result *r = c->result;
    struct maybe_digest near = {0};
    transfer_phase(job->reader.transfer, PHASE_NEGOTIATE);
    TRY(receive_state(c, e));
    TRY(check_points(c, e));
    transfer_phase(job->reader.transfer, PHASE_VERIFY);
    transfer_expect(job->reader.transfer, mine->records, mine->bytes);
    c->ask = (struct ask_message){.after_lsn = r->from_lsn, .upto_lsn = r->to_lsn};
    memset(c->ask.last, 0xff, ZS_KEY_BYTES);
    TRY(send_ask(c, e));
    TRY(key_read(&job->reader, &c->ask, sum_one, c, e)); /* while the far side does, too */
    TRY(receive_sums(c, e));
    TRY(judge(c, &near, e));
    if (!digest_equal(c->sums.sum, r->sum) || c->sums.records != r->records) {
        TRY(check_history(c, &near, e));
        TRY(narrow(c, e));
        TRY(check_found(c, e));
    }
    c->decided = true;
    return ZS_OK;
}

/* The far command ends well, too, whatever was found; it is waited for, as one whose client
 * has hung up would fail. */
static void end(struct compare *c)
{
    struct conn *conn = c->job->reader.conn;
    struct zs_error unheard = {0};
    struct message m;
    bool came = false;
    c->ask.done = true;
    if (send_ask(c, &unheard) == ZS_OK && conn_finish(conn, &unheard) == ZS_OK)
        (void)conn_recv_soon(conn, END_MS, &came, &m, &unheard);
}

int compare_run(const struct compare_job *job, struct compare_result *result, struct zs_error *e)
{
    CLEANUP(free_ptr) struct compare *c = calloc(1, sizeof *c);
    *result = (struct compare_result){0};
    if (c == NULL)
        return error_memory(e);
    c->job = job;
    c->result = result;
    int rc = run(c, e);
    if (c->decided)
        end(c);
    return rc;
}
