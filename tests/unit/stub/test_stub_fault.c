/* test_stub_fault.c - faults over a store and over a channel. */
#include "../../support/suite.h"

#include "base/digest.h"
#include "base/error.h"
#include "store/store.h"
#include "stub/stub_fault.h"
#include "stub/stub_pipe.h"
#include "stub/stub_store.h"

#include <stdlib.h>
#include <string.h>

/* ---- over a store ------------------------------------------------------------------------ */

struct faulty {
    struct stub_store *stub;
    struct stub_faults faults;
    struct stub_fault_store *over;
    struct zs_store table;
};

static void faulty_open(struct faulty *f)
{
    struct zs_error e = {0};
    struct zs_record r[3] = {{.kind = ZS_KIND_TOMBSTONE, .lsn = 1},
                             {.kind = ZS_KIND_IMAGE, .lsn = 2, .len = 8, .value = "eight by"},
                             {.kind = ZS_KIND_IMAGE, .lsn = 3, .len = 4, .value = "four"}};
    ASSERT_OK(stub_store_open(STUB_STORE_COPIES, &f->stub, &e));
    ASSERT_OK(stub_store_branch_create(f->stub, "main", NULL, NULL, &e));
    ASSERT_OK(stub_store_write(f->stub, "main", r, 3, 3, &e));
    ASSERT_OK(stub_faults_init(&f->faults, &e));
    ASSERT_OK(stub_fault_store_open(stub_store_table(f->stub), &f->faults, &f->over, &e));
    ASSERT_OK(store_import(stub_fault_store_table(f->over), &f->table, &e));
}

static void faulty_close(struct faulty *f)
{
    CU_ASSERT_EQUAL(stub_store_open_handles(f->stub), 0);
    stub_fault_store_close(f->over);
    stub_faults_fini(&f->faults);
    stub_store_close(f->stub);
}

/* Copy "main" to "copy", as a transfer would: read, put, commit with the read sum. */
static int copy_branch(struct faulty *f, struct zs_error *e)
{
    struct snapshot s = {0};
    struct iter it = {0};
    struct ingest in = {0};
    struct zs_record r[2];
    char buf[64];
    uint64_t count;
    bool more = true;
    struct zs_digest sum = {0};
    struct zs_ingest_spec spec = {
        .struct_size = sizeof spec, .flags = ZS_INGEST_CREATE, .branch = "copy", .target_lsn = 3};
    int rc = snapshot_open(&f->table, "main", &s, e);
    rc = rc != ZS_OK ? rc : iter_open(&s, 0, 3, &it, e);
    rc = rc != ZS_OK ? rc : ingest_begin(&f->table, &spec, &in, e);
    while (rc == ZS_OK && more) {
        rc = iter_next(&it, r, 2, buf, sizeof buf, &count, &more, e);
        rc = rc != ZS_OK ? rc : ingest_put(&in, r, count, e);
        if (rc == ZS_OK)
            digest_add_records(&sum, r, count);
    }
    struct zs_commit commit = {.struct_size = sizeof commit,
                               .upto_lsn = 3,
                               .sum = sum,
                               .end = {.lsn = 3, .digest = s.info.digest}};
    rc = rc != ZS_OK ? rc : ingest_commit(&in, &commit, e);
    ingest_close(&in);
    iter_close(&it);
    snapshot_close(&s);
    return rc;
}

static bool copy_exists(struct faulty *f)
{
    struct zs_error e = {0};
    struct zs_branch_info info = {.struct_size = sizeof info};
    const struct zs_store *plain = stub_store_table(f->stub);
    return plain->branch_find(plain->self, "copy", &info, &e) == ZS_OK;
}

static void test_every_call_can_be_failed(void)
{
    struct zs_error e = {0};
    struct faulty f;
    uint64_t n = 1;
    faulty_open(&f);
    for (;; n++) {
        stub_faults_arm(&f.faults, &(struct stub_fault){.nth = n, .sqlstate = ZS_DISK_FULL});
        int rc = copy_branch(&f, &e);
        if (!stub_faults_fired(&f.faults)) {
            ASSERT_OK(rc);
            break;
        }
        ASSERT_FAILS(rc, ZS_DISK_FULL);
        CU_ASSERT(!copy_exists(&f));
    }
    CU_ASSERT(n > 7); /* open, open, begin, 2 x (next, put), commit */
    CU_ASSERT(copy_exists(&f));
    faulty_close(&f);
}

