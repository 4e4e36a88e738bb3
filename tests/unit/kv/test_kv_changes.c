/* test_kv_changes.c - the change map over SIGKILLs: a child writes increments through the
 * recording store, small and bulk, some cut off and gone on with, some past the map, and
 * makes the map anew at times.  It is killed at any moment; each time the store is opened
 * again, what the map selects between any two commits is what a scan finds. */
#include "fixture.h"

#include "sync/epochs.h"
#include "sync/rebuild.h"
#include "sync/recording.h"
#include "sync/selection.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { ROUNDS = 6, PER_ROUND = 14, POINTS = 200 };

static uint32_t random_below(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % n;
}

/* ---- the child --------------------------------------------------------------------------- */

/* No CU_ASSERT in a child. */
static void need(int rc, const struct zs_error *e)
{
    if (rc == ZS_OK)
        return;
    (void)printf("child: %s %s %s\n", e->sqlstate, e->message, e->detail);
    (void)fflush(stdout);
    _exit(1);
}

/* Runs of pages, ascending; a few hundred in all. */
static int put_some(struct ingest *in, uint64_t *seed, uint32_t from, uint32_t to, zs_lsn lsn,
                    struct zs_error *e)
{
    while (from < to) {
        uint32_t first = from + random_below(seed, 200);
        uint32_t last = first + 1 + random_below(seed, 8);
        if (first < to)
            TRY(put_pages(in, first, last < to ? last : to, lsn, e));
        from = last;
    }
    return ZS_OK;
}

static void child_increment(const struct zs_store *store, uint64_t *seed, bool bulk, bool cut)
{
    struct zs_error e = {0};
    struct zs_branch_info info;
    struct ingest in = {0};
    uint8_t token[ZS_TOKEN_MAX];
    uint64_t len = 0;
    bool synced = false;
    need(store_branch_find(store, "main", &info, &e), &e);
    zs_lsn lsn = info.last_valid_lsn + 1;
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .branch = "main",
                                  .base_lsn = info.last_valid_lsn,
                                  .target_lsn = lsn,
                                  .expected_bytes = bulk ? BULK : 0};
    need(ingest_begin(store, &spec, &in, &e), &e);
    need(put_some(&in, seed, 0, 2000, lsn, &e), &e);
    if (cut) {
        need(ingest_sync(&in, "token", 5, &synced, &e), &e);
        if (synced) {
            ingest_close(&in);
            need(ingest_resume(store, "main", token, &len, &in, &e), &e);
        }
    }
    need(put_some(&in, seed, 2300, 3000, lsn, &e), &e);
    need(commit_at(&in, lsn, &e), &e);
    ingest_close(&in);
}

/* "--write DIR SEED FD": without end; a byte for each thing that is done. */
_Noreturn static void write_main(const char *dir, uint64_t seed, int to)
{
    struct zs_error e = {0};
    struct kv *kv = NULL;
    struct recording recording;
    struct zs_branch_info info;
    need(kv_open(dir, 0, &kv, &e), &e);
    recording_init(&recording, kv_store(kv));
    const struct zs_store *store = &recording.table;
    if (store_branch_find(store, "main", &info, &e) != ZS_OK)
        need(try_write_pages(store, "main", 0, 3000, 1, BULK, &e), &e);
    for (;;) {
        uint32_t what = random_below(&seed, 16);
        if (what == 0) {
            struct rebuild r = {.store = store, .branch = "main"};
            (void)store_stage_drop(store, "main", &e); /* of the life before */
            need(rebuild_run(&r, &e), &e);
        } else {
            child_increment(what == 1 ? kv_store(kv) : store, &seed, what % 2 == 0, what % 4 == 0);
        }
        if (write(to, "x", 1) != 1)
            _exit(2);
    }
}

/* ---- the parent --------------------------------------------------------------------------- */

