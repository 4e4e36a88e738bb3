/* peer.c - plays hostile peers against a running pageserver, and looks after each session
 * whether anything is not as it was.
 * Usage: peer ZENITH_FOLDER SESSIONS SECONDS SEED     the first limit that is reached ends it
 *
 *        peer SOCKET stall SECONDS             one that never goes on (stall.h)
 *
 * What must hold after each session
 *   - The server answers, and the session's threads and sockets are gone.
 *   - Every branch is as it was: timeline, LSN, digest, counts.  Only the branch that the
 *     session wrote to may have moved, only if a COMMIT was said and no error came back, and
 *     then what it holds adds up to its digest (play.h, branch_verify).
 *   - An honest session, one of six, does what it is there for: else nothing was tested.
 *   - At the end the server's memory is bounded.
 * The server's own rights are the user's who runs this (its Unix socket): what a session may
 * do at all is not what is looked at here.
 *
 * Flow: here -> play -> script, mangle, link.  All follows from SEED, but for timing.
 * The last line is "fuzz/peer: N passed, N failed". */
#include "link.h"
#include "play.h"
#include "stall.h"

#include "base/clock.h"
#include "model/lsn.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BRANCHES        5
#define LIST_BYTES      65536
#define MOVES_MAX       40 /* then the branches that were written to are removed */
#define ANON_GROWTH_KIB 262144L

struct watch {
    char socket[PATH_MAX];
    int pid;
    struct link control;
    char list[LIST_BYTES]; /* branch_list, as last seen and found right */
    unsigned sockets, moves;
    uint64_t played[PARTS], honest, commits, errors;
};

static int fail(const struct session *s, const struct watch *w, const char *what)
{
    (void)printf("a session of the %s (%s) with branch \"%s\": %s\n", part_name(s->part),
                 s->honest ? "honest" : "hostile", s->branch, what);
    (void)printf("  the server had said: %s\n", s->said[0] == '\0' ? "no error" : s->said);
    (void)printf("  the branches were:\n%s", w->list);
    return -1;
}

/* ---- the server, from outside
 * --------------------------------------------------------------------- */

static long status_of(int pid, const char *name)
{
    char path[64], line[256];
    long value = -1;
    (void)snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtol(line + strlen(name), NULL, 10);
    if (f != NULL)
        (void)fclose(f);
    return value;
}

/* Sockets, and what sessions wait on; the store's files come and go. */
static unsigned sockets_of(int pid)
{
    char path[320], target[64];
    unsigned n = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *d = opendir(path);
    for (const struct dirent *f; d != NULL;) {
        f = readdir(d); /* NOLINT(concurrency-mt-unsafe): one thread */
        if (f == NULL)
            break;
        (void)snprintf(path, sizeof path, "/proc/%d/fd/%s", pid, f->d_name);
        ssize_t len = readlink(path, target, sizeof target - 1);
        target[len < 0 ? 0 : len] = '\0';
        n += strncmp(target, "socket:", 7) == 0 || strncmp(target, "anon_inode:", 11) == 0;
    }
    if (d != NULL)
        (void)closedir(d);
    return n;
}

/* Until nobody but the control connection is there: a session that was left may still be at
 * its last words. */
static bool settled(struct watch *w)
{
    int64_t until_ns = clock_now_ns() + (int64_t)LINK_WAIT_MS * 1000000;
    char row[4096];
    while (clock_now_ns() < until_ns) {
        unsigned sessions = 0;
        if (!link_query(&w->control, "status", row, sizeof row))
            return false;
        const char *field = row;
        for (int i = 0; i < 5 && field != NULL; i++) /* name version pid started listen */
            field = strchr(field, '|') == NULL ? NULL : strchr(field, '|') + 1;
        sessions = field == NULL ? 0 : (unsigned)strtoul(field, NULL, 10);
        if (sessions == 1 && sockets_of(w->pid) <= w->sockets)
            return true;
        (void)poll(NULL, 0, 1);
    }
    return false;
}

/* ---- branches
 * -------------------------------------------------------------------------------------- */

