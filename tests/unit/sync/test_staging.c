/* test_staging.c - the receiver's stage: offered only for the state it was built on, opened only
 * as it was offered, kept when it is time. */
#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "stub/stub_cancel.h"
#include "stub/stub_pipe.h"
#include "stub/stub_store.h"
#include "sync/staging.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t key[ZS_KEY_BYTES] = {0, 1, 2};

/* A branch "main" at 0/10, and an ingest of one record into it. */
struct scene {
    struct stub_store *stub;
    struct zs_store table;
    struct state_message state;
    struct offer_message offer;
    struct zs_record record;
    struct ingest in;
    struct staging staging;
    struct transfer_list *list;
    struct transfer *transfer;
    struct conn conn;
    struct zs_channel far;
};

static void scene_open(struct scene *s)
{
    struct zs_error e = {0};
    memset(s, 0, sizeof *s);
    ASSERT_OK(stub_store_open(0, &s->stub, &e));
    ASSERT_OK(store_import(stub_store_table(s->stub), &s->table, &e));
    ASSERT_OK(stub_store_branch_create(s->stub, "main", NULL, NULL, &e));
    s->record = (struct zs_record){.kind = ZS_KIND_IMAGE, .len = 5, .lsn = 0x10, .value = "value"};
    memcpy(s->record.key, key, sizeof key);
    ASSERT_OK(stub_store_write(s->stub, "main", &s->record, 1, 0x10, &e));
    struct zs_branch_info info;
    ASSERT_OK(store_branch_find(&s->table, "main", &info, &e));
    s->state = (struct state_message){
        .exists = true,
        .digests = true,
        .timeline = info.timeline,
        .last = {.lsn = 0x10, .digest = info.digest, .records = 1, .bytes = 5}};
    s->offer = (struct offer_message){
        .digests = true, .acks = true, .last = {.lsn = 0x40, .digest = {.lo = 9}, .bytes = 105}};
    conn_init(&s->conn);
    ASSERT_OK(stub_pipe_open(0, NULL, NULL, &s->conn.channel, &s->far, &e));
    ASSERT_OK(transfer_list_open(&s->list, &e));
    s->transfer = transfer_begin(s->list, "test", "main", "far");
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = "main", .base_lsn = 0x10, .target_lsn = 0x40};
    ASSERT_OK(ingest_begin(&s->table, &spec, &s->in, &e));
    s->record.lsn = 0x20;
    ASSERT_OK(ingest_put(&s->in, &s->record, 1, &e));
}

static void scene_close(struct scene *s)
{
    ingest_close(&s->in);
    transfer_end(s->transfer, NULL);
    transfer_list_close(s->list);
    conn_close(&s->conn);
    s->far.close(s->far.self);
    CU_ASSERT(stub_store_open_handles(s->stub) == 0);
    stub_store_close(s->stub);
}

static int step(struct scene *s, struct zs_error *e)
{
    TRY(staging_step(&s->staging, &s->in, key, 0x20, s->transfer, e));
    return staging_tell(&s->staging, &s->conn, e);
}

/* What arrived at the sender: 'A' for an ACK, '-' for nothing. */
static char told(struct scene *s)
{
    struct zs_error e = {0};
    const void *msg = NULL;
    uint64_t len = 0;
    if (s->far.recv(s->far.self, 0, &msg, &len, &e) != ZS_RECV_MESSAGE)
        return '-';
    return *(const char *)msg;
}

/* Sync the one record, close the ingest, and let `state` tell of it. */
static char hear(struct scene *s)
{
    const void *bytes = NULL;
    uint64_t len = 0;
    struct zs_error e = {0};
    ASSERT_OK(s->far.recv(s->far.self, 10000, &bytes, &len, &e) == ZS_RECV_MESSAGE ? ZS_OK
                                                                                   : ZS_FAIL);
    if (len == 0)
        return '\0';
    return *(const char *)bytes;
}

static void keep(struct scene *s)
{
    struct zs_error e = {0};
    staging_begin(&s->staging, &s->table, &s->state, &s->offer, 1);
    ASSERT_OK(step(s, &e));
    CU_ASSERT(hear(s) == MESSAGE_ACK);
    ingest_close(&s->in);
    ASSERT_OK(staging_find(&s->table, "main", &s->state, &e));
    CU_ASSERT(s->state.resume.present && s->state.resume.lsn == 0x20);
}

