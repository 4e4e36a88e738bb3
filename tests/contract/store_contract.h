/* store_contract.h - one suite for zenith-sync/store.h, run over any store.
 * Flow: a test_store_<name>.c fills in a driver and calls store_contract_main; every
 * promise of store.h and of the design's section on stores is a test or several.
 *
 * Threads: one, but for the tests of threads.  Ownership: the driver's functions own
 * what they make; the suite closes it. */
#ifndef TESTS_STORE_CONTRACT_H
#define TESTS_STORE_CONTRACT_H

#include <zenith-sync/store.h>

/* How the suite gets a store.  A function that is NULL is not supported, and the tests
 * that need it are left out. */
struct store_driver {
    const char *suite; /* "contract/store_kv" */

    /* A fresh store without branches, and its table. */
    int (*open)(void **self, struct zs_error *e);
    const struct zs_store *(*table)(void *self);
    void (*close)(void *self);

    /* Stop it cleanly and start it again.  NULL: it does not outlive the process. */
    int (*reopen)(void *self, struct zs_error *e);

    /* The host's own side: an empty branch; away with one; collection up to an LSN;
     * records of the host's own writer, which may win over an open ingest (then the
     * ingest's commit is 40001) or be refused with 55006. */
    int (*branch_create)(void *self, const char *name, struct zs_error *e);
    int (*branch_delete)(void *self, const char *name, struct zs_error *e);
    int (*collect)(void *self, const char *name, zs_lsn cutoff_lsn, struct zs_error *e);
    int (*write)(void *self, const char *name, const struct zs_record *records, uint64_t n,
                 zs_lsn upto_lsn, struct zs_error *e);

    /* From here on each commit fails for a reason that passes, such as want of memory or
     * descriptors; it has passed when this is called with 0. */
    void (*hinder_commits)(void *self, int on);
};

/* Run it; arguments as suite.h.  Returns the exit status. */
int store_contract_main(const struct store_driver *driver, int argc, char **argv);

#endif
