/* test_push_pull_spoiled.c - one byte of a push or a pull is another: of the command, of each
 * control message, of the batches.  It is a clear error or has no effect; what b then has
 * is what it had, or what a has, to the last history point. */
#include "fixture.h"

#include "stub/stub_rot.h"

static const struct {
    char runs;
    const char *line;
} ways[] = {
    {'a', "perform_push main stub://b"},
    {'b', "perform_pull main stub://a"},
};

enum { WAYS = 2, MOST_MESSAGES = 64 };

enum place { IN_COMMAND, IN_SENT, IN_RECEIVED, PLACES };

/* A transport that changes one byte of what its connection carries, and notes what that is. */
static struct {
    const struct zs_transport *inner;
    struct zs_channel channel;
    enum place place;
    uint64_t at, passed; /* of what goes there */
    uint8_t mask;
    uint8_t *copy;
    struct {
        uint64_t from, len;
        char type;
    } seen[MOST_MESSAGES];
    size_t messages;
} spoiler;

static const void *spoil(enum place place, const void *msg, uint64_t len)
{
    uint64_t from = spoiler.passed;
    if (place != spoiler.place)
        return msg;
    CU_ASSERT_FATAL(spoiler.messages < MOST_MESSAGES);
    spoiler.seen[spoiler.messages].from = from;
    spoiler.seen[spoiler.messages].len = len;
    spoiler.seen[spoiler.messages++].type = *(const char *)msg;
    spoiler.passed += len;
    if (spoiler.at < from || spoiler.at >= from + len)
        return msg;
    free(spoiler.copy);
    spoiler.copy = malloc(len + 1);
    if (spoiler.copy == NULL)
        abort();
    memcpy(spoiler.copy, msg, len);
    spoiler.copy[len] = '\0'; /* a command is a string */
    spoiler.copy[spoiler.at - from] ^= spoiler.mask;
    return spoiler.copy;
}

static int32_t spoiled_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    return spoiler.channel.send(self, spoil(IN_SENT, msg, len), len, e);
}

static int32_t spoiled_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                            struct zs_error *e)
{
    int32_t got = spoiler.channel.recv(self, timeout_ms, msg, len, e);
    if (got == ZS_RECV_MESSAGE)
        *msg = spoil(IN_RECEIVED, *msg, *len);
    return got;
}

static int32_t spoiled_connect(void *self, const struct zs_connect *spec, struct zs_channel *out,
                               struct zs_error *e)
{
    struct zs_connect changed = *spec;
    changed.command = spoil(IN_COMMAND, spec->command, strlen(spec->command));
    TRY(spoiler.inner->connect(self, &changed, out, e));
    spoiler.channel = *out;
    out->send = spoiled_send;
    out->recv = spoiled_recv;
    return ZS_OK;
}

/* Run one way with the byte at `at` (UINT64_MAX: none) of a place changed.  Is the end one
 * that may be?  *failed: did the command? */
static bool run_spoiled(int way, enum place place, uint64_t at, uint8_t mask, bool fresh,
                        bool *failed)
{
    struct world w;
    struct client c;
    struct zs_transport table = *stub_transport_table();
    spoiler.inner = stub_transport_table();
    spoiler.place = PLACES;
    table.connect = spoiled_connect;
    world_open_with(&w, 0, 0, &table);
    w.b.module.sync_bytes = 1; /* an ACK for each batch */
    branch_make(&w.a, "main");
    branch_make(&w.a, "maio"); /* one bit from main: what a spoiled command may name */
    grow(&w.a, "main", 1, 30);
    grow(&w.a, "main", 5, 10);
    if (!fresh)
        RUN_OK(&w.a, "perform_push main stub://b", "absent");
    grow(&w.a, "main", 2, 30);
    grow(&w.a, "main", 3, 300);
    CLEANUP(free_ptr) char *before = picture(&w.b);
    spoiler.place = place;
    spoiler.at = at;
    spoiler.mask = mask;
    spoiler.passed = 0;
    spoiler.messages = 0;
    client_open(&c);
    client_run(&c, side_of(&w, ways[way].runs), ways[way].line);
    {
        struct zs_error e = {0};
        must(stub_store_branch_delete(w.a.store, "maio", &e), &e);
    }
    CLEANUP(free_ptr) char *a = picture(&w.a);
    CLEANUP(free_ptr) char *b = picture(&w.b);
    bool complete = strcmp(a, b) == 0;
    bool good = complete || strcmp(b, before) == 0;
    *failed = c.rc != ZS_OK;
    if (*failed)
        good = good && c.e.sqlstate[0] != '\0' && c.e.message[0] != '\0';
    else
        good = good && complete;
    if (!good)
        (void)printf("%s, place %d, byte %llu ^ %u: %d %s\n%s%s", ways[way].line, (int)place,
                     (unsigned long long)at, mask, c.rc, c.e.message, a, b);
    client_close(&c);
    world_close(&w);
    return good;
}

