/* test_verify_stored.c - what verify says of that which a branch keeps beside its records: its
 * history, its change map, its stage; and of very many faults. */
#include "fixture.h"

#include "command/verify.h"
#include "stub/stub_rot.h"
#include "sync/change_map.h"
#include "sync/epochs.h"
#include "sync/verify_map.h"

CLEANUP_POINTER(struct change_map, change_map_close)

/* The first notice that is a fault of this kind; NULL: none. */
static const struct zs_error *told(const struct client *c, const char *kind)
{
    char want[64];
    (void)snprintf(want, sizeof want, "{\"fault\":{\"kind\":\"%s\"", kind);
    for (uint64_t i = 0; i < c->s.notice_count && i < STUB_SESSION_NOTICES; i++)
        if (strncmp(c->s.notices[i].detail, want, strlen(want)) == 0)
            return &c->s.notices[i];
    return NULL;
}

/* An ingest that was cut off leaves a stage with this token. */
static void leave_stage(struct side *s, const char *branch, const char *token)
{
    struct zs_error e = {0};
    CLEANUP(ingest_close) struct ingest in = {0};
    bool synced = false;
    zs_lsn base = last_lsn(s, branch);
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .branch = branch, .base_lsn = base, .target_lsn = base + 16};
    must(ingest_begin(&s->module.store, &spec, &in, &e), &e);
    must(ingest_sync(&in, token, strlen(token), &synced, &e), &e);
}

static void test_a_stage_is_gone_on_with_or_named(void)
{
    static const struct {
        const char *branch, *token, *says; /* NULL: sound */
    } cases[] = {{"other", "junk", NULL},
                 {"main", "junk", "the stage of branch \"main\""},
                 {"main", "{\"protocol\":1}", "the stage of branch \"main\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        struct client c;
        world_open(&w);
        branch_make(&w.a, "main");
        branch_make(&w.a, "other");
        grow(&w.a, "main", 1, 20);
        leave_stage(&w.a, cases[i].branch, cases[i].token);
        client_open(&c);
        client_run(&c, &w.a, "verify main");
        const struct zs_error *fault = told(&c, "stage");
        CU_ASSERT((c.rc == ZS_OK) == (cases[i].says == NULL));
        CU_ASSERT((fault != NULL) == (cases[i].says != NULL));
        if (fault != NULL && cases[i].says != NULL) {
            CU_ASSERT(strstr(fault->message, cases[i].says) != NULL);
            CU_ASSERT(strstr(fault->hint, "drop-stage main") != NULL);
            CU_ASSERT(strstr(c.e.hint, "Its records are whole") != NULL);
        }
        client_close(&c);
        world_close(&w);
    }
}

/* A stage of a branch that is not there yet: all there is to look at. */
static void test_a_stage_without_a_branch(void)
{
    struct world w;
    struct client c;
    struct zs_error e = {0};
    world_open(&w);
    CLEANUP(ingest_close) struct ingest in = {0};
    bool synced = false;
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .branch = "new",
                                  .flags = ZS_INGEST_CREATE,
                                  .timeline = {{1}},
                                  .target_lsn = 16};
    must(ingest_begin(&w.a.module.store, &spec, &in, &e), &e);
    must(ingest_sync(&in, "junk", 4, &synced, &e), &e);
    ingest_close(&in);
    client_open(&c);
    client_run(&c, &w.a, "verify new");
    assert_fails(c.rc, &c.e, ZS_CORRUPT, "verify", __FILE__, __LINE__);
    CU_ASSERT(told(&c, "stage") != NULL);
    client_close(&c);
    client_open(&c);
    client_run(&c, &w.a, "verify none");
    assert_fails(c.rc, &c.e, ZS_NO_SUCH_BRANCH, "verify", __FILE__, __LINE__);
    client_close(&c);
    world_close(&w);
}

