/* vanish.c - see vanish.h. */
#include "vanish.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "wire/batch.h"
#include "wire/control.h"
#include "wire/message.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define OFFERED_BYTES  1000u    /* by LSNs, beyond what the server has */
#define BATCH_SAID     1048576u /* of which only a piece is sent */
#define BATCH_PIECE    700u
#define HOLDS_MAX_MS   50u /* so long the server is left to begin, at most */
#define FRAME_HEADER   5u
#define LENGTH_COUNTED 4u /* a frame's length counts itself */

void vanish(PGconn *conn)
{
    struct linger now = {.l_onoff = 1};
    (void)setsockopt(PQsocket(conn), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    (void)shutdown(PQsocket(conn), SHUT_RDWR);
    PQfinish(conn);
}

static int unexpected(const char *what, const PGconn *conn, struct zs_error *e)
{
    return error_set(e, ZS_INTERNAL_ERROR, "%s: %s", what, PQerrorMessage(conn));
}

/* Run the command; the connection is a channel when it returns. */
static int begin(PGconn *conn, const char *command, const char *branch, const char *json,
                 struct zs_error *e)
{
    char query[4096];
    (void)snprintf(query, sizeof query, "%s %s %032x '%s'", command, branch, 1u, json);
    PGresult *result = PQexec(conn, query);
    bool begun = PQresultStatus(result) == PGRES_COPY_BOTH;
    PQclear(result);
    return begun ? ZS_OK : unexpected(command, conn, e);
}

/* Wait for a message of that type; the caller frees it. */
static int await(PGconn *conn, enum message_type type, char **message, int *len, struct zs_error *e)
{
    do {
        PQfreemem(*message);
        *message = NULL;
        *len = PQgetCopyData(conn, message, 0);
    } while (*len == 1 && (*message)[0] == MESSAGE_KEEPALIVE);
    if (*len < 1)
        return unexpected("no message came", conn, e);
    return (*message)[0] == (char)type
               ? ZS_OK
               : error_set(e, ZS_PROTOCOL_VIOLATION, "a message %c came, and %c was due",
                           (*message)[0], (char)type);
}

static int pull(PGconn *conn, const char *branch, bool further, struct zs_error *e)
{
    struct state_message state = {.digests = true, .encodings = BATCH_READS_ALL};
    CLEANUP(free_ptr) char *json = NULL;
    char *message = NULL;
    int len = 0;
    (void)snprintf(state.branch, sizeof state.branch, "%s", branch);
    TRY(state_encode(&state, &json, e));
    TRY(begin(conn, "branch_pull", branch, json, e));
    int rc = await(conn, MESSAGE_OFFER, &message, &len, e);
    if (rc == ZS_OK && further)
        rc = await(conn, MESSAGE_BATCH, &message, &len, e);
    PQfreemem(message);
    return rc;
}

/* More than it has, from where it is: the server then begins to write. */
static int offer(PGconn *conn, const struct state_message *state, struct zs_error *e)
{
    CLEANUP(free_ptr) char *json = NULL;
    CLEANUP(free_ptr) char *message = NULL;
    struct offer_message m = {.verdict = VERDICT_BEHIND,
                              .mode = OFFER_SEND,
                              .digests = true,
                              .acks = true,
                              .timeline = state->timeline,
                              .from_lsn = state->last.lsn,
                              .to_lsn = state->last.lsn + OFFERED_BYTES,
                              .last = state->last};
    m.last.lsn = m.to_lsn;
    TRY(offer_encode(&m, &json, e));
    size_t len = strlen(json);
    message = malloc(len + 2);
    if (message == NULL)
        return error_memory(e);
    message[0] = (char)MESSAGE_OFFER;
    memcpy(message + 1, json, len + 1);
    return PQputCopyData(conn, message, (int)len + 1) == 1 && PQflush(conn) == 0
               ? ZS_OK
               : unexpected("an offer", conn, e);
}

/* A piece of a batch, in a frame that says that it is longer; libpq sends whole ones only. */
static void send_piece(const PGconn *conn)
{
    uint8_t piece[FRAME_HEADER + BATCH_PIECE] = {'d'};
    put_u32be(piece + 1, LENGTH_COUNTED + BATCH_SAID);
    piece[FRAME_HEADER] = MESSAGE_BATCH;
    (void)send(PQsocket(conn), piece, sizeof piece, MSG_NOSIGNAL);
}

static int push(PGconn *conn, const char *branch, uint64_t chance, struct zs_error *e)
{
    struct state_message state;
    CLEANUP(free_ptr) char *json = NULL;
    char *message = NULL;
    int len = 0;
    TRY(call_encode(branch, &json, e));
    TRY(begin(conn, "branch_push", branch, json, e));
    int rc = await(conn, MESSAGE_STATE, &message, &len, e);
    if (rc == ZS_OK)
        rc = state_decode(message + 1, (size_t)len - 1, &state, e);
    PQfreemem(message);
    if (rc != ZS_OK || chance % 4 == 0)
        return rc;
    TRY(offer(conn, &state, e));
    if (chance % 4 > 1)
        send_piece(conn);
    (void)poll(NULL, 0, (int)(chance / 4 % HOLDS_MAX_MS));
    return ZS_OK;
}

int vanish_in_pull(PGconn *conn, const char *branch, uint64_t chance, struct zs_error *e)
{
    int rc = pull(conn, branch, chance % 4 != 0, e);
    vanish(conn);
    return rc;
}

int vanish_in_push(PGconn *conn, const char *branch, uint64_t chance, struct zs_error *e)
{
    int rc = push(conn, branch, chance, e);
    vanish(conn);
    return rc;
}
