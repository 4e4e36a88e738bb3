/* connect.c - see connect.h. */
#include "transport/libpq/connect.h"

#include "base/error.h"
#include "base/loopback.h"
#include "transport/libpq/far_error.h"
#include "transport/libpq/socket_bytes.h"
#include "transport/libpq/wait.h"

#include <stdio.h>
#include <string.h>
#include <zenith-sync/host.h>

#define APPLICATION     "zenith-sync"
#define LOGIN_BYTES_MAX (1u << 20) /* a login takes a few KB */

/* What the far server says besides goes to the host's log, never to stderr, which is
 * where libpq would print it. */
static void log_notice(void *context, const PGresult *result)
{
    const struct zs_transport_host *host = context;
    const char *said = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char line[600];
    if (host->log == NULL || said == NULL)
        return;
    (void)snprintf(line, sizeof line, "the far server says: %.500s", said);
    host->log(host->self, ZS_LOG_DEBUG, line);
}

static int too_late(const char *far, int timeout_ms, struct zs_error *e)
{
    error_set(e, ZS_CANNOT_CONNECT, "could not connect to %s: no answer within %d s", far,
              timeout_ms / 1000);
    return error_hint(e, "Check the host and the port in the URI, and any firewall between.");
}

/* Drive libpq's state machine until it is logged in. */
static int log_in(PGconn *conn, const char *far, int timeout_ms, const struct zs_cancel *cancel,
                  int64_t until_ns, struct zs_error *e)
{
    PostgresPollingStatusType status =
        PQstatus(conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        struct pollfd fd = {.fd = PQsocket(conn),
                            .events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        TRY(wait_ready(cancel, until_ns, &fd, 1, e));
        if (fd.revents == 0)
            return too_late(far, timeout_ms, e);
        if (socket_bytes_read(fd.fd) > LOGIN_BYTES_MAX) {
            error_set(e, ZS_PROTOCOL_VIOLATION, "%s sent too much before the login was over", far);
            return error_hint(e, "Check that a pageserver runs at that host and port.");
        }
        status = PQconnectPoll(conn);
    }
    if (status == PGRES_POLLING_OK && PQsetnonblocking(conn, 1) == 0) {
        loopback_tune(PQsocket(conn));
        return ZS_OK;
    }
    return far_error_login(PQerrorMessage(conn), PQconnectionNeedsPassword(conn), far, e);
}

static int try_address(const struct libpq *self, struct conninfo *info, const struct target *target,
                       const char *address, const struct zs_connect *spec, PGconn **out,
                       struct zs_error *e)
{
    const char *keywords[CONNINFO_VALUES_MAX], *values[CONNINFO_VALUES_MAX];
    const char *application = spec->application == NULL ? APPLICATION : spec->application;
    TRY(target_allow(&self->rules, target, address, e));
    TRY(conninfo_values(info, target, address, application, keywords, values, e));
    int64_t until_ns =
        info->timeout_ms == 0 ? 0 : clock_now_ns() + (int64_t)info->timeout_ms * 1000000;
    PGconn *conn = PQconnectStartParams(keywords, values, 0);
    if (conn == NULL)
        return error_memory(e);
    (void)PQsetNoticeReceiver(conn, log_notice, (void *)(uintptr_t)self->host);
    (void)PQsetErrorVerbosity(conn, PQERRORS_VERBOSE); /* for the SQLSTATE: far_error.c */
    if (log_in(conn, target_text(target).s, info->timeout_ms, spec->cancel, until_ns, e) != ZS_OK) {
        PQfinish(conn);
        return ZS_FAIL;
    }
    *out = conn;
    return ZS_OK;
}

/* A place's addresses: given, none for a socket, or to be looked up. */
static int find_addresses(const struct libpq *self, const struct conninfo *info,
                          const struct target *target, const struct zs_cancel *cancel,
                          struct addresses *out, struct zs_error *e)
{
    if (!target->is_socket && target->address[0] == '\0')
        return resolve(self->resolver, target->host, cancel,
                       info->timeout_ms == 0 ? 0
                                             : clock_now_ns() + (int64_t)info->timeout_ms * 1000000,
                       out, e);
    out->n = 1;
    (void)snprintf(out->text[0], sizeof out->text[0], "%s", target->address);
    return ZS_OK;
}

/* Another place or address may do what this one did not. */
static bool may_go_on(const struct zs_error *e)
{
    return error_is(e, ZS_CANNOT_CONNECT) || error_is(e, ZS_NO_PERMISSION);
}

/* The first failure is the one to tell; later ones are of places less wished for. */
static int try_target(const struct libpq *self, struct conninfo *info, const struct target *target,
                      const struct zs_connect *spec, PGconn **out, struct zs_error *e)
{
    struct addresses addresses = {0};
    TRY(find_addresses(self, info, target, spec->cancel, &addresses, e));
    for (unsigned i = 0; i < addresses.n; i++) {
        struct zs_error why = {0};
        if (try_address(self, info, target, addresses.text[i], spec, out, &why) == ZS_OK)
            return ZS_OK;
        if (i == 0 || !may_go_on(&why))
            *e = why;
        if (!may_go_on(&why))
            break;
    }
    return ZS_FAIL;
}

static int try_all(const struct libpq *self, struct conninfo *info, const struct zs_connect *spec,
                   PGconn **conn, struct target_text *far, struct zs_error *e)
{
    for (unsigned i = 0; i < info->ntargets; i++) {
        struct zs_error why = {0};
        *far = target_text(&info->targets[i]);
        if (try_target(self, info, &info->targets[i], spec, conn, &why) == ZS_OK)
            return ZS_OK;
        if (i == 0 || !may_go_on(&why))
            *e = why;
        if (!may_go_on(&why))
            break;
    }
    return ZS_FAIL;
}

int connect_open(const struct libpq *self, const struct zs_connect *spec, PGconn **conn,
                 struct target_text *far, struct zs_error *e)
{
    struct conninfo info;
    int rc = conninfo_open(&self->rules, spec->uri, &info, e);
    if (rc == ZS_OK)
        rc = try_all(self, &info, spec, conn, far, e);
    conninfo_close(&info);
    return rc;
}
