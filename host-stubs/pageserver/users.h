/* users.h - who may log in: the file DIR/.zenith/users.
 * One line per user, "name role verifier"; lines that begin with # are comments, and
 * "#key BASE64" holds the secret that makes an unknown user look like a known one.
 * The file is read anew at each login, so an edit counts from then on; it is changed
 * under a lock, by writing another one and renaming it into its place.
 * Threads: any. */
#ifndef PAGESERVER_USERS_H
#define PAGESERVER_USERS_H

#include "pageserver/scram.h"

#define USER_NAME_MAX  63
#define USERS_FILE_MAX ((size_t)1024 * 1024)

struct user {
    char name[USER_NAME_MAX + 1];
    uint32_t role; /* ZS_ROLE_* */
    struct scram_verifier verifier;
};

/* "read", "write", "admin"; 0 and "?" for what is none. */
uint32_t role_parse(const char *text);
const char *role_name(uint32_t role);

/* 22023, saying which rule is broken. */
int user_name_check(const char *name, struct zs_error *e);

/* Find a user, or make the mock that stands for one: *found tells.  58030, XX001 a
 * line that is none (with its number). */
int users_find(const char *path, const char *name, struct user *out, bool *found,
               struct zs_error *e);

/* The same over the file's text.  Pure, but for the mock of a text without a key: then
 * `fallback_key` (SCRAM_KEY_BYTES) makes it. */
int users_text_find(const char *text, const char *name, const uint8_t *fallback_key,
                    struct user *out, bool *found, struct zs_error *e);

typedef int (*users_visit)(void *context, const char *name, uint32_t role);
int users_list(const char *path, users_visit visit, void *context, struct zs_error *e);

/* An empty file with a fresh key.  Fails if it exists. */
int users_create(const char *path, struct zs_error *e);

/* 42710 if there is one by that name. */
int users_add(const char *path, const char *name, uint32_t role, const char *password,
              struct zs_error *e);
/* 42704 if there is none. */
int users_remove(const char *path, const char *name, struct zs_error *e);

#endif
