/* script.c - see script.h.  Here: the honest parts, and lies in their values. */
#include "script.h"

#include "mangle.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "wire/batch.h"
#include "wire/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX 400u

uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->s += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

static void must(int rc, const struct zs_error *e)
{
    if (rc == ZS_OK)
        return;
    (void)printf("the script cannot be made: %s %s\n", e->sqlstate, e->message);
    abort();
}

/* ---- steps ------------------------------------------------------------------------------- */

static int32_t capture(void *self, const void *message, uint64_t len, struct zs_error *e)
{
    (void)e;
    script_add(self, STEP_COPY, message, (size_t)len);
    return ZS_OK;
}

/* As conn_send frames it, whatever it puts around a text. */
static void add_message(struct script *s, struct rng *r, enum message_type type, char *text)
{
    struct zs_error e = {0};
    struct conn c;
    conn_init(&c);
    c.channel.self = s;
    c.channel.send = capture;
    if (s->mangled && one_in(r, 12))
        text = mangle_text(r, text);
    if (s->n < STEPS_MAX)
        must(conn_send(&c, type, text, &e), &e);
    free(text);
}

/* ---- lies ---------------------------------------------------------------------------------- */

static uint64_t another(struct rng *r, uint64_t value)
{
    switch (rng_below(r, 8)) {
    case 0:
        return value + 1;
    case 1:
        return value - 1;
    case 2:
        return 0;
    case 3:
        return UINT64_MAX;
    case 4:
        return value ^ (UINT64_C(1) << rng_below(r, 64));
    case 5:
        return value * 2;
    case 6:
        return rng_below(r, 0x4000);
    default:
        return rng_next(r);
    }
}

static void lie_in_point(struct rng *r, struct zs_point *p)
{
    uint64_t *fields[] = {&p->lsn, &p->digest.lo, &p->digest.hi, &p->records, &p->bytes};
    uint64_t *field = fields[rng_below(r, 5)];
    *field = another(r, *field);
}

static void lie_in_points(struct rng *r, struct point_list *list, zs_lsn upto)
{
    list->count = (uint32_t)rng_below(r, CONTROL_MAX_POINTS + 1);
    zs_lsn lsn = one_in(r, 2) ? upto : another(r, upto);
    for (uint32_t i = 0; i < list->count; i++) {
        list->at[i] = (struct zs_point){.lsn = lsn, .digest = {rng_next(r), rng_next(r)}};
        zs_lsn next = one_in(r, 500) ? another(r, lsn) : lsn - 1 - rng_below(r, 5);
        if (next >= lsn && !one_in(r, 20))
            list->count = i + 1;
        lsn = next;
    }
}

static void lie_in_offer(struct rng *r, struct offer_message *o)
{
    uint64_t *fields[] = {&o->from_lsn, &o->to_lsn, &o->common_lsn, &o->records, &o->bytes};
    bool *flags[] = {&o->digests, &o->resume, &o->more, &o->acks};
    uint64_t *field = fields[rng_below(r, 5)];
    switch (rng_below(r, 6)) {
    case 0:
        *field = another(r, *field);
        break;
    case 1:
        *flags[rng_below(r, 4)] ^= true;
        break;
    case 2:
        o->verdict = (enum verdict)rng_below(r, 6);
        break;
    case 3:
        o->mode = (enum offer_mode)rng_below(r, 3);
        break;
    case 4:
        lie_in_point(r, &o->last);
        break;
    default:
        o->timeline.bytes[rng_below(r, 16)] ^= 1;
        break;
    }
}

static void lie_in_commit(struct rng *r, struct commit_message *c)
{
    uint64_t *fields[] = {&c->sum.lo, &c->sum.hi, &c->records, &c->bytes, &c->gc_cutoff_lsn};
    uint64_t *field = fields[rng_below(r, 5)];
    switch (rng_below(r, 3)) {
    case 0:
        *field = another(r, *field);
        break;
    case 1:
        lie_in_point(r, &c->end);
        break;
    default:
        lie_in_points(r, &c->points, c->end.lsn);
        break;
    }
}

