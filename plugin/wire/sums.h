/* sums.h - the messages of a comparison: which records, and what they sum to.
 * Flow: sync/compare asks, sync/compare_serve answers; grammar in sync/compare.h.
 *
 * An answer has the sum of all that was asked for, and either the records one by one, if
 * there are few, or its parts: ranges of keys next to each other, each with its sum.
 * Decoders take nothing that cannot be: keys ascend and lie in the range, LSNs too, parts
 * or records add up to the whole, and there is at least one part.
 * Ownership: a decoded struct holds no pointers.  Encoded text is malloc'ed and the
 * caller's.  Threads: none. */
#ifndef ZS_WIRE_SUMS_H
#define ZS_WIRE_SUMS_H

#include <stdbool.h>
#include <zenith-sync/types.h>

#define SUMS_MAX 256u /* parts, or records, in an answer */

/* Records with first <= key <= last and after_lsn < lsn <= upto_lsn. */
struct ask_message {
    bool done; /* nothing more will be asked */
    uint8_t first[ZS_KEY_BYTES], last[ZS_KEY_BYTES];
    zs_lsn after_lsn, upto_lsn;
};

/* A part: keys behind the one before's last, up to its own. */
struct sum_part {
    uint8_t last[ZS_KEY_BYTES];
    uint64_t records;
    struct zs_digest sum;
};

struct sum_record {
    uint8_t key[ZS_KEY_BYTES];
    zs_lsn lsn;
    struct zs_digest sum; /* its hash */
};

struct sums_message {
    uint64_t records, bytes; /* of all that was asked for */
    struct zs_digest sum;
    bool has_told; /* D(upto_lsn), as the answerer's history has it */
    struct zs_digest told;
    bool listed; /* records, not parts */
    uint32_t count;
    union {
        struct sum_part parts[SUMS_MAX];
        struct sum_record list[SUMS_MAX];
    };
};

int ask_encode(const struct ask_message *m, char **text, struct zs_error *e);
int ask_decode(const char *text, size_t len, struct ask_message *m, struct zs_error *e);
int sums_encode(const struct sums_message *m, char **text, struct zs_error *e);
/* The answer to `ask`. */
int sums_decode(const char *text, size_t len, const struct ask_message *ask, struct sums_message *m,
                struct zs_error *e);

#endif
