/* zenith-sync/types.h - the words that both ABIs share.
 *
 * Read this first; then store.h and host.h to write a host, or transport.h to
 * write a transport.  Those four headers and nothing else are the interface.
 *
 * Rules that hold for every declaration in them
 *
 *   Results    A function returns ZS_OK (0) or ZS_FAIL (-1) unless it says
 *              otherwise.  On ZS_FAIL it has filled the struct zs_error that
 *              the caller passed last; a failure with an empty sqlstate is the
 *              callee's bug and is reported as one (XX000, naming the callee).
 *              On ZS_OK the error is left as it was.
 *   Lifetimes  There are four, and nobody frees what the other side allocated:
 *                CALL     valid until the function returns (the default)
 *                NEXT     valid until the next call on the same handle
 *                HANDLE   valid until the handle's close
 *                PROCESS  valid as long as the process
 *   Closing    A close cannot fail, accepts a handle in any state, and is the
 *              only thing that frees it.
 *   Growth     A struct that may grow begins with `uint32_t struct_size`, set
 *              by whoever fills it to sizeof the struct as it was compiled.
 *              Members are only ever appended.  The reader zeroes its own copy
 *              and takes the smaller of both sizes: what the other side did not
 *              know is 0 or NULL here.  No such struct has tail padding.
 *              In a struct that is handed in to be filled (info, state, a
 *              channel) the caller has set struct_size to the room there is; the
 *              filler writes no more than that, and sets it to what it filled.
 *   Shapes     No enum, bool, bit-field, long or va_list crosses the border.
 *              Text is UTF-8, NUL-terminated.  The ABI is for 64-bit machines.
 *   Control    No longjmp, C++ exception, exit or abort crosses the border.
 *              Out of memory is an error like others (53200).
 *   Threads    Said per struct.  A handle is used by one thread at a time and
 *              may move between threads. */
#ifndef ZENITH_SYNC_TYPES_H
#define ZENITH_SYNC_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define ZS_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define ZS_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif

/* Marks the one symbol that a module or a transport exports. */
#define ZS_EXPORT __attribute__((visibility("default")))

#define ZS_OK   0
#define ZS_FAIL (-1)

/* ---- limits: the same on both sides of every border ---------------------- */

#define ZS_KEY_BYTES       18
#define ZS_TIMELINE_BYTES  16
#define ZS_BRANCH_NAME_MAX 255u      /* bytes, without the NUL */
#define ZS_VALUE_MAX       8388608u  /* 8 MiB: a record's value; more is 54000 */
#define ZS_MESSAGE_MAX     16777216u /* 16 MiB: a channel's message; more is 08P01 */
#define ZS_STRUCT_SIZE_MAX 65536u    /* a struct_size above is no size, and is refused */

/* ---- positions, histories, records --------------------------------------- */

/* A 64-bit WAL position, printed %X/%X (high 32 bits / low 32 bits).  0 is
 * "before everything": the last_valid_lsn of an empty branch. */
typedef uint64_t zs_lsn;

/* The 16-byte id of a timeline, printed as 32 lower-case hex digits. */
struct zs_timeline_id {
    uint8_t bytes[ZS_TIMELINE_BYTES];
};

/* A history digest: a 128-bit unsigned integer, low word first, added modulo
 * 2^128.  D(L) of a timeline is the sum of
 *
 *     XXH3_128(key[18] | lsn as 8 bytes little-endian | kind[1] | value[len])
 *
 * over every record ever written to it with lsn <= L (seed 0; lo and hi are
 * low64 and high64 of XXH128_hash_t).  A sum needs no order, and
 * D(Y) = D(X) + sum over (X, Y].  Garbage collection never subtracts, and an
 * image that a host derives by itself (redo, compaction) is not a written
 * record.  Test vectors stand at the end of store.h.  The digest guards
 * against faults, not against a malicious peer who can compute sums. */
struct zs_digest {
    uint64_t lo, hi;
};

