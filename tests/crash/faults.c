/* faults.c - steers fault.so in two servers that run: every allocation, file operation and
 * socket operation of a push, a pull, an import and a load of a module fails once.
 * Flow: faults.sh starts the servers and this; per n: prepare, arm one server, run the
 * command, disarm; then look:
 *
 *   - the command succeeded, or failed with the SQLSTATE of its fault and a hint
 *   - both servers live; nothing else changed; what the command changes is as before, or
 *     complete
 *   - the same command again succeeds, both sides are equal and nothing is damaged; where the
 *     server says that it must be started again (58030, after a write to its store failed),
 *     once it was
 *
 * Environment, from faults.sh:
 *   FAULTS_A, FAULTS_B   a server each: its socket's folder; control file FAULTS_A/fault
 *   FAULTS_URI_A, _B     how the other one reaches it
 *   FAULTS_BASE          a PostgreSQL cluster for what must be larger than a crafted one
 *   FAULTS_MODULES       a folder with zenith_sync.so, copies of which are loaded from there
 *   FAULTS_RESTART       a program: starts the server A or B again
 *   FAULTS_BUDGET        how many n of each sweep, spread evenly; 0: every n
 *   FAULTS_N             this n alone (with a part of a test's name as the argument)
 *   FAULTS_VERBOSE       print each failure and what came of it */
#include "../support/suite.h"
#include "../unit/pgdata/crafted.h"

#include "fault_server.h"

#include <errno.h>
#include <string.h>

/* NOLINTBEGIN(concurrency-mt-unsafe): one thread, and nobody sets the environment */

enum { FIRST = 0x102018, SECOND = 0x104018, MOST_KINDS = 16 };

static struct server a, b;
static struct crafted cluster; /* A imports it */
static char module[256];       /* the copy that B is to load */
static unsigned budget;

static const char *optional(const char *name)
{
    return getenv(name);
}

/* ---- operations ---------------------------------------------------------------------------- */

struct operation {
    const struct server *runs, *changes; /* who is asked; who has something new in the end */
    const char *list, *row;              /* what that server lists, and the line that changes */
    const char *source;                  /* the branch of A's that it is then equal to; NULL */
    const char *command;                 /* %s: the other server's URI, or the path */
    void (*prepare)(void);
    bool once; /* what was done already is refused: 42710 */
};

static void cluster_first(void)
{
    crafted_pages(&cluster, "base/5/16384", "ab");
    crafted_checkpoint(&cluster, FIRST);
}

static void cluster_second(void)
{
    crafted_pages(&cluster, "base/5/16384", "abcd");
    crafted_checkpoint(&cluster, SECOND);
}

static void must_with(const struct server *s, const char *command, const char *argument)
{
    char query[512];
    (void)snprintf(query, sizeof query, command, argument);
    server_must(s, query);
}

static void nothing(void)
{
}

static void push_less(void)
{
    must_with(&a, "perform_push small '%s' round", b.uri);
}

static void pull_less(void)
{
    must_with(&b, "perform_pull round '%s' small", a.uri);
}

static void import_less(void)
{
    cluster_first();
    must_with(&a, "import round '%s'", cluster.data);
    cluster_second();
}

/* A file that was loaded is loaded no more: each time another one. */
static void copy_module(void)
{
    static unsigned copies;
    const char *folder = setting("FAULTS_MODULES");
    char command[512];
    if (module[0] != '\0')
        (void)unlink(module);
    (void)snprintf(module, sizeof module, "%s/%u.so", folder, ++copies);
    (void)snprintf(command, sizeof command, "cp '%s/zenith_sync.so' '%s'", folder, module);
    CU_ASSERT(system(command) == 0);
}

