/* client.c - see client.h. */
#include "cli/client.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES     16384u
#define VERSION        0x30000u
#define CANCEL_REQUEST 80877102u

static bool send_all(int fd, const void *bytes, size_t n)
{
    for (const char *at = bytes; n > 0;) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* False: the time is over. */
static bool wait_readable(int fd, int64_t until_ns)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (;;) {
        int64_t left_ns = until_ns - clock_now_ns();
        if (left_ns <= 0)
            return false;
        int n = poll(&p, 1, (int)(left_ns / 1000000) + 1);
        if (n > 0 || (n < 0 && errno != EINTR))
            return true; /* to read says what is wrong */
    }
}

static int64_t deadline(void)
{
    return clock_now_ns() + CLIENT_WAIT_MS * INT64_C(1000000);
}

/* ---- messages -------------------------------------------------------------------------- */

static bool make_room(struct client *c, size_t bytes)
{
    if (c->at > 0) {
        memmove(c->in, c->in + c->at, c->end - c->at);
        c->end -= c->at;
        c->at = 0;
    }
    if (c->room >= bytes)
        return true;
    uint8_t *grown = realloc(c->in, bytes);
    if (grown == NULL)
        return false;
    c->in = grown;
    c->room = bytes;
    return true;
}

enum client_got client_next(struct client *c, char *type, struct reader *body, struct zs_error *e)
{
    for (;;) {
        size_t here = c->end - c->at;
        size_t whole = 5;
        if (here >= 5) {
            uint32_t len = get_u32be(c->in + c->at + 1);
            if (len < 4 || len > CLIENT_MESSAGE_MAX) {
                error_set(e, ZS_PROTOCOL_VIOLATION, "the server sent a message of %u bytes", len);
                return CLIENT_FAILED;
            }
            whole = (size_t)len + 1;
        }
        if (here >= 5 && here >= whole) {
            *type = (char)c->in[c->at];
            *body = reader_over(c->in + c->at + 5, whole - 5);
            c->at += whole;
            return CLIENT_MESSAGE;
        }
        if (!make_room(c, whole > READ_BYTES ? whole : READ_BYTES)) {
            error_memory(e);
            return CLIENT_FAILED;
        }
        ssize_t got = recv(c->fd, c->in + c->end, c->room - c->end, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return CLIENT_NOTHING;
        if (got <= 0)
            return CLIENT_END;
        c->end += (size_t)got;
    }
}

int client_error(struct reader *body, struct zs_error *e)
{
    const char *fields[128] = {0};
    for (;;) {
        uint8_t code = reader_u8(body);
        const char *text = code == 0 ? NULL : reader_cstring(body);
        if (text == NULL)
            break;
        if (code < 128)
            fields[code] = text;
    }
    bool known = fields['C'] != NULL && strlen(fields['C']) == 5;
    error_set(e, known ? fields['C'] : ZS_INTERNAL_ERROR, "%s",
              fields['M'] == NULL ? "the server did not say why" : fields['M']);
    if (fields['D'] != NULL)
        (void)error_detail(e, "%s", fields['D']);
    if (fields['H'] != NULL)
        (void)error_hint(e, "%s", fields['H']);
    return ZS_FAIL;
}

/* ---- the login ------------------------------------------------------------------------- */

static bool send_startup(const struct client *c, const char *user)
{
    uint8_t message[512];
    int n =
        snprintf((char *)message + 8, sizeof message - 8,
                 "user%c%s%cdatabase%czenith%capplication_name%czenith%c", 0, user, 0, 0, 0, 0, 0);
    if (n < 0 || (size_t)n + 9 > sizeof message) {
        errno = EMSGSIZE;
        return false;
    }
    message[8 + n] = '\0';
    put_u32be(message, (uint32_t)n + 9);
    put_u32be(message + 4, VERSION);
    return send_all(c->fd, message, (size_t)n + 9);
}

/* One message of the login; *in once it is over. */
static int take_login(struct client *c, char type, struct reader *body, bool *in,
                      struct zs_error *e)
{
    switch (type) {
    case 'R':
        if (reader_u32be(body) != 0 || body->failed)
            return error_set(e, ZS_CANNOT_CONNECT, "the server asks for a password");
        return ZS_OK;
    case 'K':
        if (reader_left(body) == sizeof c->cancel_key)
            memcpy(c->cancel_key, body->at, sizeof c->cancel_key);
        return ZS_OK;
    case 'Z':
        *in = true;
        return ZS_OK;
    case 'E':
        return client_error(body, e);
    case 'S':
    case 'N':
        return ZS_OK;
    default:
        return error_set(e, ZS_CANNOT_CONNECT, "the server's answer is not one to a login");
    }
}

static int log_in(struct client *c, const char *user, struct zs_error *e)
{
    int64_t until_ns = deadline();
    if (!send_startup(c, user))
        return error_errno(e, errno, "the login could not be sent");
    for (bool in = false; !in;) {
        struct reader body;
        char type = 0;
        switch (client_next(c, &type, &body, e)) {
        case CLIENT_FAILED:
            return ZS_FAIL;
        case CLIENT_END:
            return error_set(e, ZS_CANNOT_CONNECT, "the server closed the connection");
        case CLIENT_NOTHING:
            if (!wait_readable(c->fd, until_ns))
                return error_set(e, ZS_CANNOT_CONNECT, "the server does not answer");
            break;
        case CLIENT_MESSAGE:
            TRY(take_login(c, type, &body, &in, e));
            break;
        }
    }
    return ZS_OK;
}

int client_open(struct client *c, int fd, const char *user, struct zs_error *e)
{
    *c = (struct client){.fd = fd};
    if (log_in(c, user, e) == ZS_OK)
        return ZS_OK;
    client_close(c);
    return ZS_FAIL;
}

void client_close(struct client *c)
{
    if (c->fd >= 0) {
        (void)send(c->fd, "X\0\0\0\4", 5, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)close(c->fd);
    }
    free(c->in);
    *c = (struct client){.fd = -1};
}

/* ---- queries --------------------------------------------------------------------------- */

int client_query(struct client *c, const char *text, struct zs_error *e)
{
    uint8_t head[5] = {'Q'};
    size_t len = strlen(text) + 1;
    put_u32be(head + 1, (uint32_t)len + 4);
    if (len < CLIENT_MESSAGE_MAX && send_all(c->fd, head, sizeof head) &&
        send_all(c->fd, text, len))
        return ZS_OK;
    return error_set(e, ZS_CONNECTION_LOST, "the command could not be sent");
}

bool client_cancel(const struct client *c, int fd)
{
    uint8_t request[16], byte = 0;
    put_u32be(request, sizeof request);
    put_u32be(request + 4, CANCEL_REQUEST);
    memcpy(request + 8, c->cancel_key, sizeof c->cancel_key);
    return send_all(fd, request, sizeof request) && wait_readable(fd, deadline()) &&
           recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}
