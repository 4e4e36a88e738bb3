/* bridge.c - the far end of spawn.c: frames on standard input and output, a pageserver
 * behind libpq.  BRIDGE_URI in the environment says which; a script in spawn.d sets it.
 * One thread; each side is read only when there is something, and written until done. */
#include <libpq-fe.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAME_MAX (16u * 1024u * 1024u + 1)

static int read_whole(void *to, size_t len)
{
    uint8_t *p = to;
    for (ssize_t n; len > 0; p += n, len -= (size_t)n)
        if ((n = read(0, p, len)) <= 0)
            return 0;
    return 1;
}

static void write_whole(const void *from, size_t len)
{
    const uint8_t *p = from;
    for (ssize_t n; len > 0; p += n, len -= (size_t)n)
        if ((n = write(1, p, len)) <= 0)
            _exit(1);
}

static void write_frame(char kind, const void *data, size_t len)
{
    uint8_t head[5] = {(uint8_t)((len + 1) >> 24), (uint8_t)((len + 1) >> 16),
                       (uint8_t)((len + 1) >> 8), (uint8_t)(len + 1), (uint8_t)kind};
    write_whole(head, sizeof head);
    write_whole(data, len);
}

/* NULL at the end of the input; else the payload with a NUL behind it, to be freed. */
static char *read_frame(size_t *len)
{
    uint8_t head[5];
    if (!read_whole(head, sizeof head))
        return NULL;
    uint32_t n =
        (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    char *payload = n < 1 || n > FRAME_MAX ? NULL : malloc(n);
    if (payload == NULL || !read_whole(payload, n - 1))
        _exit(1);
    payload[n - 1] = '\0';
    *len = n - 1;
    return payload;
}

static void send_error(const char *sqlstate, const char *message, const char *detail,
                       const char *hint)
{
    const char *const fields[] = {sqlstate, message, detail, hint};
    char text[4096];
    size_t used = 0;
    for (int i = 0; i < 4; i++) {
        const char *field = fields[i] == NULL ? "" : fields[i];
        int n = snprintf(text + used, 1000, "%s", field);
        used += (n < 0 ? 0u : n > 999 ? 999u : (size_t)n) + 1;
    }
    write_frame('E', text, used);
    _exit(0);
}

static void check(PGconn *conn, PGresult *result, ExecStatusType wanted)
{
    if (PQresultStatus(result) == wanted)
        return;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    send_error(sqlstate == NULL ? "08006" : sqlstate,
               message == NULL ? PQerrorMessage(conn) : message,
               PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL),
               PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
}

/* What the far server has to say now: its messages as frames; 0 when it has ended. */
static int relay_far(PGconn *conn)
{
    char *data;
    int n;
    (void)PQconsumeInput(conn);
    while ((n = PQgetCopyData(conn, &data, 1)) > 0) {
        write_frame('D', data, (size_t)n);
        PQfreemem(data);
    }
    return n == 0;
}

int main(void)
{
    const char *uri = getenv("BRIDGE_URI"); /* NOLINT(concurrency-mt-unsafe) */
    size_t len;
    char *command = read_frame(&len);
    if (uri == NULL || command == NULL) {
        free(command);
        return 2;
    }
    PGconn *conn = PQconnectdb(uri);
    if (PQstatus(conn) != CONNECTION_OK)
        send_error("08001", "the bridge could not reach the far server", "", "See its BRIDGE_URI.");
    PGresult *result = PQexec(conn, command);
    check(conn, result, PGRES_COPY_BOTH);
    PQclear(result);
    for (int open = 1; relay_far(conn);) {
        struct pollfd fds[2] = {{.fd = open ? 0 : -1, .events = POLLIN},
                                {.fd = PQsocket(conn), .events = POLLIN}};
        (void)poll(fds, 2, -1);
        if (fds[0].revents == 0)
            continue;
        char *payload = read_frame(&len);
        open = payload != NULL;
        /* libpq keeps what is small until it is told to send. */
        if ((open ? PQputCopyData(conn, payload, (int)len) : PQputCopyEnd(conn, NULL)) < 0 ||
            PQflush(conn) != 0)
            break;
        free(payload);
    }
    /* The far side's copy has ended: close ours, then its verdict. */
    while ((result = PQgetResult(conn)) != NULL) {
        if (PQresultStatus(result) == PGRES_COPY_IN)
            (void)PQputCopyEnd(conn, NULL);
        else
            check(conn, result, PGRES_COMMAND_OK);
        PQclear(result);
    }
    PQfinish(conn);
    free(command);
    return 0;
}
