/* link.c - see link.h. */
#include "link.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SSL_REQUEST    80877103u
#define GSSENC_REQUEST 80877104u

bool link_dial(struct link *l, const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *l = (struct link){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    if (l->fd >= 0 && connect(l->fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return true;
    link_close(l);
    return false;
}

bool link_accept(struct link *l, int listener, int timeout_ms)
{
    struct pollfd fd = {.fd = listener, .events = POLLIN};
    *l = (struct link){.fd = -1};
    if (poll(&fd, 1, timeout_ms) == 1)
        l->fd = accept(listener, NULL, NULL);
    return l->fd >= 0;
}

void link_close(struct link *l)
{
    if (l->fd >= 0)
        (void)close(l->fd);
    free(l->in);
    *l = (struct link){.fd = -1, .ended = true};
}

bool link_write(struct link *l, const void *bytes, size_t len)
{
    for (const uint8_t *at = bytes; len > 0 && !l->ended;) {
        ssize_t n = send(l->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
            continue;
        }
        struct pollfd fd = {.fd = l->fd, .events = POLLOUT};
        if (n == 0 || (errno != EAGAIN && errno != EINTR) || poll(&fd, 1, LINK_WAIT_MS) == 0)
            l->ended = true;
    }
    return !l->ended;
}

bool link_say(struct link *l, char type, const void *body, size_t len)
{
    uint8_t head[5] = {(uint8_t)type};
    put_u32be(head + 1, (uint32_t)len + 4);
    return link_write(l, head, sizeof head) && link_write(l, body, len);
}

/* At least `want` bytes at l->at. */
static bool fill(struct link *l, size_t want, int64_t until_ns)
{
    while (l->end - l->at < want) {
        if (l->at > 0 && l->at + want > l->room) {
            memmove(l->in, l->in + l->at, l->end - l->at);
            l->end -= l->at;
            l->at = 0;
        }
        if (want > l->room) {
            uint8_t *grown = realloc(l->in, want + 65536);
            if (grown == NULL)
                abort();
            l->in = grown;
            l->room = want + 65536;
        }
        int64_t left_ms = (until_ns - clock_now_ns()) / 1000000;
        struct pollfd fd = {.fd = l->fd, .events = POLLIN};
        if (l->fd < 0 || poll(&fd, 1, left_ms < 0 ? 0 : (int)left_ms) <= 0)
            return false;
        ssize_t n = recv(l->fd, l->in + l->end, l->room - l->end, MSG_DONTWAIT);
        if (n <= 0 && !(n < 0 && errno == EAGAIN)) {
            l->ended = true;
            return false;
        }
        l->end += n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool link_read(struct link *l, int timeout_ms, struct frame *f)
{
    int64_t until_ns = clock_now_ns() + (int64_t)timeout_ms * 1000000;
    if (!fill(l, 5, until_ns))
        return false;
    uint32_t len = get_u32be(l->in + l->at + 1);
    if (len < 4 || len > LINK_FRAME_MAX) {
        l->ended = true;
        return false;
    }
    if (!fill(l, 1u + len, until_ns))
        return false;
    *f = (struct frame){.type = (char)l->in[l->at], .body = l->in + l->at + 5, .len = len - 4};
    l->at += 1u + len;
    return true;
}

bool link_log_in(struct link *l)
{
    uint8_t packet[256] = {0};
    const struct passwd *own = getpwuid(geteuid()); /* NOLINT(concurrency-mt-unsafe): one thread */
    struct frame f;
    int n = snprintf((char *)packet + 8, sizeof packet - 9, "user%c%s", 0,
                     own == NULL ? "root" : own->pw_name);
    put_u32be(packet, (uint32_t)n + 10);
    put_u32be(packet + 4, 3u << 16);
    if (!link_write(l, packet, (size_t)n + 10))
        return false;
    while (link_read(l, LINK_WAIT_MS, &f))
        if (f.type == 'Z' || f.type == 'E')
            return f.type == 'Z';
    return false;
}

bool link_take_startup(struct link *l)
{
    for (;;) {
        int64_t until_ns = clock_now_ns() + (int64_t)LINK_WAIT_MS * 1000000;
        if (!fill(l, 8, until_ns))
            return false;
        uint32_t len = get_u32be(l->in + l->at), code = get_u32be(l->in + l->at + 4);
        if (len < 8 || len > 65536 || !fill(l, len, until_ns))
            return false;
        l->at += len;
        if (code != SSL_REQUEST && code != GSSENC_REQUEST)
            return true;
        if (!link_write(l, "N", 1))
            return false;
    }
}

bool link_let_in(struct link *l, const char **query)
{
    struct frame f;
    if (!link_take_startup(l) || !link_say(l, 'R', "\0\0\0", 4) || !link_say(l, 'Z', "I", 1))
        return false;
    while (link_read(l, LINK_WAIT_MS, &f))
        if (f.type == 'Q' && f.len > 0 && f.body[f.len - 1] == '\0') {
            *query = (const char *)f.body;
            return true;
        }
    return false;
}

static void add_text(char *out, size_t size, size_t *used, const void *text, size_t len)
{
    if (*used + len + 1 > size)
        len = size - *used - 1;
    memcpy(out + *used, text, len);
    *used += len;
    out[*used] = '\0';
}

static void add_row(char *out, size_t size, size_t *used, const struct frame *f)
{
    struct reader r = reader_over(f->body, f->len);
    unsigned fields = reader_u16be(&r);
    for (unsigned i = 0; i < fields && !r.failed; i++) {
        uint32_t len = reader_u32be(&r);
        const uint8_t *field = len == UINT32_MAX ? NULL : reader_take(&r, len);
        if (field != NULL)
            add_text(out, size, used, field, len);
        add_text(out, size, used, i + 1 < fields ? "|" : "\n", 1);
    }
}

bool link_query(struct link *l, const char *query, char *out, size_t size)
{
    struct frame f;
    size_t used = 0;
    bool failed = false;
    out[0] = '\0';
    if (!link_say(l, 'Q', query, strlen(query) + 1))
        return false;
    while (link_read(l, LINK_WAIT_MS, &f)) {
        if (f.type == 'D')
            add_row(out, size, &used, &f);
        if (f.type == 'E') {
            failed = true;
            for (const uint8_t *p = f.body; p < f.body + f.len && *p != '\0';
                 p += strlen((const char *)p) + 1)
                add_text(out, size, &used, p, strlen((const char *)p));
        }
        if (f.type == 'Z')
            return !failed;
    }
    return false;
}
