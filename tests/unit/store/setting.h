/* setting.h - a good store to start from, for the tests of the door to it: a branch "main"
 * with two records.  A test replaces a function of `table` by one that lies. */
#ifndef TESTS_UNIT_STORE_SETTING_H
#define TESTS_UNIT_STORE_SETTING_H

#include "../../support/suite.h"

#include "store/store.h"
#include "stub/stub_store.h"

#include <string.h>

struct setting {
    struct stub_store *stub;
    struct zs_store table;
};

static inline void write_record(struct stub_store *stub, uint8_t first_byte, zs_lsn lsn)
{
    struct zs_error e = {0};
    struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 3, .lsn = lsn, .value = "abc"};
    r.key[0] = first_byte;
    ASSERT_OK(stub_store_write(stub, "main", &r, 1, lsn, &e));
}

static inline struct setting make_setting(void)
{
    struct zs_error e = {0};
    struct setting s = {0};
    ASSERT_OK(stub_store_open(0, &s.stub, &e));
    ASSERT_OK(stub_store_branch_create(s.stub, "main", NULL, NULL, &e));
    write_record(s.stub, 1, 0x10);
    write_record(s.stub, 2, 0x20);
    ASSERT_OK(store_import(stub_store_table(s.stub), &s.table, &e));
    return s;
}

/* Every lie that a test tells must leave no handle open. */
static inline void drop_setting(struct setting *s)
{
    CU_ASSERT_EQUAL(stub_store_open_handles(s->stub), 0);
    stub_store_close(s->stub);
}

static inline struct zs_record record_of(uint8_t first_byte, zs_lsn lsn)
{
    struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 1, .lsn = lsn, .value = "x"};
    r.key[0] = first_byte;
    return r;
}

#endif
