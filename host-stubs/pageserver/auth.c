/* auth.c - see auth.h. */
#include "pageserver/auth.h"

#include "base/bytes.h"
#include "base/error.h"
#include "pageserver/tls.h"

#include <openssl/crypto.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zenith-sync/host.h>

#define AUTH_SASL          10
#define AUTH_SASL_CONTINUE 11
#define AUTH_SASL_FINAL    12
#define MECHANISM          "SCRAM-SHA-256"

/* ---- peer credentials -------------------------------------------------------------- */

/* Is `name` what the operating system calls uid?  A uid without a name is called by
 * its number. */
static bool uid_has_name(uid_t uid, const char *name)
{
    char space[16384];
    struct passwd entry;
    struct passwd *found = NULL;
    if (getpwuid_r(uid, &entry, space, sizeof space, &found) == 0 && found != NULL)
        return strcmp(found->pw_name, name) == 0;
    char number[16];
    (void)snprintf(number, sizeof number, "%u", (unsigned)uid);
    return strcmp(number, name) == 0;
}

static bool peer_is_owner(int fd, const char *user)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return false;
    return (peer.uid == geteuid() || peer.uid == 0) && uid_has_name(peer.uid, user);
}

/* ---- SCRAM over the wire ------------------------------------------------------------- */

static int ask(struct conn *c, uint32_t code, const void *data, size_t n,
               const struct patience *patience, struct zs_error *e)
{
    struct wire_buf b = {0};
    wire_authentication(&b, code, data, n);
    TRY(conn_put(c, &b, e));
    return code == AUTH_SASL_FINAL ? ZS_OK : conn_flush(c, patience, e);
}

/* The client's next 'p' message.  Its body is the caller's. */
static int answer(struct conn *c, const struct patience *patience, struct message *m,
                  struct zs_error *e)
{
    switch (conn_read(c, patience, m, e)) {
    case ZS_RECV_MESSAGE:
        break;
    case ZS_RECV_NOTHING:
        return error_set(e, ZS_NOT_AUTHORIZED, "the login took too long");
    case ZS_RECV_END:
        return error_set(e, ZS_CONNECTION_LOST, "the client left during the login");
    default:
        return ZS_FAIL;
    }
    if (m->type == 'p')
        return ZS_OK;
    inbox_recycle(&c->in, &m->body);
    return error_set(e, ZS_PROTOCOL_VIOLATION, "a login message was expected, not %s",
                     wire_type_name(m->type));
}

/* SASLInitialResponse: mechanism, length, client-first-message.  A NUL stands behind
 * the body, so that the message is text. */
static int initial_response(const struct message *m, const char **text, struct zs_error *e)
{
    struct reader r = reader_over(m->body.bytes, m->len);
    const char *mechanism = reader_cstring(&r);
    uint32_t len = reader_u32be(&r);
    if (r.failed || len != reader_left(&r) || memchr(r.at, 0, len) != NULL)
        return error_set(e, ZS_PROTOCOL_VIOLATION, "the login message is malformed");
    if (strcmp(mechanism, MECHANISM) != 0) {
        error_set(e, ZS_PROTOCOL_VIOLATION, "the client chose a login that was not offered");
        return error_hint(e, "This server offers " MECHANISM ".");
    }
    *text = (const char *)r.at;
    return ZS_OK;
}

static int first_step(struct conn *c, struct scram *s, const struct patience *patience, char *reply,
                      struct zs_error *e)
{
    struct message m;
    const char *text = NULL;
    char nonce[32];
    TRY(scram_nonce(nonce, e));
    TRY(answer(c, patience, &m, e));
    int rc = initial_response(&m, &text, e);
    if (rc == ZS_OK)
        rc = scram_first(s, text, nonce, reply, e);
    inbox_recycle(&c->in, &m.body);
    return rc;
}

static int final_step(struct conn *c, struct scram *s, const struct patience *patience, char *reply,
                      struct zs_error *e)
{
    struct message m;
    TRY(answer(c, patience, &m, e));
    int rc = memchr(m.body.bytes, 0, m.len) != NULL
                 ? error_set(e, ZS_PROTOCOL_VIOLATION, "the login message is malformed")
                 : scram_final(s, (const char *)m.body.bytes, reply, e);
    inbox_recycle(&c->in, &m.body);
    return rc;
}

static int login_by_password(struct conn *c, const struct user *user, bool known,
                             const struct patience *patience, struct zs_error *e)
{
    static const char mechanisms[] = MECHANISM "\0"; /* a list that ends with an empty one */
    char reply[SCRAM_MESSAGE_MAX];
    struct scram s = {.verifier = user->verifier, .known = known};
    TRY(ask(c, AUTH_SASL, mechanisms, sizeof mechanisms, patience, e));
    TRY(first_step(c, &s, patience, reply, e));
    TRY(ask(c, AUTH_SASL_CONTINUE, reply, strlen(reply), patience, e));
    TRY(final_step(c, &s, patience, reply, e));
    return ask(c, AUTH_SASL_FINAL, reply, strlen(reply), patience, e);
}

int auth_login(struct conn *c, const char *users_file, const char *user, bool is_local,
               const struct patience *patience, struct identity *out, struct zs_error *e)
{
    (void)snprintf(out->user, sizeof out->user, "%s", user);
    if (is_local && peer_is_owner(c->stream.fd, user)) {
        out->role = ZS_ROLE_ADMIN;
        out->how = "peer";
        return ZS_OK;
    }
    struct user entry;
    bool known = false;
    TRY(users_find(users_file, user, &entry, &known, e));
    out->role = entry.role;
    if (known && tls_peer_is(&c->stream, user)) {
        out->how = "certificate";
        return ZS_OK;
    }
    out->how = "password";
    int rc = login_by_password(c, &entry, known, patience, e);
    OPENSSL_cleanse(&entry, sizeof entry);
    if (rc != ZS_OK && is_local && error_is(e, ZS_WRONG_PASSWORD))
        (void)error_hint(e, "Log in by your operating system's user name if you own the server, "
                            "or see `zenith user list`.");
    return rc;
}
