/* stub_rot.c - see stub_rot.h. */
#include "stub/stub_rot.h"

#include "stub/stub_store_impl.h"

#include <stdlib.h>
#include <string.h>

static struct version *version_of(struct stub_store *store, const char *branch)
{
    const struct stub_branch *b = stub_branch_named(store, branch);
    if (b == NULL)
        abort();
    return b->now;
}

void stub_rot_value(struct stub_store *store, const char *branch, uint64_t n)
{
    const struct version *v = version_of(store, branch);
    while (n < v->n && v->records[n].len == 0)
        n++;
    if (n >= v->n)
        abort();
    *(uint8_t *)(uintptr_t)v->records[n].value ^= 0x20;
}

void stub_rot_lose(struct stub_store *store, const char *branch, uint64_t n)
{
    struct version *v = version_of(store, branch);
    if (n >= v->n)
        abort();
    memmove(&v->records[n], &v->records[n + 1], (size_t)(--v->n - n) * sizeof *v->records);
}

void stub_rot_blob(struct stub_store *store, const char *branch, uint64_t n, uint64_t at)
{
    const struct version *v = version_of(store, branch);
    if (n >= v->nblobs || at >= v->blobs[n]->len)
        abort();
    v->blobs[n]->bytes[at] ^= 0x20;
}