/* One point of a timeline's history: the state right after a commit. */
struct zs_point {
    zs_lsn lsn;
    struct zs_digest digest; /* D(lsn) */
    uint64_t records;        /* how many records were ever written up to lsn; 0 unknown */
    uint64_t bytes;          /* the sum of their value lengths; 0 unknown */
};

#define ZS_KIND_IMAGE     1 /* the value is the whole page or file piece */
#define ZS_KIND_WAL       2 /* the value is a WAL record to be applied to what is below */
#define ZS_KIND_TOMBSTONE 3 /* the key is gone from here on; len is 0 */

/* One version of one key.  (key, lsn) is unique in a timeline.  Keys are
 * ordered by memcmp; the last 4 bytes are a block number, big endian.  Nothing
 * else about a key is known to the plugin.  Frozen: never grows. */
struct zs_record {
    uint8_t key[ZS_KEY_BYTES];
    uint8_t kind;      /* ZS_KIND_* */
    uint8_t flags;     /* 0; local to one side, never sent and never hashed */
    uint32_t len;      /* bytes at value, at most ZS_VALUE_MAX */
    zs_lsn lsn;        /* never 0 */
    const void *value; /* a view; NULL only if len is 0 */
};

/* ---- errors --------------------------------------------------------------- */

#define ZS_RETRY_NEVER  0 /* the same command will fail again until something is changed */
#define ZS_RETRY_LATER  1 /* the same command may succeed later (busy, down, full) */
#define ZS_RETRY_RESUME 2 /* cut off in the middle: the same command goes on or starts again */

/* Why something failed, for the person who typed the command.  Owned by the
 * caller, set once where the failure arises, passed up untouched and shown to
 * the client as it is.  Texts are whole sentences without a trailing newline,
 * cut at the array's end if longer, and hold no password.  Also the shape of a
 * notice (sqlstate 00000).  `retry` is for whoever repeats commands by itself, a
 * host with a scheduler; the module sets it and acts on none, and it does not
 * travel: from a far server's error it is made anew by the SQLSTATE.
 * Frozen: never grows. */
struct zs_error {
    char sqlstate[6];  /* 5 characters and NUL; "" is "no error" */
    uint8_t retry;     /* ZS_RETRY_* */
    uint8_t reserved;  /* 0 */
    char message[504]; /* what went wrong, and with what */
    char detail[1024]; /* more about it, or "" */
    char hint[512];    /* what to do or type next, or "" */
};

/* SQLSTATEs that cross the border; PostgreSQL's meaning, and three of ours. */
#define ZS_SYNTAX_ERROR       "42601"
#define ZS_BAD_VALUE          "22023"
#define ZS_NO_SUCH_BRANCH     "42704"
#define ZS_ALREADY_EXISTS     "42710"
#define ZS_BUSY               "55006"
#define ZS_MOVED_MEANWHILE    "40001"
#define ZS_NOT_SUPPORTED      "0A000"
#define ZS_CANNOT_CONNECT     "08001"
#define ZS_CONNECTION_LOST    "08006"
#define ZS_PROTOCOL_VIOLATION "08P01"
#define ZS_NOT_AUTHORIZED     "28000"
#define ZS_WRONG_PASSWORD     "28P01"
#define ZS_NO_PERMISSION      "42501"
#define ZS_CANCELLED          "57014"
#define ZS_DISK_FULL          "53100"
#define ZS_OUT_OF_MEMORY      "53200"
#define ZS_LIMIT_EXCEEDED     "53400"
#define ZS_VALUE_TOO_LARGE    "54000"
#define ZS_IO_ERROR           "58030"
#define ZS_INTERNAL_ERROR     "XX000"
#define ZS_CORRUPT            "XX001"
#define ZS_NOT_FAST_FORWARD   "ZS001" /* the receiver is ahead */
#define ZS_DIVERGED           "ZS002"
#define ZS_UNRELATED          "ZS003"

/* ---- cancellation --------------------------------------------------------- */

