/* channel.h - a struct zs_channel over PostgreSQL's CopyBoth.
 * Flow: libpq.c gives a logged-in connection; sync/ and wire/ send and receive.
 * One message is one CopyData.  Lifecycle, locks and limits: channel.c. */
#ifndef ZS_LIBPQ_CHANNEL_H
#define ZS_LIBPQ_CHANNEL_H

#include <libpq-fe.h>
#include <zenith-sync/types.h>

/* A server opens a snapshot, or takes a lock, before it switches: no more. */
#define CHANNEL_ANSWER_MS 600000

/* Have the far server run `command` and wait until it has switched to CopyBoth, at most
 * answer_ms; then fill *out up to out->struct_size.  Takes conn, also when it fails.
 * Errors: what the far server said; 08P01 if it answers without a stream; 08006; 57014. */
int channel_open(PGconn *conn, const char *far, const char *command, const struct zs_cancel *cancel,
                 int64_t answer_ms, struct zs_channel *out, struct zs_error *e);

#endif
