/* test_kv_kill.c - SIGKILL at any moment leaves a branch before or after a commit.
 *
 * A child writes increment after increment, small and bulk by turns, and tells over a
 * pipe what it is at.  The parent kills it at one of those points (or up to a few
 * milliseconds later, to hit the middle of what follows; any moment must do), opens the
 * store and finds: increments 1..k whole, k at least what the child knew to be
 * committed; a branch that is removed by turns either whole or gone.
 *
 * Children are this program again, executed: RocksDB's threads do not outlive a fork. */
#include "fixture.h"

#include "kv/kv_internal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define ROUNDS 16

static const uint64_t mib = 1 << 20;

/* What the child tells: a letter, and the increment. */
struct progress {
    char at; /* p put, c commit begins, d done, r removal begins, R removed, x failed */
    uint32_t increment;
};

static uint32_t pages_of(uint32_t increment)
{
    return increment % 2 == 0 ? 40 : 300;
}

static uint64_t expected_of(uint32_t increment)
{
    return increment % 2 == 0 ? 0 : BULK;
}

static uint64_t records_upto(uint32_t increment)
{
    uint64_t n = 0;
    for (uint32_t i = 1; i <= increment; i++)
        n += pages_of(i);
    return n;
}

static void tell(int to, char at, uint32_t increment)
{
    struct progress p = {.at = at, .increment = increment};
    if (write(to, &p, sizeof p) != sizeof p)
        _exit(2);
}

/* No CU_ASSERT in a child. */
static void need(int rc, int to, uint32_t increment)
{
    if (rc == ZS_OK)
        return;
    tell(to, 'x', increment);
    _exit(1);
}

static void child_increment(const struct zs_store *store, uint32_t i, int to)
{
    struct zs_error e = {0};
    struct ingest in = {0};
    /* Other blocks in each life: what an earlier one left at the same LSN shows. */
    uint32_t first = (uint32_t)getpid() * 1000;
    uint32_t half = first + pages_of(i) / 2;
    const struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                        .flags = i == 1 ? ZS_INGEST_CREATE : 0,
                                        .branch = "main",
                                        .base_lsn = i - 1,
                                        .target_lsn = i,
                                        .expected_bytes = expected_of(i)};
    need(ingest_begin(store, &spec, &in, &e), to, i);
    need(put_pages(&in, first, half, i, &e), to, i);
    tell(to, 'p', i);
    need(put_pages(&in, half, first + pages_of(i), i, &e), to, i);
    tell(to, 'c', i);
    need(commit_at(&in, i, &e), to, i);
    tell(to, 'd', i);
    ingest_close(&in);
}

/* "--write DIR FROM FD": increments without end. */
_Noreturn static void write_main(const char *dir, uint32_t from, int to)
{
    struct zs_error e = {0};
    struct kv *kv = NULL;
    need(kv_open(dir, 0, &kv, &e), to, from);
    const struct zs_store *store = kv_store(kv);
    for (uint32_t i = from;; i++) {
        struct zs_branch_info info = {.struct_size = sizeof info};
        child_increment(store, i, to);
        if (store_branch_find(store, "brief", &info, &e) != ZS_OK)
            need(try_write_pages(store, "brief", 0, 500, 1, BULK, &e), to, i);
        tell(to, 'r', i);
        need(kv_branch_delete(kv, "brief", &e), to, i);
        tell(to, 'R', i);
    }
}

/* "--remove DIR": remove a branch while a snapshot shows it, and die. */
_Noreturn static void remove_main(const char *dir)
{
    struct zs_error e = {0};
    struct kv *kv = NULL;
    struct snapshot s = {0};
    if (kv_open(dir, 0, &kv, &e) != ZS_OK || snapshot_open(kv_store(kv), "main", &s, &e) != ZS_OK ||
        kv_branch_delete(kv, "main", &e) != ZS_OK)
        _exit(1);
    _exit(kv_disk_bytes(kv) > 60 * mib ? 0 : 1);
}

static pid_t start(const char *a, const char *b, const char *c, const char *d)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)execl("/proc/self/exe", "test_kv_kill", a, b, c, d, (char *)NULL);
    _exit(127);
}

static uint32_t random_below(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % n;
}

static bool begins_bulk_commit(const struct progress *p)
{
    return p->at == 'c' && expected_of(p->increment) == BULK;
}

/* Start a child, kill it at its `points`-th message (or the next one that begins a bulk
 * commit) and `delay_us` later.  What it had committed, and what it was at. */
