/* test_connect.c - where a URI really leads: the addresses that connect() is called with, by
 * us or by libpq, held against allow_destinations.
 * This program's own getaddrinfo and connect stand before the C library's.  Names under
 * .test lead where the table says, each lookup to the next place; what is an address in any
 * form is read as the C library reads it; nobody else is asked.  No connection succeeds. */
#include "../../support/suite.h"

#include "transport/libpq/connect.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define OURS __attribute__((visibility("default")))

static const struct {
    const char *name, *first, *later; /* addresses with blanks between; later: NULL the same */
} names[] = {
    {"good.test", "192.0.2.7", NULL},           {"good.test.", "192.0.2.7", NULL},
    {"both.test", "127.0.0.1 192.0.2.7", NULL}, {"evil.test", "127.0.0.1", NULL},
    {"mapped.test", "::ffff:127.0.0.1", NULL},  {"six.test", "::1", NULL},
    {"turns.test", "192.0.2.7", "127.0.0.1"},
};

static atomic_uint lookups;
static char reached[512]; /* "address:port " of each connect() */

static const char *answer_of(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0)
            return atomic_fetch_add(&lookups, 1) == 0 || names[i].later == NULL ? names[i].first
                                                                                : names[i].later;
    return NULL;
}

/* The prototypes are the C library's. */
typedef int (*lookup_function)(const char *, const char *, const struct addrinfo *,
                               struct addrinfo **);

static int numeric(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **out)
{
    struct addrinfo only = hints == NULL ? (struct addrinfo){0} : *hints;
    lookup_function real = (lookup_function)(uintptr_t)dlsym(RTLD_NEXT, "getaddrinfo");
    only.ai_flags |= AI_NUMERICHOST;
    return real(host, service, &only, out);
}

OURS int getaddrinfo(const char *restrict host, const char *restrict service,
                     const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    const char *answer = host == NULL ? NULL : answer_of(host);
    if (answer == NULL)
        return numeric(host, service, hints, out);
    struct addrinfo **end = out;
    char list[128], *rest = list;
    (void)snprintf(list, sizeof list, "%s", answer);
    *out = NULL;
    for (const char *address = strsep(&rest, " "); address != NULL; address = strsep(&rest, " ")) {
        int rc = numeric(address, service, hints, end);
        if (rc != 0)
            return rc;
        while (*end != NULL)
            end = &(*end)->ai_next;
    }
    return 0;
}

/* Under its real name its argument is a union of glibc's. */
OURS int own_connect(int fd, const struct sockaddr *address, socklen_t len) __asm__("connect");
int own_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    char host[128] = "?", port[16] = "?";
    size_t used = strlen(reached);
    (void)fd;
    if (address->sa_family == AF_UNIX)
        (void)snprintf(host, sizeof host, "socket");
    else
        (void)getnameinfo(address, len, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(reached + used, sizeof reached - used, "%s:%s ", host, port);
    errno = ECONNREFUSED;
    return -1;
}

struct row {
    const char *allowed, *uri, *reached, *sqlstate;
};

static void try_row(const struct row *row)
{
    struct zs_error e = {0};
    struct zs_transport_host host = {.struct_size = sizeof host};
    struct libpq self = {.host = &host};
    struct zs_connect spec = {.struct_size = sizeof spec, .uri = row->uri, .command = "x"};
    struct target_text far;
    PGconn *conn = NULL;
    ASSERT_OK(destinations_parse(row->allowed, &self.destinations, &e));
    ASSERT_OK(resolver_open(&self.resolver, &e));
    self.rules.destinations = self.destinations;
    atomic_store(&lookups, 0);
    reached[0] = '\0';
    memset(&e, 0, sizeof e);
    assert_fails(connect_open(&self, &spec, &conn, &far, &e), &e, row->sqlstate, row->uri, __FILE__,
                 __LINE__);
    if (strcmp(reached, row->reached) != 0)
        printf("%s with \"%s\"\n", row->uri, row->allowed);
    ASSERT_TEXT(reached, row->reached);
    CU_ASSERT(e.hint[0] != '\0' && strstr(e.message, "SECRET") == NULL);
    destinations_free(self.destinations);
    resolver_close(self.resolver);
}

#define NOT_ALLOWED ZS_NO_PERMISSION
#define NOT_THERE   ZS_CANNOT_CONNECT

