/* test_commands.c - for each command that looks or tidies up: the n-th allocation, call of a
 * store, message, answer of the client, or look at the cancel token fails, for every n until
 * it makes fewer.  Each time the error is one that a person can use, no branch has changed, no
 * handle is left open, and the same again, without the fault, ends as it does undisturbed.
 *
 * Threads: the far command runs in the stub transport's own. */
#include "../unit/command/fixture.h"

#include "alloc.h"
#include "stub/stub_rot.h"
#include "sync/recording.h"

#include <stdatomic.h>

/* Both hosts keep a change map, as plugin.c has it. */
struct scene {
    struct world w;
    struct zs_store host_a, host_b;
    struct recording a, b;
};

static void scene_open(struct scene *s, unsigned lacks)
{
    world_open_with(&s->w, lacks, lacks | STUB_STORE_COPIES, NULL);
    s->host_a = s->w.a.module.store;
    s->host_b = s->w.b.module.store;
    recording_init(&s->a, &s->host_a);
    recording_init(&s->b, &s->host_b);
    s->w.a.module.store = s->a.table;
    s->w.b.module.store = s->b.table;
    branch_make(&s->w.a, "main");
    grow(&s->w.a, "main", 1, 30); /* past the recording store: a gap in the map of a */
    RUN_OK(&s->w.a, "perform_push main stub://b", "absent");
    grow(&s->w.a, "main", 2, 12);
}

static void pushed_again(struct scene *s)
{
    RUN_OK(&s->w.a, "perform_push main stub://b", "behind");
}

static void nothing_more(struct scene *s)
{
    (void)s;
}

static void spoil_a_record(struct scene *s)
{
    stub_rot_value(s->w.b.store, "main", 17);
    stub_rot_lose(s->w.b.store, "main", 25);
}

static void spoil_a_map(struct scene *s)
{
    pushed_again(s);
    stub_rot_blob(s->w.b.store, "main", 0, 60);
}

static void part(struct scene *s)
{
    grow(&s->w.b, "main", 3, 12);
}

/* More than one answer lists: it is narrowed down. */
static void spoil_some_of_many(struct scene *s)
{
    for (uint64_t seed = 100; seed < 110; seed++)
        grow_one(&s->w.a, "main", seed, ZS_KIND_WAL, 20);
    for (uint64_t commit = 0; commit < 3; commit++)
        grow(&s->w.a, "main", 4 + commit, 200);
    pushed_again(s);
    stub_rot_value(s->w.b.store, "main", 17);
    stub_rot_lose(s->w.b.store, "main", 300);
    stub_rot_lose(s->w.a.store, "main", 600);
}

static void cut_a_push(struct scene *s)
{
    struct client c;
    client_open(&c);
    s->w.b.module.sync_bytes = 1; /* an ACK for each batch */
    grow_one(&s->w.a, "main", 3, ZS_KIND_IMAGE, 1100000);
    stub_faults_arm(
        &s->w.b.faults,
        &(struct stub_fault){.operation = "ingest_put", .nth = 2, .sqlstate = ZS_CONNECTION_LOST});
    CU_ASSERT(client_run(&c, &s->w.a, "perform_push main stub://b") == ZS_FAIL);
    stub_faults_arm(&s->w.b.faults, &(struct stub_fault){.nth = 0});
    client_close(&c);
}

#define BARE (STUB_STORE_NO_DIGEST | STUB_STORE_NO_BLOBS | STUB_STORE_NO_RESUME)

