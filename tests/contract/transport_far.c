/* transport_far.c - the far side's behaviours; see transport_contract.h. */
#include "transport_contract.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIB ((size_t)1 << 20)

static int far_echo(struct zs_channel *ch, struct zs_error *e)
{
    for (;;) {
        const void *msg;
        uint64_t len;
        int32_t got = ch->recv(ch->self, -1, &msg, &len, e);
        if (got == ZS_RECV_ERROR)
            return ZS_FAIL;
        if (got == ZS_RECV_END)
            return ch->finish(ch->self, e);
        TRY(ch->send(ch->self, msg, len, e));
    }
}

/* Sends much before it reads anything, then says how much it has read. */
static int far_flood(struct zs_channel *ch, struct zs_error *e)
{
    char *block = calloc(1, MIB);
    int rc = block == NULL ? error_memory(e) : ZS_OK;
    for (int i = 0; i < 12 && rc == ZS_OK; i++)
        rc = ch->send(ch->self, block, MIB, e);
    free(block);
    uint64_t total = 0;
    for (int32_t got = ZS_RECV_NOTHING; rc == ZS_OK && got != ZS_RECV_END;) {
        const void *msg;
        uint64_t len = 0;
        got = ch->recv(ch->self, -1, &msg, &len, e);
        if (got == ZS_RECV_ERROR)
            return ZS_FAIL;
        total += got == ZS_RECV_MESSAGE ? len : 0;
    }
    TRY(rc);
    TRY(ch->send(ch->self, &total, sizeof total, e));
    return ch->finish(ch->self, e);
}

static int far_fail(struct zs_channel *ch, struct zs_error *e)
{
    const void *msg;
    uint64_t len;
    if (ch->recv(ch->self, -1, &msg, &len, e) != ZS_RECV_MESSAGE)
        return ZS_FAIL;
    error_set(e, ZS_NOT_FAST_FORWARD, "the far branch is ahead");
    error_detail(e, "It is at 0/2.");
    return error_hint(e, "Pull instead.");
}

static int far_three(struct zs_channel *ch, struct zs_error *e)
{
    const void *msg;
    uint64_t len;
    TRY(ch->send(ch->self, "one", 3, e));
    TRY(ch->send(ch->self, "two", 3, e));
    TRY(ch->send(ch->self, "three", 5, e));
    TRY(ch->finish(ch->self, e));
    for (;;) {
        int32_t got = ch->recv(ch->self, -1, &msg, &len, e);
        if (got != ZS_RECV_MESSAGE)
            return got == ZS_RECV_END ? ZS_OK : ZS_FAIL;
    }
}

int transport_far(const struct far_session *session, const char *command, struct zs_error *e)
{
    if (strcmp(command, "refuse") == 0) {
        error_set(e, ZS_NO_SUCH_BRANCH, "there is no branch \"main\"");
        error_detail(e, "There are 2 others: \xc3\xa4, b.");
        return error_hint(e, "zenith branch list");
    }
    if (strcmp(command, "late") == 0) /* longer than a transport waits between two looks */
        (void)nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 300000000}, NULL);
    struct zs_channel ch = {.struct_size = sizeof ch};
    TRY(session->copy_both(session->self, &ch, e));
    int rc = ZS_OK;
    if (strcmp(command, "echo") == 0 || strcmp(command, "late") == 0)
        rc = far_echo(&ch, e);
    else if (strcmp(command, "flood") == 0)
        rc = far_flood(&ch, e);
    else if (strcmp(command, "fail") == 0)
        rc = far_fail(&ch, e);
    else if (strcmp(command, "three") == 0)
        rc = far_three(&ch, e);
    else if (strcmp(command, "vanish") == 0)
        rc = ch.send(ch.self, "last words", 10, e);
    else
        session->idle(session->self);
    ch.close(ch.self);
    return rc;
}