static void lie_in_record(struct rng *r, struct zs_record *records, uint32_t n)
{
    struct zs_record *one = &records[rng_below(r, n)], *other = &records[rng_below(r, n)];
    switch (rng_below(r, 5)) {
    case 0:
        one->lsn = another(r, one->lsn);
        break;
    case 1:
        one->key[rng_below(r, ZS_KEY_BYTES)] ^= (uint8_t)(1u << rng_below(r, 8));
        break;
    case 2:
        *one = *other;
        break;
    case 3:
        one->len = one->len == 0 ? 0 : one->len - 1;
        break;
    default:
        one->kind = (uint8_t)rng_below(r, 5);
        one->len = one->kind == ZS_KIND_TOMBSTONE ? 0 : one->len;
        break;
    }
}

void script_state(struct rng *r, bool honest, struct state_message *state)
{
    *state = (struct state_message){.digests = true, .encodings = BATCH_READS_ALL, .encoding = 0};
    if (honest)
        return;
    state->encodings = (uint32_t)another(r, BATCH_READS_ALL);
    state->encoding = (uint32_t)rng_below(r, 4);
    state->digests = !one_in(r, 8);
    state->dry_run = one_in(r, 8);
    state->max_rate_bps = one_in(r, 4) ? another(r, 1u << 20) : 0;
    if (one_in(r, 4))
        return;
    state->exists = true;
    state->last = (struct zs_point){.lsn = 1 + rng_below(r, 0x8000), .digest = {1, 2}};
    if (one_in(r, 4))
        lie_in_point(r, &state->last);
    lie_in_points(r, &state->points, state->last.lsn);
    if (one_in(r, 2)) {
        state->resume = (struct resume_point){.present = true, .lsn = another(r, state->last.lsn)};
        state->resume.to = (struct zs_point){.lsn = another(r, state->last.lsn + 0x1000)};
        state->resume.bytes = another(r, 0);
    }
}

void script_state_resumes(struct rng *r, const struct zs_point *at, struct state_message *state)
{
    *state = (struct state_message){.digests = true, .encodings = BATCH_READS_ALL};
    state->resume = (struct resume_point){.present = true,
                                          .to = *at,
                                          .lsn = 1 + rng_below(r, at->lsn),
                                          .sum.lo = rng_below(r, 2),
                                          .records = rng_below(r, 3),
                                          .bytes = rng_below(r, 1000)};
    put_u32be(state->resume.key + 14, (uint32_t)rng_below(r, 200));
}

char *script_state_text(struct rng *r, const struct state_message *state, bool honest)
{
    struct zs_error e = {0};
    char *text = NULL;
    must(state_encode(state, &text, &e), &e);
    return !honest && one_in(r, 12) ? mangle_text(r, text) : text;
}

/* ---- an honest sender --------------------------------------------------------------------------
 */

struct plan {
    struct offer_message offer;
    struct commit_message commit;
    uint32_t n;
    struct zs_record records[RECORDS_MAX];
};

/* What every value is a part of. */
static const uint8_t *filler(void)
{
    static uint8_t bytes[1u << 20];
    struct rng r = {42};
    if (bytes[0] == 0 && bytes[1] == 0)
        for (size_t i = 0; i < sizeof bytes; i += 8)
            put_u64le(bytes + i, one_in(&r, 3) ? rng_next(&r) : 0x0101010101010101u);
    return bytes;
}

static void plan_make(struct plan *p, struct rng *r, const struct state_message *state)
{
    bool large = one_in(r, 200);
    uint32_t longest = large ? 1u << 18 : one_in(r, 8) ? 20000 : 300;
    memset(p, 0, sizeof *p);
    p->n = large ? RECORDS_MAX : 1 + (uint32_t)rng_below(r, 60);
    zs_lsn from = state->last.lsn, to = from + 0x100 + rng_below(r, 0x1000);
    for (uint32_t i = 0; i < p->n; i++) {
        struct zs_record *rec = &p->records[i];
        rec->kind = (uint8_t)(1 + rng_below(r, 3));
        rec->len = rec->kind == ZS_KIND_TOMBSTONE ? 0 : (uint32_t)rng_below(r, longest);
        rec->value = filler() + rng_below(r, (1u << 20) - longest);
        rec->lsn = from + 1 + rng_below(r, to - from);
        put_u32be(rec->key + 14, i * 3 + (uint32_t)rng_below(r, 3));
        p->commit.bytes += rec->len;
    }
    digest_add_records(&p->commit.sum, p->records, p->n);
    p->commit.records = p->n;
    p->commit.end = (struct zs_point){.lsn = to,
                                      .digest = digest_plus(state->last.digest, p->commit.sum),
                                      .records = state->last.records + p->n,
                                      .bytes = state->last.bytes + p->commit.bytes};
    p->offer = (struct offer_message){.verdict = state->exists ? VERDICT_BEHIND : VERDICT_ABSENT,
                                      .mode = OFFER_SEND,
                                      .digests = true,
                                      .acks = true,
                                      .timeline = state->timeline,
                                      .from_lsn = from,
                                      .to_lsn = to,
                                      .last = p->commit.end,
                                      .records = p->n,
                                      .bytes = p->commit.bytes};
    if (!state->exists)
        put_u64le(p->offer.timeline.bytes, rng_next(r));
}

