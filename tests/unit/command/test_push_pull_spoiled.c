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

enum { WAYS = 2, MOST_MESSAGES = 64, MOST_ACKS = 2 };

enum place { IN_COMMAND, IN_SENT, IN_RECEIVED, PLACES };

/* A message that passed; its text without NULs where it is one. */
struct seen {
    char type; /* 0: the command */
    unsigned nth;
    uint64_t len;
    char *text; /* owned */
};

/* A transport that changes one byte of what its connection carries: of the nth message of a
 * type, so that it is the same one each time, however many ACKs come. */
static struct {
    const struct zs_transport *inner;
    struct zs_channel channel;
    bool older; /* no checksum stands in control messages */
    enum place place;
    char type;
    unsigned nth;
    uint64_t at; /* UINT64_MAX: none */
    uint8_t mask;
    uint8_t *copy;
    unsigned passed[256]; /* of each type, there */
    struct seen seen[MOST_MESSAGES];
    size_t messages;
} spoiler;

/* ,"check":"0123456789abcdef"} */
static char *find_check(const char *text)
{
    return strstr(text, ",\"check\":\"");
}

static const void *spoil(enum place place, const void *msg, uint64_t *len)
{
    char type = *(const char *)msg;
    if (place == IN_COMMAND)
        type = '\0';
    free(spoiler.copy);
    spoiler.copy = malloc(*len + 1);
    if (spoiler.copy == NULL)
        abort();
    memcpy(spoiler.copy, msg, *len);
    spoiler.copy[*len] = '\0';
    char *check = type == 'B' ? NULL : find_check((char *)spoiler.copy);
    if (spoiler.older && check != NULL) {
        memmove(check, check + 27, strlen(check + 27) + 1);
        *len -= 27;
    }
    if (place != spoiler.place)
        return spoiler.copy;
    unsigned nth = spoiler.passed[(uint8_t)type]++;
    if (spoiler.messages < MOST_MESSAGES) {
        struct seen *seen = &spoiler.seen[spoiler.messages++];
        *seen = (struct seen){.type = type, .nth = nth, .len = *len};
        seen->text = strdup((const char *)spoiler.copy);
    }
    if (type == spoiler.type && nth == spoiler.nth && spoiler.at < *len)
        spoiler.copy[spoiler.at] ^= spoiler.mask;
    return spoiler.copy;
}

static void forget_seen(void)
{
    while (spoiler.messages > 0)
        free(spoiler.seen[--spoiler.messages].text);
    memset(spoiler.passed, 0, sizeof spoiler.passed);
}

static int32_t spoiled_send(void *self, const void *msg, uint64_t len, struct zs_error *e)
{
    const void *changed = spoil(IN_SENT, msg, &len);
    return spoiler.channel.send(self, changed, len, e);
}

static int32_t spoiled_recv(void *self, int32_t timeout_ms, const void **msg, uint64_t *len,
                            struct zs_error *e)
{
    int32_t got = spoiler.channel.recv(self, timeout_ms, msg, len, e);
    if (got == ZS_RECV_MESSAGE)
        *msg = spoil(IN_RECEIVED, *msg, len);
    return got;
}

static int32_t spoiled_connect(void *self, const struct zs_connect *spec, struct zs_channel *out,
                               struct zs_error *e)
{
    struct zs_connect changed = *spec;
    uint64_t len = strlen(spec->command);
    changed.command = spoil(IN_COMMAND, spec->command, &len);
    TRY(spoiler.inner->connect(self, &changed, out, e));
    spoiler.channel = *out;
    out->send = spoiled_send;
    out->recv = spoiled_recv;
    return ZS_OK;
}

/* What was to be changed: the rest of the spoiler is set up here. */
struct aim {
    int way;
    enum place place;
    bool fresh, older;
    char type;
    unsigned nth;
    uint64_t at;
    uint8_t mask;
};

/* Run one way with one byte changed.  Is the end one that may be?  *failed: did the command? */
static bool run_spoiled(const struct aim *aim, bool *failed)
{
    struct world w;
    struct client c;
    struct zs_transport table = *stub_transport_table();
    spoiler.inner = stub_transport_table();
    spoiler.place = PLACES;
    spoiler.older = aim->older;
    table.connect = spoiled_connect;
    world_open_with(&w, 0, 0, &table);
    w.b.module.sync_bytes = 1; /* an ACK for each batch */
    branch_make(&w.a, "main");
    branch_make(&w.a, "maio"); /* one bit from main: what a spoiled command may name */
    grow(&w.a, "main", 1, 30);
    grow(&w.a, "main", 5, 10);
    if (!aim->fresh)
        RUN_OK(&w.a, "perform_push main stub://b", "absent");
    grow(&w.a, "main", 2, 30);
    grow(&w.a, "main", 3, 300);
    CLEANUP(free_ptr) char *before = picture(&w.b);
    forget_seen();
    spoiler.place = aim->place;
    spoiler.type = aim->type;
    spoiler.nth = aim->nth;
    spoiler.at = aim->at;
    spoiler.mask = aim->mask;
    client_open(&c);
    client_run(&c, side_of(&w, ways[aim->way].runs), ways[aim->way].line);
    {
        struct zs_error e = {0};
        must(stub_store_branch_delete(w.a.store, "maio", &e), &e);
    }
    CLEANUP(free_ptr) char *a = picture(&w.a);
    CLEANUP(free_ptr) char *b = picture(&w.b);
    bool complete = strcmp(a, b) == 0;
    bool good = complete || strcmp(b, before) == 0;
    *failed = c.rc != ZS_OK;
    if (*failed) /* a far command that is none any more has no hint */
        good = good && c.e.message[0] != '\0' &&
               (c.e.hint[0] != '\0') == !error_is(&c.e, ZS_SYNTAX_ERROR);
    else
        good = good && complete;
    /* Without checksums what a message says is believed where nothing else tells, as are the
     * points of a history; but every record is that of the other side, or none came. */
    if (aim->older && !good)
        good = !*failed || c.e.message[0] != '\0';
    if (!good)
        (void)printf("%s, place %d, byte %llu of %c %u ^ %u: %d %s %s\n%s%s", ways[aim->way].line,
                     (int)aim->place, (unsigned long long)aim->at, aim->type, aim->nth, aim->mask,
                     c.rc, c.e.sqlstate, c.e.message, a, b);
    client_close(&c);
    world_close(&w);
    return good;
}