static void test_kinds_of_fault_over_a_store(void)
{
    static const struct {
        struct stub_fault plan;
        const char *sqlstate;
        bool committed;
    } cases[] = {
        {{.operation = "ingest_put", .nth = 2}, ZS_IO_ERROR, false},
        {{.operation = "iter_next", .nth = 1, .kind = STUB_FAULT_SILENT}, ZS_INTERNAL_ERROR, false},
        {{.operation = "ingest_put", .nth = 1, .kind = STUB_FAULT_FLIP}, ZS_CORRUPT, false},
        {{.operation = "ingest_put", .nth = 2, .kind = STUB_FAULT_DROP}, ZS_CORRUPT, false},
        {{.operation = "ingest_begin", .nth = 1, .kind = STUB_FAULT_FAIL_AFTER},
         ZS_IO_ERROR,
         false},
        {{.operation = "snapshot_open", .nth = 1, .kind = STUB_FAULT_FAIL_AFTER},
         ZS_IO_ERROR,
         false},
        {{.operation = "ingest_commit", .nth = 1, .kind = STUB_FAULT_FAIL_AFTER},
         ZS_IO_ERROR,
         true}, /* the answer was lost, the commit was not */
        {{.operation = "iter_next", .nth = 1, .kind = STUB_FAULT_DELAY, .delay_ms = 1}, "", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct faulty f;
        faulty_open(&f);
        stub_faults_arm(&f.faults, &cases[i].plan);
        int rc = copy_branch(&f, &e);
        CU_ASSERT_EQUAL(rc == ZS_OK, cases[i].sqlstate[0] == '\0');
        ASSERT_TEXT(e.sqlstate, cases[i].sqlstate);
        CU_ASSERT(stub_faults_fired(&f.faults));
        CU_ASSERT_EQUAL(copy_exists(&f), cases[i].committed);
        faulty_close(&f);
    }
}

/* A bit flipped, or a record dropped, while reading: the sum of what was sent is
 * right, D(Y) is not. */
static void test_faults_while_reading_change_what_is_read(void)
{
    static const enum stub_fault_kind kinds[] = {STUB_FAULT_FLIP, STUB_FAULT_DROP};
    for (int k = 0; k < 2; k++)
        for (uint64_t n = 1; n <= 2; n++) {
            struct zs_error e = {0};
            struct faulty f;
            faulty_open(&f);
            stub_faults_arm(&f.faults, &(struct stub_fault){
                                           .operation = "iter_next", .nth = n, .kind = kinds[k]});
            ASSERT_OK(copy_branch(&f, &e));
            CU_ASSERT(stub_faults_fired(&f.faults));
            struct snapshot s;
            struct iter it;
            struct zs_record r[4];
            uint64_t count = 0;
            bool more;
            struct zs_digest sum = {0};
            ASSERT_OK(snapshot_open(&f.table, "copy", &s, &e));
            ASSERT_OK(iter_open(&s, 0, 3, &it, &e));
            ASSERT_OK(iter_next(&it, r, 4, NULL, 0, &count, &more, &e));
            digest_add_records(&sum, r, count);
            CU_ASSERT(!digest_equal(sum, s.info.digest));
            iter_close(&it);
            snapshot_close(&s);
            faulty_close(&f);
        }
}

static void test_faults_in_a_row(void)
{
    struct zs_error e = {0};
    struct faulty f;
    struct zs_branch_info info;
    faulty_open(&f);
    stub_faults_arm(&f.faults, &(struct stub_fault){.nth = 2, .times = 2});
    ASSERT_OK(store_branch_find(&f.table, "main", &info, &e));
    ASSERT_FAILS(store_branch_find(&f.table, "main", &info, &e), ZS_IO_ERROR);
    ASSERT_FAILS(store_branch_find(&f.table, "main", &info, &e), ZS_IO_ERROR);
    ASSERT_OK(store_branch_find(&f.table, "main", &info, &e));
    CU_ASSERT_EQUAL(stub_faults_calls(&f.faults), 4);
    faulty_close(&f);
}

/* ---- over a channel ----------------------------------------------------------------------- */

/* Send "aaaa", "bbbb", "cccc" through a faulty left end; what arrives, comma by comma. */
static void talk(const struct stub_fault *plan, bool fault_at_receiver, char heard[64])
{
    struct zs_error e = {0};
    struct stub_faults faults;
    struct zs_channel left, right;
    const void *msg;
    uint64_t len;
    int32_t got;
    heard[0] = '\0';
    ASSERT_OK(stub_faults_init(&faults, &e));
    ASSERT_OK(stub_pipe_open(0, NULL, NULL, &left, &right, &e));
    ASSERT_OK(stub_fault_channel(&faults, fault_at_receiver ? &right : &left, &e));
    stub_faults_arm(&faults, plan);
    static const char *const words[] = {"aaaa", "bbbb", "cccc"};
    int rc = ZS_OK;
    for (int i = 0; i < 3 && rc == ZS_OK; i++)
        rc = left.send(left.self, words[i], 4, &e);
    if (rc == ZS_OK)
        (void)left.finish(left.self, &e); /* may fail: it is what is tested */
    left.close(left.self);
    while ((got = right.recv(right.self, -1, &msg, &len, &e)) == ZS_RECV_MESSAGE) {
        strncat(heard, msg, len);
        strncat(heard, ",", 2);
    }
    strncat(heard, got == ZS_RECV_END ? "end" : e.sqlstate, 6);
    CU_ASSERT(stub_faults_fired(&faults) || (plan->nth == 0 && plan->cut_bytes == 0));
    right.close(right.self);
    stub_faults_fini(&faults);
}

static void test_kinds_of_fault_over_a_channel(void)
{
    static const struct {
        struct stub_fault plan;
        bool at_receiver;
        const char *heard;
    } cases[] = {
        {{.nth = 0}, false, "aaaa,bbbb,cccc,end"},
        {{.operation = "send", .nth = 2}, false, "aaaa,08006"},
        {{.operation = "send", .nth = 2, .kind = STUB_FAULT_FAIL_AFTER}, false, "aaaa,bbbb,08006"},
        {{.operation = "send", .nth = 2, .kind = STUB_FAULT_FLIP}, false, "aaaa,bbcb,cccc,end"},
        {{.operation = "send", .nth = 2, .kind = STUB_FAULT_DROP}, false, "aaaa,cccc,end"},
        {{.operation = "send", .nth = 2, .kind = STUB_FAULT_DUPLICATE},
         false,
         "aaaa,bbbb,bbbb,cccc,end"},
        {{.operation = "send", .nth = 3, .kind = STUB_FAULT_CUT}, false, "aaaa,bbbb,08006"},
        {{.kind = STUB_FAULT_CUT, .cut_bytes = 8}, false, "aaaa,bbbb,08006"},
        {{.kind = STUB_FAULT_CUT, .cut_bytes = 7}, false, "aaaa,08006"},
        {{.operation = "finish", .nth = 1}, false, "aaaa,bbbb,cccc,08006"},
        {{.operation = "recv", .nth = 2, .sqlstate = ZS_CANCELLED}, true, "aaaa,57014"},
        {{.operation = "recv", .nth = 2, .kind = STUB_FAULT_FLIP}, true, "aaaa,bbcb,cccc,end"},
        {{.operation = "recv", .nth = 2, .kind = STUB_FAULT_DROP}, true, "aaaa,cccc,end"},
        {{.operation = "recv", .nth = 2, .kind = STUB_FAULT_DUPLICATE},
         true,
         "aaaa,bbbb,bbbb,cccc,end"},
        {{.operation = "recv", .nth = 2, .kind = STUB_FAULT_CUT}, true, "aaaa,08006"},
        {{.operation = "recv", .nth = 2, .kind = STUB_FAULT_DELAY, .delay_ms = 1},
         true,
         "aaaa,bbbb,cccc,end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char heard[64];
        talk(&cases[i].plan, cases[i].at_receiver, heard);
        ASSERT_TEXT(heard, cases[i].heard);
    }
}

SUITE("stub/stub_fault", {"every call of a store can be failed", test_every_call_can_be_failed},
      {"each kind of fault over a store does what it says", test_kinds_of_fault_over_a_store},
      {"faults while reading change what is read", test_faults_while_reading_change_what_is_read},
      {"a fault can last for several calls", test_faults_in_a_row},
      {"each kind of fault over a channel does what it says", test_kinds_of_fault_over_a_channel})
