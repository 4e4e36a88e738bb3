/* startup.c - see startup.h. */
#include "pageserver/startup.h"

#include "base/bytes.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX 32 /* unknown protocol options that are named in the answer */

static int malformed(struct zs_error *e, const char *what)
{
    error_set(e, ZS_PROTOCOL_VIOLATION, "the startup packet is malformed");
    error_detail(e, "%s", what);
    return error_hint(e, "Connect with psql, libpq or zenith.");
}

/* A newer minor version, or options of one, are answered with what we have; the
 * client then goes on in 3.0 or leaves. */
static void negotiate_build(struct startup *out, const char *const *options, uint32_t n)
{
    wire_begin(&out->negotiate, 'v');
    wire_u32(&out->negotiate, WIRE_CODE(3, 0));
    wire_u32(&out->negotiate, n);
    for (uint32_t i = 0; i < n; i++)
        wire_text(&out->negotiate, options[i]);
    wire_end(&out->negotiate);
}

static int parse_parameters(struct reader *r, uint32_t minor, struct startup *out,
                            struct zs_error *e)
{
    const char *options[OPTIONS_MAX];
    uint32_t noptions = 0;
    for (;;) {
        const char *name = reader_cstring(r);
        if (name == NULL)
            return malformed(e, "Its parameters do not end.");
        if (name[0] == '\0')
            break;
        const char *value = reader_cstring(r);
        if (value == NULL)
            return malformed(e, "A parameter has no value.");
        if (strcmp(name, "user") == 0) {
            if (strlen(value) >= sizeof out->user)
                return malformed(e, "The user name is too long.");
            (void)snprintf(out->user, sizeof out->user, "%s", value);
        } else if (strcmp(name, "application_name") == 0) {
            (void)snprintf(out->application, sizeof out->application, "%.*s", STARTUP_NAME_MAX,
                           value);
        } else if (strcmp(name, "replication") == 0 && strcmp(value, "false") != 0 &&
                   strcmp(value, "off") != 0 && strcmp(value, "0") != 0) {
            error_set(e, ZS_NOT_SUPPORTED, "this server has no replication connections");
            return error_hint(e, "Connect without the parameter \"replication\".");
        } else if (strncmp(name, "_pq_.", 5) == 0 && noptions < OPTIONS_MAX) {
            options[noptions++] = name;
        }
    }
    if (reader_left(r) != 0)
        return malformed(e, "Bytes follow its end.");
    if (out->user[0] == '\0') {
        error_set(e, ZS_NOT_AUTHORIZED, "no user name was given");
        return error_hint(e, "Name one in the URI: postgresql://USER@host.");
    }
    if (minor > 0 || noptions > 0)
        negotiate_build(out, options, noptions);
    return out->negotiate.failed ? error_memory(e) : ZS_OK;
}

int startup_parse(const uint8_t *body, uint32_t len, struct startup *out, struct zs_error *e)
{
    struct reader r = reader_over(body, len);
    *out = (struct startup){.kind = STARTUP_SESSION};
    uint32_t code = reader_u32be(&r);
    if (r.failed)
        return malformed(e, "It is too short.");
    if (code == WIRE_SSL_CODE || code == WIRE_GSSENC_CODE) {
        out->kind = code == WIRE_SSL_CODE ? STARTUP_TLS : STARTUP_GSSENC;
        return reader_left(&r) == 0 ? ZS_OK : malformed(e, "Bytes follow its end.");
    }
    if (code == WIRE_CANCEL_CODE) {
        out->kind = STARTUP_CANCEL;
        out->cancel_id = reader_u32be(&r);
        out->cancel_key = reader_u32be(&r);
        return !r.failed && reader_left(&r) == 0 ? ZS_OK : malformed(e, "It is no CancelRequest.");
    }
    if (code >> 16u != 3) {
        error_set(e, ZS_NOT_SUPPORTED, "protocol version %u.%u is not supported", code >> 16u,
                  code & 0xFFFFu);
        return error_hint(e, "Connect with protocol 3.0: psql, libpq or zenith.");
    }
    return parse_parameters(&r, code & 0xFFFFu, out, e);
}

void startup_fini(struct startup *s)
{
    wire_buf_fini(&s->negotiate);
}
