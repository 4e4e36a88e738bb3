/* encoding.h - how batches are packed: as a person chose, or by what the transfer shows.
 * Flow: send_records asks before each batch is closed (encoding_plan), and tells how it went
 * once it is sent (encoding_sent).  What decides is encoding_choose, a pure function.
 *
 * `auto` compares what one byte of records takes, all in all, packed one way and another.
 * Batches are looked at in windows.  While the sender waits for the wire for a good part of
 * a window, a piece of a batch is packed the next better way, and measured: if that cost and
 * the smaller wire together promise a seventh less, it is tried, and kept if a byte then really
 * takes a tenth less.  While the sender does not wait, the next simpler way is tried, and kept
 * if it is not slower; so it is from time to time in any case, for a receiver that is slow
 * makes the wire look slow.  A trial that fails is not repeated for ever more windows.
 *
 *     none ──wire slow, and it pays──> lz4 ──the same──> zstd
 *          <──no slower without──────      <────────────
 *
 * What holds
 *   - A transfer begins with none; while a byte takes less than FAST_NS, nothing is tried and
 *     no piece packed: `auto` is `none` then, but for a few additions per batch.
 *   - With a max_rate the wait for it is a wait for the wire: packing then pays.
 *   - Each batch says how it is packed, so that a change costs nothing (wire/batch.h), and
 *     only what the receiver reads is used.
 * Threads: encoding_plan by the one that packs, encoding_sent by the one that sends. */
#ifndef ZS_SYNC_ENCODING_H
#define ZS_SYNC_ENCODING_H

#include "wire/batch.h"

#include <stdatomic.h>

/* What is asked for: an enum batch_encoding, or this. */
#define ENCODING_AUTO 3u

/* "auto", "none", "lz4", "zstd". */
bool encoding_parse(const char *name, uint32_t *asked);

/* ---- the decision --------------------------------------------------------------------- */

/* Batches that were packed alike and sent one after the other. */
struct encoding_window {
    uint64_t raw_bytes;  /* their records' values */
    uint64_t wire_bytes; /* as sent */
    int64_t elapsed_ns;
    int64_t blocked_ns; /* of it, spent in sending and in keeping a rate */
};

/* What packing a piece of a batch came to. */
struct encoding_sample {
    enum batch_encoding encoding; /* BATCH_NONE: there is none */
    double ns;                    /* per byte */
    double ratio;                 /* packed / raw */
};

struct encoding_state {
    uint32_t readable;          /* as in a STATE: a bit for each encoding */
    enum batch_encoding now;    /* for the next batches */
    enum batch_encoding before; /* while `now` is on trial: what it was; else the same */
    double before_ns;           /* what a byte took then */
    bool fresh;                 /* `now` is new: buffers on the way fill or drain, so that the
                                   first window shows little */
    bool settled;               /* the last window waited for the wire */
    uint32_t rest;              /* windows before the next trial */
    uint32_t patience;          /* and after it, if it fails */
    uint32_t trust, trusted;    /* windows before `now` is doubted though the wire is slow;
                                   and from how many that was counted down */
    enum batch_encoding sample; /* pack a piece this way, to be told with the next window;
                                   BATCH_NONE: none is wanted */
};

#define ENCODING_PATIENCE_FIRST 2u
#define ENCODING_PATIENCE_MOST  1024u
#define ENCODING_TRUST          64u

struct encoding_state encoding_begin(uint32_t readable);

/* What follows from one more window, and the sample that was asked for. */
struct encoding_state encoding_choose(struct encoding_state s, const struct encoding_window *w,
                                      const struct encoding_sample *sample);

/* ---- around it ------------------------------------------------------------------------ */

struct encoding {
    bool automatic, holes, sums;
    atomic_uint plan; /* encoding | sample << 8 */
    struct encoding_state state;
    struct encoding_window window;
    struct encoding_sample sample;
    uint32_t batches;   /* in the window */
    int64_t started_ns; /* the window; 0: with the next batch */
};

/* How a batch was packed: goes along with it, from encoding_plan to encoding_sent. */
struct encoding_report {
    enum batch_encoding asked;
    struct encoding_sample sample;
};

void encoding_open(struct encoding *x, uint32_t asked, uint32_t readable);

/* Before the writer's batch is closed: set how it is packed and what share of holes is left
 * out, and take a sample if one is wanted. */
int encoding_plan(struct encoding *x, struct batch_writer *w, struct encoding_report *report,
                  struct zs_error *e);

/* A batch went out: it was begun to be sent at started_ns, and is out at now_ns. */
void encoding_sent(struct encoding *x, const struct encoding_report *report, uint64_t raw_bytes,
                   uint64_t wire_bytes, int64_t started_ns, int64_t now_ns);

#endif
