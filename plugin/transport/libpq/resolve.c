/* resolve.c - see resolve.h.
 *
 *     resolve                      thread
 *       lookup_new (2 references)
 *       pthread_create ----------> getaddrinfo
 *       wait_ready(done, cancel)   result, then done (an eventfd: also the memory barrier)
 *       lookup_drop                lookup_drop */
#include "transport/libpq/resolve.h"

#include "base/error.h"
#include "transport/libpq/wait.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct resolver {
    atomic_uint references; /* the owner's, and one per lookup */
    atomic_uint lookups;
};

struct lookup {
    atomic_uint references;
    struct resolver *resolver;
    int done; /* readable once status and addresses are final */
    int status, system_error;
    struct addresses addresses;
    char host[256];
};

int resolver_open(struct resolver **out, struct zs_error *e)
{
    struct resolver *r = malloc(sizeof *r);
    if (r == NULL)
        return error_memory(e);
    atomic_init(&r->references, 1);
    atomic_init(&r->lookups, 0);
    *out = r;
    return ZS_OK;
}

void resolver_close(struct resolver *r)
{
    if (r != NULL && atomic_fetch_sub(&r->references, 1) == 1)
        free(r);
}

static void lookup_drop(struct lookup *l)
{
    if (atomic_fetch_sub(&l->references, 1) != 1)
        return;
    (void)close(l->done);
    atomic_fetch_sub(&l->resolver->lookups, 1);
    resolver_close(l->resolver);
    free(l);
}

static void take_addresses(const struct addrinfo *list, struct addresses *out)
{
    for (const struct addrinfo *a = list; a != NULL && out->n < ADDRESSES_MAX; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, out->text[out->n], ADDRESS_TEXT, NULL, 0,
                        NI_NUMERICHOST) == 0)
            out->n++;
}

static void *lookup_run(void *context)
{
    struct lookup *l = context;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    l->status = getaddrinfo(l->host, NULL, &hints, &list);
    l->system_error = errno;
    if (l->status == 0) {
        take_addresses(list, &l->addresses);
        freeaddrinfo(list);
    }
    uint64_t one = 1;
    (void)!write(l->done, &one, sizeof one);
    lookup_drop(l);
    return NULL;
}

/* NULL, and e set, if there is none to be had. */
static struct lookup *lookup_new(struct resolver *r, const char *host, struct zs_error *e)
{
    if (atomic_fetch_add(&r->lookups, 1) >= RESOLVES_MAX) {
        atomic_fetch_sub(&r->lookups, 1);
        error_set(e, ZS_LIMIT_EXCEEDED, "too many host names are being looked up");
        error_hint(e, "Check the name servers of this machine, and try again.");
        return NULL;
    }
    struct lookup *l = calloc(1, sizeof *l);
    int done = l == NULL ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (done < 0) {
        int errnum = errno;
        free(l);
        atomic_fetch_sub(&r->lookups, 1);
        error_errno(e, errnum, "could not look up the host \"%s\"", host);
        return NULL;
    }
    atomic_fetch_add(&r->references, 1);
    atomic_init(&l->references, 2);
    l->resolver = r;
    l->done = done;
    (void)snprintf(l->host, sizeof l->host, "%s", host);
    return l;
}

static int lookup_start(struct lookup *l)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    int errnum = pthread_attr_init(&attributes);
    if (errnum != 0)
        return errnum;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    errnum = pthread_create(&thread, &attributes, lookup_run, l);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return errnum;
}

/* What getaddrinfo said.  gai_strerror is a table of constants. */
static int lookup_result(const struct lookup *l, struct addresses *out, struct zs_error *e)
{
    if (l->status == 0 && l->addresses.n > 0) {
        *out = l->addresses;
        return ZS_OK;
    }
    if (l->status == EAI_MEMORY)
        return error_memory(e);
    if (l->status == EAI_SYSTEM)
        error_set(e, ZS_CANNOT_CONNECT, "could not find the host \"%s\": %s", l->host,
                  strerrordesc_np(l->system_error));
    else
        error_set(e, ZS_CANNOT_CONNECT, "could not find the host \"%s\": %s", l->host,
                  l->status == 0 ? "it has no address" : gai_strerror(l->status));
    return error_hint(e, "Check the host's name in the URI.");
}

static int lookup_wait(struct lookup *l, const struct zs_cancel *cancel, int64_t until_ns,
                       struct addresses *out, struct zs_error *e)
{
    struct pollfd done = {.fd = l->done, .events = POLLIN};
    uint64_t count;
    TRY(wait_ready(cancel, until_ns, &done, 1, e));
    if (done.revents == 0) {
        error_set(e, ZS_CANNOT_CONNECT, "could not find the host \"%s\": no answer in time",
                  l->host);
        return error_hint(e, "Check the name servers of this machine, or give an address.");
    }
    (void)!read(l->done, &count, sizeof count);
    return lookup_result(l, out, e);
}

int resolve(struct resolver *r, const char *host, const struct zs_cancel *cancel, int64_t until_ns,
            struct addresses *out, struct zs_error *e)
{
    memset(out, 0, sizeof *out);
    struct lookup *l = lookup_new(r, host, e);
    if (l == NULL)
        return ZS_FAIL;
    int errnum = lookup_start(l);
    int rc;
    if (errnum == 0) {
        rc = lookup_wait(l, cancel, until_ns, out, e);
    } else {
        rc = error_errno(e, errnum, "could not look up the host \"%s\"", host);
        atomic_store(&l->references, 1);
    }
    lookup_drop(l);
    return rc;
}
