/* session.c - see session.h. */
#include "pageserver/session.h"

#include "base/error.h"
#include "pageserver/auth.h"
#include "pageserver/reply.h"
#include "pageserver/server.h"
#include "pageserver/startup.h"
#include "pageserver/tls.h"
#include "pageserver/version.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADMIN_SHUTDOWN "57P01"
#define IDLE_TIMEOUT   "57P05"
#define LAST_WORD_NS   1000000000 /* for a farewell */

struct session {
    struct server *server;
    struct conn conn;
    struct cancel cancel;
    struct session_entry entry;
    struct identity who;
    bool is_local;
    bool skipping; /* extended protocol: up to the next Sync */
    char peer[300];
    struct reply reply;
};

static struct patience for_ns(int64_t ns)
{
    return (struct patience){.deadline_ns = clock_now_ns() + ns};
}

/* The last thing that this client hears.  Always ZS_FAIL. */
static int farewell(struct session *s, const struct zs_error *why)
{
    struct zs_error ignored;
    struct patience p = for_ns(LAST_WORD_NS);
    if (reply_error(&s->conn, "FATAL", why, &ignored) == ZS_OK)
        (void)conn_flush(&s->conn, &p, &ignored);
    return ZS_FAIL;
}

static int say_byte(struct session *s, uint8_t byte, const struct patience *p, struct zs_error *e)
{
    uint8_t room[1];
    struct wire_buf b = wire_buf_over(room, sizeof room);
    wire_u8(&b, byte);
    TRY(conn_put(&s->conn, &b, e));
    return conn_flush(&s->conn, p, e);
}

/* ---- login --------------------------------------------------------------------------------- */

static int start_tls(struct session *s, const struct patience *p, struct zs_error *e)
{
    if (s->server->tls == NULL || s->conn.stream.ssl != NULL)
        return say_byte(s, 'N', p, e);
    /* What was sent behind the request, in the clear, must not count as encrypted. */
    if (!inbox_is_empty(&s->conn.in))
        return error_set(e, ZS_PROTOCOL_VIOLATION, "bytes follow the request for TLS");
    TRY(say_byte(s, 'S', p, e));
    int rc = tls_accept(s->server->tls, &s->conn, p, e);
    /* The client expects TLS and no plain words, which anybody could have said. */
    if (rc != ZS_OK)
        atomic_store(&s->conn.broken, true);
    return rc;
}

/* Read first packets up to one that decides.  *leave: this was a CancelRequest, or the
 * client went away; nothing more is to be said. */
static int first_packets(struct session *s, const struct patience *p, struct startup *out,
                         bool *leave, struct zs_error *e)
{
    for (int packets = 0; packets < 4; packets++) {
        struct message m;
        int r = conn_read(&s->conn, p, &m, e);
        if (r == ZS_RECV_NOTHING)
            return error_set(e, ZS_NOT_AUTHORIZED, "the login took too long");
        *leave = r == ZS_RECV_END;
        if (r != ZS_RECV_MESSAGE)
            return *leave ? ZS_OK : ZS_FAIL;
        int rc = startup_parse(m.body.bytes, m.len, out, e);
        inbox_recycle(&s->conn.in, &m.body);
        TRY(rc);
        switch (out->kind) {
        case STARTUP_SESSION:
            return ZS_OK;
        case STARTUP_CANCEL:
            (void)sessions_cancel(&s->server->sessions, out->cancel_id, out->cancel_key);
            *leave = true;
            return ZS_OK;
        case STARTUP_TLS:
            TRY(start_tls(s, p, e));
            break;
        case STARTUP_GSSENC:
            TRY(say_byte(s, 'N', p, e));
            break;
        }
    }
    return error_set(e, ZS_PROTOCOL_VIOLATION, "the client does not begin a session");
}