/* A request to stop, as the callee sees it: a flag to poll, a descriptor to
 * wait on, and a deadline.  After a request a function returns ZS_FAIL with
 * 57014 within 250 ms, and nothing half done is visible.  Poll at least every
 * 100 ms of work and never block longer without fd among what is waited for: a
 * host may know of some requests (a client that vanished) only when asked.
 * Threads: requested() and fd may be used from any thread at any time. */
struct zs_cancel {
    uint32_t struct_size;
    int32_t fd;          /* becomes readable on a request and stays so; never read it; -1 none */
    int64_t deadline_ns; /* CLOCK_MONOTONIC; 0 none.  Past it counts as a request */
    void *self;
    int32_t (*requested)(void *self); /* 1 if a stop is asked for, else 0.  Required */
};

#define ZS_CANCEL_SIZE_V1 32u

/* ---- a channel: whole messages, both ways --------------------------------- */

#define ZS_RECV_ERROR   (-1) /* broken, cancelled, or the far side's own error, as it sent it */
#define ZS_RECV_NOTHING 0    /* no message within the timeout */
#define ZS_RECV_MESSAGE 1    /* *msg and *len are set, lifetime NEXT */
#define ZS_RECV_END     2    /* the far side sends no more; stays so */

/* A reliable, ordered, two-way stream of messages of 1 to ZS_MESSAGE_MAX bytes.
 * A host makes one out of a client's connection (host.h, copy_both), a transport
 * makes one to a far server (transport.h, connect).  Neither knows what the
 * messages mean.  Cancellation: each call obeys the token that the channel was
 * made with.
 * Threads: one thread may send while another receives; no two the same. */
struct zs_channel {
    uint32_t struct_size;
    uint32_t reserved;
    void *self;

    /* Hand over one message; the buffer is the caller's again on return.  May
     * wait for the network, and then goes on accepting incoming messages, so
     * that two sides that both send cannot stop each other for ever: it keeps at least
     * 16 MiB of them for recv, framing included, and fails (53400) when more pile up,
     * nothing can be sent, and no other thread is in recv.  A failure that the
     * far side reported comes here or in the next recv. */
    int32_t (*send)(void *self, const void *msg, uint64_t len, struct zs_error *e);

    /* Next message.  timeout_ms 0 looks and returns, -1 waits for ever.
     * Returns ZS_RECV_*.  A message longer than ZS_MESSAGE_MAX is 08P01, found
     * before memory for it is taken. */
    int32_t (*recv)(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                    struct zs_error *e);

    /* Say that no more will be sent; the far side's recv gives ZS_RECV_END. */
    int32_t (*finish)(void *self, struct zs_error *e);

    /* Drop it, whatever its state.  Without a finish before, the far side sees
     * an error. */
    void (*close)(void *self);

    /* ---- both NULL, or not in the struct at all, where messages cannot be kept ---- */

    /* Keep the message that the last recv gave: it stays valid until it is given back with
     * release, and must be before close.  For a receiver that hands messages to another
     * thread without copying them; it keeps 16 at most.  NULL: this one cannot be kept, copy
     * it.  Both are called by the thread that receives. */
    void *(*keep)(void *self);
    void (*release)(void *self, void *kept);
};

ZS_STATIC_ASSERT(sizeof(void *) == 8, "the ABI is for 64-bit machines");
ZS_STATIC_ASSERT(sizeof(struct zs_digest) == 16, "no padding");
ZS_STATIC_ASSERT(sizeof(struct zs_point) == 40, "no padding");
ZS_STATIC_ASSERT(sizeof(struct zs_record) == 40, "no padding");
ZS_STATIC_ASSERT(offsetof(struct zs_record, len) == 20, "no padding");
ZS_STATIC_ASSERT(sizeof(struct zs_error) == 2048, "no padding");
ZS_STATIC_ASSERT(sizeof(struct zs_cancel) == ZS_CANCEL_SIZE_V1, "no tail padding");
ZS_STATIC_ASSERT(offsetof(struct zs_channel, keep) == 48, "append only");
ZS_STATIC_ASSERT(sizeof(struct zs_channel) == 64, "no tail padding");

#ifdef __cplusplus
}
#endif
#endif
