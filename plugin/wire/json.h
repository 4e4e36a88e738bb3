/* json.h - reading and writing the members of a control message with cJSON.
 * What is written ends with a checksum of itself, ,"check":"0123456789abcdef"}, and what
 * is read with one must fit it (control.h says why).
 * A json_in remembers the first member that was wrong, so that a decoder reads all
 * members in a row and asks once.  Threads: none. */
#ifndef ZS_WIRE_JSON_H
#define ZS_WIRE_JSON_H

#include <cJSON.h>
#include <stdbool.h>
#include <zenith-sync/types.h>

/* ---- reading --------------------------------------------------------------------- */

struct json_in {
    const char *message; /* "STATE", for the error */
    cJSON *root;
    const char *wrong; /* the first member that was missing or wrong */
};

/* Parse a whole object of at most 64 KiB and check its "protocol".  XX001 damaged, 08P01,
 * 0A000, 53200. */
int json_in_open(struct json_in *j, const char *message, const char *text, size_t len,
                 struct zs_error *e);
void json_in_close(struct json_in *j);
/* 08P01 naming the member if one was wrong. */
int json_in_check(const struct json_in *j, struct zs_error *e);

/* Members; each gives zero if it is missing or wrong, and remembers.  Those with
 * _or take a missing one as the default. */
bool json_text_or(struct json_in *j, const char *name, char *out, size_t size); /* is it there? */
/* For people: cut to what fits, and what would control a terminal is blank. */
void json_sentence_or(struct json_in *j, const char *name, char *out, size_t size);
bool json_bool_or(struct json_in *j, const char *name, bool missing);
uint64_t json_u64(struct json_in *j, const char *name);
uint64_t json_u64_or(struct json_in *j, const char *name, uint64_t missing);
uint32_t json_small_or(struct json_in *j, const char *name, uint32_t missing); /* a JSON number */
zs_lsn json_lsn(struct json_in *j, const char *name);
zs_lsn json_lsn_or(struct json_in *j, const char *name, zs_lsn missing);
struct zs_digest json_digest(struct json_in *j, const char *name);
struct zs_timeline_id json_timeline(struct json_in *j, const char *name);
struct zs_point json_point(struct json_in *j, const char *name);
/* One of `names` (NULL-terminated): its index. */
int json_word(struct json_in *j, const char *name, const char *const *names);
/* An array of at most max points; missing is none. */
uint32_t json_points(struct json_in *j, const char *name, struct zs_point *points, uint32_t max);

/* ---- writing ---------------------------------------------------------------------- */

/* An object to add members to; cJSON's functions fail only for want of memory, so
 * failure is remembered and asked for once, by json_out_text. */
struct json_out {
    cJSON *root;
    bool failed;
};

void json_out_open(struct json_out *j);
void json_put_bool(struct json_out *j, const char *name, bool value);
void json_put_small(struct json_out *j, const char *name, uint32_t value);
void json_put_text(struct json_out *j, const char *name, const char *value);
void json_put_u64(struct json_out *j, const char *name, uint64_t value);
void json_put_lsn(struct json_out *j, const char *name, zs_lsn value);
void json_put_digest(struct json_out *j, const char *name, struct zs_digest value);
void json_put_timeline(struct json_out *j, const char *name, struct zs_timeline_id value);
void json_put_point(struct json_out *j, const char *name, const struct zs_point *point);
void json_put_points(struct json_out *j, const char *name, const struct zs_point *points,
                     uint32_t n);
/* The text, malloc'ed, the caller's; frees the object in any case. */
int json_out_text(struct json_out *j, char **text, struct zs_error *e);

#endif