static void put_greeting(struct wire_buf *b, const struct session *s, const char *application)
{
    const struct {
        const char *name, *value;
    } parameters[] = {{"server_version", PAGESERVER_SERVER_VERSION},
                      {"server_encoding", "UTF8"},
                      {"client_encoding", "UTF8"},
                      {"application_name", application},
                      {"is_superuser", s->who.role == ZS_ROLE_ADMIN ? "on" : "off"},
                      {"session_authorization", s->who.user},
                      {"DateStyle", "ISO, YMD"},
                      {"TimeZone", "UTC"},
                      {"integer_datetimes", "on"},
                      {"standard_conforming_strings", "on"}};
    wire_authentication(b, 0, NULL, 0);
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        wire_parameter_status(b, parameters[i].name, parameters[i].value);
    wire_begin(b, 'K');
    wire_u32(b, s->entry.id);
    wire_u32(b, s->entry.key);
    wire_end(b);
}

static int login_as(struct session *s, struct startup *startup, const struct patience *p,
                    struct zs_error *e)
{
    s->conn.in.phase = WIRE_LOGIN;
    if (startup->negotiate.len > 0)
        TRY(conn_put(&s->conn, &startup->negotiate, e));
    TRY(auth_login(&s->conn, s->server->repository.users, startup->user, s->is_local, p, &s->who,
                   e));
    TRY(sessions_promote(&s->server->sessions, &s->entry, s->who.role == ZS_ROLE_ADMIN, e));
    uint8_t room[WIRE_ERROR_ROOM];
    struct wire_buf b = wire_buf_over(room, sizeof room);
    put_greeting(&b, s, startup->application);
    TRY(conn_put(&s->conn, &b, e));
    s->conn.in.phase = WIRE_COMMAND;
    log_line(&s->server->log, ZS_LOG_DEBUG, "session %u: %s from %s by %s, %s", s->entry.id,
             s->who.user, s->peer, s->who.how, startup->application);
    return ZS_OK;
}

/* ZS_OK: logged in.  Else the client knows why, if it can. */
static int log_in(struct session *s)
{
    struct zs_error e = {0};
    struct startup startup = {.kind = STARTUP_SESSION};
    bool leave = false;
    struct patience p = for_ns((int64_t)s->server->config.handshake_timeout_s * 1000000000);
    p.cancel = &s->cancel;
    int rc = first_packets(s, &p, &startup, &leave, &e);
    if (rc == ZS_OK && !leave)
        rc = login_as(s, &startup, &p, &e);
    startup_fini(&startup);
    if (rc == ZS_OK)
        return leave ? ZS_FAIL : ZS_OK;
    log_error(&s->server->log, ZS_LOG_INFO, s->peer, &e);
    return farewell(s, &e);
}

/* ---- commands -------------------------------------------------------------------------------- */

/* A module that was cancelled says what it left, and cannot know why. */
static void tell_shutdown(const struct session *s, struct zs_error *e)
{
    char left[sizeof e->hint];
    if (!error_is(e, ZS_CANCELLED) || !cancel_is_shutdown(&s->cancel))
        return;
    memcpy(left, e->hint, sizeof left);
    (void)cancel_error(&s->cancel, e);
    if (left[0] != '\0')
        (void)error_hint(e, "%s", left);
}

static void run_command(struct session *s, struct command *command, const char *args,
                        struct zs_error *e, int *rc)
{
    struct reply *r = &s->reply;
    reply_init(r, &s->conn, &s->cancel, s->who.role, s->who.user, s->peer);
    sessions_command_begin(&s->server->sessions, &s->entry);
    *rc = command->table.run(command->table.self, &r->view, args, e);
    sessions_command_end(&s->server->sessions, &s->entry);
    if (*rc != ZS_OK)
        tell_shutdown(s, e);
    /* Only the command's name: its arguments may hold secrets. */
    if (*rc != ZS_OK)
        log_error(&s->server->log, log_failure_level(e->sqlstate), command->table.name, e);
    *rc = reply_end(r, command->table.name, *rc, e);
}