#define LIST   "branch_list", "round"
#define MORE   "perform_push more '%s' round"
#define BULK   "perform_push bulk '%s' round"
#define FETCH  "perform_pull round '%s' more"
#define IMPORT "import round '%s'"
static const struct operation push = {&a, &b, LIST, "more", MORE, nothing, false};
static const struct operation push_more = {&a, &b, LIST, "more", MORE, push_less, false};
static const struct operation push_bulk = {&a, &b, LIST, "bulk", BULK, nothing, false};
static const struct operation pull = {&b, &b, LIST, "more", FETCH, nothing, false};
static const struct operation pull_more = {&b, &b, LIST, "more", FETCH, pull_less, false};
static const struct operation import = {&a, &a, LIST, NULL, IMPORT, nothing, false};
static const struct operation import_more = {&a, &a, LIST, NULL, IMPORT, import_less, false};
static const struct operation load = {.runs = &b,
                                      .changes = &b,
                                      .list = "modules",
                                      .row = "zenith_sync",
                                      .command = "load '%s'",
                                      .prepare = copy_module,
                                      .once = true};

static void prepare(const struct operation *op, char *query, size_t size)
{
    op->prepare();
    const char *argument = op == &load               ? module
                           : op->runs != op->changes ? b.uri
                           : op->runs == &b          ? a.uri
                                                     : cluster.data;
    (void)snprintf(query, size, op->command, argument);
}

/* Take back what it did; a module stays. */
static void undo(const struct operation *op)
{
    if (!op->once)
        server_must(op->changes, "branch_delete round");
}

/* ---- a sweep ------------------------------------------------------------------------------- */

struct sweep {
    const char *name;
    const struct operation *op;
    const struct server *victim;
    unsigned kind;
    int errnum;
    const char *sqlstates; /* those that are clear */
};

struct tally {
    char sqlstate[6];
    unsigned count;
};

struct result {
    uint64_t tried, fired, succeeded, restarts;
    struct tally seen[MOST_KINDS];
};

/* One n of it. */
struct trial {
    const struct sweep *sweep;
    uint64_t n;
    bool fired;
    char query[512];
};

static void count(struct result *r, const char *sqlstate)
{
    for (int i = 0; i < MOST_KINDS; i++)
        if (r->seen[i].count == 0 || strcmp(r->seen[i].sqlstate, sqlstate) == 0) {
            (void)snprintf(r->seen[i].sqlstate, sizeof r->seen[i].sqlstate, "%.5s", sqlstate);
            r->seen[i].count++;
            return;
        }
}

static void tell(const struct trial *t, const char *what, const struct reply *r)
{
    (void)printf("    %s, n %llu, %s: %s: %s %s | %s\n", t->sweep->name, (unsigned long long)t->n,
                 t->sweep->victim->control->what, what,
                 r->lost ? "lost"
                 : r->ok ? "done"
                         : r->sqlstate,
                 r->message, r->hint);
}

static void expect(bool holds, const struct trial *t, const char *what, const struct reply *r)
{
    CU_ASSERT(holds);
    if (!holds)
        tell(t, what, r);
}

/* The engine's own threads may have met the fault: the server must then be started again. */
static bool is_clear(const struct sweep *s, const struct reply *r)
{
    bool stopped = strcmp(r->sqlstate, "58030") == 0 && s->kind == FAULT_FILES &&
                   strstr(r->hint, "start the server again") != NULL;
    return !r->lost && (stopped || strstr(s->sqlstates, r->sqlstate) != NULL) &&
           r->message[0] != '\0' && r->hint[0] != '\0';
}

/* A server that died is started again, for those that come after. */
static void both_live(const struct trial *t)
{
    const struct server *const servers[] = {&a, &b};
    for (int i = 0; i < 2; i++) {
        struct reply r = server_ask(servers[i], "status");
        expect(r.ok, t, servers[i] == &a ? "A is gone" : "B is gone", &r);
        if (!r.ok)
            server_restart(servers[i]);
    }
}

/* Run it with the fault.  Before the fault the branch may be held by what came before. */
static struct reply attempt(struct trial *t)
{
    enum { TRIES = 3 };
    const struct sweep *s = t->sweep;
    struct reply r = {.ok = false};
    for (int i = 0; i < TRIES; i++) {
        server_arm(s->victim, s->kind, s->errnum, t->n);
        r = server_ask(s->op->runs, t->query);
        (void)server_disarm(s->victim);
        t->fired = atomic_load(&s->victim->control->fired) > 0;
        if (t->fired || strcmp(r.sqlstate, "55006") != 0)
            break;
        (void)usleep(200000);
    }
    return r;
}

