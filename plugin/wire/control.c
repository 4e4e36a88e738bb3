/* control.c - see control.h. */
#include "wire/control.h"

#include "base/bytes.h"
#include "base/rate.h"
#include "wire/json.h"

#include <string.h>

static const char *const verdict_names[] = {"absent",   "behind",    "equal", "ahead",
                                            "diverged", "unrelated", NULL};
static const char *const mode_names[] = {"send", "none", "ask", NULL};

const char *verdict_name(enum verdict verdict)
{
    return verdict_names[verdict];
}

/* What every decoder does around its members. */
typedef void (*members_read)(struct json_in *j, void *m);

static int decode(const char *message, const char *text, size_t len, members_read read, void *m,
                  struct zs_error *e)
{
    struct json_in j;
    if (json_in_open(&j, message, text, len, e) != ZS_OK)
        return ZS_FAIL;
    read(&j, m);
    int rc = json_in_check(&j, e);
    json_in_close(&j);
    return rc;
}

/* Points must go down strictly, so that whoever searches them may stop early. */
static void points_read(struct json_in *j, const char *name, struct point_list *list)
{
    list->count = json_points(j, name, list->at, CONTROL_MAX_POINTS);
    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i].lsn == 0 || (i > 0 && list->at[i].lsn >= list->at[i - 1].lsn)) {
            j->wrong = j->wrong == NULL ? name : j->wrong;
            list->count = 0;
        }
}

/* A key travels as its first 16 bytes and a number. */
static void resume_put(struct json_out *j, const struct resume_point *r)
{
    struct zs_timeline_id head;
    memcpy(head.bytes, r->key, sizeof head.bytes);
    json_put_bool(j, "resume", true);
    json_put_point(j, "resume_to", &r->to);
    json_put_timeline(j, "resume_key", head);
    json_put_small(j, "resume_key_end", get_u16be(r->key + sizeof head.bytes));
    json_put_lsn(j, "resume_lsn", r->lsn);
    json_put_digest(j, "resume_sum", r->sum);
    json_put_u64(j, "resume_records", r->records);
    json_put_u64(j, "resume_bytes", r->bytes);
}

static void resume_read(struct json_in *j, struct resume_point *r)
{
    r->present = json_bool_or(j, "resume", false);
    if (!r->present)
        return;
    struct zs_timeline_id head = json_timeline(j, "resume_key");
    uint32_t end = json_small_or(j, "resume_key_end", UINT32_MAX);
    r->to = json_point(j, "resume_to");
    r->lsn = json_lsn(j, "resume_lsn");
    r->sum = json_digest(j, "resume_sum");
    r->records = json_u64(j, "resume_records");
    r->bytes = json_u64(j, "resume_bytes");
    memcpy(r->key, head.bytes, sizeof head.bytes);
    r->key[16] = (uint8_t)(end >> 8);
    r->key[17] = (uint8_t)end;
    if (end > UINT16_MAX || r->lsn == 0 || r->lsn > r->to.lsn)
        j->wrong = j->wrong == NULL ? "resume" : j->wrong;
}

int call_encode(const char *branch, char **text, struct zs_error *e)
{
    struct json_out j;
    json_out_open(&j);
    json_put_text(&j, "branch", branch);
    return json_out_text(&j, text, e);
}

int state_encode(const struct state_message *m, char **text, struct zs_error *e)
{
    struct json_out j;
    json_out_open(&j);
    json_put_bool(&j, "exists", m->exists);
    json_put_bool(&j, "digests", m->digests);
    json_put_bool(&j, "dry_run", m->dry_run);
    json_put_small(&j, "encodings", m->encodings);
    json_put_small(&j, "encoding", m->encoding);
    json_put_u64(&j, "max_rate", m->max_rate_bps);
    json_put_timeline(&j, "timeline", m->timeline);
    if (m->branch[0] != '\0')
        json_put_text(&j, "branch", m->branch);
    json_put_point(&j, "last", &m->last);
    json_put_points(&j, "points", m->points.at, m->points.count);
    if (m->gc_cutoff_lsn > 0)
        json_put_lsn(&j, "gc_cutoff_lsn", m->gc_cutoff_lsn);
    if (m->resume.present)
        resume_put(&j, &m->resume);
    return json_out_text(&j, text, e);
}

static void state_read(struct json_in *j, void *out)
{
    struct state_message *m = out;
    m->exists = json_bool_or(j, "exists", false);
    m->digests = json_bool_or(j, "digests", false);
    m->dry_run = json_bool_or(j, "dry_run", false);
    m->encodings = json_small_or(j, "encodings", 1);
    m->encoding = json_small_or(j, "encoding", 0);
    m->max_rate_bps = json_u64_or(j, "max_rate", 0);
    if (m->max_rate_bps > 0 && m->max_rate_bps < RATE_LEAST_BPS)
        j->wrong = j->wrong == NULL ? "max_rate" : j->wrong;
    m->timeline = json_timeline(j, "timeline");
    (void)json_text_or(j, "branch", m->branch, sizeof m->branch);
    m->last = json_point(j, "last");
    points_read(j, "points", &m->points);
    m->gc_cutoff_lsn = json_lsn_or(j, "gc_cutoff_lsn", 0);
    resume_read(j, &m->resume);
}