/* The range of a transfer that was cut off, and nothing else that is true of it. */
static void plan_resume(struct plan *p, const struct state_message *state)
{
    p->offer.resume = true;
    p->offer.to_lsn = state->resume.to.lsn;
    p->offer.last = p->commit.end = state->resume.to;
    p->commit.sum = digest_plus(p->commit.sum, state->resume.sum);
    p->commit.records += state->resume.records;
    p->commit.bytes += state->resume.bytes;
}

static void add_batches(struct script *s, struct rng *r, const struct plan *p)
{
    struct zs_error e = {0};
    struct batch_writer *w = NULL;
    const void *message = NULL;
    uint64_t bytes = 0;
    uint32_t each = 1 + p->n / 50 + (uint32_t)rng_below(r, p->n);
    must(batch_writer_open((enum batch_encoding)rng_below(r, 3), &w, &e), &e);
    batch_writer_sums(w, one_in(r, 2));
    for (uint32_t i = 0; i < p->n;) {
        bool added = false;
        must(batch_add(w, &p->records[i], &added, &e), &e);
        i += added;
        if (added && i < p->n && i % each != 0)
            continue;
        must(batch_finish(w, &message, &bytes, &e), &e);
        script_add(s, STEP_COPY, message, (size_t)bytes);
    }
    batch_writer_close(w);
}

void script_sender(struct script *s, struct rng *r, const struct state_message *state, bool honest)
{
    static struct plan plan;
    struct zs_error e = {0};
    char *offer = NULL, *commit = NULL;
    *s = (struct script){.honest = honest, .mangled = !honest && one_in(r, 2)};
    plan_make(&plan, r, state);
    if (!honest && state->resume.present && one_in(r, 2))
        plan_resume(&plan, state);
    for (uint64_t lies = honest ? 0 : rng_below(r, 3) + !s->mangled; lies > 0; lies--)
        switch (rng_below(r, 3)) {
        case 0:
            lie_in_offer(r, &plan.offer);
            break;
        case 1:
            lie_in_commit(r, &plan.commit);
            break;
        default:
            lie_in_record(r, plan.records, plan.n);
            break;
        }
    must(offer_encode(&plan.offer, &offer, &e), &e);
    must(commit_encode(&plan.commit, &commit, &e), &e);
    add_message(s, r, MESSAGE_OFFER, offer);
    add_batches(s, r, &plan);
    add_message(s, r, MESSAGE_COMMIT, commit);
    if (s->mangled)
        mangle_steps(s, r);
}

/* ---- a receiver
 * ------------------------------------------------------------------------------------ */

void script_done(struct step *step, struct rng *r, const struct offer_message *offer, bool honest)
{
    struct zs_error e = {0};
    struct script s = {.honest = honest, .mangled = !honest && one_in(r, 4)};
    struct done_message done = {.verdict = offer->verdict,
                                .common_lsn = offer->common_lsn,
                                .timeline = offer->timeline,
                                .last = offer->last};
    char *text = NULL;
    if (!honest && one_in(r, 2))
        lie_in_point(r, &done.last);
    if (!honest && one_in(r, 2))
        done.verdict = (enum verdict)rng_below(r, 6);
    must(done_encode(&done, &text, &e), &e);
    add_message(&s, r, MESSAGE_DONE, text);
    *step = s.at[0];
}

