/* users.c - see users.h. */
#include "pageserver/users.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "pageserver/files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <zenith-sync/host.h>

#define KEY_LINE "#key "

static const char *const role_names[] = {"?", "read", "write", "admin"};

uint32_t role_parse(const char *text)
{
    for (uint32_t r = ZS_ROLE_READ; r <= ZS_ROLE_ADMIN; r++)
        if (strcmp(text, role_names[r]) == 0)
            return r;
    return 0;
}

const char *role_name(uint32_t role)
{
    return role_names[role <= ZS_ROLE_ADMIN ? role : 0];
}

int user_name_check(const char *name, struct zs_error *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._@-";
    size_t n = strlen(name);
    if (n >= 1 && n <= USER_NAME_MAX && strspn(name, allowed) == n && name[0] != '-')
        return ZS_OK;
    error_set(e, ZS_BAD_VALUE, "this is no user name");
    error_detail(e, "A user name has 1 to %d letters, digits or ._@- and does not begin with -.",
                 USER_NAME_MAX);
    return error_hint(e, "Choose a name such as \"alice\".");
}

/* ---- lines ---------------------------------------------------------------------------- */

struct line {
    const char *start;
    size_t len; /* without the newline */
    unsigned number;
};

/* The next line of text; false at its end. */
static bool line_next(const char **at, struct line *line)
{
    if (**at == '\0')
        return false;
    line->start = *at;
    line->len = strcspn(*at, "\n");
    line->number++;
    *at += line->len + ((*at)[line->len] == '\n' ? 1 : 0);
    return true;
}

static int line_damaged(const struct line *line, struct zs_error *e)
{
    error_set(e, ZS_CORRUPT, "line %u of the users file is not \"name role verifier\"",
              line->number);
    return error_hint(e, "Remove that line, then add the user again with `zenith user add`.");
}

/* *is_user false: a comment or an empty line. */
static int line_parse(const struct line *line, struct user *out, bool *is_user, struct zs_error *e)
{
    *is_user = false;
    if (line->len == 0 || line->start[0] == '#')
        return ZS_OK;
    char text[USER_NAME_MAX + SCRAM_VERIFIER_TEXT + 32];
    if (line->len >= sizeof text)
        return line_damaged(line, e);
    memcpy(text, line->start, line->len);
    text[line->len] = '\0';
    char *role = strchr(text, ' ');
    char *verifier = role != NULL ? strchr(role + 1, ' ') : NULL;
    if (verifier == NULL)
        return line_damaged(line, e);
    *role++ = '\0';
    *verifier++ = '\0';
    struct zs_error ignored;
    *out = (struct user){.role = role_parse(role)};
    if (user_name_check(text, &ignored) != ZS_OK || out->role == 0 ||
        !scram_verifier_parse(verifier, &out->verifier))
        return line_damaged(line, e);
    memcpy(out->name, text, strlen(text) + 1); /* its length was checked */
    *is_user = true;
    return ZS_OK;
}

static bool line_is_of(const struct line *line, const char *name)
{
    size_t n = strlen(name);
    return line->len > n && memcmp(line->start, name, n) == 0 && line->start[n] == ' ' &&
           strchr(name, ' ') == NULL;
}

int users_text_find(const char *text, const char *name, const uint8_t *fallback_key,
                    struct user *out, bool *found, struct zs_error *e)
{
    uint8_t key[SCRAM_KEY_BYTES];
    memcpy(key, fallback_key, sizeof key);
    struct line line = {0};
    *found = false;
    for (const char *at = text; line_next(&at, &line);) {
        size_t prefix = strlen(KEY_LINE);
        uint8_t bytes[SCRAM_KEY_BYTES];
        size_t n = 0;
        if (line.len > prefix && memcmp(line.start, KEY_LINE, prefix) == 0 &&
            base64_decode(line.start + prefix, line.len - prefix, bytes, sizeof bytes, &n) &&
            n == sizeof key)
            memcpy(key, bytes, sizeof key);
        if (*found || !line_is_of(&line, name))
            continue;
        TRY(line_parse(&line, out, found, e));
    }
    /* Made in either case, so that both take the same time. */
    struct scram_verifier mock;
    TRY(scram_verifier_mock(key, name, &mock, e));
    if (!*found) {
        *out = (struct user){.verifier = mock};
        (void)snprintf(out->name, sizeof out->name, "%s", name);
    }
    return ZS_OK;
}

int users_find(const char *path, const char *name, struct user *out, bool *found,
               struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    TRY(file_read(path, USERS_FILE_MAX, &text, e));
    static const uint8_t no_key[SCRAM_KEY_BYTES];
    return users_text_find(text, name, no_key, out, found, e);
}

