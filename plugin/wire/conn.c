/* conn.c - see conn.h. */
#include "wire/conn.h"

#include "base/clock.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void conn_init(struct conn *c)
{
    memset(c, 0, sizeof *c);
    c->channel.struct_size = sizeof c->channel;
    c->last_sent_ns = clock_now_ns();
    c->silence_ms = CONN_SILENCE_MS;
    c->work_ms = CONN_WORK_MS;
}

int conn_check(struct conn *c, const char *who, struct zs_error *e)
{
    const struct zs_channel *ch = &c->channel;
    if (ch->send == NULL || ch->recv == NULL || ch->finish == NULL || ch->close == NULL)
        return error_set(e, ZS_INTERNAL_ERROR, "%s made a channel with a function missing", who);
    return ZS_OK;
}

const char *message_name(enum message_type type)
{
    switch (type) {
    case MESSAGE_STATE:
        return "STATE";
    case MESSAGE_OFFER:
        return "OFFER";
    case MESSAGE_BATCH:
        return "BATCH";
    case MESSAGE_COMMIT:
        return "COMMIT";
    case MESSAGE_DONE:
        return "DONE";
    case MESSAGE_ACK:
        return "ACK";
    case MESSAGE_KEEPALIVE:
        return "KEEPALIVE";
    case MESSAGE_ASK:
        return "ASK";
    case MESSAGE_SUMS:
        return "SUMS";
    }
    return NULL;
}

int conn_send_whole(struct conn *c, const void *message, uint64_t bytes, struct zs_error *e)
{
    TRY(error_check(c->channel.send(c->channel.self, message, bytes, e), e, "the channel's send"));
    c->sent_bytes += bytes;
    c->last_sent_ns = clock_now_ns();
    return ZS_OK;
}

int conn_send(struct conn *c, enum message_type type, const char *body, struct zs_error *e)
{
    size_t len = strlen(body);
    char *whole = malloc(len + 1);
    if (whole == NULL)
        return error_memory(e);
    whole[0] = (char)type;
    memcpy(whole + 1, body, len); /* NOLINT(bugprone-not-null-terminated-result): as it is sent */
    int rc = conn_send_whole(c, whole, len + 1, e);
    free(whole);
    return rc;
}

/* One look at the channel.  *came is false when there was nothing in time. */
static int receive(struct conn *c, int timeout_ms, bool *came, struct message *m,
                   struct zs_error *e)
{
    const void *bytes = NULL;
    uint64_t len = 0;
    *came = false;
    switch (c->channel.recv(c->channel.self, timeout_ms, &bytes, &len, e)) {
    case ZS_RECV_NOTHING:
        return ZS_OK;
    case ZS_RECV_END:
        return error_set(e, ZS_CONNECTION_LOST, "the far side ended the stream before it was done");
    case ZS_RECV_MESSAGE:
        break;
    case ZS_RECV_ERROR:
    default:
        return error_check(ZS_FAIL, e, "the channel's recv");
    }
    if (bytes == NULL || len == 0 || len > ZS_MESSAGE_MAX)
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side sent a message of %llu bytes; 1 to %u are allowed",
                         (unsigned long long)len, ZS_MESSAGE_MAX);
    c->received_bytes += len;
    uint8_t type = *(const uint8_t *)bytes;
    if (type == MESSAGE_KEEPALIVE && len > 1)
        return error_set(e, ZS_PROTOCOL_VIOLATION,
                         "the far side sent a KEEPALIVE of %llu bytes; it has no body",
                         (unsigned long long)len);
    if (message_name((enum message_type)type) == NULL) {
        error_set(e, ZS_PROTOCOL_VIOLATION, "the far side sent a message of unknown type 0x%02x",
                  type);
        return error_hint(e, "Both sides need zenith-sync with stream protocol %d.",
                          PROTOCOL_MAJOR);
    }
    *m = (struct message){.type = (enum message_type)type,
                          .whole = bytes,
                          .whole_bytes = len,
                          .body = (const char *)bytes + 1,
                          .body_bytes = len - 1};
    *came = true;
    return ZS_OK;
}

