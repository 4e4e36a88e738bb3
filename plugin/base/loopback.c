/* loopback.c - see loopback.h. */
#include "base/loopback.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
};

/* Of one connection's two ends, so that they are of one family. */
static bool same_host(const union address *a, const union address *b)
{
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return a->any.sa_family == AF_INET6 &&
           memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
}

void loopback_tune(int socket)
{
    const int asked = LOOPBACK_BYTES / 2; /* the kernel takes twice of it, for its own account */
    union address here = {0}, there = {0};
    socklen_t here_size = sizeof here, there_size = sizeof there;
    if (getsockname(socket, &here.any, &here_size) == 0 &&
        getpeername(socket, &there.any, &there_size) == 0 && same_host(&here, &there))
        (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &asked, sizeof asked);
}