/* What is run, where, and how it ends undisturbed ("" or an SQLSTATE). */
static const struct command {
    const char *line;
    void (*prepare)(struct scene *s);
    const char *ends;
    char runs;
    bool once;      /* it finds nothing more to do the second time */
    bool large;     /* too large for each allocation */
    unsigned lacks; /* what the stores do without: STUB_STORE_NO_* */
} commands[] = {
    {"verify main", pushed_again, "", 'b', false, false, 0},
    {"verify main", spoil_a_record, ZS_CORRUPT, 'b', false, false, 0},
    {"verify main", spoil_a_map, ZS_CORRUPT, 'b', false, false, 0},
    {"perform_verify main stub://b", nothing_more, "", 'a', false, false, 0},
    {"perform_verify main stub://a", nothing_more, "", 'b', false, false, 0},
    {"perform_verify main stub://b", spoil_a_record, ZS_CORRUPT, 'a', false, false, 0},
    {"perform_verify main stub://b", part, ZS_DIVERGED, 'a', false, false, 0},
    {"change_maps", nothing_more, "", 'a', false, false, 0},
    {"change_maps", spoil_a_map, "", 'b', false, false, 0},
    {"change_map_rebuild main", nothing_more, "", 'a', false, false, 0},
    {"stages", cut_a_push, "", 'b', false, false, 0},
    {"stage_drop main", cut_a_push, "", 'b', true, false, 0},
    {"sync_status", pushed_again, "", 'a', false, false, 0},
    {"leases", cut_a_push, "", 'a', false, false, 0},
    {"perform_verify main stub://b", spoil_some_of_many, ZS_CORRUPT, 'a', false, true, 0},
    {"verify main", pushed_again, "", 'b', false, false, BARE},
    {"perform_verify main stub://b", nothing_more, "", 'a', false, false, BARE},
    {"perform_verify main stub://b", part, ZS_DIVERGED, 'a', false, false, STUB_STORE_NO_BLOBS},
    {"change_maps", nothing_more, "", 'a', false, false, BARE},
    {"change_map_rebuild main", nothing_more, "", 'a', false, false, STUB_STORE_NO_RESUME},
    {"stages", nothing_more, "", 'a', false, false, BARE},
    {"leases x", nothing_more, ZS_SYNTAX_ERROR, 'a', false, false, 0},
    {"stages x", nothing_more, ZS_SYNTAX_ERROR, 'a', false, false, 0},
    {"stage_drop", nothing_more, ZS_SYNTAX_ERROR, 'a', false, false, 0},
    {"stage_drop ~", nothing_more, ZS_BAD_VALUE, 'a', false, false, 0},
    {"change_map_rebuild ~", nothing_more, ZS_BAD_VALUE, 'a', false, false, 0},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

/* ---- what fails ------------------------------------------------------------------------------ */

enum place { MEMORY, NEAR_STORE, FAR_STORE, NEAR_NET, FAR_NET, CLIENT, TOKEN };

/* A token that is asked for the n-th time. */
struct counted {
    struct zs_cancel token;
    atomic_ullong asked;
    unsigned long long nth;
};

static int32_t asked(void *self)
{
    struct counted *c = self;
    return atomic_fetch_add(&c->asked, 1) + 1 >= c->nth ? 1 : 0;
}

struct disturbance {
    enum place place;
    enum stub_fault_kind kind;
    const char *sqlstate;  /* of a store's fault; NULL: an error in reading */
    const char *states[4]; /* one of which the error must have; the command's own is one too */
};

struct attempt {
    struct scene s;
    struct client c;
    struct stub_faults client;
    struct counted counted;
};

static struct stub_faults *faults_at(struct attempt *a, const struct command *command,
                                     enum place place)
{
    char other = command->runs == 'a' ? 'b' : 'a';
    switch (place) {
    case NEAR_STORE:
        return &side_of(&a->s.w, command->runs)->faults;
    case FAR_STORE:
        return &side_of(&a->s.w, other)->faults;
    case NEAR_NET:
        return &a->s.w.near_net;
    case FAR_NET:
        return &a->s.w.far_net;
    case CLIENT:
        return &a->client;
    case MEMORY:
    case TOKEN:
        break;
    }
    return NULL;
}

/* Run it with the n-th of them failing.  Was there one? */
static bool run_disturbed(struct attempt *a, const struct command *command,
                          const struct disturbance *d, uint64_t n)
{
    struct stub_faults *f = faults_at(a, command, d->place);
    bool fired;
    a->counted.token = (struct zs_cancel){
        .struct_size = sizeof a->counted.token, .fd = -1, .self = &a->counted, .requested = asked};
    a->counted.nth = n;
    if (f != NULL)
        stub_faults_arm(f,
                        &(struct stub_fault){.nth = n, .kind = d->kind, .sqlstate = d->sqlstate});
    if (d->place == NEAR_NET || d->place == FAR_NET)
        stub_network_faults(a->s.w.net, d->place == NEAR_NET ? f : NULL,
                            d->place == FAR_NET ? f : NULL);
    if (d->place == CLIENT)
        a->c.s.faults = f;
    if (d->place == TOKEN)
        a->c.s.session.cancel = &a->counted.token;
    if (d->place == MEMORY)
        alloc_fail_from(n, 1);
    client_run(&a->c, side_of(&a->s.w, command->runs), command->line);
    fired = d->place == MEMORY  ? alloc_failed()
            : d->place == TOKEN ? atomic_load(&a->counted.asked) >= n
                                : stub_faults_fired(f);
    if (f != NULL)
        stub_faults_arm(f, &(struct stub_fault){.nth = 0});
    stub_network_faults(a->s.w.net, NULL, NULL);
    return fired;
}

static bool one_of(const struct disturbance *d, const struct command *command,
                   const struct zs_error *e)
{
    bool found = *command->ends != '\0' && strcmp(e->sqlstate, command->ends) == 0;
    for (size_t i = 0; i < sizeof d->states / sizeof *d->states && d->states[i] != NULL; i++)
        found = found || strcmp(e->sqlstate, d->states[i]) == 0;
    return found;
}

static bool ends_as_told(const struct command *command, int rc, const struct zs_error *e)
{
    return *command->ends == '\0' ? rc == ZS_OK
                                  : rc == ZS_FAIL && strcmp(e->sqlstate, command->ends) == 0;
}

/* The n-th fails.  False: there are fewer. */
static bool try_nth(const struct command *command, const struct disturbance *d, uint64_t n)
{
    struct attempt a = {0};
    struct zs_error e = {0};
    struct client again;
    scene_open(&a.s, command->lacks);
    command->prepare(&a.s);
    must(stub_faults_init(&a.client, &e), &e);
    CLEANUP(free_ptr) char *a_before = picture(&a.s.w.a);
    CLEANUP(free_ptr) char *b_before = picture(&a.s.w.b);
    client_open(&a.c);
    bool fired = run_disturbed(&a, command, d, n);
    CLEANUP(free_ptr) char *a_after = picture(&a.s.w.a);
    CLEANUP(free_ptr) char *b_after = picture(&a.s.w.b);
    ASSERT_TEXT(a_after, a_before);
    ASSERT_TEXT(b_after, b_before);
    bool good = ends_as_told(command, a.c.rc, &a.c.e);
    good = good || (fired && a.c.rc == ZS_FAIL && one_of(d, command, &a.c.e));
    good = good && (a.c.rc == ZS_OK || a.c.e.message[0] != '\0');
    good = good && leaked_handles(&a.s.w.a) == 0 && leaked_handles(&a.s.w.b) == 0;
    CU_ASSERT(good);
    if (!good)
        (void)printf("%s (ends %s), place %d kind %d, %llu: %d %s %s | %s\n", command->line,
                     command->ends, (int)d->place, (int)d->kind, (unsigned long long)n, a.c.rc,
                     a.c.e.sqlstate, a.c.e.message, a.c.e.hint);
    client_open(&again);
    client_run(&again, side_of(&a.s.w, command->runs), command->line);
    bool done = command->once && (a.c.rc == ZS_OK || again.rc != ZS_OK);
    bool ends = done || ends_as_told(command, again.rc, &again.e);
    CU_ASSERT(ends);
    if (!ends)
        (void)printf("%s, again after place %d, %llu: %d %s %s\n", command->line, (int)d->place,
                     (unsigned long long)n, again.rc, again.e.sqlstate, again.e.message);
    client_close(&again);
    client_close(&a.c);
    stub_faults_fini(&a.client);
    world_close(&a.s.w);
    return fired;
}

static void disturb_everything(const struct disturbance *d)
{
    uint64_t fired = 0;
    for (size_t i = 0; i < COMMANDS; i++)
        for (uint64_t n = 1;
             !(commands[i].large && d->place == MEMORY) && try_nth(&commands[i], d, n); n++)
            fired++;
    CU_ASSERT(fired > 3); /* it did come to pass */
    (void)printf("place %d: %llu failed in turn\n", (int)d->place, (unsigned long long)fired);
}

static void test_each_allocation_may_fail(void)
{
    disturb_everything(
        &(struct disturbance){.place = MEMORY, .states = {ZS_OUT_OF_MEMORY, ZS_CONNECTION_LOST}});
}

static void test_each_call_of_a_store_may_fail(void)
{
    for (enum place place = NEAR_STORE; place <= FAR_STORE; place++) {
        disturb_everything(
            &(struct disturbance){.place = place, .states = {ZS_IO_ERROR, ZS_CORRUPT}});
        disturb_everything(&(struct disturbance){
            .place = place, .kind = STUB_FAULT_SILENT, .states = {ZS_INTERNAL_ERROR, ZS_CORRUPT}});
    }
}

static void test_each_message_may_fail(void)
{
    for (enum place place = NEAR_NET; place <= FAR_NET; place++) {
        disturb_everything(&(struct disturbance){
            .place = place, .states = {ZS_CANNOT_CONNECT, ZS_CONNECTION_LOST, ZS_IO_ERROR}});
        disturb_everything(&(struct disturbance){
            .place = place,
            .kind = STUB_FAULT_FLIP,
            .states = {ZS_PROTOCOL_VIOLATION, ZS_CORRUPT, ZS_CONNECTION_LOST, ZS_SYNTAX_ERROR}});
    }
}

static void test_each_answer_to_the_client_may_fail(void)
{
    disturb_everything(
        &(struct disturbance){.place = CLIENT, .states = {ZS_CONNECTION_LOST, ZS_IO_ERROR}});
}

static void test_a_stop_at_each_look_at_the_token(void)
{
    disturb_everything(
        &(struct disturbance){.place = TOKEN, .states = {ZS_CANCELLED, ZS_CONNECTION_LOST}});
}

SUITE("crash/commands", {"each allocation may fail", test_each_allocation_may_fail},
      {"each call of a store may fail", test_each_call_of_a_store_may_fail},
      {"each message may fail", test_each_message_may_fail},
      {"each answer to the client may fail", test_each_answer_to_the_client_may_fail},
      {"a stop at each look at the token", test_a_stop_at_each_look_at_the_token})