static void run_and_kill(const char *dir, uint64_t *seed)
{
    int ends[2];
    char number[24];
    char fd[16];
    char byte;
    int status = 0;
    if (pipe(ends) != 0)
        abort();
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)snprintf(number, sizeof number, "%u", random_below(seed, UINT32_MAX));
    (void)snprintf(fd, sizeof fd, "%d", ends[1]);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl("/proc/self/exe", "test_kv_changes", "--write", dir, number, fd, (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    ssize_t got = 1;
    for (uint32_t n = 1 + random_below(seed, PER_ROUND); n > 0 && got == 1; n--)
        got = read(ends[0], &byte, 1);
    const struct timespec delay = {.tv_nsec = (long)random_below(seed, 6000) * 1000};
    (void)nanosleep(&delay, NULL);
    CU_ASSERT(kill(pid, SIGKILL) == 0);
    CU_ASSERT(waitpid(pid, &status, 0) == pid);
    CU_ASSERT(got == 1 && WIFSIGNALED(status));
    (void)close(ends[0]);
}

static struct zs_digest select_sum(const struct snapshot *s, zs_lsn after, zs_lsn upto,
                                   struct change_map *map, uint64_t *count)
{
    struct zs_error e = {0};
    struct selection sel = {.map = map, .walk = {.map = map}};
    struct zs_digest sum = {0};
    static struct zs_record records[256];
    static uint8_t buf[1 << 20];
    *count = 0;
    ASSERT_OK(iter_open(s, after, upto, &sel.iter, &e));
    for (bool more = true; more;) {
        uint64_t n = 0;
        if (selection_next(&sel, records, 256, buf, sizeof buf, &n, &more, &e) != ZS_OK)
            break;
        digest_add_records(&sum, records, n);
        *count += n;
    }
    CU_ASSERT(e.sqlstate[0] == '\0');
    selection_close(&sel); /* the map, too */
    return sum;
}

/* Some ranges between two commits; how many had a map. */
static unsigned check_maps(const struct zs_store *store, uint64_t *seed)
{
    struct zs_error e = {0};
    struct snapshot s = {0};
    static struct zs_point points[POINTS];
    uint64_t n = 0;
    unsigned mapped = 0;
    ASSERT_OK(snapshot_open(store, "main", &s, &e));
    ASSERT_OK(snapshot_history(&s, s.info.last_valid_lsn, points, POINTS, &n, &e));
    for (int i = 0; i < 12 && n > 1; i++) {
        uint32_t y = random_below(seed, 2) == 0 ? 0 : random_below(seed, (uint32_t)n - 1);
        uint32_t x = y + 1 + random_below(seed, (uint32_t)n - 1 - y);
        struct change_map *map = NULL;
        char why[128];
        uint64_t by_map = 0;
        uint64_t by_scan = 0;
        ASSERT_OK(epochs_changed(&s, points[x].lsn, points[y].lsn, &map, why, sizeof why, &e));
        if (map == NULL)
            continue;
        mapped++;
        struct zs_digest got = select_sum(&s, points[x].lsn, points[y].lsn, map, &by_map);
        struct zs_digest want = select_sum(&s, points[x].lsn, points[y].lsn, NULL, &by_scan);
        CU_ASSERT(by_map == by_scan && by_scan > 0 && digest_equal(got, want));
    }
    snapshot_close(&s);
    return mapped;
}

static void test_no_map_lies_after_a_kill(void)
{
    struct zs_error e = {0};
    struct fixture f = fixture_open();
    uint64_t seed = fixture_seed();
    unsigned mapped = 0;
    kv_close(f.kv);
    for (int round = 0; round < ROUNDS; round++) {
        struct recording recording;
        f.kv = NULL;
        run_and_kill(f.dir, &seed);
        ASSERT_OK(kv_open(f.dir, 0, &f.kv, &e));
        if (f.kv == NULL)
            break;
        recording_init(&recording, kv_store(f.kv));
        mapped += check_maps(&recording.table, &seed);
        kv_close(f.kv);
    }
    (void)printf("%u ranges by the map\n", mapped);
    CU_ASSERT(mapped > ROUNDS);
    fixture_remove(f.dir);
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        {"no change map lies after a kill at any moment", test_no_map_lies_after_a_kill},
    };
    if (argc == 5 && strcmp(argv[1], "--write") == 0)
        write_main(argv[2], strtoull(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10));
    return suite_main("kv/changes", tests, sizeof tests / sizeof *tests, argc, argv);
}
