/* test_stub_pipe.c - the in-memory channel pair: order, ends, errors, limits, cancel. */
#include "../../support/suite.h"

#include "base/error.h"
#include "stub/stub_cancel.h"
#include "stub/stub_pipe.h"

#include <pthread.h>
#include <string.h>

struct pair {
    struct stub_cancel left_cancel, right_cancel;
    struct zs_channel left, right;
};

static void pair_open(struct pair *p, uint64_t max_bytes)
{
    struct zs_error e = {0};
    ASSERT_OK(stub_cancel_init(&p->left_cancel, &e));
    ASSERT_OK(stub_cancel_init(&p->right_cancel, &e));
    ASSERT_OK(stub_pipe_open(max_bytes, &p->left_cancel.token, &p->right_cancel.token, &p->left,
                             &p->right, &e));
}

static void pair_fini(struct pair *p)
{
    stub_cancel_fini(&p->left_cancel);
    stub_cancel_fini(&p->right_cancel);
}

static int say(struct zs_channel *c, const char *text, struct zs_error *e)
{
    return c->send(c->self, text, strlen(text), e);
}

/* What recv gives: a message's text, or "nothing", "end", or the error's SQLSTATE. */
static const char *hear(struct zs_channel *c, int32_t timeout_ms, char out[64])
{
    struct zs_error e = {0};
    const void *msg;
    uint64_t len;
    switch (c->recv(c->self, timeout_ms, &msg, &len, &e)) {
    case ZS_RECV_MESSAGE:
        CU_ASSERT_FATAL(len < 64);
        memcpy(out, msg, len);
        out[len] = '\0';
        return out;
    case ZS_RECV_NOTHING:
        return "nothing";
    case ZS_RECV_END:
        return "end";
    default:
        memcpy(out, e.sqlstate, sizeof e.sqlstate);
        return out;
    }
}

static void test_messages_keep_their_order(void)
{
    struct zs_error e = {0};
    struct pair p;
    char text[64];
    pair_open(&p, 0);
    ASSERT_OK(say(&p.left, "one", &e));
    ASSERT_OK(say(&p.left, "two", &e));
    ASSERT_OK(say(&p.right, "three", &e));
    ASSERT_TEXT(hear(&p.right, -1, text), "one");
    ASSERT_TEXT(hear(&p.right, 0, text), "two");
    ASSERT_TEXT(hear(&p.right, 0, text), "nothing");
    ASSERT_TEXT(hear(&p.right, 5, text), "nothing");
    ASSERT_TEXT(hear(&p.left, -1, text), "three");
    p.left.close(p.left.self);
    p.right.close(p.right.self);
    pair_fini(&p);
}

static void test_ends(void)
{
    struct zs_error e = {0}, said;
    struct pair p;
    char text[64];

    pair_open(&p, 0); /* finish: what was sent, then the end, which stays */
    ASSERT_OK(say(&p.left, "last", &e));
    ASSERT_OK(p.left.finish(p.left.self, &e));
    ASSERT_FAILS(say(&p.left, "later", &e), ZS_INTERNAL_ERROR);
    p.left.close(p.left.self);
    ASSERT_TEXT(hear(&p.right, -1, text), "last");
    ASSERT_TEXT(hear(&p.right, -1, text), "end");
    ASSERT_TEXT(hear(&p.right, -1, text), "end");
    ASSERT_OK(say(&p.right, "into the void", &e));
    p.right.close(p.right.self);
    pair_fini(&p);

    pair_open(&p, 0); /* closed without finish: an error, and sends fail */
    ASSERT_OK(say(&p.left, "last", &e));
    p.left.close(p.left.self);
    ASSERT_TEXT(hear(&p.right, -1, text), "last");
    ASSERT_TEXT(hear(&p.right, -1, text), ZS_CONNECTION_LOST);
    ASSERT_FAILS(say(&p.right, "hello?", &e), ZS_CONNECTION_LOST);
    p.right.close(p.right.self);
    pair_fini(&p);

    pair_open(&p, 0); /* a server's error: arrives as it is, late sends go nowhere */
    error_set(&said, ZS_DISK_FULL, "the disk is full");
    ASSERT_OK(say(&p.left, "last", &e));
    stub_pipe_fail(&p.left, &said);
    ASSERT_OK(say(&p.right, "unseen", &e));
    ASSERT_TEXT(hear(&p.right, -1, text), "last");
    ASSERT_TEXT(hear(&p.right, -1, text), ZS_DISK_FULL);
    p.right.close(p.right.self);
    pair_fini(&p);
}