static void test_it_is_synced_when_it_is_time(void)
{
    static const struct {
        bool store, mine, theirs, acks, synced; /* who can; and is it? */
        uint64_t every_bytes;
        int64_t age_ns; /* since the last sync */
    } cases[] = {
        {true, true, true, true, true, 5, 0},
        {true, true, true, false, true, 5, 0},
        {true, true, true, true, false, 6, 0},
        {true, true, true, true, false, 0, 0}, /* 32 MiB */
        {true, true, true, true, true, 6, STAGING_SYNC_NS},
        {true, true, true, true, false, 6, STAGING_SYNC_NS / 2},
        {false, true, true, true, false, 1, STAGING_SYNC_NS},
        {true, false, true, true, false, 1, STAGING_SYNC_NS},
        {true, true, false, true, false, 1, STAGING_SYNC_NS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct scene s;
        scene_open(&s);
        if (!cases[i].store)
            s.table.features &= ~ZS_STORE_RESUME;
        s.state.digests = cases[i].mine;
        s.offer.digests = cases[i].theirs;
        s.offer.acks = cases[i].acks;
        staging_begin(&s.staging, &s.table, &s.state, &s.offer, cases[i].every_bytes);
        s.staging.synced_ns -= cases[i].age_ns;
        ASSERT_OK(step(&s, &e));
        CU_ASSERT(s.staging.synced_bytes == (cases[i].synced ? 5 : 0));
        CU_ASSERT(told(&s) == (cases[i].synced && cases[i].acks ? 'A' : '-'));
        ASSERT_OK(step(&s, &e)); /* and not again for the same */
        CU_ASSERT(told(&s) == '-');
        scene_close(&s);
    }
}

static int32_t keeps_nothing(struct zs_ingest *ingest, const void *token, uint64_t token_bytes,
                             uint32_t *synced, struct zs_error *e)
{
    (void)ingest;
    (void)token;
    (void)e;
    CU_ASSERT(token_bytes == RESUME_TOKEN_BYTES);
    *synced = 0;
    return ZS_OK;
}

static void test_what_the_store_does_not_keep_is_not_acknowledged(void)
{
    struct zs_error e = {0};
    struct scene s;
    scene_open(&s);
    s.table.ingest_sync = keeps_nothing;
    staging_begin(&s.staging, &s.table, &s.state, &s.offer, 1);
    ASSERT_OK(step(&s, &e));
    CU_ASSERT(told(&s) == '-');
    CU_ASSERT(s.staging.synced_bytes == 5); /* it is asked again after as much more */
    scene_close(&s);
}

static void test_a_resumed_one_counts_from_where_it_stands(void)
{
    struct zs_error e = {0};
    struct scene s;
    scene_open(&s);
    s.state.resume.bytes = 3;
    s.offer.resume = true;
    staging_begin(&s.staging, &s.table, &s.state, &s.offer, 3);
    ASSERT_OK(step(&s, &e)); /* 5 - 3 is less than 3 */
    CU_ASSERT(told(&s) == '-');
    staging_begin(&s.staging, &s.table, &s.state, &s.offer, 2);
    ASSERT_OK(step(&s, &e));
    CU_ASSERT(told(&s) == 'A');
    scene_close(&s);
}

static void test_it_is_offered_for_the_state_it_was_built_on(void)
{
    struct zs_error e = {0};
    struct scene s;
    struct state_message other;
    scene_open(&s);
    keep(&s);
    CU_ASSERT(digest_equal(s.state.resume.to.digest, s.offer.last.digest));
    CU_ASSERT(s.state.resume.records == 1 && s.state.resume.bytes == 5);
    CU_ASSERT(memcmp(s.state.resume.key, key, sizeof key) == 0);
    for (int which = 0; which < 5; which++) {
        const char *branch = which == 0 ? "mai" : "main";
        struct zs_store table = s.table;
        other = s.state;
        other.resume = (struct resume_point){0};
        if (which == 1)
            other.last.lsn++;
        if (which == 2)
            other.last.digest.hi++;
        if (which == 3)
            table.features &= ~ZS_STORE_RESUME;
        ASSERT_OK(staging_find(&table, branch, &other, &e));
        CU_ASSERT(other.resume.present == (which == 4));
    }
    scene_close(&s);
}

/* Another branch's stage, listed before it or behind it, is passed over. */
static void test_it_is_found_among_others(void)
{
    static const char *const others[] = {"alpha", "zeta"};
    struct zs_error e = {0};
    struct scene s;
    scene_open(&s);
    keep(&s);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                      .branch = others[i],
                                      .flags = ZS_INGEST_CREATE,
                                      .target_lsn = 0x40};
        bool synced = false;
        ASSERT_OK(ingest_begin(&s.table, &spec, &s.in, &e));
        ASSERT_OK(ingest_put(&s.in, &s.record, 1, &e));
        ASSERT_OK(ingest_sync(&s.in, "token", 5, &synced, &e));
        CU_ASSERT(synced);
        ingest_close(&s.in);
        s.state.resume = (struct resume_point){0};
        ASSERT_OK(staging_find(&s.table, "main", &s.state, &e));
        CU_ASSERT(s.state.resume.present && s.state.resume.lsn == 0x20);
    }
    scene_close(&s);
}