/* The same again, until it is done; once if no server is to be started again before. */
static void again(const struct trial *t, bool done, struct result *result)
{
    const struct sweep *s = t->sweep;
    if (done && s->op->once)
        return;
    struct reply r = server_ask_when_free(s->op->runs, t->query);
    if (server_restart_if_told(s->victim, &r)) {
        result->restarts++;
        r = server_ask_when_free(s->op->runs, t->query);
    }
    bool settled = r.ok || (s->op->once && strcmp(r.sqlstate, "42710") == 0);
    expect(settled, t, "again fails", &r);
}

/* Both servers' branches without the one that changes, and what the sources are. */
static void others(char *out, size_t size)
{
    struct reply of[] = {server_ask(&a, "branch_list"), server_ask(&b, "branch_list")};
    size_t used = 0;
    for (int i = 0; i < 2; i++)
        for (const char *line = of[i].rows; *line != '\0'; line += strcspn(line, "\n") + 1)
            if (strncmp(line, "round ", 6) != 0 && used < size)
                used += (size_t)snprintf(out + used, size - used, "%.*s\n",
                                         (int)strcspn(line, "\n"), line);
}

static void check_once(const struct sweep *s, uint64_t n, struct result *result)
{
    struct trial t = {.sweep = s, .n = n};
    const struct operation *op = s->op;
    char before[256], after[256], goal[256], source[256], rest[4096], rest_after[4096];
    prepare(op, t.query, sizeof t.query);
    struct reply seen = server_ask(op->changes, op->list);
    (void)row_of(&seen, op->row, before, sizeof before);
    others(rest, sizeof rest);

    struct reply r = attempt(&t);
    result->tried++;
    result->fired += t.fired;
    result->succeeded += r.ok && t.fired;
    if (!r.ok) {
        count(result, r.lost ? "lost" : r.sqlstate);
        expect(t.fired && is_clear(s, &r), &t, "it is not clear", &r);
    }
    if (optional("FAULTS_VERBOSE") != NULL)
        tell(&t, "told", &r);
    both_live(&t);
    seen = server_ask(op->changes, op->list);
    (void)row_of(&seen, op->row, after, sizeof after);

    again(&t, r.ok, result);
    seen = server_ask(op->changes, op->list);
    (void)row_of(&seen, op->row, goal, sizeof goal);
    expect(goal[0] != '\0' && strcmp(goal, before) != 0, &t, "nothing has changed", &seen);
    bool whole = strcmp(after, goal) == 0 || (!r.ok && strcmp(after, before) == 0);
    expect(whole, &t, after, &r);
    if (op->source != NULL) {
        struct reply of_a = server_ask(&a, "branch_list");
        expect(strcmp(row_of(&of_a, op->source, source, sizeof source), goal) == 0, &t,
               "the sides differ", &of_a);
    }
    if (!op->once) {
        struct reply sound = server_ask_when_free(op->changes, "verify round (progress off)");
        expect(sound.ok, &t, "it is damaged", &sound);
    }
    others(rest_after, sizeof rest_after);
    expect(strcmp(rest, rest_after) == 0, &t, "another branch has changed", &r);
    undo(op);
}

/* What a source keeps for a receiver that was cut off has a thread, for an hour. */
static unsigned lease_threads(const struct server *s)
{
    return server_ask(s, "leases").rows[0] != '\0';
}

