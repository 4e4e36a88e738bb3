/* control.h - the JSON messages of the stream, as structs.
 * Flow: sync/ fills or reads a struct; here it becomes text and back.
 * JSON's numbers are doubles, so LSNs, digests, ids and 64-bit counts travel as
 * strings.  Members that are not known are skipped; one that is missing, of the
 * wrong type or out of bounds is 08P01 and named in the detail.
 * Each text ends with a checksum of itself (json.h): a digit that changes on the way would
 * else be stored with a history point, or make a branch of another timeline.  It is a
 * member like others, so an older peer skips it, and what comes without one is an older
 * peer's: it needs no negotiation, and whatever one flip hits, the text or its checksum,
 * is found or has no effect.  A text that does not fit its checksum is XX001.
 * Ownership: a decoded struct holds no pointers.  Encoded text is malloc'ed and the
 * caller's.  Threads: none. */
#ifndef ZS_WIRE_CONTROL_H
#define ZS_WIRE_CONTROL_H

#include <stdbool.h>
#include <zenith-sync/types.h>

/* A history that travels is thinned to this many points. */
#define CONTROL_MAX_POINTS 64

enum verdict {
    VERDICT_ABSENT,
    VERDICT_BEHIND,
    VERDICT_EQUAL,
    VERDICT_AHEAD,
    VERDICT_DIVERGED,
    VERDICT_UNRELATED,
};

enum offer_mode { OFFER_SEND, OFFER_NONE, OFFER_ASK };

struct point_list {
    uint32_t count;
    struct zs_point at[CONTROL_MAX_POINTS]; /* newest first */
};

/* A sentence for the person at the receiver's end; cut, if a newer peer says more. */
#define COMMIT_SAID_BYTES 256

/* Where a transfer that was cut off stands, at its receiver. */
struct resume_point {
    bool present;
    struct zs_point to;        /* the sender's state that it goes to: Y, D(Y) */
    uint8_t key[ZS_KEY_BYTES]; /* all up to (key, lsn) is there */
    zs_lsn lsn;
    struct zs_digest sum; /* over what is there */
    uint64_t records, bytes;
};

/* Receiver to sender: what it has, and what it wants of the stream. */
struct state_message {
    bool exists;                    /* the branch */
    bool digests;                   /* points and digests are kept */
    bool dry_run;                   /* a verdict and an estimate, nothing else */
    uint32_t encodings;             /* what it reads: BATCH_READS_ALL or a part */
    uint32_t encoding;              /* what it asks for; one that is not known is none */
    uint64_t max_rate_bps;          /* on the wire; 0 no limit, or at least RATE_LEAST_BPS */
    struct zs_timeline_id timeline; /* zero if the branch does not exist */
    /* In a command, which branch it is for, once more and under the checksum; else "". */
    char branch[ZS_BRANCH_NAME_MAX + 1];
    struct zs_point last; /* at its last_valid_lsn */
    struct point_list points;
    zs_lsn gc_cutoff_lsn;       /* in a comparison only */
    struct resume_point resume; /* of a transfer on top of `last` */
};

/* Sender to receiver: what it found, and what follows. */
struct offer_message {
    enum verdict verdict; /* not with OFFER_ASK */
    enum offer_mode mode;
    bool digests;
    bool resume;                    /* goes on at the STATE's resume point */
    bool more;                      /* another OFFER follows after DONE */
    bool acks;                      /* the sender listens to ACK */
    struct zs_timeline_id timeline; /* the sender's */
    zs_lsn from_lsn, to_lsn;        /* records in (from, to] would come, or come */
    zs_lsn common_lsn;              /* the newest common point; diverged only */
    zs_lsn collected_lsn;           /* what is newer than to_lsn was collected up to here; 0 */
    struct zs_point last;           /* the sender's, at to_lsn */
    uint64_t records, bytes;        /* the estimate; 0 unknown */
};

/* Sender to receiver: all has been sent. */
struct commit_message {
    struct zs_digest sum;         /* over the records of this transfer */
    uint64_t records, bytes;      /* how many there were */
    struct zs_point end;          /* what the receiver has from then on */
    zs_lsn gc_cutoff_lsn;         /* the sender's, when all was sent; else 0 */
    struct point_list points;     /* the sender's history inside the range */
    char said[COMMIT_SAID_BYTES]; /* a warning: why the branch was scanned; "" */
};

/* Receiver to sender: what the branch is now. */
struct done_message {
    enum verdict verdict;
    zs_lsn common_lsn;
    struct zs_timeline_id timeline;
    struct zs_point last;
};

/* Receiver to sender: so much of the range would outlive a cut here. */
struct ack_message {
    uint64_t records, bytes;
};

const char *verdict_name(enum verdict verdict);

/* What stands in a push's command, which carries no STATE. */
int call_encode(const char *branch, char **text, struct zs_error *e);
int state_encode(const struct state_message *m, char **text, struct zs_error *e);
int state_decode(const char *text, size_t len, struct state_message *m, struct zs_error *e);
int offer_encode(const struct offer_message *m, char **text, struct zs_error *e);
int offer_decode(const char *text, size_t len, struct offer_message *m, struct zs_error *e);
int commit_encode(const struct commit_message *m, char **text, struct zs_error *e);
int commit_decode(const char *text, size_t len, struct commit_message *m, struct zs_error *e);
int ack_encode(const struct ack_message *m, char **text, struct zs_error *e);
int ack_decode(const char *text, size_t len, struct ack_message *m, struct zs_error *e);
int done_encode(const struct done_message *m, char **text, struct zs_error *e);
int done_decode(const char *text, size_t len, struct done_message *m, struct zs_error *e);

#endif