/* Which bytes of a message are tried: all of a control message; of a batch the head, and
 * here and there. */
static uint64_t step(char type, uint64_t done)
{
    return type == 'B' && done >= 40 ? 40009 : 1;
}

/* At least so many of a hundred tries are errors: not what is skipped as an older peer's, nor
 * an ACK that comes late, nor what arrives when all is done. */
static void spoil_everything(int way, enum place place, bool fresh, unsigned percent)
{
    static const uint8_t masks[] = {0x01, 0x04, 0x08};
    uint64_t tries = 0, failures = 0;
    bool failed = false;
    CU_ASSERT_FATAL(run_spoiled(way, place, UINT64_MAX, 0, fresh, &failed) && !failed);
    size_t messages = spoiler.messages;
    CU_ASSERT(messages == 1 || place != IN_COMMAND);
    struct {
        uint64_t from, len;
        char type;
    } seen[MOST_MESSAGES];
    memcpy(seen, spoiler.seen, sizeof seen);
    for (size_t m = 0; m < messages; m++)
        for (uint64_t k = 0; k < seen[m].len; k += step(seen[m].type, k)) {
            uint8_t mask = masks[(tries + m) % 3];
            bool good = run_spoiled(way, place, seen[m].from + k, mask, fresh, &failed);
            CU_ASSERT(good);
            tries++;
            failures += failed ? 1 : 0;
        }
    CU_ASSERT(tries > 100 && failures * 100 >= tries * percent);
    if (failures * 100 < tries * percent)
        (void)printf("%llu of %llu failed\n", (unsigned long long)failures,
                     (unsigned long long)tries);
    free(spoiler.copy);
    spoiler.copy = NULL;
}

static void test_a_spoiled_command_does_nothing_else(void)
{
    spoil_everything(0, IN_COMMAND, false, 60);
    spoil_everything(1, IN_COMMAND, true, 80);
}

static void test_a_spoiled_message_of_a_push_is_found(void)
{
    spoil_everything(0, IN_SENT, true, 95);
    spoil_everything(0, IN_RECEIVED, false, 60);
}

static void test_a_spoiled_message_of_a_pull_is_found(void)
{
    spoil_everything(1, IN_SENT, false, 0); /* ACKs, which may all come late */
    spoil_everything(1, IN_RECEIVED, false, 95);
}

/* A record that changed in a's store, in all of the branch or in what is new, is not sent. */
static void test_a_spoiled_source_is_refused(void)
{
    for (int way = 0; way < WAYS; way++)
        for (int new = 0; new < 2; new ++) {
            struct world w;
            struct client c;
            world_open(&w);
            branch_make(&w.a, "main");
            grow(&w.a, "main", 1, 40);
            if (new == 1) {
                client_open(&c);
                CU_ASSERT_EQUAL(client_run(&c, side_of(&w, ways[way].runs), ways[way].line), ZS_OK);
                client_close(&c);
            }
            grow_one(&w.a, "main", 0, ZS_KIND_IMAGE, 64);
            stub_rot_value(w.a.store, "main", 0);
            CLEANUP(free_ptr) char *before = picture(&w.b);
            client_open(&c);
            CU_ASSERT_EQUAL(client_run(&c, side_of(&w, ways[way].runs), ways[way].line), ZS_FAIL);
            CU_ASSERT(error_is(&c.e, ZS_CORRUPT));
            CU_ASSERT(strstr(c.e.message, "do not add up to its history digest") != NULL);
            CLEANUP(free_ptr) char *after = picture(&w.b);
            ASSERT_TEXT(after, before);
            client_close(&c);
            world_close(&w);
        }
}

SUITE("command/push_pull_spoiled",
      {"a spoiled source is refused", test_a_spoiled_source_is_refused},
      {"a spoiled command does nothing else", test_a_spoiled_command_does_nothing_else},
      {"a spoiled message of a push is found", test_a_spoiled_message_of_a_push_is_found},
      {"a spoiled message of a pull is found", test_a_spoiled_message_of_a_pull_is_found})
