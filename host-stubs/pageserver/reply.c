/* reply.c - see reply.h. */
#include "pageserver/reply.h"

#include "base/error.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLUSH_BYTES 65536u /* rows are written out in pieces of this size */
#define COLUMNS_MAX 1600u  /* PostgreSQL's limit; clients count on it */

static int after_copy(const struct reply *r, struct zs_error *e)
{
    return r->copied ? error_set(e, ZS_INTERNAL_ERROR, "a command gave a result after a copy")
                     : ZS_OK;
}

static int32_t reply_columns(void *self, const char *const *names, uint32_t n, struct zs_error *e)
{
    struct reply *r = self;
    TRY(after_copy(r, e));
    if (r->ncolumns != 0 || n == 0 || n > COLUMNS_MAX)
        return error_set(e, ZS_INTERNAL_ERROR, "a command gave a second or an impossible result");
    struct wire_buf b = {0};
    wire_row_description(&b, names, n);
    r->ncolumns = n;
    return conn_put(r->conn, &b, e);
}

static int32_t reply_row(void *self, const char *const *values, uint32_t n, struct zs_error *e)
{
    struct reply *r = self;
    TRY(after_copy(r, e));
    if (n != r->ncolumns || n == 0)
        return error_set(e, ZS_INTERNAL_ERROR, "a command gave a row of %u values for %u columns",
                         n, r->ncolumns);
    struct wire_buf b = {0};
    struct patience p = {.cancel = r->cancel, .stall_ns = CONN_STALL_NS};
    wire_data_row(&b, values, n);
    r->rows++;
    TRY(conn_put(r->conn, &b, e));
    return conn_pending(r->conn) < FLUSH_BYTES ? ZS_OK : conn_flush(r->conn, &p, e);
}

static void reply_notice(void *self, const struct zs_error *notice)
{
    struct reply *r = self;
    struct wire_buf b = {0};
    wire_notice(&b, notice);
    (void)conn_put_if_room(r->conn, &b);
}

static int32_t reply_copy_both(void *self, struct zs_channel *out, struct zs_error *e)
{
    struct reply *r = self;
    if (r->copied || r->ncolumns != 0)
        return error_set(e, ZS_INTERNAL_ERROR, "a command began a copy after a result or a copy");
    TRY(copyboth_open(&r->copy, r->conn, r->cancel, out, e));
    r->copied = true;
    return ZS_OK;
}

void reply_init(struct reply *r, struct conn *conn, struct cancel *cancel, uint32_t role,
                const char *user, const char *peer)
{
    *r = (struct reply){.conn = conn, .cancel = cancel};
    r->view = (struct zs_session){.struct_size = sizeof r->view,
                                  .role = role,
                                  .self = r,
                                  .cancel = &cancel->view,
                                  .user = user,
                                  .peer = peer,
                                  .columns = reply_columns,
                                  .row = reply_row,
                                  .notice = reply_notice,
                                  .copy_both = reply_copy_both};
}

int reply_error(struct conn *conn, const char *severity, const struct zs_error *why,
                struct zs_error *e)
{
    uint8_t room[WIRE_ERROR_ROOM];
    struct wire_buf b = wire_buf_over(room, sizeof room);
    wire_error(&b, severity, why);
    return conn_put(conn, &b, e);
}

void reply_turn_away(int fd, const struct zs_error *why)
{
    uint8_t room[WIRE_ERROR_ROOM];
    struct wire_buf b = wire_buf_over(room, sizeof room);
    wire_error(&b, "FATAL", why);
    if (!b.failed)
        (void)send(fd, b.data, b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    wire_buf_fini(&b);
    (void)shutdown(fd, SHUT_WR);
    char unread[WIRE_LOGIN_MAX]; /* left unread, it would reset the connection at once */
    ssize_t n = recv(fd, unread, sizeof unread, MSG_DONTWAIT);
    (void)n;
    (void)close(fd);
}

/* "SELECT 3" for rows, so that clients count them; else the command's name. */
static void put_complete(struct wire_buf *b, const struct reply *r, const char *command)
{
    char tag[96];
    if (r->ncolumns != 0) {
        (void)snprintf(tag, sizeof tag, "SELECT %llu", (unsigned long long)r->rows);
    } else {
        (void)snprintf(tag, sizeof tag, "%s", command);
        for (char *p = tag; *p != '\0'; p++)
            *p = (char)(*p == '_' ? ' ' : toupper((unsigned char)*p));
    }
    wire_begin(b, 'C');
    wire_text(b, tag);
    wire_end(b);
}

int reply_end(struct reply *r, const char *command, int rc, struct zs_error *e)
{
    struct zs_error why = *e;
    bool unfinished = r->copied && !r->copy.finished;
    copyboth_close(&r->copy);
    rc = error_check(rc, &why, command);
    if (rc == ZS_OK && unfinished)
        rc = error_set(&why, ZS_CONNECTION_LOST, "%s ended its stream in the middle", command);
    if (rc != ZS_OK)
        return reply_error(r->conn, "ERROR", &why, e);
    uint8_t room[WIRE_ERROR_ROOM];
    struct wire_buf b = wire_buf_over(room, sizeof room);
    put_complete(&b, r, command);
    return conn_put(r->conn, &b, e);
}