int users_list(const char *path, users_visit visit, void *context, struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    TRY(file_read(path, USERS_FILE_MAX, &text, e));
    struct line line = {0};
    for (const char *at = text; line_next(&at, &line);) {
        struct user user;
        bool is_user = false;
        TRY(line_parse(&line, &user, &is_user, e));
        if (is_user && visit(context, user.name, user.role) != 0)
            break;
    }
    return ZS_OK;
}

/* ---- changes --------------------------------------------------------------------------- */

int users_create(const char *path, struct zs_error *e)
{
    char salt_text[32];
    struct scram_verifier v;
    char text[256];
    char key[SCRAM_KEY_BYTES * 2];
    /* A verifier of a random password is 32 random bytes with what is at hand. */
    TRY(scram_nonce(salt_text, e));
    TRY(scram_verifier_random(salt_text, &v, e));
    base64_encode(v.stored_key, sizeof v.stored_key, key);
    (void)snprintf(
        text, sizeof text,
        "# Who may log in.  Change it with `zenith user add` and `zenith user remove`.\n" KEY_LINE
        "%s\n",
        key);
    return file_write(path, text, strlen(text), e);
}

/* One editor at a time: a lock on the folder the file stands in. */
static int users_lock(const char *path, int *fd, struct zs_error *e)
{
    char dir[FILE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    (void)snprintf(dir, sizeof dir, "%.*s", slash == NULL ? 1 : (int)(slash - path),
                   slash == NULL ? "." : path);
    *fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return error_errno(e, errno, "cannot open %s", dir);
    return flock(*fd, LOCK_EX) == 0 ? ZS_OK : error_errno(e, errno, "cannot lock %s", dir);
}

/* The file's text without the user's line, with room for `extra` bytes more, and
 * whether there was such a line. */
static int read_without(const char *path, const char *name, size_t extra, char **out, size_t *len,
                        bool *found, struct zs_error *e)
{
    CLEANUP(free_ptr) char *text = NULL;
    TRY(file_read(path, USERS_FILE_MAX, &text, e));
    char *rest = malloc(strlen(text) + extra + 2);
    struct line line = {0};
    if (rest == NULL)
        return error_memory(e);
    *len = 0;
    *found = false;
    for (const char *at = text; line_next(&at, &line);) {
        if (line_is_of(&line, name)) {
            *found = true;
            continue;
        }
        memcpy(rest + *len, line.start, line.len);
        *len += line.len;
        rest[(*len)++] = '\n';
    }
    *out = rest;
    return ZS_OK;
}

int users_add(const char *path, const char *name, uint32_t role, const char *password,
              struct zs_error *e)
{
    TRY(user_name_check(name, e));
    if (password[0] == '\0') {
        error_set(e, ZS_BAD_VALUE, "the password is empty");
        return error_hint(e, "Give a password on standard input, one line.");
    }
    struct user user = {.role = role};
    TRY(scram_verifier_random(password, &user.verifier, e));
    char verifier[SCRAM_VERIFIER_TEXT];
    scram_verifier_format(&user.verifier, verifier);

    CLEANUP(fd_close) int lock = -1;
    CLEANUP(free_ptr) char *next = NULL;
    TRY(users_lock(path, &lock, e));
    char line[USER_NAME_MAX + SCRAM_VERIFIER_TEXT + 32];
    int n = snprintf(line, sizeof line, "%s %s %s\n", name, role_name(role), verifier);
    size_t len = 0;
    bool found = false;
    TRY(read_without(path, name, (size_t)n, &next, &len, &found, e));
    if (found) {
        error_set(e, ZS_ALREADY_EXISTS, "there is a user \"%s\" already", name);
        return error_hint(e, "To change the password or role: zenith user remove %s, then add.",
                          name);
    }
    memcpy(next + len, line, (size_t)n);
    return file_replace(path, next, len + (size_t)n, e);
}

static int no_such_user(const char *name, struct zs_error *e)
{
    error_set(e, ZS_NO_SUCH_BRANCH, "there is no user \"%s\"", name);
    return error_hint(e, "`zenith user list` shows who there is.");
}

int users_remove(const char *path, const char *name, struct zs_error *e)
{
    TRY(user_name_check(name, e));
    CLEANUP(fd_close) int lock = -1;
    char *next = NULL;
    size_t len = 0;
    bool found = false;
    TRY(users_lock(path, &lock, e));
    TRY(read_without(path, name, 0, &next, &len, &found, e));
    int rc = found ? file_replace(path, next, len, e) : no_such_user(name, e);
    free(next);
    return rc;
}
