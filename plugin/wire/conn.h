/* conn.h - a channel that carries typed messages and counts its bytes.
 * Flow: sync/send and sync/receive -> here -> the zs_channel of a host or transport.
 * Owns the channel: conn_close closes it.  Threads: as struct zs_channel: one may
 * send while another receives. */
#ifndef ZS_WIRE_CONN_H
#define ZS_WIRE_CONN_H

#include "wire/message.h"

#include <stdbool.h>
#include <zenith-sync/types.h>

struct conn {
    struct zs_channel channel; /* struct_size 0: closed */
    uint64_t sent_bytes, received_bytes;
    int64_t last_sent_ns;        /* CLOCK_MONOTONIC */
    int64_t silence_ms, work_ms; /* conn_await's */
};

/* A message as it came; the body is a view, valid until the next one is asked for. */
struct message {
    enum message_type type;
    const uint8_t *whole; /* with the type byte in front */
    uint64_t whole_bytes;
    const char *body; /* behind the type byte; not NUL-terminated */
    uint64_t body_bytes;
};

/* Prepare for a host's or transport's function to fill in conn->channel.  The limits are
 * CONN_SILENCE_MS and CONN_WORK_MS; who knows better sets them afterwards. */
void conn_init(struct conn *c);

/* After it was filled in: are the functions there?  XX000 names who left one out. */
int conn_check(struct conn *c, const char *who, struct zs_error *e);

/* Send one message whose type byte is in it (a BATCH), or a body to put behind one. */
int conn_send_whole(struct conn *c, const void *message, uint64_t bytes, struct zs_error *e);
int conn_send(struct conn *c, enum message_type type, const char *body, struct zs_error *e);

/* A peer whose turn it is holds what this side keeps for it: a snapshot, a branch that
 * nobody else can write to, a session.  So each wait for one has an end, whatever it says:
 *   PEER_ANSWERS  what it has to do takes no time worth speaking of: silence_ms in all, with
 *                 KEEPALIVE or without
 *   PEER_WORKS    it may have to read a branch, or to make a commit durable: it says so by
 *                 KEEPALIVE, silence_ms without one is the end, and so is work_ms in all.
 * A day reads 17 TB from a disk that gives 200 MB/s, and each message is a new wait. */
enum conn_wait { PEER_ANSWERS, PEER_WORKS };
#define CONN_SILENCE_MS 600000
#define CONN_WORK_MS    86400000

/* Wait for a message other than KEEPALIVE; `due` says to people what that is.  08006: the far
 * side ended, or a limit was reached; 08P01: an unknown type, or a KEEPALIVE with a body. */
int conn_await(struct conn *c, enum conn_wait wait, const char *due, struct message *m,
               struct zs_error *e);

/* Say KEEPALIVE if nothing was sent for CONN_KEEPALIVE_MS: a peer, and whatever stands
 * between, then knows that work is going on. */
#define CONN_KEEPALIVE_MS 15000
int conn_keep_alive(struct conn *c, struct zs_error *e);

/* Has the far side failed meanwhile?  Looks without waiting, so that a sender that
 * only writes hears a refusal early.  *came tells if a message came instead; a look passes
 * over CONN_SKIPPED KEEPALIVEs at most, or a flood of them would hold the caller here. */
#define CONN_SKIPPED 16
int conn_peek(struct conn *c, bool *came, struct message *m, struct zs_error *e);

/* The same, but waits up to timeout_ms for one. */
int conn_recv_soon(struct conn *c, int timeout_ms, bool *came, struct message *m,
                   struct zs_error *e);

/* Keep the message that came last beyond the next one, until conn_release.  NULL: the
 * channel cannot, or not this one.  By the thread that receives. */
void *conn_keep(struct conn *c);
void conn_release(struct conn *c, void *kept);

/* The message must be of this type: 08P01 names both. */
int message_expect(const struct message *m, enum message_type type, struct zs_error *e);

/* "OFFER", for messages to people; NULL: there is no such type. */
const char *message_name(enum message_type type);

int conn_finish(struct conn *c, struct zs_error *e);
void conn_close(struct conn *c);

#endif
