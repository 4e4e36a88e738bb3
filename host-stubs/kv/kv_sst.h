/* kv_sst.h - writes one sorted file after the other, for RocksDB to take over.
 * Flow: kv_stage.c -> here -> kv_direct.c.  RocksDB's own SstFileWriter, reached in C++ as its C
 * API has no file system of one's own.
 * Errors are RocksDB's texts, in room that is there before it is needed: "" is success, for
 * engine_check.  No exception leaves.
 * Threads: one per writer (kv_direct.h). */
#ifndef HOST_STUBS_KV_SST_H
#define HOST_STUBS_KV_SST_H

#include <rocksdb/c.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sst_writer;

/* What a step has said. */
struct sst_text {
    char of[512];
};

/* NULL: out of memory. */
struct sst_writer *sst_writer_create(void);
void sst_writer_destroy(struct sst_writer *writer);

/* open, put in strictly ascending order, finish; then again with the next file.  `large`: of
 * values of KV_LARGE_BYTES and more (kv_table.h); `past_cache`: kv_direct.h.  What is returned is
 * the writer's until its next step; after a failure nothing but destroy is left. */
const char *sst_writer_open(struct sst_writer *writer, const char *path, int large, int past_cache);
const char *sst_writer_put(struct sst_writer *writer, const char *key, size_t key_len,
                           const void *value, size_t len);
const char *sst_writer_delete(struct sst_writer *writer, const char *key, size_t key_len);
/* Ends and syncs the file. */
const char *sst_writer_finish(struct sst_writer *writer);

/* How finished files are taken over: moved, and not written to any more.  By default RocksDB
 * writes a number into each before its manifest knows of it; a process that died between the
 * two left files that it then refused.  NULL: out of memory; else to be destroyed as ever. */
rocksdb_ingestexternalfileoptions_t *sst_ingest_options(void);

/* Every key in a finished file, in order; a return other than 0 ends it, with *ended set. */
typedef int (*sst_visit)(void *context, const char *key, size_t key_len);
const char *sst_keys(const char *path, sst_visit visit, void *context, int *ended,
                     struct sst_text *said);

/* Can a finished file's first and last block be read, and what leads to them?  To be asked
 * before it is taken over: RocksDB takes for granted that the last one can, and ends the
 * process over a failed assertion.  What was read is in memory when the engine asks again. */
const char *sst_ends(const char *path, struct sst_text *said);

/* kv_tail.c: may the engine open the file?  Whole is also what it finds the damage of itself. */
enum tail { TAIL_WHOLE, TAIL_DAMAGED, TAIL_NO_MEMORY };
enum tail tail_look(const char *path);

/* Is a finished file as it was written?  Reads all of it.  Returns said->of. */
const char *sst_verify(const char *path, struct sst_text *said);

#ifdef __cplusplus
}
#endif
#endif