/* The far side is given up; `heard` by this side, but nothing that was due. */
static int overdue(int64_t limit_ms, bool heard, const char *due, struct zs_error *e)
{
    long long seconds = (long long)(limit_ms / 1000);
    if (heard)
        error_set(e, ZS_CONNECTION_LOST,
                  "the far side has said nothing but KEEPALIVE for %lld seconds, and %s is due",
                  seconds, due);
    else
        error_set(e, ZS_CONNECTION_LOST,
                  "the far side has said nothing for %lld seconds, and %s is due", seconds, due);
    return error_hint(
        e,
        "See with \"zenith status\" on the far side what it is doing, and run the command "
        "again%s.",
        heard ? "; progress_timeout here says how long its work may take" : "");
}

int conn_await(struct conn *c, enum conn_wait wait, const char *due, struct message *m,
               struct zs_error *e)
{
    const int64_t began_ns = clock_now_ns();
    const int64_t all_ms = wait == PEER_WORKS ? c->work_ms : c->silence_ms;
    int64_t heard_ns = began_ns, left_ms = all_ms < c->silence_ms ? all_ms : c->silence_ms;
    do {
        bool came = false;
        TRY(receive(c, left_ms < 60000 ? (int)left_ms : 60000, &came, m, e));
        if (came && m->type != MESSAGE_KEEPALIVE)
            return ZS_OK;
        const int64_t now_ns = clock_now_ns();
        if (came)
            heard_ns = now_ns;
        int64_t silence_ms = c->silence_ms - (now_ns - heard_ns) / 1000000;
        left_ms = all_ms - (now_ns - began_ns) / 1000000;
        if (silence_ms <= 0 && left_ms > 0)
            return overdue(c->silence_ms, false, due, e);
        left_ms = silence_ms < left_ms ? silence_ms : left_ms;
    } while (left_ms > 0);
    return overdue(all_ms, heard_ns != began_ns, due, e);
}

int conn_keep_alive(struct conn *c, struct zs_error *e)
{
    if (clock_now_ns() - c->last_sent_ns < CONN_KEEPALIVE_MS * INT64_C(1000000))
        return ZS_OK;
    return conn_send(c, MESSAGE_KEEPALIVE, "", e);
}

int conn_recv_soon(struct conn *c, int timeout_ms, bool *came, struct message *m,
                   struct zs_error *e)
{
    for (int skipped = 0;; skipped++) {
        TRY(receive(c, timeout_ms, came, m, e));
        if (!*came || m->type != MESSAGE_KEEPALIVE)
            return ZS_OK;
        *came = false;
        if (skipped == CONN_SKIPPED)
            return ZS_OK;
    }
}

int conn_peek(struct conn *c, bool *came, struct message *m, struct zs_error *e)
{
    return conn_recv_soon(c, 0, came, m, e);
}

void *conn_keep(struct conn *c)
{
    bool can = c->channel.keep != NULL && c->channel.release != NULL;
    return can ? c->channel.keep(c->channel.self) : NULL;
}

void conn_release(struct conn *c, void *kept)
{
    c->channel.release(c->channel.self, kept);
}

int message_expect(const struct message *m, enum message_type type, struct zs_error *e)
{
    if (m->type == type)
        return ZS_OK;
    return error_set(e, ZS_PROTOCOL_VIOLATION, "the far side sent %s where %s was due",
                     message_name(m->type), message_name(type));
}

int conn_finish(struct conn *c, struct zs_error *e)
{
    return error_check(c->channel.finish(c->channel.self, e), e, "the channel's finish");
}

void conn_close(struct conn *c)
{
    if (c->channel.struct_size != 0 && c->channel.close != NULL)
        c->channel.close(c->channel.self);
    memset(&c->channel, 0, sizeof c->channel);
}