static struct zs_ingest_state lie;
static uint64_t token_cut;
static int32_t (*honest_resume)(void *self, const char *branch, struct zs_ingest_state *state,
                                void *buf, uint64_t buf_bytes, uint64_t *token_bytes,
                                struct zs_ingest **out, struct zs_error *e);

static int32_t cut_resume(void *self, const char *branch, struct zs_ingest_state *state, void *buf,
                          uint64_t buf_bytes, uint64_t *token_bytes, struct zs_ingest **out,
                          struct zs_error *e)
{
    TRY(honest_resume(self, branch, state, buf, buf_bytes, token_bytes, out, e));
    *token_bytes -= token_cut;
    return ZS_OK;
}

static int32_t lying_state(struct zs_ingest *ingest, struct zs_ingest_state *state,
                           struct zs_error *e)
{
    (void)ingest;
    (void)e;
    *state = lie;
    return ZS_OK;
}

static int resume(struct scene *s, struct zs_error *e)
{
    struct progress progress = {0};
    const struct receive_job job = {
        .store = &s->table, .branch = "main", .conn = &s->conn, .progress = &progress};
    return staging_resume(&job, &s->state, &s->in, e);
}

static struct scene *slow; /* of the store below; a test's own */

/* As long as nobody has told the peer that work is going on. */
static int32_t slow_resume(void *self, const char *branch, struct zs_ingest_state *state, void *buf,
                           uint64_t buf_bytes, uint64_t *token_bytes, struct zs_ingest **out,
                           struct zs_error *e)
{
    CU_ASSERT(hear(slow) == MESSAGE_KEEPALIVE);
    return honest_resume(self, branch, state, buf, buf_bytes, token_bytes, out, e);
}

static void test_the_peer_hears_that_it_is_looked_through(void)
{
    struct zs_error e = {0};
    struct scene s;
    scene_open(&s);
    keep(&s);
    honest_resume = s.table.ingest_resume;
    s.table.ingest_resume = slow_resume;
    s.conn.last_sent_ns = 0;
    slow = &s;
    ASSERT_OK(resume(&s, &e));
    CU_ASSERT(hear(&s) == MESSAGE_ACK);
    scene_close(&s);
}

static int (*honest_keys)(struct zs_ingest *ingest, zs_key_visit visit, void *context,
                          struct zs_error *e);
static struct stub_cancel *pulled; /* meanwhile; NULL: the stage turns out to be damaged */

static int32_t odd_keys(struct zs_ingest *ingest, zs_key_visit visit, void *context,
                        struct zs_error *e)
{
    if (pulled == NULL)
        return error_set(e, ZS_CORRUPT, "a block is damaged");
    stub_cancel_request(pulled);
    return honest_keys(ingest, visit, context, e);
}

/* While it is looked through: a cancel leaves it waiting, damage lets it go. */
static void test_what_comes_of_a_look_through_it(void)
{
    for (int damaged = 0; damaged < 2; damaged++) {
        struct zs_error e = {0};
        struct scene s;
        struct stub_cancel cancel;
        struct progress progress = {0};
        scene_open(&s);
        keep(&s);
        ASSERT_OK(stub_cancel_init(&cancel, &e));
        honest_keys = s.table.ingest_keys;
        s.table.ingest_keys = odd_keys;
        pulled = damaged ? NULL : &cancel;
        const struct receive_job job = {.store = &s.table,
                                        .branch = "main",
                                        .conn = &s.conn,
                                        .cancel = &cancel.token,
                                        .progress = &progress};
        int rc = staging_resume(&job, &s.state, &s.in, &e);
        if (damaged)
            ASSERT_FAILS(rc, ZS_CORRUPT);
        else
            ASSERT_FAILS(rc, ZS_CANCELLED);
        ingest_close(&s.in);
        s.state.resume = (struct resume_point){0};
        ASSERT_OK(staging_find(&s.table, "main", &s.state, &e));
        CU_ASSERT(s.state.resume.present == !damaged);
        stub_cancel_fini(&cancel);
        scene_close(&s);
    }
}

