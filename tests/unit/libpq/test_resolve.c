/* test_resolve.c - looking hosts up, with a name server that says what a test wants, and
 * waiting for descriptors in a way that a cancel ends. */
#include "../../support/suite.h"

#include "transport/libpq/resolve.h"
#include "transport/libpq/wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- a name server ------------------------------------------------------------------------- */

static struct {
    int status;
    unsigned n;
    pthread_mutex_t mutex;
    pthread_cond_t change;
    bool hold; /* nothing is answered until it is lifted */
    int waiting;
} server = {.mutex = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

/* In place of the C library's. */
int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    (void)host;
    (void)service;
    (void)hints;
    (void)pthread_mutex_lock(&server.mutex);
    server.waiting++;
    (void)pthread_cond_broadcast(&server.change);
    while (server.hold)
        (void)pthread_cond_wait(&server.change, &server.mutex);
    server.waiting--;
    (void)pthread_mutex_unlock(&server.mutex);
    *out = NULL;
    if (server.status == EAI_SYSTEM)
        errno = EMFILE;
    for (unsigned i = 0; server.status == 0 && i < server.n; i++) {
        struct addrinfo *a = calloc(1, sizeof *a + sizeof(struct sockaddr_in));
        if (a == NULL)
            abort();
        struct sockaddr_in *in = (void *)(a + 1);
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(0x0A000001 + i);
        a->ai_addr = (struct sockaddr *)in;
        a->ai_addrlen = sizeof *in;
        a->ai_next = *out;
        *out = a;
    }
    return server.status;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

static void answer(bool hold)
{
    (void)pthread_mutex_lock(&server.mutex);
    server.hold = hold;
    (void)pthread_cond_broadcast(&server.change);
    (void)pthread_mutex_unlock(&server.mutex);
}

static void await_lookups(int n)
{
    (void)pthread_mutex_lock(&server.mutex);
    while (server.waiting < n)
        (void)pthread_cond_wait(&server.change, &server.mutex);
    (void)pthread_mutex_unlock(&server.mutex);
}

/* ---- a token -------------------------------------------------------------------------------- */

static atomic_int asked;

static int32_t requested(void *self)
{
    (void)self;
    return atomic_load(&asked);
}

static struct zs_cancel token(int fd)
{
    atomic_store(&asked, 0);
    return (struct zs_cancel){
        .struct_size = sizeof(struct zs_cancel), .fd = fd, .requested = requested};
}

/* ---- looking up ------------------------------------------------------------------------------ */

static void test_what_the_name_server_says(void)
{
    static const struct {
        int status;
        unsigned answers, got;
        const char *sqlstate, *says; /* NULL: found */
    } cases[] = {
        {0, 1, 1, NULL, ""},
        {0, ADDRESSES_MAX, ADDRESSES_MAX, NULL, ""},
        {0, ADDRESSES_MAX + 3, ADDRESSES_MAX, NULL, ""},
        {0, 0, 0, ZS_CANNOT_CONNECT, "it has no address"},
        {EAI_NONAME, 0, 0, ZS_CANNOT_CONNECT, "could not find the host \"db.test\""},
        {EAI_SYSTEM, 0, 0, ZS_CANNOT_CONNECT, "Too many open files"},
        {EAI_MEMORY, 0, 0, ZS_OUT_OF_MEMORY, "memory"},
    };
    struct resolver *r = NULL;
    struct zs_error e = {0};
    ASSERT_OK(resolver_open(&r, &e));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addresses found;
        server.status = cases[i].status;
        server.n = cases[i].answers;
        int rc = resolve(r, "db.test", NULL, 0, &found, &e);
        CU_ASSERT(found.n == cases[i].got);
        if (cases[i].sqlstate == NULL) {
            ASSERT_OK(rc);
            CU_ASSERT(strncmp(found.text[0], "10.0.0.", 7) == 0);
            continue;
        }
        ASSERT_FAILS(rc, cases[i].sqlstate);
        CU_ASSERT(strstr(e.message, cases[i].says) != NULL);
    }
    resolver_close(r);
    resolver_close(NULL);
}

static void test_one_that_does_not_answer(void)
{
    struct resolver *r = NULL;
    struct zs_error e = {0};
    struct addresses found;
    ASSERT_OK(resolver_open(&r, &e));
    server.status = 0;
    server.n = 1;
    answer(true);
    ASSERT_FAILS(resolve(r, "slow.test", NULL, clock_now_ns() + 1000000, &found, &e),
                 ZS_CANNOT_CONNECT);
    CU_ASSERT(strstr(e.message, "no answer in time") != NULL);
    struct zs_cancel cancel = token(-1);
    atomic_store(&asked, 1);
    ASSERT_FAILS(resolve(r, "slow.test", &cancel, 0, &found, &e), ZS_CANCELLED);
    /* Each of those still waits; as many as may be, and then no more. */
    for (int n = 3; n <= RESOLVES_MAX; n++)
        ASSERT_FAILS(resolve(r, "slow.test", &cancel, 0, &found, &e), ZS_CANCELLED);
    ASSERT_FAILS(resolve(r, "slow.test", &cancel, 0, &found, &e), ZS_LIMIT_EXCEEDED);
    await_lookups(RESOLVES_MAX);
    resolver_close(r); /* they may still be under way */
    answer(false);
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

static void test_a_wait_ends(void)
{
    struct zs_error e = {0};
    int fd = eventfd(0, EFD_CLOEXEC), stop = eventfd(0, EFD_CLOEXEC);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    struct zs_cancel cancel = token(stop);
    CU_ASSERT_FATAL(fd >= 0 && stop >= 0);
    /* with the time, with and without a token */
    ASSERT_OK(wait_ready(NULL, clock_now_ns() + 1000000, &one, 1, &e));
    CU_ASSERT(one.revents == 0);
    ASSERT_OK(wait_ready(&cancel, clock_now_ns() + 1000000, &one, 1, &e));
    ASSERT_OK(wait_ready(&cancel, 1, &one, 1, &e)); /* long past: a look */
    CU_ASSERT(one.revents == 0);
    /* when the descriptor is ready */
    CU_ASSERT(eventfd_write(fd, 1) == 0);
    ASSERT_OK(wait_ready(NULL, 0, &one, 1, &e));
    CU_ASSERT((one.revents & POLLIN) != 0);
    one.revents = 0;
    ASSERT_OK(wait_ready(&cancel, 0, &one, 1, &e));
    CU_ASSERT((one.revents & POLLIN) != 0);
    /* when a stop is asked for, by the flag, the descriptor or the deadline */
    atomic_store(&asked, 1);
    ASSERT_FAILS(wait_ready(&cancel, 0, &one, 1, &e), ZS_CANCELLED);
    cancel = token(stop);
    CU_ASSERT(eventfd_write(stop, 1) == 0);
    ASSERT_FAILS(wait_ready(&cancel, 0, &one, 1, &e), ZS_CANCELLED);
    cancel = token(-1);
    cancel.deadline_ns = clock_now_ns() + 1000000;
    one.events = 0;
    ASSERT_FAILS(wait_ready(&cancel, 0, &one, 1, &e), ZS_CANCELLED);
    CU_ASSERT(strstr(e.message, "its time is up") != NULL);
    (void)close(fd);
    (void)close(stop);
}

SUITE("libpq/resolve",
      {"what the name server says is found or told", test_what_the_name_server_says},
      {"one that does not answer is left, and has a limit", test_one_that_does_not_answer},
      {"a wait ends with the time, the descriptor or the token", test_a_wait_ends})