static struct progress run_and_kill(const char *dir, uint32_t from, uint32_t points,
                                    bool in_bulk_commit, uint32_t delay_us, uint32_t *done)
{
    int ends[2];
    struct progress p = {0};
    if (pipe(ends) != 0)
        abort();
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    char number[16];
    char fd[16];
    (void)snprintf(number, sizeof number, "%u", from);
    (void)snprintf(fd, sizeof fd, "%d", ends[1]);
    pid_t pid = start("--write", dir, number, fd);
    (void)close(ends[1]);
    for (uint32_t n = 0; (n < points || (in_bulk_commit && !begins_bulk_commit(&p))) &&
                         read(ends[0], &p, sizeof p) == sizeof p;
         n++)
        *done = p.at == 'd' ? p.increment : *done;
    const struct timespec delay = {.tv_nsec = (long)delay_us * 1000};
    (void)nanosleep(&delay, NULL);
    int status = 0;
    CU_ASSERT(kill(pid, SIGKILL) == 0);
    CU_ASSERT(waitpid(pid, &status, 0) == pid);
    struct progress rest;
    while (read(ends[0], &rest, sizeof rest) == sizeof rest) { /* what it said until it died */
        *done = rest.at == 'd' ? rest.increment : *done;
        CU_ASSERT(rest.at != 'x');
    }
    (void)close(ends[0]);
    CU_ASSERT(p.at != 'x' && p.at != 0); /* 0: it said nothing */
    return p;
}

static bool stage_is_empty(const struct kv *kv)
{
    DIR *d = opendir(kv->stage_dir);
    bool empty = d != NULL && folder_next(d) == NULL;
    if (d != NULL)
        (void)closedir(d);
    return empty;
}

static void test_a_kill_leaves_before_or_after(void)
{
    struct zs_error e = {0};
    struct fixture f = fixture_open();
    uint64_t seed = fixture_seed();
    uint32_t done = 0;
    kv_close(f.kv);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t points = 1 + random_below(&seed, 15);
        uint32_t delay_us = random_below(&seed, 4) == 0 ? 0 : random_below(&seed, 6000);
        struct progress p = run_and_kill(f.dir, done + 1, points, round % 2 == 0, delay_us, &done);
        f.kv = NULL;
        ASSERT_OK(kv_open(f.dir, 0, &f.kv, &e));
        if (f.kv == NULL)
            break;
        struct zs_branch_info info = {.struct_size = sizeof info};
        if (store_branch_find(kv_store(f.kv), "main", &info, &e) != ZS_OK)
            info.last_valid_lsn = 0;
        printf("killed at %c %u + %u us: committed %u, found %u\n", p.at, p.increment, delay_us,
               done, (unsigned)info.last_valid_lsn);
        CU_ASSERT(info.last_valid_lsn == done || info.last_valid_lsn == done + 1);
        done = (uint32_t)info.last_valid_lsn;
        if (done > 0)
            check_branch(kv_store(f.kv), "main", records_upto(done));
        if (store_branch_find(kv_store(f.kv), "brief", &info, &e) == ZS_OK)
            check_branch(kv_store(f.kv), "brief", 500);
        CU_ASSERT(stage_is_empty(f.kv));
        kv_close(f.kv);
    }
    fixture_remove(f.dir);
}

/* The process dies between the removal and the close of a snapshot. */
static void test_a_start_finishes_a_removal(void)
{
    struct fixture f = fixture_open();
    struct zs_error e = {0};
    struct zs_branch_info info = {.struct_size = sizeof info};
    write_pages(kv_store(f.kv), "main", 0, 12800, 1, BULK);
    kv_close(f.kv);
    f.kv = NULL;
    int status = -1;
    pid_t pid = start("--remove", f.dir, NULL, NULL);
    CU_ASSERT(waitpid(pid, &status, 0) == pid && status == 0);
    ASSERT_OK(kv_open(f.dir, 0, &f.kv, &e));
    CU_ASSERT(kv_disk_bytes(f.kv) < 30 * mib);
    ASSERT_FAILS(store_branch_find(kv_store(f.kv), "main", &info, &e), ZS_NO_SUCH_BRANCH);
    fixture_close(&f);
}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        {"a kill at any moment leaves a branch before or after a commit",
         test_a_kill_leaves_before_or_after},
        {"a start finishes a removal that a crash cut off", test_a_start_finishes_a_removal},
    };
    if (argc == 5 && strcmp(argv[1], "--write") == 0)
        write_main(argv[2], (uint32_t)strtoul(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "--remove") == 0)
        remove_main(argv[2]);
    return suite_main("kv/kill", tests, sizeof tests / sizeof *tests, argc, argv);
}