/* One part each of what was offered, or of what is there, is another. */
static void test_it_is_opened_only_as_it_was_offered(void)
{
    enum { GOOD, TO, TO_DIGEST, KEY, LSN, SUM, RECORDS, BYTES, BASE, CUT, MOVED, CASES };
    for (int which = 0; which < CASES; which++) {
        struct zs_error e = {0};
        struct scene s;
        scene_open(&s);
        keep(&s);
        struct resume_point *r = &s.state.resume;
        r->to.lsn += which == TO;
        r->to.digest.lo += which == TO_DIGEST;
        r->key[17] = which == KEY;
        r->lsn -= which == LSN;
        r->sum.lo += which == SUM;
        r->records += which == RECORDS;
        r->bytes += which == BYTES;
        s.state.last.lsn += which == BASE;
        honest_resume = s.table.ingest_resume;
        s.table.ingest_resume = cut_resume;
        token_cut = which == CUT;
        if (which == MOVED)
            ASSERT_OK(stub_store_write(s.stub, "main", &s.record, 1, 0x20, &e));
        int rc = resume(&s, &e);
        if (which == GOOD) {
            ASSERT_OK(rc);
            CU_ASSERT(s.in.handle != NULL);
            CU_ASSERT(hear(&s) == MESSAGE_ACK);
        } else {
            ASSERT_FAILS(rc, ZS_MOVED_MEANWHILE);
            CU_ASSERT(e.hint[0] != '\0');
        }
        scene_close(&s);
    }
}

static void test_one_that_was_dropped_meanwhile_is_gone(void)
{
    struct zs_error e = {0};
    struct scene s;
    scene_open(&s);
    keep(&s);
    ASSERT_OK(store_stage_drop(&s.table, "main", &e));
    ASSERT_FAILS(resume(&s, &e), ZS_MOVED_MEANWHILE);
    s.table.features &= ~ZS_STORE_RESUME;
    ASSERT_FAILS(resume(&s, &e), ZS_NOT_SUPPORTED);
    scene_close(&s);
}

static void test_one_that_is_damaged_is_dropped(void)
{
    for (int which = 0; which < 3; which++) {
        struct zs_error e = {0};
        struct scene s;
        scene_open(&s);
        keep(&s);
        ASSERT_OK(
            ingest_resume(&s.table, "main", (uint8_t[ZS_TOKEN_MAX]){0}, &(uint64_t){0}, &s.in, &e));
        ASSERT_OK(ingest_state(&s.in, &lie, &e));
        ingest_close(&s.in);
        lie.sum.hi += which == 0;
        lie.records += which == 1;
        lie.bytes += which == 2;
        s.table.ingest_state = lying_state;
        ASSERT_FAILS(resume(&s, &e), ZS_CORRUPT);
        CU_ASSERT(strstr(e.message, "\"main\" is damaged") != NULL);
        ASSERT_FAILS(store_stage_drop(&s.table, "main", &e), ZS_NO_SUCH_BRANCH);
        scene_close(&s);
    }
}

static void test_a_failure_says_what_was_kept(void)
{
    static const struct {
        bool kept, can, stays;
        const char *sqlstate, *hint; /* a part of it */
    } cases[] = {
        {true, true, true, ZS_CONNECTION_LOST, "goes on from 5 %"},
        {false, true, false, ZS_CONNECTION_LOST, ""},
        {true, false, true, ZS_CONNECTION_LOST, ""},
        {true, true, false, ZS_DISK_FULL, ""}, /* its space is what is needed */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0}, ignored = {0};
        struct scene s;
        scene_open(&s);
        if (cases[i].kept)
            keep(&s);
        else
            ingest_close(&s.in);
        struct zs_store table = s.table;
        if (!cases[i].can)
            table.features &= ~ZS_STORE_RESUME;
        error_set(&e, cases[i].sqlstate, "it failed");
        staging_failed(&table, "main", &e);
        CU_ASSERT(strstr(e.hint, cases[i].hint) != NULL);
        CU_ASSERT((strstr(e.hint, "goes on") != NULL) == (cases[i].hint[0] != '\0'));
        CU_ASSERT((store_stage_drop(&s.table, "main", &ignored) == ZS_OK) == cases[i].stays);
        scene_close(&s);
    }
}

SUITE("sync/staging", {"what comes of a look through it", test_what_comes_of_a_look_through_it},
      {"it is synced when it is time", test_it_is_synced_when_it_is_time},
      {"what the store does not keep is not acknowledged",
       test_what_the_store_does_not_keep_is_not_acknowledged},
      {"a resumed one counts from where it stands", test_a_resumed_one_counts_from_where_it_stands},
      {"it is offered for the state it was built on",
       test_it_is_offered_for_the_state_it_was_built_on},
      {"it is found among others", test_it_is_found_among_others},
      {"it is opened only as it was offered", test_it_is_opened_only_as_it_was_offered},
      {"the peer hears that it is looked through", test_the_peer_hears_that_it_is_looked_through},
      {"one that was dropped meanwhile is gone", test_one_that_was_dropped_meanwhile_is_gone},
      {"one that is damaged is dropped", test_one_that_is_damaged_is_dropped},
      {"a failure says what was kept", test_a_failure_says_what_was_kept})
