/* test_encoding.c - the choice of compression: step by step, and in whole worlds of links,
 * cores and stores that are simulated. */
#include "../../support/suite.h"

#include "base/error.h"
#include "sync/encoding.h"

#include <stdio.h>
#include <string.h>

#define READS 7u

static void test_names_are_read(void)
{
    static const struct {
        const char *name;
        bool good;
        uint32_t asked;
    } cases[] = {{"auto", true, ENCODING_AUTO},
                 {"none", true, BATCH_NONE},
                 {"lz4", true, BATCH_LZ4},
                 {"zstd", true, BATCH_ZSTD},
                 {"gzip", false, 0},
                 {"", false, 0},
                 {"Auto", false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t asked = 77;
        CU_ASSERT(encoding_parse(cases[i].name, &asked) == cases[i].good);
        CU_ASSERT(!cases[i].good || asked == cases[i].asked);
    }
}

/* ---- step by step ------------------------------------------------------------------------ */

#define MIB 1048576u
/* A window of 1 MiB of records in which a byte took `ns`, was packed to `percent`, and was
 * waited for `blocked` percent of the time. */
#define WINDOW(ns, percent, blocked)                                                               \
    {                                                                                              \
        MIB, (uint64_t)MIB *(percent) / 100, (int64_t)((ns)*MIB),                                  \
            (int64_t)((ns)*MIB) / 100 * (blocked)                                                  \
    }

static void test_the_decision_step_by_step(void)
{
    static const struct {
        const char *what;
        struct encoding_state s;
        struct encoding_window w;
        struct encoding_sample sample;
        enum batch_encoding now, wants;
        uint32_t rest;
        bool settled;
    } cases[] = {
        {"a fast wire", {READS, 0, 0, .patience = 2}, WINDOW(0.8, 100, 5), {0}, 0, 0, 0, false},
        {"slow for one window: a sample",
         {READS, 0, 0, .patience = 2},
         WINDOW(9.0, 100, 90),
         {0},
         BATCH_NONE,
         BATCH_LZ4,
         0,
         true},
        {"slow for two, and it promises",
         {READS, 0, 0, .patience = 2, .settled = true},
         WINDOW(9.0, 100, 90),
         {BATCH_LZ4, 1.0, 0.4},
         BATCH_LZ4,
         0,
         0,
         false},
        {"it promises too little",
         {READS, 0, 0, .patience = 2, .settled = true},
         WINDOW(9.0, 100, 90),
         {BATCH_LZ4, 1.0, 0.8},
         BATCH_NONE,
         0,
         2,
         true},
        {"it costs too much",
         {READS, 0, 0, .patience = 8, .settled = true},
         WINDOW(4.0, 100, 100),
         {BATCH_LZ4, 3.9, 0.1},
         BATCH_NONE,
         0,
         8,
         true},
        {"fast, whatever a sample promises",
         {READS, 0, 0, .patience = 8, .settled = true},
         WINDOW(2.9, 100, 100),
         {BATCH_LZ4, 0.3, 0.1},
         BATCH_NONE,
         0,
         0,
         false},
        {"fast, thanks to packing",
         {READS, 1, 1, .patience = 8, .trust = 5, .settled = true},
         WINDOW(2.9, 10, 100),
         {BATCH_ZSTD, 1.0, 0.05},
         BATCH_ZSTD,
         0,
         0,
         false},
        {"the sample is not there",
         {READS, 0, 0, .patience = 2, .settled = true},
         WINDOW(9.0, 100, 90),
         {0},
         BATCH_NONE,
         0,
         2,
         true},
        {"it is of the other",
         {READS, 0, 0, .patience = 2, .settled = true},
         WINDOW(9.0, 100, 90),
         {BATCH_ZSTD, 1.0, 0.1},
         BATCH_NONE,
         0,
         2,
         true},
        {"only zstd is read",
         {5, 0, 0, .patience = 2, .settled = true},
         WINDOW(9.0, 100, 90),
         {BATCH_ZSTD, 1.0, 0.4},
         BATCH_ZSTD,
         0,
         0,
         false},
        {"nothing is read",
         {1, 0, 0, .patience = 2, .settled = true},
         WINDOW(9.0, 100, 90),
         {BATCH_ZSTD, 1.0, 0.4},
         BATCH_NONE,
         0,
         2,
         true},
        {"resting, with a new sample at its end",
         {READS, 0, 0, .patience = 4, .rest = 1},
         WINDOW(9.0, 100, 90),
         {BATCH_LZ4, 1.0, 0.4},
         BATCH_NONE,
         BATCH_LZ4,
         0,
         true},
        {"the first window of a trial",
         {READS, 1, 0, 9.0, .fresh = true, .patience = 2},
         WINDOW(50.0, 40, 90),
         {0},
         BATCH_LZ4,
         0,
         0,
         false},
        {"a trial that is good",
         {READS, 1, 0, 9.0, .patience = 16},
         WINDOW(5.0, 40, 90),
         {0},
         BATCH_LZ4,
         0,
         1,
         false},
        {"a trial that is no better",
         {READS, 1, 0, 9.0, .patience = 16},
         WINDOW(8.5, 40, 90),
         {0},
         BATCH_NONE,
         0,
         16,
         false},
        {"simpler, and as fast",
         {READS, 0, 1, 2.0, .patience = 2},
         WINDOW(2.0, 100, 90),
         {0},
         BATCH_NONE,
         0,
         1,
         false},
        {"simpler, and slower",
         {READS, 0, 1, 2.0, .patience = 2},
         WINDOW(2.1, 100, 90),
         {0},
         BATCH_LZ4,
         0,
         2,
         false},
        {"packing is what takes the time",
         {READS, 2, 2, .patience = 2},
         WINDOW(3.0, 30, 5),
         {0},
         BATCH_LZ4,
         0,
         0,
         false},
        {"trusted",
         {READS, 2, 2, .patience = 2, .trust = 5, .settled = true},
         WINDOW(9.0, 30, 90),
         {0},
         BATCH_ZSTD,
         0,
         2,
         true},
        {"doubted after long",
         {READS, 2, 2, .patience = 2, .trust = 1, .settled = true},
         WINDOW(9.0, 30, 90),
         {0},
         BATCH_LZ4,
         0,
         0,
         false},
        {"nothing was sent",
         {READS, 0, 0, .patience = 2, .settled = true},
         {0},
         {BATCH_LZ4, 1.0, 0.4},
         BATCH_NONE,
         0,
         0,
         true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct encoding_state s = encoding_choose(cases[i].s, &cases[i].w, &cases[i].sample);
        bool good = s.now == cases[i].now && s.sample == cases[i].wants &&
                    s.rest == cases[i].rest && s.settled == cases[i].settled &&
                    s.fresh == (s.now != cases[i].s.now) &&
                    (s.readable >> (unsigned)s.now & 1u) != 0;
        CU_ASSERT(good);
        if (!good)
            (void)printf("%s: now %d, sample %d, rest %u, settled %d\n", cases[i].what, (int)s.now,
                         (int)s.sample, s.rest, s.settled);
    }
}

static void test_holes_go_to_who_reads_them(void)
{
    for (int reads = 0; reads < 2; reads++) {
        struct encoding x;
        encoding_open(&x, BATCH_NONE, reads ? BATCH_READS_ALL : READS);
        CU_ASSERT(x.holes == (reads == 1));
    }
}

static void test_patience_grows_and_has_an_end(void)
{
    struct encoding_state s = encoding_begin(READS);
    const struct encoding_window w = WINDOW(4.0, 100, 100);
    const struct encoding_sample poor = {BATCH_LZ4, 1.0, 0.9};
    unsigned samples = 0;
    for (int i = 0; i < 100000; i++) {
        s = encoding_choose(s, &w, &poor);
        CU_ASSERT(s.now == BATCH_NONE && s.patience <= ENCODING_PATIENCE_MOST);
        samples += s.sample != BATCH_NONE ? 1 : 0;
    }
    CU_ASSERT(samples > 90 && samples < 120);
}

/* ---- worlds ------------------------------------------------------------------------------- */

/* What a byte of records costs, in ns: to read it and to store it; of wire, to carry one. */
struct world {
    const char *name;
    double read, store, link;
    double pack[3], ratio[3], unpack[3];
    double noise;                /* each window is so much off, either way */
    double buffer;               /* bytes of wire that are taken at once when nothing is in them */
    enum batch_encoding settles; /* what most goes by in the end */
    double slack;                /* of the best single choice's time, at most so much more */
};

static double cost(const struct world *w, enum batch_encoding x)
{
    double send = w->read + w->pack[x], wire = w->link * w->ratio[x],
           take = w->store + w->unpack[x];
    double most = send > wire ? send : wire;
    return most > take ? most : take;
}

static double random_of(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return (double)(*x >> 11) / 9007199254740992.0 * 2 - 1;
}

/* Send `bytes` through a world.  Returns the time that it took; *used gets what share went
 * by the encoding that it is to settle on. */
static double run(const struct world *w, double bytes, double *used)
{
    struct encoding_state s = encoding_begin(READS);
    struct encoding_sample sample = {0};
    uint64_t seed = 1234567;
    double time = 0, right = 0, full = 0; /* of the buffers on the way */
    for (double left = bytes; left > 0;) {
        double raw = 16.0 * MIB, send = w->read + w->pack[s.now];
        double slowest = cost(w, s.now), wire = raw * w->ratio[s.now];
        if (raw * slowest > 250e6)
            raw = 250e6 / slowest, wire = raw * w->ratio[s.now];
        /* What the buffers take is not waited for; what the wire carries meanwhile leaves. */
        double drain = slowest > send ? raw * slowest : raw * send;
        double into = drain - raw * send;
        double room = (w->buffer - full) * slowest / w->ratio[s.now];
        double saved = into < room ? into : room > 0 ? room : 0;
        full += into > 0 ? saved / slowest * w->ratio[s.now] : -wire / 2;
        full = full < 0 ? 0 : full;
        double took = (drain - saved) * (1 + w->noise * random_of(&seed));
        double blocked = drain - saved - raw * send;
        struct encoding_window window = {.raw_bytes = (uint64_t)raw,
                                         .wire_bytes = (uint64_t)wire,
                                         .elapsed_ns = (int64_t)took,
                                         .blocked_ns = (int64_t)(blocked > 0 ? blocked : 0)};
        time += took;
        left -= raw;
        right += s.now == w->settles ? raw : 0;
        s = encoding_choose(s, &window, &sample);
        if (s.sample != BATCH_NONE)
            sample = (struct encoding_sample){s.sample, w->pack[s.sample], w->ratio[s.sample]};
    }
    *used = right / bytes;
    return time;
}

#define PAGES                                                                                      \
    {0, 1.2, 3.0}, {1, 0.45, 0.33},                                                                \
    {                                                                                              \
        0, 0.35, 0.9                                                                               \
    }
#define NOISE                                                                                      \
    {0, 0.3, 2.5}, {1, 1.0, 1.0},                                                                  \
    {                                                                                              \
        0, 0.1, 0.1                                                                                \
    }
#define SPARSE                                                                                     \
    {0, 0.5, 1.2}, {1, 0.10, 0.06},                                                                \
    {                                                                                              \
        0, 0.2, 0.4                                                                                \
    }

static void test_no_world_is_slower_than_the_best_choice_by_much(void)
{
    static const struct world worlds[] = {
        {"loopback", 0.25, 0.8, 0.3, PAGES, 0, 4e6, BATCH_NONE, 0.01},
        {"loopback, noisy", 0.25, 0.8, 0.3, PAGES, 0.4, 4e6, BATCH_NONE, 0.02},
        {"loopback, slow disk", 0.25, 5.0, 0.3, PAGES, 0, 4e6, BATCH_NONE, 0.03},
        {"loopback, slow disk, noisy", 0.25, 5.0, 0.3, PAGES, 0.2, 4e6, BATCH_NONE, 0.06},
        {"loopback, starved of cores",
         2.0,
         9.0,
         1.0,
         {0, 6, 15},
         {1, 0.45, 0.33},
         {0, 3, 8},
         0.2,
         4e6,
         BATCH_NONE,
         0.05},
        {"loopback, sparse pages", 0.25, 0.8, 0.3, SPARSE, 0, 4e6, BATCH_NONE, 0.01},
        {"10 Gbit/s", 0.25, 0.8, 0.8, PAGES, 0, 8e6, BATCH_NONE, 0.02},
        {"1 Gbit/s", 0.25, 0.8, 8.5, PAGES, 0.05, 8e6, BATCH_LZ4, 0.20},
        {"1 Gbit/s, noisy", 0.25, 0.8, 8.5, PAGES, 0.2, 8e6, BATCH_LZ4, 0.20},
        {"1 Gbit/s, what cannot be packed", 0.25, 0.8, 8.5, NOISE, 0.05, 8e6, BATCH_NONE, 0.01},
        {"100 Mbit/s", 0.25, 0.8, 85, PAGES, 0.05, 8e6, BATCH_ZSTD, 0.08},
        {"10 Mbit/s", 0.25, 0.8, 850, PAGES, 0.05, 8e6, BATCH_ZSTD, 0.08},
        {"a rate of 1 MB/s", 0.25, 0.8, 1000, PAGES, 0, 0, BATCH_ZSTD, 0.06},
        {"2.5 Gbit/s: lz4 is best", 0.25, 0.8, 3.4, PAGES, 0.05, 8e6, BATCH_LZ4, 0.15},
        {"a slow reader", 9.0, 0.8, 0.3, PAGES, 0.1, 4e6, BATCH_NONE, 0.01},
    };
    for (size_t i = 0; i < sizeof worlds / sizeof *worlds; i++) {
        const struct world *w = &worlds[i];
        double bytes = w->link > 20 ? 2e9 : 2e10, used = 0;
        double best = cost(w, BATCH_NONE);
        for (int x = BATCH_LZ4; x <= BATCH_ZSTD; x++)
            best = cost(w, (enum batch_encoding)x) < best ? cost(w, (enum batch_encoding)x) : best;
        double slower = run(w, bytes, &used) / (best * bytes) - 1;
        bool good = slower <= w->slack && used >= 0.8;
        CU_ASSERT(good);
        if (!good)
            (void)printf("%s: %.3f slower than the best, %.2f by encoding %d\n", w->name, slower,
                         used, (int)w->settles);
    }
}

/* ---- around it ---------------------------------------------------------------------------- */

/* Send 1 MiB batches that take wire_ns each by this clock; how many went as lz4 or zstd. */
static uint32_t send_batches(uint32_t asked, uint32_t readable, int64_t wire_ns, uint32_t n)
{
    struct zs_error e = {0};
    struct encoding x;
    struct batch_writer *w = NULL;
    static uint8_t page[8192];
    int64_t now = 1000;
    uint32_t packed = 0;
    memset(page, 'x', sizeof page);
    ASSERT_OK(batch_writer_open(BATCH_NONE, &w, &e));
    encoding_open(&x, asked, readable);
    for (uint32_t i = 0; i < n; i++) {
        struct encoding_report report;
        const void *message = NULL;
        uint64_t bytes = 0;
        for (uint32_t k = 0; k < 20; k++) {
            bool added = false;
            struct zs_record r = {.kind = ZS_KIND_IMAGE, .len = 8192, .lsn = 1, .value = page};
            ASSERT_OK(batch_add(w, &r, &added, &e));
        }
        ASSERT_OK(encoding_plan(&x, w, &report, &e));
        ASSERT_OK(batch_finish(w, &message, &bytes, &e));
        int64_t began = now + 100000;
        now = began + (int64_t)((double)wire_ns * (double)bytes / (20 * 8192));
        encoding_sent(&x, &report, (uint64_t)20 * 8192, bytes, began, now);
        uint8_t used = ((const uint8_t *)message)[1];
        packed += used == BATCH_LZ4 || used == BATCH_ZSTD ? 1 : 0;
        CU_ASSERT((readable >> used & 1u) != 0);
        CU_ASSERT(used != BATCH_NONE || (readable & BATCH_READS_SUMS) == 0);
    }
    batch_writer_close(w);
    return packed;
}

static void test_batches_are_packed_as_it_is_decided(void)
{
    static const struct {
        uint32_t asked, readable;
        int64_t wire_ns; /* of an unpacked batch */
        uint32_t least, most;
    } cases[] = {
        {BATCH_NONE, READS, 50000000, 0, 0},        {BATCH_LZ4, READS, 1000, 200, 200},
        {BATCH_ZSTD, READS, 1000, 200, 200},        {BATCH_ZSTD, 3, 50000000, 0, 0},
        {77, UINT32_MAX, 50000000, 0, 0},           {ENCODING_AUTO, READS, 1000, 0, 0},
        {BATCH_NONE, BATCH_READS_ALL, 1000, 0, 0},  {BATCH_LZ4, BATCH_READS_ALL, 1000, 200, 200},
        {ENCODING_AUTO, READS, 50000000, 120, 199}, {ENCODING_AUTO, 3, 50000000, 120, 199},
        {ENCODING_AUTO, 1, 50000000, 0, 0},         {ENCODING_AUTO, 0, 50000000, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t packed =
            send_batches(cases[i].asked, cases[i].readable | 1, cases[i].wire_ns, 200);
        CU_ASSERT(packed >= cases[i].least && packed <= cases[i].most);
        if (packed < cases[i].least || packed > cases[i].most)
            (void)printf("case %zu: %u\n", i, packed);
    }
}

SUITE("sync/encoding", {"holes go to who reads them", test_holes_go_to_who_reads_them},
      {"names are read", test_names_are_read},
      {"the decision, step by step", test_the_decision_step_by_step},
      {"patience grows and has an end", test_patience_grows_and_has_an_end},
      {"no world is slower than the best choice by much",
       test_no_world_is_slower_than_the_best_choice_by_much},
      {"batches are packed as it is decided", test_batches_are_packed_as_it_is_decided})
