/* store_stub_driver.c - see store_stub_driver.h. */
#include "store_stub_driver.h"

#include "store_contract.h"

#include "base/error.h"
#include "stub/stub_store.h"

#include <stdlib.h>

static unsigned the_options; /* a driver's open gets no argument */

static int open_store(void **self, struct zs_error *e)
{
    struct stub_store *store = NULL;
    TRY(stub_store_open(the_options, &store, e));
    *self = store;
    return ZS_OK;
}

static const struct zs_store *table(void *self)
{
    return stub_store_table(self);
}

/* A handle that a test left open is the test's fault, or the store's. */
static void close_store(void *self)
{
    if (stub_store_open_handles(self) != 0)
        abort();
    stub_store_close(self);
}

static int branch_create(void *self, const char *name, struct zs_error *e)
{
    return stub_store_branch_create(self, name, NULL, NULL, e);
}

static int branch_delete(void *self, const char *name, struct zs_error *e)
{
    return stub_store_branch_delete(self, name, e);
}

static int collect(void *self, const char *name, zs_lsn cutoff_lsn, struct zs_error *e)
{
    return stub_store_gc(self, name, cutoff_lsn, NULL, e);
}

static int write_own(void *self, const char *name, const struct zs_record *records, uint64_t n,
                     zs_lsn upto_lsn, struct zs_error *e)
{
    return stub_store_write(self, name, records, n, upto_lsn, e);
}

static void hinder_commits(void *self, int on)
{
    stub_store_hinder_commits(self, on != 0);
}

int store_stub_main(const char *suite, unsigned options, int argc, char **argv)
{
    struct store_driver driver = {.suite = suite,
                                  .open = open_store,
                                  .table = table,
                                  .close = close_store,
                                  .branch_create = branch_create,
                                  .branch_delete = branch_delete,
                                  .collect = collect,
                                  .write = write_own,
                                  .hinder_commits = hinder_commits};
    the_options = options;
    return store_contract_main(&driver, argc, argv);
}