static void test_message_sizes(void)
{
    static char large[ZS_MESSAGE_MAX];
    struct zs_error e = {0};
    struct pair p;
    const void *msg;
    uint64_t len;
    pair_open(&p, 10); /* one message goes through, however small the buffer */
    ASSERT_FAILS(p.left.send(p.left.self, large, 0, &e), ZS_PROTOCOL_VIOLATION);
    ASSERT_FAILS(p.left.send(p.left.self, large, (uint64_t)ZS_MESSAGE_MAX + 1, &e),
                 ZS_PROTOCOL_VIOLATION);
    ASSERT_OK(p.left.send(p.left.self, large, ZS_MESSAGE_MAX, &e));
    CU_ASSERT_EQUAL(p.right.recv(p.right.self, 0, &msg, &len, &e), ZS_RECV_MESSAGE);
    CU_ASSERT_EQUAL(len, ZS_MESSAGE_MAX);
    p.left.close(p.left.self);
    p.right.close(p.right.self);
    pair_fini(&p);
}

static void test_cancel_of_either_side(void)
{
    struct zs_error e = {0};
    struct pair p;
    char text[64];
    pair_open(&p, 4);
    ASSERT_OK(say(&p.left, "full", &e));
    stub_cancel_at_poll(&p.left_cancel, atomic_load(&p.left_cancel.polls) + 3);
    ASSERT_FAILS(say(&p.left, "waits", &e), ZS_CANCELLED);   /* in the wait for room */
    ASSERT_FAILS(say(&p.left, "refused", &e), ZS_CANCELLED); /* and from then on */
    ASSERT_TEXT(hear(&p.left, -1, text), ZS_CANCELLED);
    ASSERT_TEXT(hear(&p.right, -1, text), "full"); /* the far side goes on */
    stub_cancel_at_poll(&p.right_cancel, atomic_load(&p.right_cancel.polls) + 3);
    ASSERT_TEXT(hear(&p.right, -1, text), ZS_CANCELLED);
    p.right.close(p.right.self);
    p.left.close(p.left.self);
    pair_fini(&p);

    pair_open(&p, 0);
    p.left_cancel.token.deadline_ns = clock_now_ns() + 5000000;
    ASSERT_TEXT(hear(&p.left, -1, text), ZS_CANCELLED);
    p.right.close(p.right.self);
    p.left.close(p.left.self);
    pair_fini(&p);
}

/* ---- two threads ------------------------------------------------------------------------ */

#define MESSAGES 2000

struct talker {
    struct zs_channel *channel;
    const char *fault;
};

/* Send them all, then read all of the other's. */
static void *send_then_read(void *arg)
{
    struct talker *t = arg;
    struct zs_error e = {0};
    const void *msg;
    uint64_t len;
    for (uint32_t i = 0; i < MESSAGES; i++)
        if (t->channel->send(t->channel->self, &i, sizeof i, &e) != ZS_OK)
            t->fault = "send failed";
    if (t->channel->finish(t->channel->self, &e) != ZS_OK)
        t->fault = "finish failed";
    for (uint32_t i = 0; i < MESSAGES; i++) {
        int32_t got = t->channel->recv(t->channel->self, -1, &msg, &len, &e);
        if (got != ZS_RECV_MESSAGE || len != sizeof i || memcmp(msg, &i, sizeof i) != 0)
            t->fault = "not the message that was sent";
    }
    if (t->channel->recv(t->channel->self, -1, &msg, &len, &e) != ZS_RECV_END)
        t->fault = "no end";
    t->channel->close(t->channel->self);
    return NULL;
}

static void test_two_that_both_send_go_on(void)
{
    struct pair p;
    pthread_t threads[2];
    pair_open(&p, 64); /* far less than what both send before they read */
    struct talker talkers[] = {{.channel = &p.left}, {.channel = &p.right}};
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, send_then_read, &talkers[i]), 0);
    for (int i = 0; i < 2; i++) {
        (void)pthread_join(threads[i], NULL);
        CU_ASSERT_PTR_NULL(talkers[i].fault);
    }
    pair_fini(&p);
}

SUITE("stub/stub_pipe", {"messages keep their order", test_messages_keep_their_order},
      {"an end, a cut and an error come after what was sent", test_ends},
      {"messages of 1 byte to 16 MiB go through", test_message_sizes},
      {"each side obeys its own cancel", test_cancel_of_either_side},
      {"two sides that both send go on", test_two_that_both_send_go_on})