/* A branch's line of a list, without its end; "" if it is not there. */
static void line_of(const char *list, const char *branch, char *out, size_t size)
{
    size_t len = strlen(branch);
    out[0] = '\0';
    for (const char *at = list; *at != '\0'; at += strcspn(at, "\n") + 1)
        if (strncmp(at, branch, len) == 0 && at[len] == '|')
            (void)snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static bool others_are_as_they_were(const char *before, const char *after, const char *branch)
{
    char was[512], is[512];
    const char *lists[] = {before, after};
    for (int i = 0; i < 2; i++)
        for (const char *at = lists[i]; *at != '\0'; at += strcspn(at, "\n") + 1) {
            char name[256];
            (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "|"), at);
            line_of(before, name, was, sizeof was);
            line_of(after, name, is, sizeof is);
            if (strcmp(was, is) != 0 && strcmp(name, branch) != 0)
                return false;
        }
    return true;
}

static int check_move(const struct session *s, struct watch *w, char *line)
{
    const char *why = NULL;
    char *fields[7], *rest = line;
    if (!s->commit_said)
        return fail(s, w, "a branch moved, and nobody had said COMMIT");
    if (s->error && !s->done)
        return fail(s, w, "a branch moved, and the server had said an error");
    if (s->part != PART_PUSHER && s->part != PART_SOURCE)
        return fail(s, w, "a branch moved that was only read");
    for (int i = 0; i < 7; i++)
        fields[i] = strsep(&rest, "|");
    if (fields[6] == NULL)
        return fail(s, w, "the branch has gone");
    if (!branch_verify(w->socket, s->branch, fields[2], fields[4], &why))
        return fail(s, w, why);
    w->moves++;
    w->commits++;
    return 0;
}

static int remove_written(struct watch *w)
{
    char said[4096], query[64];
    for (int i = 1; i < BRANCHES; i++) {
        (void)snprintf(query, sizeof query, "branch_delete peer%d", i);
        (void)link_query(&w->control, query, said, sizeof said);
    }
    w->moves = 0;
    return link_query(&w->control, "branch_list", w->list, sizeof w->list) ? 0 : -1;
}

static int check_after(const struct session *s, struct watch *w)
{
    static char list[LIST_BYTES];
    char was[512], is[512];
    if (!settled(w))
        return fail(s, w, "the server does not answer, or keeps the session's sockets");
    if (!link_query(&w->control, "branch_list", list, sizeof list))
        return fail(s, w, "the server does not list its branches");
    if (!others_are_as_they_were(w->list, list, s->branch))
        return fail(s, w, "another branch moved");
    line_of(w->list, s->branch, was, sizeof was);
    line_of(list, s->branch, is, sizeof is);
    bool moved = strcmp(was, is) != 0;
    if (moved && check_move(s, w, is) != 0) {
        (void)printf("  and are:\n%s", list);
        return -1;
    }
    bool writes = s->part == PART_PUSHER || s->part == PART_SOURCE;
    if (s->honest && (s->error || moved != writes))
        return fail(s, w, "an honest session did not do what it is there for");
    memcpy(w->list, list, sizeof w->list);
    return w->moves > MOVES_MAX ? remove_written(w) : 0;
}

/* ---- sessions
 * ------------------------------------------------------------------------------------- */

static void session_choose(struct session *s, const struct watch *w, uint64_t seed)
{
    char line[512];
    s->rng = (struct rng){seed};
    struct rng *r = &s->rng;
    static const enum part parts[] = {PART_PUSHER,   PART_PUSHER,  PART_PUSHER, PART_SOURCE,
                                      PART_SOURCE,   PART_PULLER,  PART_SINK,   PART_ASKER,
                                      PART_ANSWERER, PART_STRANGER};
    s->part = parts[rng_below(r, sizeof parts / sizeof *parts)];
    s->honest = s->part != PART_STRANGER && s->part != PART_ANSWERER && one_in(r, 6);
    uint64_t n = rng_below(r, BRANCHES);
    (void)snprintf(s->branch, sizeof s->branch, "peer%d", (int)n);
    line_of(w->list, s->branch, line, sizeof line);
    if (n == 0 || (line[0] == '\0' && s->part != PART_PUSHER && s->part != PART_SOURCE))
        (void)snprintf(s->branch, sizeof s->branch, "main");
    line_of(w->list, s->branch, line, sizeof line);
    char *rest = line;
    const char *fields[5] = {NULL};
    for (int i = 0; i < 5; i++)
        fields[i] = strsep(&rest, "|");
    s->at = (struct zs_point){0};
    if (fields[4] == NULL || !lsn_parse(fields[2], &s->at.lsn) ||
        !digest_parse(fields[4], &s->at.digest))
        s->at.lsn = 0;
}

