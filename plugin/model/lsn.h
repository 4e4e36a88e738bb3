/* lsn.h - text forms of LSNs, timeline ids and digests.
 * An LSN is %X/%X, a timeline id 32 and a digest 32 lower-case hex digits (hi
 * word first).  Parsers take the whole string or nothing.  Threads: none. */
#ifndef ZS_MODEL_LSN_H
#define ZS_MODEL_LSN_H

#include <stdbool.h>
#include <zenith-sync/types.h>

#define LSN_TEXT 18 /* "FFFFFFFF/FFFFFFFF" and NUL */
#define HEX_TEXT 33 /* 32 hex digits and NUL */

/* The text forms as values, to be used in one expression: lsn_text(x).s */
struct lsn_text {
    char s[LSN_TEXT];
};
struct hex_text {
    char s[HEX_TEXT];
};

struct lsn_text lsn_text(zs_lsn lsn);
struct hex_text timeline_text(struct zs_timeline_id id);
struct hex_text digest_text(struct zs_digest digest);

/* True, and *out set, if the whole text is one.  Hex of either case is read. */
bool lsn_parse(const char *text, zs_lsn *out);
bool timeline_parse(const char *text, struct zs_timeline_id *out);
bool digest_parse(const char *text, struct zs_digest *out);

bool timeline_is_zero(struct zs_timeline_id id);
bool timeline_equal(struct zs_timeline_id a, struct zs_timeline_id b);

/* 16 random bytes from the kernel. */
int timeline_random(struct zs_timeline_id *out, struct zs_error *e);

#endif
