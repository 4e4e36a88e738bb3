/* far_error.c - see far_error.h. */
#include "transport/libpq/far_error.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

#define SQLSTATE_CHARACTERS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* A pageserver says more to what it does not know, and asks for no database. */
#define NO_DATABASE "3D000"
#define NO_PAGESERVER                                                                              \
    "PostgreSQL itself may listen there, and no pageserver: check the host and the port in the "   \
    "URI."

static bool is_sqlstate(const char *text)
{
    return text != NULL && strspn(text, SQLSTATE_CHARACTERS) >= 5;
}

/* The first line of a text, cut at a character's border if it does not fit. */
static void first_line(const char *text, char *out, size_t size)
{
    size_t len = strcspn(text, "\n");
    if (len >= size)
        for (len = size - 1; len > 0 && ((unsigned char)text[len] & 0xC0u) == 0x80u;)
            len--;
    memcpy(out, text, len);
    out[len] = '\0';
}

static const char *field(const PGresult *result, int code)
{
    const char *text = PQresultErrorField(result, code);
    return text == NULL ? "" : text;
}

/* Does it tell of the server that it comes from: of its disk or memory, who may do what, what
 * is in use, that it stops? */
static bool is_of_the_server(const char *sqlstate)
{
    static const char *const classes[] = {"53", "55", "57", "58", "XX"};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strncmp(sqlstate, classes[i], 2) == 0)
            return true;
    return strcmp(sqlstate, ZS_NO_PERMISSION) == 0;
}

int far_error_fields(const char *sqlstate, const char *message, const char *detail,
                     const char *hint, const char *far, struct zs_error *e)
{
    bool sound = is_sqlstate(sqlstate) && sqlstate[5] == '\0' && strcmp(sqlstate, "00000") != 0;
    bool there = sound && is_of_the_server(sqlstate);
    sqlstate = sound ? sqlstate : ZS_INTERNAL_ERROR;
    if (message[0] == '\0')
        error_set(e, sqlstate, "%s reported an error and did not say which", far);
    else
        error_set(e, sqlstate, "%s%s%s%s", there ? "the far server " : "", there ? far : "",
                  there ? ": " : "", message);
    error_detail(e, "%s", detail);
    if (hint[0] == '\0' && error_is(e, ZS_SYNTAX_ERROR))
        hint = NO_PAGESERVER;
    return error_hint(e, "%s%s", there && hint[0] != '\0' ? "On the far server: " : "", hint);
}

int far_error_result(const PGresult *result, const char *far, struct zs_error *e)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (sqlstate == NULL)
        return far_error_lost(PQresultErrorMessage(result), far, e);
    return far_error_fields(sqlstate, field(result, PG_DIAG_MESSAGE_PRIMARY),
                            field(result, PG_DIAG_MESSAGE_DETAIL),
                            field(result, PG_DIAG_MESSAGE_HINT), far, e);
}

int far_error_lost(const char *text, const char *far, struct zs_error *e)
{
    char line[512];
    first_line(text, line, sizeof line);
    error_set(e, ZS_CONNECTION_LOST, "the connection to %s was lost", far);
    error_detail(e, "%s", line);
    return error_hint(e, "Run the same command again to go on.");
}

/* ---- login ------------------------------------------------------------------------ */

/* What the server said stands as "SEVERITY:  SQLSTATE: message", on a line of libpq's;
 * the severity may be in any language. */
static const char *find_sqlstate(const char *text)
{
    for (const char *p = strstr(text, ":  "); p != NULL; p = strstr(p + 1, ":  "))
        if (is_sqlstate(p + 3) && strncmp(p + 8, ": ", 2) == 0)
            return p + 3;
    return NULL;
}

/* The line that begins with a label, as "HINT:  ". */
static void labelled_line(const char *text, const char *label, char *out, size_t size)
{
    out[0] = '\0';
    for (const char *p = strchr(text, '\n'); p != NULL; p = strchr(p + 1, '\n'))
        if (strncmp(p + 1, label, strlen(label)) == 0) {
            first_line(p + 1 + strlen(label), out, size);
            return;
        }
}

static int login_refused(const char *said, const char *far, struct zs_error *e)
{
    char sqlstate[6], message[504], detail[1024], hint[512];
    memcpy(sqlstate, said, 5);
    sqlstate[5] = '\0';
    first_line(said + 7, message, sizeof message);
    labelled_line(said, "DETAIL:  ", detail, sizeof detail);
    labelled_line(said, "HINT:  ", hint, sizeof hint);
    bool not_let_in = strncmp(sqlstate, "28", 2) == 0 || strcmp(sqlstate, "42501") == 0;
    if (!not_let_in) {
        error_set(e, ZS_CANNOT_CONNECT, "%s does not accept the connection: %s", far, message);
        error_detail(e, "%s%sSQLSTATE %s.", detail, detail[0] == '\0' ? "" : "  ", sqlstate);
        const char *next = strcmp(sqlstate, NO_DATABASE) == 0 ? NO_PAGESERVER : "Try again later.";
        return error_hint(e, "%s", hint[0] != '\0' ? hint : next);
    }
    bool password = strcmp(sqlstate, ZS_WRONG_PASSWORD) == 0;
    error_set(e, password ? ZS_WRONG_PASSWORD : ZS_NOT_AUTHORIZED, "%s refused the login: %s", far,
              message);
    error_detail(e, "%s", detail);
    if (hint[0] != '\0')
        return error_hint(e, "%s", hint);
    return error_hint(e, password ? "Give the right user and password in the URI."
                                  : "Ask who runs the far server to let this user in.");
}

/* libpq's own reason: what stands behind "failed: ", in the first line. */
static const char *reason_of(const char *text)
{
    const char *end = strchr(text, '\n');
    const char *failed = strstr(text, " failed: ");
    if (failed != NULL && (end == NULL || failed < end))
        return failed + strlen(" failed: ");
    return text;
}

int far_error_login(const char *text, int needs_password, const char *far, struct zs_error *e)
{
    const char *said = find_sqlstate(text);
    if (said != NULL)
        return login_refused(said, far, e);
    if (needs_password) {
        error_set(e, ZS_WRONG_PASSWORD, "%s asks for a password, and the URI has none", far);
        return error_hint(e, "Write the URI as postgresql://USER:PASSWORD@HOST:PORT.");
    }
    char reason[400];
    first_line(reason_of(text), reason, sizeof reason);
    if (strstr(reason, "error response during SSL exchange") != NULL) {
        /* libpq shows no reason that came before TLS: it could be anybody's. */
        error_set(e, ZS_CANNOT_CONNECT, "%s turned the connection away before the login", far);
        e->retry = ZS_RETRY_LATER;
        return error_hint(e, "Too many clients may be logging in there at once: try again, or see "
                             "its log.");
    }
    error_set(e, ZS_CANNOT_CONNECT, "could not connect to %s: %s", far,
              reason[0] == '\0' ? "no reason was given" : reason);
    if (strstr(reason, "SSL") != NULL || strstr(reason, "certificate") != NULL)
        return error_hint(e, "Check sslmode, sslrootcert and the host's name in the URI.");
    return error_hint(e,
                      "Check that a pageserver runs there, and the host and the port in the URI.");
}