void script_receiver(struct script *s, struct rng *r, const struct state_message *state, bool tell,
                     bool honest)
{
    struct zs_error e = {0};
    *s = (struct script){.honest = honest, .mangled = !honest && one_in(r, 2)};
    if (tell)
        add_message(s, r, MESSAGE_STATE, script_state_text(r, state, honest));
    if (state->resume.present && !one_in(r, 4)) { /* the stage is as it said */
        const struct ack_message kept = {.records = state->resume.records,
                                         .bytes = state->resume.bytes};
        char *text = NULL;
        must(ack_encode(&kept, &text, &e), &e);
        add_message(s, r, MESSAGE_ACK, text);
    }
    for (uint64_t acks = honest ? 0 : rng_below(r, 4); acks > 0; acks--) {
        const struct ack_message ack = {.records = rng_next(r), .bytes = another(r, 1000)};
        char *text = NULL;
        must(ack_encode(&ack, &text, &e), &e);
        add_message(s, r, MESSAGE_ACK, text);
    }
    script_add(s, STEP_WAIT, "", 0);
    script_add(s, STEP_DONE, "", 0);
    if (s->mangled)
        mangle_steps(s, r);
}

/* ---- a comparison
 * ------------------------------------------------------------------------------------ */

void script_asker(struct script *s, struct rng *r, const struct state_message *state, bool honest)
{
    struct zs_error e = {0};
    *s = (struct script){.honest = honest, .mangled = !honest && one_in(r, 3)};
    for (uint64_t asks = honest ? 1 : rng_below(r, 6);; asks--) {
        struct ask_message ask = {.done = asks == 0, .upto_lsn = state->last.lsn};
        char *text = NULL;
        memset(ask.last, 0xFF, sizeof ask.last);
        if (!honest && one_in(r, 2))
            put_u32be(ask.first + 14, (uint32_t)rng_below(r, 200));
        if (!honest && one_in(r, 2))
            ask.upto_lsn = another(r, ask.upto_lsn);
        if (!honest && one_in(r, 2))
            ask.after_lsn = rng_below(r, ask.upto_lsn | 1);
        must(ask_encode(&ask, &text, &e), &e);
        add_message(s, r, MESSAGE_ASK, text);
        if (asks == 0)
            break;
        script_add(s, STEP_WAIT, "", 0);
    }
    if (s->mangled)
        mangle_steps(s, r);
}

void script_answerer(struct script *s, struct rng *r, const struct state_message *state)
{
    *s = (struct script){.mangled = one_in(r, 3)};
    add_message(s, r, MESSAGE_STATE, script_state_text(r, state, !s->mangled));
    for (uint64_t answers = rng_below(r, 40); answers > 0; answers--)
        script_add(s, STEP_SUMS, "", 0);
    if (s->mangled)
        mangle_steps(s, r);
}

void script_sums(struct step *step, struct rng *r, const struct ask_message *ask)
{
    static struct sums_message m;
    struct zs_error e = {0};
    struct script s = {.mangled = one_in(r, 6)};
    char *text = NULL;
    uint32_t block = get_u32be(ask->first + 14);
    memset(&m, 0, sizeof m);
    m.listed = one_in(r, 3);
    m.count = (uint32_t)rng_below(r, one_in(r, 4) ? SUMS_MAX : 5);
    for (uint32_t i = 0; i < m.count; i++, block++) {
        const struct zs_digest sum = {rng_next(r), rng_next(r)};
        uint8_t *key = m.listed ? m.list[i].key : m.parts[i].last;
        if (m.listed)
            m.list[i].lsn = ask->upto_lsn;
        else
            m.parts[i].records = 1 + rng_below(r, 9);
        *(m.listed ? &m.list[i].sum : &m.parts[i].sum) = sum;
        memcpy(key, !m.listed && i + 1 == m.count ? ask->last : ask->first, ZS_KEY_BYTES);
        if (m.listed || i + 1 < m.count)
            put_u32be(key + 14, block);
        m.sum = digest_plus(m.sum, sum);
        m.records += m.listed ? 1 : m.parts[i].records;
    }
    if (one_in(r, 10))
        m.records = another(r, m.records);
    must(sums_encode(&m, &text, &e), &e);
    add_message(&s, r, MESSAGE_SUMS, text);
    *step = s.at[0];
}

void script_close(struct script *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->at[i].bytes);
    s->n = 0;
}
