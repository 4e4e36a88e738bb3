/* stub_writer.c - see stub_writer.h. */
#include "stub/stub_writer.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stub_writer {
    struct stub_store *store;
    const struct zs_module *module;
    struct zs_writer *notes;
    char branch[ZS_BRANCH_NAME_MAX + 1];
    zs_lsn sealed_lsn;
    uint64_t seal_bytes, bytes; /* bytes since the last seal */
};

int stub_writer_open(struct stub_store *store, const struct zs_module *module, void *self,
                     const char *branch, uint64_t seal_bytes, struct stub_writer **out,
                     struct zs_error *e)
{
    const struct zs_store *table = stub_store_table(store);
    struct zs_branch_info info = {.struct_size = sizeof info};
    TRY(table->branch_find(table->self, branch, &info, e));
    struct stub_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return error_memory(e);
    *w = (struct stub_writer){.store = store,
                              .module = module,
                              .sealed_lsn = info.last_valid_lsn,
                              .seal_bytes = seal_bytes};
    (void)snprintf(w->branch, sizeof w->branch, "%s", branch);
    if (error_check(module->writer_open(self, &info.timeline, info.last_valid_lsn, &w->notes, e), e,
                    "writer_open") != ZS_OK) {
        free(w);
        return ZS_FAIL;
    }
    *out = w;
    return ZS_OK;
}

/* Records may be none: then it is a seal alone. */
static int write_sealed(struct stub_writer *w, struct stub_write *write, struct zs_error *e)
{
    TRY(error_check(w->module->writer_seal(w->notes, w->branch, write->upto_lsn, &write->blobs,
                                           &write->nblobs, e),
                    e, "writer_seal"));
    int rc = stub_store_write_with(w->store, w->branch, write, e);
    w->module->writer_sealed(w->notes, rc == ZS_OK);
    TRY(rc);
    w->sealed_lsn = write->upto_lsn;
    w->bytes = 0;
    return ZS_OK;
}

int stub_writer_write(struct stub_writer *w, const struct zs_record *records, uint64_t n,
                      zs_lsn upto_lsn, struct zs_error *e)
{
    struct stub_write write = {.records = records, .n = n, .upto_lsn = upto_lsn};
    CLEANUP(free_ptr) uint8_t *keys = malloc(n * ZS_KEY_BYTES + 1);
    if (keys == NULL)
        return error_memory(e);
    for (uint64_t i = 0; i < n; i++) {
        memcpy(keys + i * ZS_KEY_BYTES, records[i].key, ZS_KEY_BYTES);
        w->bytes += records[i].len;
    }
    w->module->writer_note(w->notes, keys, n, upto_lsn);
    if (w->bytes >= w->seal_bytes)
        return write_sealed(w, &write, e);
    return stub_store_write_with(w->store, w->branch, &write, e);
}

int stub_writer_seal(struct stub_writer *w, struct zs_error *e)
{
    const struct zs_store *table = stub_store_table(w->store);
    struct zs_branch_info now = {.struct_size = sizeof now};
    TRY(table->branch_find(table->self, w->branch, &now, e));
    struct stub_write write = {.upto_lsn = now.last_valid_lsn}; /* an ingest may have moved it */
    return write.upto_lsn > w->sealed_lsn ? write_sealed(w, &write, e) : ZS_OK;
}

void stub_writer_close(struct stub_writer *w)
{
    if (w == NULL)
        return;
    w->module->writer_close(w->notes);
    free(w);
}