static void test_addresses(void)
{
    static const struct row rows[] = {
        {"192.0.2.0/24", "postgresql://192.0.2.9", "192.0.2.9:5432 ", NOT_THERE},
        {"192.0.2.0/24", "postgresql://127.0.0.1", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://[::1]", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://[::ffff:127.0.0.1]", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://[::ffff:7f00:1]", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://[0:0:0:0:0:ffff:7f00:0001]", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://[::]", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://0.0.0.0", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://[::ffff:192.0.2.9]", "::ffff:192.0.2.9:5432 ", NOT_THERE},
        /* IPv4 in the forms that inet_aton reads */
        {"192.0.2.0/24", "postgresql://127.1", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://0x7f000001", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://2130706433", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://0177.0.0.1", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://0", "", NOT_ALLOWED},
        {"127.0.0.0/8", "postgresql://0x7f.1", "127.0.0.1:5432 ", NOT_THERE},
        {"127.0.0.0/8", "postgresql://0177.0.0.1", "127.0.0.1:5432 ", NOT_THERE},
        {"177.0.0.1", "postgresql://0177.0.0.1", "", NOT_ALLOWED},
        {"127.1", "postgresql://127.0.0.1", "", NOT_ALLOWED},
        {"*.1", "postgresql://127.0.0.1?hostaddr=127.0.0.1", "", NOT_ALLOWED},
        /* ports */
        {"192.0.2.9:5433", "postgresql://192.0.2.9", "", NOT_ALLOWED},
        {"192.0.2.9:5433", "postgresql://192.0.2.9:5433", "192.0.2.9:5433 ", NOT_THERE},
        {"192.0.2.9:5433", "postgresql://192.0.2.9:5433/?port=22", "", NOT_ALLOWED},
        {"192.0.2.9:5433", "postgresql://192.0.2.9/?port=22&port=5433", "192.0.2.9:5433 ",
         NOT_THERE},
        {"192.0.2.9:5433", "postgresql://192.0.2.9/?port=5433&port=22", "", NOT_ALLOWED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        try_row(&rows[i]);
}

static void test_names(void)
{
    static const struct row rows[] = {
        {"192.0.2.0/24", "postgresql://good.test", "192.0.2.7:5432 ", NOT_THERE},
        {"192.0.2.0/24", "postgresql://evil.test", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://both.test", "192.0.2.7:5432 ", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://mapped.test", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://six.test", "", NOT_ALLOWED},
        /* a name that leads elsewhere when it is asked for again */
        {"192.0.2.0/24", "postgresql://turns.test", "192.0.2.7:5432 ", NOT_THERE},
        /* the same name, written otherwise */
        {"good.test", "postgresql://GOOD.test.", "", NOT_THERE}, /* allowed; nobody knows it */
        {"good.test", "postgresql://good.test.", "192.0.2.7:5432 ", NOT_THERE},
        {"good.test", "postgresql://%67ood.test", "192.0.2.7:5432 ", NOT_THERE},
        {"good.test", "postgresql://%65vil.test", "", NOT_ALLOWED},
        {"good.test", "postgresql://evil.test%2egood.test", "", NOT_ALLOWED},
        {"good.test", "postgresql://good.test.evil.test", "", NOT_ALLOWED},
        {"good.test", "postgresql://good.test@evil.test", "", NOT_ALLOWED},
        {"good.test", "postgresql://good.test:1@evil.test", "", NOT_ALLOWED},
        {"good.test", "postgresql://evil.test/good.test", "", NOT_ALLOWED},
        {"good.test", "postgresql://evil.test#@good.test", "192.0.2.7:5432 ", NOT_THERE},
        {"good.test", "postgresql://evil.test?@good.test", "", ZS_BAD_VALUE},
        {"good.test", "postgresql://good.test%40evil.test", "", ZS_BAD_VALUE},
        {"good.test", "postgresql://u@evil.test@good.test", "", ZS_BAD_VALUE},
        {"good.test", "postgresql://good.test%2Fevil.test", "", ZS_BAD_VALUE},
        {"good.test", "postgresql://good.test%00.evil.test", "", ZS_BAD_VALUE},
        {"good.test", "postgresql://good.test%23evil.test", "", ZS_BAD_VALUE},
        {"good.test", "postgresql://good.test\\evil.test", "", ZS_BAD_VALUE},
        {"good.test", "postgresql://good.test%0aevil.test", "", ZS_BAD_VALUE},
        {"good.test", "postgresql://[good.test]", "192.0.2.7:5432 ", NOT_THERE},
        {"good.test", "postgresql://[evil.test]", "", NOT_ALLOWED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        try_row(&rows[i]);
}

static void test_parameters(void)
{
    static const struct row rows[] = {
        {"good.test", "postgresql://good.test?host=evil.test", "", NOT_ALLOWED},
        {"good.test", "postgresql://evil.test?host=good.test", "192.0.2.7:5432 ", NOT_THERE},
        {"good.test", "postgresql:///?host=good.test&host=evil.test", "", NOT_ALLOWED},
        {"good.test", "postgresql:///?ho%73t=evil.test", "", NOT_ALLOWED},
        {"good.test", "postgresql://good.test?HOST=evil.test", "", ZS_BAD_VALUE},
        {"good.test", "postgresql://good.test?hostaddr=127.0.0.1", "", NOT_ALLOWED},
        {"good.test", "postgresql://good.test?hos%74addr=127.0.0.1", "", NOT_ALLOWED},
        {"good.test", "postgresql://good.test?hostaddr=192.0.2.7&hostaddr=127.0.0.1", "",
         NOT_ALLOWED},
        {"good.test", "postgresql://good.test?hostaddr=127.1", "", ZS_BAD_VALUE},
        {"192.0.2.0/24", "postgresql://evil.test?hostaddr=192.0.2.9", "192.0.2.9:5432 ", NOT_THERE},
        {"192.0.2.0/24", "postgresql://192.0.2.9?hostaddr=::1", "", NOT_ALLOWED},
        /* several: each is asked about before any is gone to */
        {"good.test", "postgresql://good.test,evil.test", "", NOT_ALLOWED},
        {"good.test", "postgresql://evil.test,good.test", "", NOT_ALLOWED},
        {"good.test", "postgresql://good.test,good.test:22", "192.0.2.7:5432 192.0.2.7:22 ",
         NOT_THERE},
        {"good.test:5432", "postgresql://good.test,good.test:22", "", NOT_ALLOWED},
        {"good.test", "postgresql://good.test/?host=good.test%2Cevil.test", "", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://evil.test,good.test", "192.0.2.7:5432 ", NOT_ALLOWED},
        {"192.0.2.0/24", "postgresql://good.test,127.0.0.1", "", NOT_ALLOWED},
        {"good.test", "postgresql://good.test,?hostaddr=192.0.2.7,127.0.0.1", "", NOT_ALLOWED},
        /* Unix sockets, in all the ways to name one */
        {NULL, "postgresql://%2Ftmp", "", NOT_ALLOWED},
        {NULL, "postgresql://%2ftmp", "", NOT_ALLOWED},
        {NULL, "postgresql:///?host=/tmp", "", NOT_ALLOWED},
        {NULL, "postgresql:///?h%6Fst=%2Ftmp", "", NOT_ALLOWED},
        {NULL, "postgresql://%40abstract", "", NOT_ALLOWED},
        {NULL, "postgresql:///?host=%40abstract", "", NOT_ALLOWED},
        {NULL, "postgresql://good.test,%2Ftmp", "", NOT_ALLOWED},
        {NULL, "postgresql://[/tmp]", "", NOT_ALLOWED},
        {NULL, "postgresql://", "", ZS_BAD_VALUE}, /* libpq's own default is a socket */
        {NULL, "postgresql://?host=", "", ZS_BAD_VALUE},
        {NULL, "postgresql://good.test,", "", ZS_BAD_VALUE},
        {NULL, "postgresql:///?hostaddr=", "", ZS_BAD_VALUE},
        /* nothing of the URI is a connection string again */
        {"good.test", "postgresql://good.test/host%3Devil.test", "192.0.2.7:5432 ", NOT_THERE},
        {"good.test", "postgresql://good.test/postgresql%3A%2F%2Fevil.test", "192.0.2.7:5432 ",
         NOT_THERE},
        {"good.test", "postgresql://good.test?dbname=host%3D%2Ftmp", "192.0.2.7:5432 ", NOT_THERE},
        {"good.test", "postgresql://good.test?application_name=x%20host%3Devil.test",
         "192.0.2.7:5432 ", NOT_THERE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        try_row(&rows[i]);
}

SUITE("libpq/connect", {"an address is held against the list in every form", test_addresses},
      {"a name is held against it, and the address that is gone to", test_names},
      {"parameters, several hosts and sockets lead nowhere else", test_parameters})