static int put_simple(struct session *s, uint8_t type, struct zs_error *e)
{
    uint8_t room[16];
    struct wire_buf b = wire_buf_over(room, sizeof room);
    wire_begin(&b, type);
    if (type == 'Z')
        wire_u8(&b, 'I'); /* no transaction */
    wire_end(&b);
    return conn_put(&s->conn, &b, e);
}

/* Fails only if the client can be told nothing more. */
static int query(struct session *s, char *text, uint32_t len, struct zs_error *e)
{
    struct query q;
    struct command *command = NULL;
    struct zs_error why = {0};
    int rc = ZS_OK;
    if (len == 0 || memchr(text, 0, len) != text + len - 1)
        return error_set(e, ZS_PROTOCOL_VIOLATION, "a query does not end with a NUL");
    rc = query_split(text, &q, &why);
    if (rc == ZS_OK && q.word[0] == '\0')
        return put_simple(s, 'I', e);
    if (rc == ZS_OK)
        rc = commands_enter(&s->server->commands, q.word, s->who.role, &command, &why);
    if (rc != ZS_OK)
        return reply_error(&s->conn, "ERROR", &why, e);
    run_command(s, command, q.args, &why, &rc);
    commands_leave(&s->server->commands, command);
    if (rc != ZS_OK)
        *e = why;
    return rc;
}

static int refuse_extended(struct session *s, uint8_t type, struct zs_error *e)
{
    struct zs_error why = {0};
    error_set(&why, ZS_NOT_SUPPORTED, "%s: this server has no extended query protocol",
              wire_type_name(type));
    (void)error_hint(&why, "Send simple queries, as psql and PQexec do.");
    return reply_error(&s->conn, "ERROR", &why, e);
}

/* One message.  *ready: ReadyForQuery is due.  Fails if the session is to end. */
static int handle(struct session *s, struct message *m, bool *ready, struct zs_error *e)
{
    *ready = false;
    switch (m->type) {
    case 'S':
        s->skipping = false;
        *ready = true;
        return ZS_OK;
    case 'B':
    case 'C':
    case 'D':
    case 'E':
    case 'P':
        if (s->skipping)
            return ZS_OK;
        s->skipping = true;
        return refuse_extended(s, m->type, e);
    case 'F':
        *ready = !s->skipping;
        return s->skipping ? ZS_OK : refuse_extended(s, m->type, e);
    case 'Q':
        if (s->skipping)
            return ZS_OK;
        *ready = true;
        return query(s, (char *)m->body.bytes, m->len, e);
    case 'H':
    case 'c': /* late messages of a copy that is over */
    case 'd':
    case 'f':
        return ZS_OK;
    default:
        return error_set(e, ZS_PROTOCOL_VIOLATION, "%s does not belong here",
                         wire_type_name(m->type));
    }
}

static int idle_too_long(const struct session *s, struct zs_error *e)
{
    error_set(e, IDLE_TIMEOUT, "the session was idle for %u seconds",
              s->server->config.idle_timeout_s);
    return error_hint(e, "Connect again, or raise idle_timeout in pageserver.toml.");
}

/* The next message of a session between two commands.  Fails with an empty error when
 * there is nobody to tell. */
static int await(struct session *s, const struct patience *p, struct message *m, struct zs_error *e)
{
    switch (patience_is_over(p) ? ZS_RECV_NOTHING : conn_read(&s->conn, p, m, e)) {
    case ZS_RECV_MESSAGE:
        return ZS_OK;
    case ZS_RECV_END:
        *e = (struct zs_error){0};
        return ZS_FAIL;
    case ZS_RECV_NOTHING:
        return idle_too_long(s, e);
    default:
        if (cancel_is_set(&s->cancel)) {
            error_set(e, ADMIN_SHUTDOWN, "the server is shutting down");
            return error_hint(e, "Connect again when it runs.");
        }
        return ZS_FAIL;
    }
}