static int run(struct watch *w, struct session *s, uint64_t sessions, int64_t until_ns,
               uint64_t seed)
{
    for (uint64_t i = 0; i < sessions && clock_now_ns() < until_ns; i++) {
        session_choose(s, w, seed * 1000003u + i);
        session_play(s);
        if (check_after(s, w) != 0) {
            (void)printf("session %llu of seed %llu\n", (unsigned long long)i,
                         (unsigned long long)seed);
            return -1;
        }
        w->played[s->part]++;
        w->honest += s->honest;
        w->errors += s->error;
    }
    return 0;
}

static int listen_anywhere(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, size) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return -1;
    *port = ntohs(address.sin_port);
    return fd;
}

static bool watch_open(struct watch *w, const char *folder)
{
    char path[PATH_MAX + 32], line[32] = "";
    (void)snprintf(w->socket, sizeof w->socket, "%s/.s.PGSQL.5432", folder);
    (void)snprintf(path, sizeof path, "%s/pageserver.pid", folder);
    FILE *f = fopen(path, "r");
    bool named = f != NULL && fgets(line, sizeof line, f) != NULL;
    if (f != NULL)
        (void)fclose(f);
    w->pid = (int)strtol(line, NULL, 10);
    if (!named || !link_dial(&w->control, w->socket) || !link_log_in(&w->control) ||
        !link_query(&w->control, "branch_list", w->list, sizeof w->list))
        return false;
    w->sockets = sockets_of(w->pid);
    return strncmp(w->list, "main|", 5) == 0 || strstr(w->list, "\nmain|") != NULL;
}

int main(int argc, char **argv)
{
    static struct watch w;
    static struct session s;
    if (argc == 4 && strcmp(argv[2], "stall") == 0)
        return stall(argv[1], (unsigned)strtoul(argv[3], NULL, 10));
    s.socket = w.socket;
    s.listener = listen_anywhere(&s.port);
    if (argc != 5 || s.listener < 0 || !watch_open(&w, argv[1])) {
        (void)printf("usage: peer ZENITH_FOLDER SESSIONS SECONDS SEED, with a server that has a "
                     "branch \"main\"\nfuzz/peer: 0 passed, 1 failed\n");
        return EXIT_FAILURE;
    }
    int64_t until_ns = clock_now_ns() + strtoll(argv[3], NULL, 10) * 1000000000;
    long before_kib = status_of(w.pid, "RssAnon:");
    int rc = run(&w, &s, strtoull(argv[2], NULL, 10), until_ns, strtoull(argv[4], NULL, 10));
    long grown_kib = status_of(w.pid, "RssAnon:") - before_kib;
    for (int i = 0; i < PARTS; i++)
        (void)printf("%-9s%llu\n", part_name((enum part)i), (unsigned long long)w.played[i]);
    (void)printf("honest   %llu\ncommits  %llu\nrefused  %llu\nmemory   %+ld KiB\n",
                 (unsigned long long)w.honest, (unsigned long long)w.commits,
                 (unsigned long long)w.errors, grown_kib);
    const char *san = getenv("SAN"); /* NOLINT(concurrency-mt-unsafe): one thread */
    bool bounded = grown_kib < ANON_GROWTH_KIB || (san != NULL && san[0] != '\0');
    if (rc == 0 && !bounded)
        (void)printf("the server's memory grew too much\n");
    uint64_t passed = 0;
    for (int i = 0; i < PARTS; i++)
        passed += w.played[i];
    bool good = rc == 0 && bounded && passed > 0;
    (void)printf("fuzz/peer: %llu passed, %d failed\n", (unsigned long long)passed, good ? 0 : 1);
    link_close(&w.control);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
