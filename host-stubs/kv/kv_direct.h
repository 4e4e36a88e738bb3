/* kv_direct.h - writes one large file after the other, past the page cache where that is wanted.
 * Flow: kv_sst.cc -> here -> base/handoff.
 *
 *     open ──> append ... ──> sync ──> close      and again; close alone gives a file up
 *
 * What holds
 *   - Bytes are gathered into pieces of DIRECT_PIECE_BYTES, and a file holds what was appended
 *     once sync has returned 0: then it is on the disk.
 *   - past_cache: whole pieces are written with O_DIRECT in a thread of their own, so that the
 *     disk works while the next ones are filled, no core copies them once more, and nothing that
 *     the server reads is pushed out of memory.  What is left at a file's end, which is what is
 *     read first of a sorted file, goes through the cache.  Where the file system has no O_DIRECT
 *     all does, and where no thread is to be had the caller's writes.
 *   - Else the caller's thread writes through the cache, and the disk is told to begin with each
 *     piece, so that a sync at the end is short.
 *   - A failure is told by the call that meets it or by one of those that follow, sync at the
 *     latest; then nothing but close and destroy is left.
 *   - Memory: two pieces, a huge page; past the cache DIRECT_PIECES of them.  They are kept for the
 *     next file.
 * Why: a first push of 1.5 GB took 2.7 s of CPU, half a second of it for copies into the page
 * cache, and where a virtual machine had given its free memory back to its host it waited for
 * that memory, too: 2.3 s in place of 1.4.
 * Threads: one per writer; it makes one of its own. */
#ifndef HOST_STUBS_KV_DIRECT_H
#define HOST_STUBS_KV_DIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DIRECT_PIECE_BYTES ((size_t)1 << 20)
#define DIRECT_PIECES      4

struct direct_writer;

/* NULL: out of memory. */
struct direct_writer *direct_create(void);
void direct_destroy(struct direct_writer *w);

/* 0, or an errno. */
int direct_open(struct direct_writer *w, const char *path, bool past_cache);
int direct_append(struct direct_writer *w, const void *data, size_t n);
int direct_sync(struct direct_writer *w);
int direct_close(struct direct_writer *w);

/* How much was appended to the file that is open. */
uint64_t direct_size(const struct direct_writer *w);

#ifdef __cplusplus
}
#endif
#endif