/* Which bytes of a message are tried: all of a control message, or, where SHORT asks for less
 * (under a sanitizer), every seventh; of a batch the head, and here and there. */
static bool is_short(void)
{
    return getenv("SHORT") != NULL; /* NOLINT(concurrency-mt-unsafe): nobody sets it */
}

static uint64_t step(char type, uint64_t done)
{
    if (type == 'B')
        return done >= 40 ? 40009 : 1;
    return is_short() ? 7 : 1;
}

/* A byte that may be another without an error.  It is the name of a checksum, which then is a
 * member that nobody knows, as an older peer's; or of the timeline in a command, which is
 * there for hosts without digests; or of an ACK, which may come when all is done. */
static bool is_slack(const struct seen *m, uint64_t at)
{
    const char *check = m->type == 'B' ? NULL : find_check(m->text);
    if (m->type == 'A')
        return true;
    if (check != NULL && at >= (uint64_t)(check - m->text) + 2 &&
        at < (uint64_t)(check - m->text) + 7)
        return true;
    if (m->type != '\0')
        return false;
    const char *timeline = strchr(strchr(m->text, ' ') + 1, ' ') + 1;
    return at >= (uint64_t)(timeline - m->text) && at < (uint64_t)(timeline - m->text) + 32;
}

/* Every byte in turn: an error each time, but for the slack. */
static void spoil_everything(struct aim aim)
{
    static const uint8_t masks[] = {0x01, 0x04, 0x08};
    uint64_t tries = 0;
    bool failed = false;
    bool told_late = aim.way == 1 && aim.place == IN_SENT; /* of a pull that is complete */
    struct seen all[MOST_MESSAGES];
    aim.at = UINT64_MAX;
    CU_ASSERT_FATAL(run_spoiled(&aim, &failed) && !failed);
    size_t messages = spoiler.messages;
    memcpy(all, spoiler.seen, sizeof all);
    spoiler.messages = 0; /* the texts are this function's */
    CU_ASSERT((messages == 1) == (aim.place == IN_COMMAND));
    for (size_t m = 0; m < messages; m++) {
        aim.type = all[m].type;
        aim.nth = all[m].nth;
        if ((aim.type == 'A' && aim.nth >= MOST_ACKS) || (aim.type == 'B' && aim.older))
            continue;
        for (aim.at = 0; aim.at < all[m].len; aim.at += step(aim.type, aim.at)) {
            aim.mask = masks[(tries++ + m) % 3];
            CU_ASSERT(run_spoiled(&aim, &failed));
            bool found = failed || aim.older || told_late || is_slack(&all[m], aim.at);
            CU_ASSERT(found);
            if (!found)
                (void)printf("not found: byte %llu ^ %u of %s\n", (unsigned long long)aim.at,
                             aim.mask, all[m].text);
        }
    }
    CU_ASSERT(tries > (is_short() ? 10 : 80));
    for (size_t m = 0; m < messages; m++)
        free(all[m].text);
    forget_seen();
    free(spoiler.copy);
    spoiler.copy = NULL;
}

static void test_a_spoiled_command_does_nothing_else(void)
{
    spoil_everything((struct aim){.way = 0, .place = IN_COMMAND});
    spoil_everything((struct aim){.way = 1, .place = IN_COMMAND, .fresh = true});
}

static void test_a_spoiled_message_of_a_push_is_found(void)
{
    spoil_everything((struct aim){.way = 0, .place = IN_SENT, .fresh = true});
    spoil_everything((struct aim){.way = 0, .place = IN_RECEIVED});
}

static void test_a_spoiled_message_of_a_pull_is_found(void)
{
    spoil_everything((struct aim){.way = 1, .place = IN_SENT});
    spoil_everything((struct aim){.way = 1, .place = IN_RECEIVED});
}

/* Between older peers, whose control messages have no checksums, it is not always found; but
 * it ends, whatever the byte said. */
static void test_without_checksums_it_ends_all_the_same(void)
{
    for (int way = 0; way < WAYS; way++)
        for (int place = 0; place < PLACES; place++)
            spoil_everything((struct aim){.way = way, .place = (enum place)place, .older = true});
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
      {"without checksums it ends all the same", test_without_checksums_it_ends_all_the_same},
      {"a spoiled source is refused", test_a_spoiled_source_is_refused},
      {"a spoiled command does nothing else", test_a_spoiled_command_does_nothing_else},
      {"a spoiled message of a push is found", test_a_spoiled_message_of_a_push_is_found},
      {"a spoiled message of a pull is found", test_a_spoiled_message_of_a_pull_is_found})
