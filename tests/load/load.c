/* load.c - many clients at once against one pageserver, for some time; then: is anything
 * lost?  Run by load.sh, which starts the server and looks at its memory and descriptors.
 *
 *     load MODULE TRANSPORTS HOST PORT USER PASSWORD CLIENTS BRANCHES SECONDS PAUSE_MS SEED
 *
 * The pushing and pulling clients are pageservers in memory with the real module and the
 * real transport (model.h); what they wrote is what the server must hold.  It prints figures
 * as lines of "name value", which load.sh makes a table of.  Exit status 0: every branch is
 * on the server as it was written, and nothing unexpected was said to any client.
 * Threads: one per client (acts.h). */
#include "acts.h"

#include "base/clock.h"
#include "base/error.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS_MAX 2000u

/* Of a hundred clients so many do this. */
static const unsigned shares[ACT_COUNT] = {
    [ACT_PUSH] = 30, [ACT_PULL] = 25, [ACT_STATUS] = 25, [ACT_LOGIN] = 10, [ACT_DISCONNECT] = 10};

static enum act act_of(unsigned client, unsigned clients)
{
    unsigned at = client * 100 / clients;
    unsigned act = 0;
    for (unsigned sum = shares[0]; at >= sum && act + 1 < ACT_COUNT; sum += shares[act])
        act++;
    return (enum act)act;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_latency(const struct client *clients, unsigned n)
{
    size_t total = 0;
    for (unsigned i = 0; i < n; i++)
        total += clients[i].nstatus;
    double *all = calloc(total + 1, sizeof *all);
    if (all == NULL || total == 0) {
        free(all);
        return;
    }
    size_t used = 0;
    for (unsigned i = 0; i < n; i++) {
        if (clients[i].nstatus > 0)
            memcpy(all + used, clients[i].status_ms, clients[i].nstatus * sizeof *all);
        used += clients[i].nstatus;
    }
    qsort(all, total, sizeof *all, by_size);
    (void)printf("status_p50_ms %.2f\nstatus_p99_ms %.2f\nstatus_max_ms %.2f\n", all[total / 2],
                 all[total * 99 / 100], all[total - 1]);
    free(all);
}

static void print_tallies(struct load *l)
{
    static const char *const keys[ACT_COUNT] = {"push", "pull", "status", "login", "disconnect"};
    for (unsigned i = 0; i < ACT_COUNT; i++)
        (void)printf("%s_done %llu\n%s_lost %llu\n%s_failed %llu\n", keys[i],
                     (unsigned long long)l->tallies[i].done, keys[i],
                     (unsigned long long)l->tallies[i].lost, keys[i],
                     (unsigned long long)l->tallies[i].failed);
    (void)printf("cut_pulls %llu\ncut_pushes %llu\n", (unsigned long long)l->cut_pulls,
                 (unsigned long long)l->cut_pushes);
}

static unsigned long long failures(struct load *l)
{
    unsigned long long n = 0;
    for (unsigned i = 0; i < ACT_COUNT; i++)
        n += l->tallies[i].failed;
    return n;
}

/* Every branch as it was written, read back from the server.  Returns how many are not. */
static unsigned check_branches(struct load *l)
{
    unsigned bad = 0;
    for (uint32_t i = 0; i < l->model.n; i++) {
        struct zs_error e = {0};
        struct node first = {0};
        struct node last = {0};
        if (node_open("look", l->module, l->transport_dir, &first, &e) != ZS_OK ||
            final_look(l, i, &first, &e) != ZS_OK || final_push(l, i, &e) != ZS_OK ||
            node_open("check", l->module, l->transport_dir, &last, &e) != ZS_OK ||
            final_check(l, i, &last, &e) != ZS_OK) {
            (void)fprintf(stderr, "%s: %s %s\n", l->model.branches[i].name, e.sqlstate, e.message);
            bad++;
        }
        node_close(&first);
        node_close(&last);
    }
    return bad;
}

/* Returns how many clients were started. */
static unsigned run_clients(struct load *l, struct client *clients, unsigned n, unsigned seconds,
                            uint64_t seed)
{
    pthread_t *threads = calloc(n, sizeof *threads);
    unsigned started = 0;
    for (; threads != NULL && started < n; started++) {
        struct client *c = &clients[started];
        *c = (struct client){
            .load = l, .act = act_of(started, n), .seed = seed + (uint64_t)started * 7919};
        if (pthread_create(&threads[started], NULL, client_run, c) != 0)
            break;
    }
    int64_t until = clock_now_ns() + (int64_t)seconds * 1000000000;
    while (started == n && clock_now_ns() < until)
        (void)poll(NULL, 0, 100);
    l->ending = true;
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    free(threads);
    return started;
}

static unsigned number(const char *text, unsigned most)
{
    unsigned long n = strtoul(text, NULL, 10);
    return n < most ? (unsigned)n : most;
}

int main(int argc, char **argv)
{
    static struct load l;
    struct zs_error e = {0};
    char uri[512];
    if (argc != 12) {
        (void)fprintf(stderr, "this is run by load.sh\n");
        return 2;
    }
    unsigned n = number(argv[7], CLIENTS_MAX);
    unsigned branches = number(argv[8], BRANCHES_MAX);
    uint64_t seed = strtoull(argv[11], NULL, 10);
    (void)snprintf(uri, sizeof uri, "postgresql://%s:%s@%s:%s", argv[5], argv[6], argv[3], argv[4]);
    l = (struct load){.module = argv[1],
                      .transport_dir = argv[2],
                      .uri = uri,
                      .host = argv[3],
                      .port = argv[4],
                      .user = argv[5],
                      .password = argv[6],
                      .pause_ms = number(argv[10], 600000)};
    struct client *clients = calloc(n, sizeof *clients);
    if (clients == NULL ||
        model_open(l.module, l.transport_dir, branches, seed, &l.model, &e) != ZS_OK) {
        (void)fprintf(stderr, "load: %s %s\n", e.sqlstate, e.message);
        return 1;
    }
    /* So that the pullers find something. */
    for (uint32_t i = 0; i < branches; i++)
        if (final_push(&l, i, &e) != ZS_OK) {
            (void)fprintf(stderr, "load: %s %s\n", e.sqlstate, e.message);
            return 1;
        }
    unsigned started = run_clients(&l, clients, n, number(argv[9], 86400), seed);
    unsigned bad = check_branches(&l);
    print_tallies(&l);
    print_latency(clients, started);
    (void)printf("clients %u\nbranches %u\nbranches_bad %u\n", started, branches, bad);
    bool good = started == n && bad == 0 && failures(&l) == 0;
    for (unsigned i = 0; i < n; i++)
        free(clients[i].status_ms);
    free(clients);
    model_close(&l.model);
    return good ? 0 : 1;
}