int state_decode(const char *text, size_t len, struct state_message *m, struct zs_error *e)
{
    *m = (struct state_message){0};
    return decode("STATE", text, len, state_read, m, e);
}

int offer_encode(const struct offer_message *m, char **text, struct zs_error *e)
{
    struct json_out j;
    json_out_open(&j);
    json_put_text(&j, "verdict", verdict_name(m->verdict));
    json_put_text(&j, "mode", mode_names[m->mode]);
    json_put_bool(&j, "digests", m->digests);
    json_put_bool(&j, "resume", m->resume);
    json_put_bool(&j, "more", m->more);
    json_put_bool(&j, "acks", m->acks);
    json_put_timeline(&j, "timeline", m->timeline);
    json_put_lsn(&j, "from_lsn", m->from_lsn);
    json_put_lsn(&j, "to_lsn", m->to_lsn);
    json_put_lsn(&j, "common_lsn", m->common_lsn);
    if (m->collected_lsn > 0)
        json_put_lsn(&j, "collected_lsn", m->collected_lsn);
    json_put_point(&j, "last", &m->last);
    json_put_u64(&j, "records", m->records);
    json_put_u64(&j, "bytes", m->bytes);
    return json_out_text(&j, text, e);
}

static void offer_read(struct json_in *j, void *out)
{
    struct offer_message *m = out;
    m->verdict = (enum verdict)json_word(j, "verdict", verdict_names);
    m->mode = (enum offer_mode)json_word(j, "mode", mode_names);
    m->digests = json_bool_or(j, "digests", false);
    m->resume = json_bool_or(j, "resume", false);
    m->more = json_bool_or(j, "more", false);
    m->acks = json_bool_or(j, "acks", false);
    m->timeline = json_timeline(j, "timeline");
    m->from_lsn = json_lsn(j, "from_lsn");
    m->to_lsn = json_lsn(j, "to_lsn");
    m->common_lsn = json_lsn_or(j, "common_lsn", 0);
    m->collected_lsn = json_lsn_or(j, "collected_lsn", 0);
    m->last = json_point(j, "last");
    m->records = json_u64_or(j, "records", 0);
    m->bytes = json_u64_or(j, "bytes", 0);
}

int offer_decode(const char *text, size_t len, struct offer_message *m, struct zs_error *e)
{
    *m = (struct offer_message){0};
    return decode("OFFER", text, len, offer_read, m, e);
}

int commit_encode(const struct commit_message *m, char **text, struct zs_error *e)
{
    struct json_out j;
    json_out_open(&j);
    json_put_digest(&j, "sum", m->sum);
    json_put_u64(&j, "records", m->records);
    json_put_u64(&j, "bytes", m->bytes);
    json_put_point(&j, "end", &m->end);
    json_put_lsn(&j, "gc_cutoff_lsn", m->gc_cutoff_lsn);
    json_put_points(&j, "points", m->points.at, m->points.count);
    if (m->said[0] != '\0')
        json_put_text(&j, "said", m->said);
    return json_out_text(&j, text, e);
}

static void commit_read(struct json_in *j, void *out)
{
    struct commit_message *m = out;
    m->sum = json_digest(j, "sum");
    m->records = json_u64(j, "records");
    m->bytes = json_u64(j, "bytes");
    m->end = json_point(j, "end");
    m->gc_cutoff_lsn = json_lsn_or(j, "gc_cutoff_lsn", 0);
    points_read(j, "points", &m->points);
    json_sentence_or(j, "said", m->said, sizeof m->said);
}

int commit_decode(const char *text, size_t len, struct commit_message *m, struct zs_error *e)
{
    *m = (struct commit_message){0};
    return decode("COMMIT", text, len, commit_read, m, e);
}

int ack_encode(const struct ack_message *m, char **text, struct zs_error *e)
{
    struct json_out j;
    json_out_open(&j);
    json_put_u64(&j, "records", m->records);
    json_put_u64(&j, "bytes", m->bytes);
    return json_out_text(&j, text, e);
}

static void ack_read(struct json_in *j, void *out)
{
    struct ack_message *m = out;
    m->records = json_u64(j, "records");
    m->bytes = json_u64(j, "bytes");
}

int ack_decode(const char *text, size_t len, struct ack_message *m, struct zs_error *e)
{
    *m = (struct ack_message){0};
    return decode("ACK", text, len, ack_read, m, e);
}

int done_encode(const struct done_message *m, char **text, struct zs_error *e)
{
    struct json_out j;
    json_out_open(&j);
    json_put_text(&j, "verdict", verdict_name(m->verdict));
    json_put_lsn(&j, "common_lsn", m->common_lsn);
    json_put_timeline(&j, "timeline", m->timeline);
    json_put_point(&j, "last", &m->last);
    return json_out_text(&j, text, e);
}

static void done_read(struct json_in *j, void *out)
{
    struct done_message *m = out;
    m->verdict = (enum verdict)json_word(j, "verdict", verdict_names);
    m->common_lsn = json_lsn_or(j, "common_lsn", 0);
    m->timeline = json_timeline(j, "timeline");
    m->last = json_point(j, "last");
}

int done_decode(const char *text, size_t len, struct done_message *m, struct zs_error *e)
{
    *m = (struct done_message){0};
    return decode("DONE", text, len, done_read, m, e);
}