/* Sessions end a little after their clients. */
static bool given_back(const struct server *s, const struct holdings *before)
{
    enum { PAUSE_US = 10000, TRIES = 500 };
    unsigned threads = before->threads + lease_threads(s);
    struct holdings now = server_holdings(s);
    for (int i = 0; i < TRIES && now.pid == before->pid; i++) {
        if (now.descriptors <= before->descriptors && now.threads <= threads &&
            now.stages <= before->stages && now.others <= before->others)
            return true;
        (void)usleep(PAUSE_US);
        now = server_holdings(s);
    }
    /* A folder that could not be removed goes at the next start. */
    if (now.pid == before->pid && now.stages > before->stages) {
        server_restart(s);
        now = server_holdings(s);
    }
    if (now.pid != before->pid)
        return now.stages <= before->stages && now.others <= before->others;
    (void)printf(
        "    %s: descriptors %u, then %u; threads %u, %u; in the stages %u, %u; beside them "
        "%u, %u\n",
        s->name, before->descriptors, now.descriptors, threads, now.threads, before->stages,
        now.stages, before->others, now.others);
    return false;
}

static struct holdings at_rest(const struct server *s)
{
    enum { PAUSE_US = 2000, TRIES = 1000 };
    unsigned lease = lease_threads(s);
    struct holdings h = server_holdings(s);
    /* Until the session that asked has ended, too. */
    struct holdings next = h;
    for (int i = 0; i < TRIES; i++) {
        (void)usleep(PAUSE_US);
        next = server_holdings(s);
        if (next.descriptors == h.descriptors && next.threads == h.threads)
            break;
        h = next;
    }
    next.threads -= lease;
    return next;
}

/* One n, after which both servers hold what they held. */
static void check_whole(const struct sweep *s, uint64_t n, struct result *result)
{
    const struct holdings of_a = at_rest(&a), of_b = at_rest(&b);
    const struct trial t = {.sweep = s, .n = n};
    const struct reply none = {.ok = true};
    check_once(s, n, result);
    expect(given_back(&a, &of_a), &t, "A does not give back what it took", &none);
    expect(given_back(&b, &of_b), &t, "B does not give back what it took", &none);
}

/* As much as the engine keeps of what was written, which is in memory first; a trial that
 * loses 100 KiB loses more than this in a sweep of every n. */
enum { SWEEP_GROWS_KIB = 48 << 10 };

static void check_growth(const struct sweep *s, const struct server *of,
                         const struct holdings *before)
{
    struct holdings now = server_holdings(of);
    long grown = now.anon_kib - before->anon_kib;
    if (now.pid != before->pid || grown <= SWEEP_GROWS_KIB)
        return;
    (void)printf("    %s: %s has %ld KiB more\n", s->name, of->name, grown);
    CU_ASSERT(grown <= SWEEP_GROWS_KIB);
}

static void sweep(const struct sweep *s)
{
    struct result r = {0};
    char query[512];
    /* How many calls there are, when none fails. */
    prepare(s->op, query, sizeof query);
    server_arm(s->victim, s->kind, s->errnum, 0);
    server_must(s->op->runs, query);
    uint64_t calls = server_disarm(s->victim);
    undo(s->op);
    CU_ASSERT(calls > 0);
    if (optional("FAULTS_N") != NULL) {
        check_whole(s, strtoull(optional("FAULTS_N"), NULL, 10), &r);
        return;
    }
    const struct holdings of_a = server_holdings(&a), of_b = server_holdings(&b);
    uint64_t step = budget == 0 || calls <= budget ? 1 : calls / budget;
    for (uint64_t n = 1 + step / 2, fired = 1; fired > 0 || n <= calls; n += step) {
        fired = r.fired;
        check_whole(s, n, &r);
        fired = r.fired - fired;
        CU_ASSERT(n <= 4 * calls + 100); /* it would go on for ever */
        if (n > 4 * calls + 100)
            break;
    }
    check_growth(s, &a, &of_a);
    check_growth(s, &b, &of_b);
    (void)printf("%s: %llu of %llu calls failed in turn, %llu survived;", s->name,
                 (unsigned long long)r.fired, (unsigned long long)calls,
                 (unsigned long long)r.succeeded);
    for (int i = 0; i < MOST_KINDS && r.seen[i].count > 0; i++)
        (void)printf(" %s %u", r.seen[i].sqlstate, r.seen[i].count);
    (void)printf("; %llu restarts\n", (unsigned long long)r.restarts);
    (void)fflush(stdout);
}

