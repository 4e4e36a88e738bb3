/* stub_writer.h - a host's own WAL writer: the smallest one that tells the module what it
 * changes, as zenith-sync/host.h asks for it.
 * Flow: a test writes records -> here -> the module's notes, then the store; every
 * `seal_bytes` of values an epoch is sealed in the same step as the records.
 *
 *     stub_writer_open(store, module, self, "main", 64 << 20, &w, e);
 *     stub_writer_write(w, records, n, upto_lsn, e);  ...
 *     stub_writer_close(w);              as after a crash: what is not sealed is a gap
 *
 * Threads: one per writer.  Ownership: the opener's. */
#ifndef HOST_STUBS_STUB_WRITER_H
#define HOST_STUBS_STUB_WRITER_H

#include "stub/stub_store.h"

#include <zenith-sync/host.h>

struct stub_writer;

/* Store and module are borrowed until close. */
int stub_writer_open(struct stub_store *store, const struct zs_module *module, void *self,
                     const char *branch, uint64_t seal_bytes, struct stub_writer **out,
                     struct zs_error *e);

/* As stub_store_write. */
int stub_writer_write(struct stub_writer *w, const struct zs_record *records, uint64_t n,
                      zs_lsn upto_lsn, struct zs_error *e);

/* Seal what there is, as before an orderly stop. */
int stub_writer_seal(struct stub_writer *w, struct zs_error *e);

void stub_writer_close(struct stub_writer *w);

#endif
