/* test_compare_lies.c - the asking half of a comparison against an answerer that lies: each lie
 * is refused by name or counted as a difference, both end, and nothing changes. */
#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "stub/stub_pipe.h"
#include "stub/stub_store.h"
#include "sync/compare.h"
#include "sync/history.h"

#include <stdio.h>
#include <string.h>

enum { RECORDS = 600, MOST_TOLD = 5000 };

/* A branch "main" of RECORDS blocks at 0/10, that the far side says to have too. */
struct scene {
    struct stub_store *stub;
    struct snapshot snapshot;
    struct transfer_list *list;
    struct transfer *transfer;
    struct conn conn;
    struct zs_channel near, far; /* the pipe; conn sends through answer() */
    struct progress progress;
    struct key_reader reader;
    struct state_message state; /* an honest far side's */
    unsigned asked;
    uint64_t told;
};

struct lie {
    const char *what;
    void (*state)(struct state_message *m);
    void (*sums)(struct sums_message *m, unsigned asked); /* from 1 */
    const char *text;                                     /* instead of SUMS, with its type */
    const char *sqlstate, *says;                          /* NULL: it ends with a difference */
};

static const struct lie *lying; /* a test's own */
static struct zs_store honest;

static void must(int rc, const struct zs_error *e)
{
    if (rc != ZS_OK) {
        (void)printf("%s %s\n", e->sqlstate, e->message);
        abort();
    }
}

static void say(struct scene *s, char type, const char *text)
{
    static char whole[262144];
    struct zs_error e = {0};
    int n = snprintf(whole, sizeof whole, "%c%s", type, text);
    must(s->far.send(s->far.self, whole, (uint64_t)n, &e), &e);
}

/* The far side answers in the asker's thread, from the same records, and then lies. */
static int32_t answer(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    struct scene *s = self;
    static struct sums_message sums;
    struct ask_message ask;
    CLEANUP(free_ptr) char *text = NULL;
    const char *m = msg;
    if (*m != 'Q')
        return ZS_OK;
    must(ask_decode(m + 1, len - 1, &ask, e), e);
    s->asked++;
    if (ask.done || lying->text != NULL) {
        if (lying->text != NULL && lying->text[0] != '\0')
            say(s, lying->text[0], lying->text + 1);
        if (lying->text == NULL || lying->text[0] != 'K')
            return s->far.finish(s->far.self, e);
        s->conn.work_ms = 1;
        return ZS_OK;
    }
    must(key_sums(&s->reader, &ask, &sums, e), e);
    sums.has_told = ask.upto_lsn == 0x10;
    sums.told = s->snapshot.info.digest;
    if (lying->sums != NULL)
        lying->sums(&sums, s->asked);
    must(sums_encode(&sums, &text, e), e);
    say(s, 'M', text);
    return ZS_OK;
}

static int32_t pass_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                         struct zs_error *e)
{
    const struct scene *s = self;
    return s->near.recv(s->near.self, timeout_ms, msg, len, e);
}

static int32_t pass_finish(void *self, struct zs_error *e)
{
    const struct scene *s = self;
    return s->near.finish(s->near.self, e);
}

static void pass_close(void *self)
{
    const struct scene *s = self;
    s->near.close(s->near.self);
}

static void scene_open(struct scene *s)
{
    struct zs_error e = {0};
    static struct zs_record records[RECORDS];
    memset(s, 0, sizeof *s);
    must(stub_store_open(0, &s->stub, &e), &e);
    must(stub_store_branch_create(s->stub, "main", NULL, NULL, &e), &e);
    for (uint32_t i = 0; i < RECORDS; i++) {
        records[i] =
            (struct zs_record){.kind = ZS_KIND_IMAGE, .len = 5, .lsn = 0x10, .value = "value"};
        put_u32be(records[i].key + 14, i);
    }
    must(stub_store_write(s->stub, "main", records, RECORDS, 0x10, &e), &e);
    must(snapshot_open(stub_store_table(s->stub), "main", &s->snapshot, &e), &e);
    conn_init(&s->conn);
    must(stub_pipe_open(64u << 20, NULL, NULL, &s->near, &s->far, &e), &e);
    s->conn.channel = (struct zs_channel){.struct_size = sizeof s->conn.channel,
                                          .self = s,
                                          .send = answer,
                                          .recv = pass_recv,
                                          .finish = pass_finish,
                                          .close = pass_close};
    must(transfer_list_open(&s->list, &e), &e);
    s->transfer = transfer_begin(s->list, "test", "main", "far");
    s->progress = (struct progress){.transfer = s->transfer};
    s->reader = (struct key_reader){.snapshot = &s->snapshot,
                                    .conn = &s->conn,
                                    .transfer = s->transfer,
                                    .progress = &s->progress};
    s->state = (struct state_message){.exists = true,
                                      .digests = true,
                                      .encodings = 1,
                                      .timeline = s->snapshot.info.timeline,
                                      .last = history_last(&s->snapshot)};
}

