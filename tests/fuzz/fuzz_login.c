/* fuzz_login.c - a whole login by password, from messages to the answer
 * (pageserver/auth.h, conn.h).
 * Input: what the client sends, all at once; then it sends no more.
 * Holds: nobody gets in, since the server's nonce cannot be known beforehand; the error
 * is whole. */
#include "support.h"

#include "pageserver/auth.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* A file of users in memory. */
static const char *users_file(void)
{
    static const char text[] = "bob admin SCRAM-SHA-256$4096:c2FsdA==$" KEY ":" KEY "\n";
    static char path[64];
    if (path[0] == '\0') {
        int fd = memfd_create("users", MFD_CLOEXEC);
        HOLDS(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1));
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct conn c;
    const struct patience patience = {0};
    struct identity who = {0};
    struct zs_error e;
    int fds[2];
    if (size > 32768)
        return 0;
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    HOLDS(write(fds[1], data, size) == (ssize_t)size && shutdown(fds[1], SHUT_WR) == 0);
    fuzz_error_before(&e);
    HOLDS(fuzz_error_after(conn_init(&c, fds[0], &e), &e));
    c.in.phase = WIRE_LOGIN;
    HOLDS(!fuzz_error_after(auth_login(&c, users_file(), "bob", false, &patience, &who, &e), &e));
    conn_fini(&c);
    (void)close(fds[1]);
    return 0;
}
