/* parameters.c - see parameters.h. */
#include "transport/libpq/parameters.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Keepalives and tcp_user_timeout: a far machine that vanished is noticed after ten minutes, not
 * two hours; so is data that nobody acknowledges, or takes: as long as the silence that is borne
 * (wire/conn.h), for a receiver's disk may stall.
 * krbsrvname: a far server may ask for Kerberos, whose ticket would be the pageserver's
 * own; there is none for this name.
 * ssl_max_protocol_version and requirepeer are absent, because no value means "none". */
const struct parameter parameters[] = {
    {"host", PARAMETER_TARGET, NULL, NULL},
    {"hostaddr", PARAMETER_TARGET, NULL, NULL},
    {"port", PARAMETER_TARGET, NULL, NULL},
    {"user", PARAMETER_TEXT, NULL, NULL},
    {"password", PARAMETER_TEXT, NULL, NULL},
    {"dbname", PARAMETER_TEXT, "zenith", NULL},
    {"application_name", PARAMETER_TEXT, NULL, NULL},
    {"connect_timeout", PARAMETER_NUMBER, "10", NULL},
    {"keepalives", PARAMETER_CHOICE, "1", " 0 1 "},
    {"keepalives_idle", PARAMETER_NUMBER, "60", NULL},
    {"keepalives_interval", PARAMETER_NUMBER, "10", NULL},
    {"keepalives_count", PARAMETER_NUMBER, "6", NULL},
    {"tcp_user_timeout", PARAMETER_NUMBER, "600000", NULL},
    {"sslmode", PARAMETER_CHOICE, "prefer", " disable allow prefer require verify-ca verify-full "},
    {"sslrootcert", PARAMETER_FILE, NOWHERE, NULL},
    {"sslcert", PARAMETER_FILE, NOWHERE, NULL},
    {"sslkey", PARAMETER_FILE, NOWHERE, NULL},
    {"sslcrl", PARAMETER_FILE, NOWHERE, NULL},
    {"sslsni", PARAMETER_CHOICE, "1", " 0 1 "},
    {"ssl_min_protocol_version", PARAMETER_CHOICE, "TLSv1.2", " TLSv1.2 TLSv1.3 "},
    {"channel_binding", PARAMETER_CHOICE, "prefer", " disable prefer require "},
    {"passfile", PARAMETER_LOCKED, NOWHERE, NULL},
    {"sslcrldir", PARAMETER_LOCKED, NOWHERE, NULL},
    {"sslcompression", PARAMETER_LOCKED, "0", NULL},
    {"gssencmode", PARAMETER_LOCKED, "disable", NULL},
    {"krbsrvname", PARAMETER_LOCKED, "zenith-sync-none", NULL},
    {"target_session_attrs", PARAMETER_LOCKED, "any", NULL},
    {"client_encoding", PARAMETER_LOCKED, "UTF8", NULL},
};
const size_t parameters_count = sizeof parameters / sizeof *parameters;

const struct parameter *parameter_find(const char *keyword)
{
    for (size_t i = 0; i < parameters_count; i++)
        if (strcmp(parameters[i].keyword, keyword) == 0)
            return &parameters[i];
    return NULL;
}

static int refuse(const struct parameter *p, const char *wanted, struct zs_error *e)
{
    error_set(e, ZS_BAD_VALUE, "the URI's parameter \"%s\" has a value that cannot be used",
              p->keyword);
    return error_hint(e, "Give %s.", wanted);
}

static int check_choice(const struct parameter *p, const char *value, struct zs_error *e)
{
    char word[32];
    int n = snprintf(word, sizeof word, " %s ", value);
    if (n > 2 && (size_t)n < sizeof word && strchr(value, ' ') == NULL &&
        strstr(p->choices, word) != NULL)
        return ZS_OK;
    char wanted[128];
    (void)snprintf(wanted, sizeof wanted, "one of%s", p->choices);
    wanted[strlen(wanted) - 1] = '\0';
    return refuse(p, wanted, e);
}

static int check_file(const struct parameter *p, const char *value, const char *tls_dir,
                      struct zs_error *e)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (tls_dir == NULL) {
        error_set(e, ZS_NO_PERMISSION,
                  "the URI's parameter \"%s\" names a file, and this server allows none",
                  p->keyword);
        return error_hint(e, "Set tls_dir in the server's configuration to the folder that holds "
                             "the file.");
    }
    size_t len = strlen(value);
    if (len > 0 && len <= 255 && value[0] != '.' && strspn(value, plain) == len)
        return ZS_OK;
    return refuse(p, "the plain name of a file in the folder that tls_dir names", e);
}

int parameter_check(const struct parameter *p, const char *value, const char *tls_dir,
                    struct zs_error *e)
{
    size_t len = strlen(value);
    switch (p->kind) {
    case PARAMETER_TARGET:
    case PARAMETER_TEXT:
        return ZS_OK;
    case PARAMETER_NUMBER:
        if (len > 0 && len <= 9 && strspn(value, "0123456789") == len)
            return ZS_OK;
        return refuse(p, "a whole number of at most 9 digits", e);
    case PARAMETER_CHOICE:
        return check_choice(p, value, e);
    case PARAMETER_FILE:
        return check_file(p, value, tls_dir, e);
    case PARAMETER_LOCKED:
        break;
    }
    error_set(e, ZS_BAD_VALUE, "parameter \"%s\" may not be used in a URI", p->keyword);
    return error_hint(e, "Leave it out.");
}
