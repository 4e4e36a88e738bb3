/* module_client.c - what psql cannot try: copies, cancels and the extended protocol, over
 * real libpq against a server that has module_variant.c loaded.
 * Usage: module_client CONNINFO.  Ends in "abi/session: N passed, N failed". */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static unsigned passed, failed;

static void check(int ok, const char *name, PGconn *conn)
{
    if (ok) {
        passed++;
        return;
    }
    failed++;
    printf("FAILED %s: %s\n", name, PQerrorMessage(conn));
}

static int has_state(const PGresult *r, const char *sqlstate)
{
    const char *got = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    return got != NULL && strcmp(got, sqlstate) == 0;
}

/* Read results to the end; 1 if an error with this SQLSTATE was among them (NULL: none). */
static int drain(PGconn *conn, const char *sqlstate)
{
    int seen = sqlstate == NULL;
    for (PGresult *r = PQgetResult(conn); r != NULL; r = PQgetResult(conn)) {
        ExecStatusType s = PQresultStatus(r);
        if (s == PGRES_FATAL_ERROR)
            seen = sqlstate != NULL && has_state(r, sqlstate);
        PQclear(r);
        if (s == PGRES_COPY_BOTH || s == PGRES_COPY_OUT) {
            char *data = NULL;
            while (PQgetCopyData(conn, &data, 0) > 0)
                PQfreemem(data);
        } else if (s == PGRES_COPY_IN) {
            (void)PQputCopyEnd(conn, NULL);
        }
    }
    return seen;
}

static int is_usable(PGconn *conn)
{
    PGresult *r = PQexec(conn, "status;");
    int ok = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1;
    PQclear(r);
    return ok;
}

static int begins_copy(PGconn *conn, const char *command)
{
    PGresult *r = PQexec(conn, command);
    int ok = PQresultStatus(r) == PGRES_COPY_BOTH;
    PQclear(r);
    return ok;
}

static int cancel(PGconn *conn)
{
    char text[256];
    PGcancel *c = PQgetCancel(conn);
    int ok = PQcancel(c, text, sizeof text);
    PQfreeCancel(c);
    return ok;
}

static void test_echo(PGconn *conn)
{
    enum { N = 8, SIZE = 3000000 };
    char *out = malloc(SIZE);
    int same = out != NULL && begins_copy(conn, "variant_echo");
    for (int i = 0; i < N && same; i++) {
        char *in = NULL;
        memset(out, 'a' + i, SIZE);
        same = PQputCopyData(conn, out, SIZE - i) == 1 && PQflush(conn) == 0 &&
               PQgetCopyData(conn, &in, 0) == SIZE - i && memcmp(in, out, (size_t)(SIZE - i)) == 0;
        PQfreemem(in);
    }
    char *in = NULL;
    same = same && PQputCopyEnd(conn, NULL) == 1 && PQgetCopyData(conn, &in, 0) == -1;
    free(out);
    check(same && drain(conn, NULL) && is_usable(conn), "an echo comes back", conn);
}

static void test_copy_fail(PGconn *conn)
{
    int ok = begins_copy(conn, "variant_echo") && PQputCopyEnd(conn, "changed my mind") == 1;
    check(ok && drain(conn, "57014") && is_usable(conn), "a CopyFail ends the copy", conn);
}

static void test_late_data(PGconn *conn)
{
    static char data[1000000];
    int ok = begins_copy(conn, "variant_refuse");
    for (int i = 0; i < 20 && ok; i++)
        ok = PQputCopyData(conn, data, sizeof data) >= 0;
    check(ok && drain(conn, "ZS002") && is_usable(conn),
          "late data after an error is ignored, and the connection goes on", conn);
}

static void test_cancel(PGconn *conn)
{
    int ok = PQsendQuery(conn, "variant_wait") == 1;
    while (ok && PQconsumeInput(conn) == 1 && PQisBusy(conn)) {
        /* The notice says that it runs. */
        if (cancel(conn) == 0)
            ok = 0;
        (void)usleep(2000);
    }
    check(ok && drain(conn, "57014") && is_usable(conn), "a CancelRequest stops a command", conn);
}

static void test_cancel_in_a_flood(PGconn *conn)
{
    /* Nothing is read until the server is stuck in its send. */
    int ok = begins_copy(conn, "variant_flood");
    ok = ok && cancel(conn);
    check(ok && drain(conn, "57014") && is_usable(conn), "a cancel stops a blocked send", conn);
}

static void test_extended(PGconn *conn)
{
    PGresult *r = PQexecParams(conn, "status", 0, NULL, NULL, NULL, NULL, 0);
    int ok = has_state(r, "0A000") && strstr(PQresultErrorMessage(r), "Parse") != NULL;
    PQclear(r);
    check(ok && is_usable(conn), "the extended protocol is refused by name", conn);
}

static void test_mute(PGconn *conn)
{
    PGresult *r = PQexec(conn, "variant_mute");
    int ok = has_state(r, "XX000") && strstr(PQresultErrorMessage(r), "variant_mute") != NULL;
    PQclear(r);
    check(ok && is_usable(conn), "a failure without an error is said to be a bug", conn);
}

static void test_empty(PGconn *conn)
{
    PGresult *r = PQexec(conn, " ;");
    check(PQresultStatus(r) == PGRES_EMPTY_QUERY && is_usable(conn), "an empty query is one", conn);
    PQclear(r);
}

static void test_hang_up(const char *conninfo)
{
    /* Leaves in the middle of a flood; the session must end by itself. */
    PGconn *conn = PQconnectdb(conninfo);
    int ok = PQstatus(conn) == CONNECTION_OK && begins_copy(conn, "variant_flood");
    check(ok, "a flood begins", conn);
    PQfinish(conn);
    conn = PQconnectdb(conninfo);
    ok = PQsendQuery(conn, "variant_wait");
    check(ok, "a wait begins", conn);
    PQfinish(conn);
    conn = PQconnectdb(conninfo);
    long sessions = 0;
    for (int i = 0; i < 6000 && sessions != 1; i++) { /* a minute */
        PGresult *r = PQexec(conn, "status");
        sessions =
            PQntuples(r) == 1 ? strtol(PQgetvalue(r, 0, PQfnumber(r, "sessions")), NULL, 10) : 0;
        PQclear(r);
        (void)usleep(10000);
    }
    check(sessions == 1, "sessions of clients that left end", conn);
    PQfinish(conn);
}

static void ignore_notice(void *arg, const PGresult *r)
{
    (void)arg, (void)r;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    PGconn *conn = PQconnectdb(argv[1]);
    if (PQstatus(conn) != CONNECTION_OK) {
        printf("%s", PQerrorMessage(conn));
        return 2;
    }
    (void)PQsetNoticeReceiver(conn, ignore_notice, NULL);
    test_echo(conn);
    test_copy_fail(conn);
    test_late_data(conn);
    test_cancel(conn);
    test_cancel_in_a_flood(conn);
    test_extended(conn);
    test_mute(conn);
    test_empty(conn);
    PQfinish(conn);
    test_hang_up(argv[1]);
    printf("abi/session: %u passed, %u failed\n", passed, failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
