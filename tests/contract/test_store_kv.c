/* test_store_kv.c - the store contract over the reference pageserver's store, in a
 * folder of its own per test. */
#include "store_contract.h"

#include "base/error.h"
#include "kv/kv.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct kv_under_test {
    char dir[64];
    struct kv *kv;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void free_dir(struct kv_under_test *t)
{
    /* No other thread runs by then. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    (void)nftw(t->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(t);
}

static int open_store(void **self, struct zs_error *e)
{
    struct kv_under_test *t = calloc(1, sizeof *t);
    if (t == NULL)
        return error_memory(e);
    (void)snprintf(t->dir, sizeof t->dir, "/tmp/zenith-contract-XXXXXX");
    if (mkdtemp(t->dir) == NULL) {
        error_errno(e, errno, "cannot make a folder");
        free(t);
        return ZS_FAIL;
    }
    if (kv_open(t->dir, 1, &t->kv, e) != ZS_OK) {
        free_dir(t);
        return ZS_FAIL;
    }
    *self = t;
    return ZS_OK;
}

static const struct zs_store *table(void *self)
{
    const struct kv_under_test *t = self;
    return kv_store(t->kv);
}

static void close_store(void *self)
{
    struct kv_under_test *t = self;
    if (t->kv != NULL)
        kv_close(t->kv);
    free_dir(t);
}

static int reopen(void *self, struct zs_error *e)
{
    struct kv_under_test *t = self;
    kv_close(t->kv);
    t->kv = NULL;
    return kv_open(t->dir, 0, &t->kv, e);
}

static int branch_create(void *self, const char *name, struct zs_error *e)
{
    struct kv_under_test *t = self;
    struct zs_branch_info info = {.struct_size = sizeof info};
    return kv_branch_create(t->kv, name, &info, e);
}

static int branch_delete(void *self, const char *name, struct zs_error *e)
{
    struct kv_under_test *t = self;
    return kv_branch_delete(t->kv, name, e);
}

/* No file can be opened. */
static void hinder_commits(void *self, int on)
{
    static struct rlimit usual;
    (void)self;
    if (on == 0) {
        (void)setrlimit(RLIMIT_NOFILE, &usual);
        return;
    }
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest that is free */
    (void)close(next);
    (void)getrlimit(RLIMIT_NOFILE, &usual);
    const struct rlimit none = {.rlim_cur = (rlim_t)next, .rlim_max = usual.rlim_max};
    (void)setrlimit(RLIMIT_NOFILE, &none);
}

int main(int argc, char **argv)
{
    static const struct store_driver driver = {.suite = "contract/store_kv",
                                               .open = open_store,
                                               .table = table,
                                               .close = close_store,
                                               .reopen = reopen,
                                               .branch_create = branch_create,
                                               .branch_delete = branch_delete,
                                               .hinder_commits = hinder_commits};
    return store_contract_main(&driver, argc, argv);
}