static void scene_close(struct scene *s)
{
    snapshot_close(&s->snapshot);
    transfer_end(s->transfer, NULL);
    transfer_list_close(s->list);
    conn_close(&s->conn);
    s->far.close(s->far.self);
    CU_ASSERT(stub_store_open_handles(s->stub) == 0);
    stub_store_close(s->stub);
}

static void count(void *context, const struct difference *d)
{
    struct scene *s = context;
    (void)d;
    s->told++;
}

/* ---- one lie each -----------------------------------------------------------------------------
 */

static void not_there(struct state_message *m)
{
    *m = (struct state_message){.encodings = 1};
}
static void history_beyond_its_lsn(struct state_message *m)
{
    m->points = (struct point_list){.count = 1, .at = {{.lsn = 0x11}}};
}
static void all_collected(struct state_message *m)
{
    m->gc_cutoff_lsn = UINT64_MAX;
}
static void farther(struct state_message *m)
{
    m->last.lsn = UINT64_MAX;
}

static void other_sum(struct sums_message *m, unsigned asked)
{
    (void)asked;
    m->sum.lo++;
}
static void other_count(struct sums_message *m, unsigned asked)
{
    (void)asked;
    m->records++;
}
/* A part is another, and the sum of all fits it. */
static void other_part(struct sums_message *m, unsigned asked)
{
    (void)asked;
    struct zs_digest *sum = m->listed ? &m->list[0].sum : &m->parts[0].sum;
    sum->hi++;
    m->sum.hi++;
}
static void part_only_at_first(struct sums_message *m, unsigned asked)
{
    if (asked == 1)
        other_part(m, asked);
}
static void another_part_each_time(struct sums_message *m, unsigned asked)
{
    struct zs_digest *sum = m->listed ? &m->list[0].sum : &m->parts[0].sum;
    sum->hi += asked;
    m->sum.hi += asked;
}
static void parts_go_down(struct sums_message *m, unsigned asked)
{
    (void)asked;
    struct sum_part p = m->parts[0];
    m->parts[0] = m->parts[1];
    m->parts[1] = p;
}
static void part_beyond(struct sums_message *m, unsigned asked)
{
    if (asked > 1 && !m->listed)
        m->parts[m->count - 1].last[0] = 0xff;
    else if (asked > 1)
        m->list[m->count - 1].key[0] = 0xff;
    else
        other_part(m, asked);
}
static void part_of_none(struct sums_message *m, unsigned asked)
{
    (void)asked;
    m->parts[0].records = 0;
}
static void lsn_beyond(struct sums_message *m, unsigned asked)
{
    if (asked == 1)
        other_part(m, asked);
    else
        m->list[0].lsn = 0x11;
}
static void all_in_one(struct sums_message *m, unsigned asked)
{
    (void)asked;
    m->listed = false;
    memset(m->parts[0].last, 0xff, ZS_KEY_BYTES);
    m->parts[0].records = m->records;
    m->sum.hi++;
    m->parts[0].sum = m->sum;
    m->count = 1;
}
static void nothing(struct sums_message *m, unsigned asked)
{
    (void)asked;
    *m = (struct sums_message){.listed = true, .has_told = true, .told = m->told};
}
static void no_parts(struct sums_message *m, unsigned asked)
{
    (void)asked;
    *m = (struct sums_message){.has_told = true, .told = m->told};
}
static void no_parts_later(struct sums_message *m, unsigned asked)
{
    if (asked == 1)
        other_part(m, asked);
    else
        no_parts(m, asked);
}

#define REFUSED ZS_PROTOCOL_VIOLATION