/* What is damaged is named, and the rest looked at; what fails otherwise ends it. */
static void test_what_the_store_cannot_read(void)
{
    static const struct {
        const char *operation, *sqlstate, *kind; /* NULL: it ends */
    } cases[] = {
        {"snapshot_history", ZS_CORRUPT, "history"},
        {"snapshot_history", ZS_IO_ERROR, "history"},
        {"snapshot_history", ZS_OUT_OF_MEMORY, NULL},
        {"blob_list", ZS_CORRUPT, "map"},
        {"blob_list", ZS_IO_ERROR, "map"},
        {"blob_list", ZS_OUT_OF_MEMORY, NULL},
        {"stage_list", ZS_CORRUPT, NULL},
        {"snapshot_open", ZS_IO_ERROR, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        struct client c;
        world_open(&w);
        branch_make(&w.a, "main");
        grow(&w.a, "main", 1, 20);
        stub_faults_arm(&w.a.faults, &(struct stub_fault){.operation = cases[i].operation,
                                                          .nth = 1,
                                                          .sqlstate = cases[i].sqlstate});
        client_open(&c);
        client_run(&c, &w.a, "verify main");
        CU_ASSERT(c.rc == ZS_FAIL && stub_faults_fired(&w.a.faults));
        ASSERT_TEXT(c.e.sqlstate, cases[i].kind != NULL ? ZS_CORRUPT : cases[i].sqlstate);
        if (cases[i].kind != NULL)
            CU_ASSERT(told(&c, cases[i].kind) != NULL);
        client_close(&c);
        world_close(&w);
    }
}

/* Without a history the records are looked at all the same: at the least LSN that there is, too. */
static void test_records_without_a_history(void)
{
    static const zs_lsn ends[] = {1, 2, 0x1000};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct world w;
        struct client c;
        struct zs_error e = {0};
        const struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 1, .value = "x", .lsn = 1};
        world_open(&w);
        branch_make(&w.a, "main");
        must(stub_store_write(w.a.store, "main", &r, 1, ends[i], &e), &e);
        stub_faults_arm(&w.a.faults, &(struct stub_fault){.operation = "snapshot_history",
                                                          .nth = 1,
                                                          .sqlstate = ZS_CORRUPT});
        client_open(&c);
        client_run(&c, &w.a, "verify main");
        assert_fails(c.rc, &c.e, ZS_CORRUPT, "verify", __FILE__, __LINE__);
        CU_ASSERT(told(&c, "history") != NULL && strstr(c.e.message, "1 fault ") != NULL);
        client_close(&c);
        world_close(&w);
    }
}

/* ---- the change map ------------------------------------------------------------------------- */

enum { MOST = VERIFY_MAP_EPOCHS + 8 };

struct planted {
    struct zs_blob blobs[MOST];
    char names[MOST][EPOCH_NAME_BYTES];
    uint64_t n;
};

static void plant(struct planted *p, zs_lsn end, const void *data, uint64_t len)
{
    epoch_name(end, p->names[p->n]);
    p->blobs[p->n] = (struct zs_blob){.name = p->names[p->n], .data = data, .len = len};
    p->n++;
}

static void write_planted(struct side *s, const struct planted *p)
{
    struct zs_error e = {0};
    zs_lsn last = last_lsn(s, "main");
    struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 1, .value = "x", .lsn = last + 1};
    struct stub_write write = {
        .records = &r, .n = 1, .upto_lsn = last + 0x1000, .blobs = p->blobs, .nblobs = p->n};
    must(stub_store_write_with(s->store, "main", &write, &e), &e);
}