/* Idle is who asks for nothing, whatever else comes: the time runs from the last answer. */
static int serve(struct session *s, struct zs_error *e)
{
    const struct patience answer = {.stall_ns = CONN_STALL_NS};
    const int64_t idle_ns = (int64_t)s->server->config.idle_timeout_s * 1000000000;
    struct patience idle = {.cancel = &s->cancel};
    bool ready = true;
    for (;;) {
        if (ready)
            TRY(put_simple(s, 'Z', e));
        TRY(conn_flush(&s->conn, &answer, e));
        if (ready && idle_ns != 0)
            idle.deadline_ns = clock_now_ns() + idle_ns;
        struct message m = {0};
        TRY(await(s, &idle, &m, e));
        if (m.type == 'X') {
            body_fini(&m.body);
            *e = (struct zs_error){0};
            return ZS_FAIL;
        }
        int rc = handle(s, &m, &ready, e);
        inbox_recycle(&s->conn.in, &m.body);
        inbox_trim(&s->conn.in);
        TRY(rc);
    }
}

/* ---- the thread ---------------------------------------------------------------------------------
 */

static void show_peer(struct session *s, int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char host[256] = "?";
    char port[16] = "?";
    if (s->is_local) {
        (void)snprintf(s->peer, sizeof s->peer, "local");
        return;
    }
    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0)
        (void)getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(s->peer, sizeof s->peer, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host,
                   port);
}

static void *session_main(void *arg)
{
    struct session *s = arg;
    struct server *server = s->server;
    struct zs_error e = {0};
    if (log_in(s) == ZS_OK && serve(s, &e) != ZS_OK && e.sqlstate[0] != '\0') {
        log_error(&server->log, ZS_LOG_INFO, s->peer, &e);
        (void)farewell(s, &e);
    }
    /* First out of the table, so that nobody cancels or cuts what is closed. */
    sessions_leave_begin(&server->sessions, &s->entry);
    conn_fini(&s->conn);
    cancel_fini(&s->cancel);
    sessions_leave_end(&server->sessions, s->entry.logged_in);
    free(s);
    return NULL;
}

static int session_make(struct server *server, int fd, bool is_local, struct session **out,
                        struct zs_error *e)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)error_memory(e);
        reply_turn_away(fd, e);
        return ZS_FAIL;
    }
    s->server = server;
    s->is_local = is_local;
    if (conn_init(&s->conn, fd, e) != ZS_OK) {
        free(s);
        return ZS_FAIL;
    }
    show_peer(s, fd);
    int rc = cancel_init(&s->cancel, fd, e);
    if (rc == ZS_OK) {
        s->entry.cancel = &s->cancel;
        s->entry.fd = fd;
        rc = sessions_enter(&server->sessions, &s->entry, e);
        if (rc != ZS_OK)
            cancel_fini(&s->cancel);
    }
    if (rc != ZS_OK) {
        (void)farewell(s, e);
        conn_fini(&s->conn);
        free(s);
        return rc;
    }
    *out = s;
    return ZS_OK;
}

static int thread_start(struct session *s, struct zs_error *e)
{
    pthread_t thread;
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc == 0) {
        (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        rc = pthread_create(&thread, &attr, session_main, s);
        (void)pthread_attr_destroy(&attr);
    }
    return rc == 0 ? ZS_OK : error_errno(e, rc, "cannot start a thread");
}

void session_start(struct server *server, int fd, bool is_local)
{
    struct zs_error e = {0};
    struct session *s = NULL;
    if (session_make(server, fd, is_local, &s, &e) != ZS_OK) {
        sessions_release(&server->sessions);
        log_error(&server->log, ZS_LOG_WARNING, "connection turned away", &e);
        return;
    }
    if (thread_start(s, &e) == ZS_OK)
        return;
    log_error(&server->log, ZS_LOG_WARNING, "connection turned away", &e);
    (void)farewell(s, &e);
    sessions_leave_begin(&server->sessions, &s->entry);
    conn_fini(&s->conn);
    cancel_fini(&s->cancel);
    sessions_leave_end(&server->sessions, false);
    free(s);
}