static const struct lie lies[] = {
    {"no such branch", not_there, NULL, NULL, REFUSED, "no such branch"},
    {"a history beyond its LSN", history_beyond_its_lsn, NULL, NULL, REFUSED, "a history up to"},
    {"all is collected", all_collected, NULL, NULL, ZS_NOT_SUPPORTED, "cannot compare"},
    {"a sum that its parts do not have", NULL, other_sum, NULL, REFUSED, "malformed SUMS"},
    {"a count that its parts do not have", NULL, other_count, NULL, REFUSED, "malformed SUMS"},
    {"a part that is taken back", NULL, part_only_at_first, NULL, REFUSED, "do not add up"},
    {"another part each time", NULL, another_part_each_time, NULL, REFUSED, "do not add up"},
    {"parts that go down", NULL, parts_go_down, NULL, REFUSED, "malformed SUMS"},
    {"a part beyond what was asked", NULL, part_beyond, NULL, REFUSED, "malformed SUMS"},
    {"a part of no records", NULL, part_of_none, NULL, REFUSED, "malformed SUMS"},
    {"no parts", NULL, no_parts, NULL, REFUSED, "malformed SUMS"},
    {"no parts, later", NULL, no_parts_later, NULL, REFUSED, "malformed SUMS"},
    {"an LSN beyond what was asked", NULL, lsn_beyond, NULL, REFUSED, "malformed SUMS"},
    {"another message", NULL, NULL, "D{}", REFUSED, "DONE where SUMS"},
    {"no JSON", NULL, NULL, "M", REFUSED, "not a JSON object"},
    {"no answer", NULL, NULL, "", ZS_CONNECTION_LOST, "ended the stream"},
    {"alive, and no answer", NULL, NULL, "K", ZS_CONNECTION_LOST, "SUMS is due"},
    {"another part", NULL, other_part, NULL, NULL, NULL},
    {"one part, always", NULL, all_in_one, NULL, NULL, NULL},
    {"no records at all", NULL, nothing, NULL, NULL, NULL},
    {"farther than it is", farther, NULL, NULL, NULL, NULL},
};

static void test_each_lie_is_refused_or_a_difference(void)
{
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct scene s;
        struct zs_error e = {0};
        struct zs_branch_info before, now;
        struct compare_result result;
        CLEANUP(free_ptr) char *text = NULL;
        scene_open(&s);
        lying = &lies[i];
        if (lies[i].state != NULL)
            lies[i].state(&s.state);
        must(state_encode(&s.state, &text, &e), &e);
        say(&s, 'S', text);
        must(store_branch_find(stub_store_table(s.stub), "main", &before, &e), &e);
        struct compare_job job = {.reader = s.reader,
                                  .branch = "main",
                                  .far_branch = "main",
                                  .tell = count,
                                  .context = &s};
        int rc = compare_run(&job, &result, &e);
        if (lies[i].sqlstate != NULL) {
            assert_fails(rc, &e, lies[i].sqlstate, lies[i].what, __FILE__, __LINE__);
            if (strstr(e.message, lies[i].says) == NULL)
                (void)printf("%s: %s\n", lies[i].what, e.message);
            CU_ASSERT(strstr(e.message, lies[i].says) != NULL);
        } else {
            assert_ok(rc, &e, lies[i].what, __FILE__, __LINE__);
            CU_ASSERT(result.found == s.told && s.told < MOST_TOLD);
            CU_ASSERT((result.found > 0) == (lies[i].state == NULL));
        }
        CU_ASSERT(s.asked < COMPARE_MAX_ASKS);
        must(store_branch_find(stub_store_table(s.stub), "main", &now, &e), &e);
        CU_ASSERT(memcmp(&now, &before, sizeof now) == 0);
        scene_close(&s);
    }
}

/* ---- a difference that is not found again ------------------------------------------------------
 */

static unsigned reads; /* begun: the answerer's, then the asker's sum, then its parts */

static int32_t counted_open(struct zs_snapshot *snapshot, zs_lsn after, zs_lsn upto,
                            struct zs_iter **out, struct zs_error *e)
{
    reads++;
    return honest.iter_open(snapshot, after, upto, out, e);
}

/* What the asker sums has another record than what it reads afterwards. */
static int32_t unsteady_next(struct zs_iter *iter, struct zs_record *records, uint64_t n, void *buf,
                             uint64_t buf_bytes, uint64_t *count, uint32_t *more,
                             struct zs_error *e)
{
    int rc = honest.iter_next(iter, records, n, buf, buf_bytes, count, more, e);
    if (rc == ZS_OK && reads == 2 && *count > 0)
        records[0].value = "other";
    return rc;
}

static void test_sums_that_differ_and_no_record(void)
{
    static const struct lie none = {.what = "none"};
    struct scene s;
    struct zs_error e = {0};
    struct compare_result result;
    CLEANUP(free_ptr) char *text = NULL;
    scene_open(&s);
    honest = *s.snapshot.store;
    struct zs_store unsteady = honest;
    unsteady.iter_open = counted_open;
    unsteady.iter_next = unsteady_next;
    s.snapshot.store = &unsteady;
    reads = 0;
    lying = &none;
    must(state_encode(&s.state, &text, &e), &e);
    say(&s, 'S', text);
    struct compare_job job = {
        .reader = s.reader, .branch = "main", .far_branch = "main", .tell = count, .context = &s};
    ASSERT_FAILS(compare_run(&job, &result, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT(strstr(e.message, "no record") != NULL);
    CU_ASSERT(s.told == 0);
    scene_close(&s);
}

SUITE("sync/compare_lies",
      {"each lie is refused or a difference", test_each_lie_is_refused_or_a_difference},
      {"sums that differ where no record does are not equal", test_sums_that_differ_and_no_record})
