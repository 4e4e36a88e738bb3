/* batch.h - records to and from one BATCH message.
 * Flow: sync/send_records -> writer -> wire/conn ~> wire/conn -> reader -> sync/intake.
 * Knows nothing of stores or sockets.
 *
 * Layout, little-endian:
 *      0  u8   'B'
 *      1  u8   encoding: 0 none, 1 lz4, 2 zstd; 3 none, and summed
 *      2  u16  holes        values with a run of zeros left out; 0 from an older peer
 *      4  u32  count        records, 1 to BATCH_MAX_RECORDS
 *      8  u32  values_len   bytes of all values, without the holes
 *     12  u32  body_len     bytes that follow the head, as sent
 *     16  u64  number       of this batch in its transfer, from 0
 *     24  u64  checksum     XXH3_64 of the body as sent, summed: without the values, seeded
 *                           with that of bytes 0..23
 *     32       body; decoded it is
 *                values     one after the other, no gaps
 *                keys       18 * count
 *                lsns        8 * count
 *                lens        4 * count   with the holes
 *                kinds           count
 *                holes      12 * holes   u32 record, at, len; by record, one each at most
 *                sum        16           summed: u64 lo, hi; of the records' digests
 *
 * The columns stand behind the values so that a store can write values straight
 * into the message before anyone knows how many there will be (store.h, iter_next).
 * The checksum guards what the wire did; what the stores did is guarded by the history
 * digest, for which both sides hash each record (types.h).  So a reader that asks for it gets
 * values that only their records' sum guards, and no byte is hashed twice: it holds the batch to
 * that sum when it has put it, and keeps nothing of one that differs.  Keys, LSNs and lengths are
 * guarded before anyone looks at them.  Columns compress well, and a reader checks them in one
 * pass.
 * Threads: none of its own.  Memory: a writer has one buffer of about 1.5 MiB (more
 * only while a single record is larger), a reader one of the same size once
 * something compressed arrives. */
#ifndef ZS_WIRE_BATCH_H
#define ZS_WIRE_BATCH_H

#include <stdbool.h>
#include <zenith-sync/types.h>

/* By bytes, not by count: 1 MiB batches carried 1,230 MB/s over the whole path where
 * 256 KiB carried 1,010 and 4 MiB 900. */
#define BATCH_VALUES_BYTES (1024u * 1024u - 16u * 1024u)
#define BATCH_MAX_RECORDS  16384u

enum batch_encoding { BATCH_NONE = 0, BATCH_LZ4 = 1, BATCH_ZSTD = 2 };

/* What a reader says that it reads: a bit for each encoding, and BATCH_READS_HOLES. */
#define BATCH_READS_SUMS  8u
#define BATCH_READS_HOLES 256u
#define BATCH_READS_ALL                                                                            \
    (1u << BATCH_NONE | 1u << BATCH_LZ4 | 1u << BATCH_ZSTD | BATCH_READS_HOLES | BATCH_READS_SUMS)

/* ---- writing ------------------------------------------------------------------ */

struct batch_writer; /* owns its buffers */

int batch_writer_open(enum batch_encoding encoding, struct batch_writer **out, struct zs_error *e);
void batch_writer_close(struct batch_writer *w);

/* How the next batch is packed; only what its reader reads.  Each batch says how it is. */
void batch_writer_encoding(struct batch_writer *w, enum batch_encoding encoding);

/* Leave holes out of batches of which they are at least a `share`-th; 0: never. */
void batch_writer_holes(struct batch_writer *w, uint32_t share);

/* Leave the values of batches that are not packed to the sum of their records. */
void batch_writer_sums(struct batch_writer *w, bool sums);

/* Pack a piece of the batch as it stands, to know what a byte would cost and become. */
int batch_sample(struct batch_writer *w, enum batch_encoding encoding, double *ns, double *ratio,
                 struct zs_error *e);

/* Make whole messages no larger than that, or with many small records an eighth more, so that
 * a slow link flows evenly; a single record of any size goes alone. */
void batch_writer_limit(struct batch_writer *w, uint32_t message_bytes);

/* Where a store may put the next values, and how much fits.  Valid until the next
 * call. */
void *batch_room(struct batch_writer *w, uint64_t *room_bytes);
uint64_t batch_room_records(const struct batch_writer *w);

/* Add a record.  A value that stands already where batch_room said is not copied.
 * *added is false when it does not fit any more: send the batch and add it again.  A
 * record of any legal size fits into an empty batch. */
int batch_add(struct batch_writer *w, const struct zs_record *record, bool *added,
              struct zs_error *e);

uint32_t batch_count(const struct batch_writer *w);
uint64_t batch_raw_bytes(const struct batch_writer *w);   /* value bytes so far */
struct zs_digest batch_sum(const struct batch_writer *w); /* of its records so far */

/* Close the batch: *message is ready to send, valid until the next batch_room,
 * batch_add or close.  The writer is empty again. */
int batch_finish(struct batch_writer *w, const void **message, uint64_t *bytes, struct zs_error *e);

/* What a finished message stands in, for a caller that has several of them on their way. */
struct batch_buffer {
    void *allocated; /* owned; NULL: none */
    uint8_t *bytes;  /* in it, where a message begins */
    size_t capacity;
};
struct batch_memory {
    struct batch_buffer message, packed;
};

/* Right behind batch_finish: what its message stands in goes into *m, and with it the message
 * stays valid; the writer goes on in what *m had (zeroed at first: in new memory). */
int batch_writer_swap(struct batch_writer *w, struct batch_memory *m, struct zs_error *e);

/* The message has gone: give back what a single large record took, or all of it. */
void batch_memory_trim(struct batch_memory *m);
void batch_memory_free(struct batch_memory *m);

/* ---- reading ------------------------------------------------------------------- */

struct batch_reader; /* owns its buffers; remembers which number is due */

int batch_reader_open(struct batch_reader **out, struct zs_error *e);
void batch_reader_close(struct batch_reader *r);

/* Decode one BATCH message.  *records are views into the message or into the
 * reader's buffer: valid until the next call, and as long as the message.  Of a summed batch
 * the values are not checked here: batch_reader_sum.
 * Errors: 08P01 malformed or out of turn, with the position in the detail; XX001
 * checksum; 54000 a value too large; 53200. */
int batch_decode(struct batch_reader *r, const uint8_t *message, uint64_t bytes,
                 const struct zs_record **records, uint32_t *count, struct zs_error *e);

/* Is the last batch summed?  Then *sum is what its records have to come to. */
bool batch_reader_sum(const struct batch_reader *r, struct zs_digest *sum);

/* For a caller with several readers: this one's next batch is the n-th of the transfer. */
void batch_reader_expect(struct batch_reader *r, uint64_t number);

/* Its records are used: give back what a single large one took. */
void batch_reader_trim(struct batch_reader *r);

/* "none", "lz4", "zstd" and back. */
const char *batch_encoding_name(enum batch_encoding encoding);
bool batch_encoding_parse(const char *name, enum batch_encoding *out);

#endif