/* What a lost peer looks like from here: after the command's end the far side is just gone. */
#define MEMORY  FAULT_MEMORY, ENOMEM, "53200 53400 08006 08001"
#define FULL    FAULT_FILES, ENOSPC, "53100"
#define BROKEN  FAULT_FILES, EIO, "58030"
#define RESET   FAULT_SOCKETS, ECONNRESET, "08006 08001"
#define UNPIPED FAULT_SOCKETS, EPIPE, "08006 08001"

#define SWEEPS(function, ...)                                                                      \
    static void function(void)                                                                     \
    {                                                                                              \
        const struct sweep sweeps[] = {__VA_ARGS__};                                               \
        for (size_t i = 0; i < sizeof sweeps / sizeof *sweeps; i++)                                \
            sweep(&sweeps[i]);                                                                     \
    }

SWEEPS(memory_near, {"push, near memory", &push, &a, MEMORY},
       {"pull, near memory", &pull_more, &b, MEMORY})
SWEEPS(memory_far, {"push, far memory", &push_more, &b, MEMORY},
       {"pull, far memory", &pull, &a, MEMORY})
SWEEPS(memory_import, {"import, memory", &import_more, &a, MEMORY})
SWEEPS(memory_load, {"load, memory", &load, &b, MEMORY})
SWEEPS(files_near, {"push, near files", &push_more, &a, BROKEN},
       {"pull, near files", &pull, &b, BROKEN}, {"pull, near disk full", &pull_more, &b, FULL})
SWEEPS(files_far, {"push, far files", &push, &b, BROKEN},
       {"push, far disk full", &push_more, &b, FULL}, {"pull, far files", &pull_more, &a, BROKEN})
SWEEPS(files_bulk, {"large push, far disk full", &push_bulk, &b, FULL},
       {"large push, far files", &push_bulk, &b, BROKEN},
       {"large push, near files", &push_bulk, &a, BROKEN})
SWEEPS(files_import, {"import, files", &import, &a, BROKEN},
       {"import, disk full", &import_more, &a, FULL})
SWEEPS(files_load, {"load, files", &load, &b, BROKEN})
SWEEPS(sockets, {"push, near sockets", &push, &a, RESET},
       {"push, far sockets", &push_more, &b, UNPIPED}, {"pull, near sockets", &pull, &b, UNPIPED},
       {"pull, far sockets", &pull_more, &a, RESET})

/* The branches that are sent: "small" and "more", which has more, and "bulk", which is
 * written past the engine's log. */
static void test_the_sources_are_there(void)
{
    server_open(&a, "A");
    server_open(&b, "B");
    budget = (unsigned)strtoul(setting("FAULTS_BUDGET"), NULL, 10);
    crafted_open(&cluster, FIRST);
    (void)snprintf(a.control->folders[1], sizeof a.control->folders[1], "%s", cluster.dir);
    (void)snprintf(b.control->folders[1], sizeof b.control->folders[1], "%s",
                   setting("FAULTS_MODULES"));
    cluster_first();
    must_with(&a, "import small '%s'", cluster.data);
    must_with(&a, "import more '%s'", cluster.data);
    cluster_second();
    must_with(&a, "import more '%s'", cluster.data);
    must_with(&a, "import bulk '%s'", setting("FAULTS_BASE"));
}

static void test_the_end(void)
{
    crafted_close(&cluster);
}

SUITE("crash/faults", {"the sources are there", test_the_sources_are_there},
      {"each allocation of the near server fails", memory_near},
      {"each allocation of the far server fails", memory_far},
      {"each allocation of an import fails", memory_import},
      {"each allocation of a load of a module fails", memory_load},
      {"each file operation of the near server fails", files_near},
      {"each file operation of the far server fails", files_far},
      {"each file operation of a large push fails", files_bulk},
      {"each file operation of an import fails", files_import},
      {"each file operation of a load of a module fails", files_load},
      {"each socket operation fails", sockets}, {"the end", test_the_end})

/* NOLINTEND(concurrency-mt-unsafe) */