/* An epoch is about what its name says. */
static void test_an_epoch_about_something_else(void)
{
    static const struct {
        zs_lsn from, to;
        uint8_t other; /* of the timeline */
        const char *says;
    } cases[] = {{0x1000, 0x2000, 0, NULL},
                 {0x1000, 0x2000, 1, "another timeline's"},
                 {0x1000, 0x1fff, 0, "other LSNs"},
                 {0x2000, 0x2000, 0, "other LSNs"},
                 {0x1000, 0x9000, 0, "other LSNs"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        struct client c;
        struct zs_error e = {0};
        struct zs_branch_info info;
        CLEANUP(change_map_close_ptr) struct change_map *map = NULL;
        CLEANUP(free_ptr) uint8_t *data = NULL;
        size_t len = 0;
        static struct planted p;
        world_open(&w);
        branch_make(&w.a, "main");
        must(store_branch_find(&w.a.module.store, "main", &info, &e), &e);
        must(change_map_open(&map, &e), &e);
        must(change_map_add(map, (uint8_t[ZS_KEY_BYTES]){0}, &e), &e);
        struct change_epoch epoch = {
            .timeline = info.timeline, .from_lsn = cases[i].from, .to_lsn = cases[i].to};
        epoch.timeline.bytes[0] ^= cases[i].other;
        must(change_map_encode(map, &epoch, &data, &len, &e), &e);
        p.n = 0;
        plant(&p, cases[i].to == 0x9000 ? 0x9000 : 0x2000, data, len);
        p.blobs[1] = (struct zs_blob){.name = "something", .data = "else", .len = 4};
        p.n = 2;
        write_planted(&w.a, &(struct planted){.n = 0}); /* 0/1000, where no map is */
        write_planted(&w.a, &p);
        client_open(&c);
        client_run(&c, &w.a, "verify main");
        const struct zs_error *fault = told(&c, "map");
        CU_ASSERT((fault != NULL) == (cases[i].says != NULL));
        if (fault != NULL && cases[i].says != NULL)
            CU_ASSERT(strstr(fault->message, cases[i].says) != NULL &&
                      strstr(fault->hint, "rebuild-map main") != NULL);
        CU_ASSERT((c.rc == ZS_OK) == (cases[i].says == NULL));
        CU_ASSERT(c.rc == ZS_OK || strstr(c.e.message, "1 fault ") != NULL);
        client_close(&c);
        world_close(&w);
    }
}

/* So many of the newest are looked at, and so much; the first faults are told. */
static void test_very_many_faults(void)
{
    static const struct {
        uint32_t epochs;
        uint64_t len;
        unsigned faults;
    } cases[] = {{MOST, 100, VERIFY_MAP_EPOCHS}, {20, 4000000, EPOCHS_MAX_BYTES / 4000000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        struct client c;
        char want[64];
        static struct planted p;
        CLEANUP(free_ptr) uint8_t *junk = calloc(1, cases[i].len);
        if (junk == NULL)
            abort();
        world_open(&w);
        branch_make(&w.a, "main");
        p.n = 0;
        for (uint32_t k = 0; k < cases[i].epochs; k++)
            plant(&p, k + 1, junk, cases[i].len);
        write_planted(&w.a, &p);
        client_open(&c);
        client_run(&c, &w.a, "verify main (progress off)");
        assert_fails(c.rc, &c.e, ZS_CORRUPT, "verify", __FILE__, __LINE__);
        (void)snprintf(want, sizeof want, "%u faults", cases[i].faults);
        CU_ASSERT(strstr(c.e.message, want) != NULL);
        CU_ASSERT((strstr(c.e.detail, "first") != NULL) == (cases[i].faults > VERIFY_TOLD));
        CU_ASSERT(c.s.notice_count ==
                  (cases[i].faults > VERIFY_TOLD ? VERIFY_TOLD : cases[i].faults));
        client_close(&c);
        world_close(&w);
    }
}

/* A message that does not fit a notice with all that is escaped in it is told without. */
static void test_a_notice_that_would_be_too_long(void)
{
    struct fault fault = {.kind = FAULT_FILE};
    struct zs_error notice = {0};
    error_set(&fault.error, ZS_CORRUPT, "a file is damaged");
    memset(fault.error.detail, 1, sizeof fault.error.detail - 1);
    verify_notice(&fault, &notice);
    ASSERT_TEXT(notice.message, "a file is damaged");
    ASSERT_TEXT(notice.detail, "");
    memset(fault.error.detail, 'x', sizeof fault.error.detail - 1);
    verify_notice(&fault, &notice);
    CU_ASSERT(strncmp(notice.detail, "{\"fault\":", 9) == 0);
    CU_ASSERT(notice.detail[strlen(notice.detail) - 1] == '}');
}

SUITE("command/verify_stored",
      {"a stage can be gone on with, or is named", test_a_stage_is_gone_on_with_or_named},
      {"a stage without a branch is looked at", test_a_stage_without_a_branch},
      {"what the store cannot read is named", test_what_the_store_cannot_read},
      {"records are looked at without a history", test_records_without_a_history},
      {"an epoch about something else is named", test_an_epoch_about_something_else},
      {"of very many faults the first are told", test_very_many_faults},
      {"a notice that would be too long is told without its detail",
       test_a_notice_that_would_be_too_long})
