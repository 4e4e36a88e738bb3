/* test_beside.c - a call that takes long: the peer hears of it, and its result is what counts. */
#include "../../support/suite.h"

#include "base/error.h"
#include "stub/stub_pipe.h"
#include "sync/beside.h"

#include <pthread.h>
#include <string.h>

struct scene {
    struct zs_channel far;
    struct conn conn;
    struct progress progress;
    struct receive_job job;
    pthread_t caller;
    bool heard, elsewhere, ended;
    const char *fails; /* an SQLSTATE, or NULL */
};

static void scene_open(struct scene *s)
{
    struct zs_error e = {0};
    memset(s, 0, sizeof *s);
    conn_init(&s->conn);
    ASSERT_OK(stub_pipe_open(0, NULL, NULL, &s->conn.channel, &s->far, &e));
    s->conn.last_sent_ns = 0; /* nothing was said for long */
    s->job = (struct receive_job){.conn = &s->conn, .progress = &s->progress};
    s->caller = pthread_self();
}

static void scene_close(struct scene *s)
{
    conn_close(&s->conn);
    if (s->far.self != NULL)
        s->far.close(s->far.self);
}

static int end(struct scene *s, struct zs_error *e)
{
    s->elsewhere = pthread_equal(pthread_self(), s->caller) == 0;
    s->ended = true;
    return s->fails != NULL ? error_set(e, s->fails, "the call's own error") : ZS_OK;
}

/* As long as the peer hears nothing. */
static int until_heard(void *context, struct zs_error *e)
{
    struct scene *s = context;
    const void *message = NULL;
    uint64_t len = 0;
    s->heard = s->far.recv(s->far.self, -1, &message, &len, e) == ZS_RECV_MESSAGE && len == 1 &&
               *(const char *)message == MESSAGE_KEEPALIVE;
    return end(s, e);
}

/* The peer has gone meanwhile. */
static int until_alone(void *context, struct zs_error *e)
{
    struct scene *s = context;
    s->far.close(s->far.self);
    s->far.self = NULL;
    return end(s, e);
}

static void test_the_peer_hears_of_it(void)
{
    for (int fails = 0; fails < 2; fails++) {
        struct zs_error e = {0};
        struct scene s;
        scene_open(&s);
        s.fails = fails ? ZS_DISK_FULL : NULL;
        int rc = beside_run(&s.job, until_heard, &s, &e);
        CU_ASSERT(s.heard && s.elsewhere && s.ended);
        if (fails) {
            ASSERT_FAILS(rc, ZS_DISK_FULL);
            ASSERT_TEXT(e.message, "the call's own error");
        } else {
            ASSERT_OK(rc);
        }
        scene_close(&s);
    }
}

static void test_a_lost_line_does_not_undo_it(void)
{
    struct zs_error e = {0};
    struct scene s;
    scene_open(&s);
    ASSERT_OK(beside_run(&s.job, until_alone, &s, &e));
    CU_ASSERT(s.ended);
    scene_close(&s);
}

SUITE("sync/beside", {"the peer hears of it, and its result is told", test_the_peer_hears_of_it},
      {"a lost line does not undo it", test_a_lost_line_does_not_undo_it})
