/* test_pgwalk.c - a data directory as records: all of it, in key order, once. */
#include "../../support/suite.h"

#include "crafted.h"
#include "pgdata/pgwalk.h"

struct seen {
    char text[8192]; /* one line per record */
    size_t used;
    uint64_t records, bytes;
    bool ascending;
};

static void describe(struct seen *s, const struct zs_record *r)
{
    static const char *const names[] = {"databases", "map",        "relations", "block",
                                        "size",      "slru",       "slru size", "twophase",
                                        "control",   "checkpoint", "file"};
    struct pgkey k;
    char name[PGKEY_NAME_MAX + 1] = "";
    size_t head = 0;
    const char *first = r->len == 0 ? "-" : r->value;
    CU_ASSERT_FATAL(pgkey_decode(r->key, &k));
    if (k.type == PGKEY_FILE) {
        CU_ASSERT(pgkey_file_parse(r, &k, name, &head));
        return; /* by hash: not for a picture */
    }
    bool letter = k.type == PGKEY_BLOCK || k.type == PGKEY_SLRU_BLOCK || k.type == PGKEY_TWOPHASE;
    int n =
        snprintf(s->text + s->used, sizeof s->text - s->used, "%s %u/%u/%u.%u %u/%u @%u +%u %c\n",
                 names[k.type], k.space, k.database, k.relation, k.fork, k.slru, k.segment, k.block,
                 k.piece, letter ? *first : '.');
    s->used += (size_t)n;
}

static void walk(const struct crafted *c, struct seen *s)
{
    struct zs_error e = {0};
    struct pgcluster cluster;
    struct pgplan plan = {0};
    struct pgwalk *w = NULL;
    const struct zs_record *r;
    uint64_t n;
    uint8_t last[ZS_KEY_BYTES];
    memset(s, 0, sizeof *s);
    s->ascending = true;
    ASSERT_OK(pgcluster_open(c->data, &cluster, &e));
    ASSERT_OK(pgplan_make(cluster.root, &cluster.control, NULL, &plan, &e));
    ASSERT_OK(pgwalk_open(&cluster, &plan, &w, &e));
    do {
        n = 0;
        ASSERT_OK(pgwalk_next(w, &r, &n, &e));
        for (uint64_t i = 0; i < n; i++) {
            if (s->records > 0 && memcmp(last, r[i].key, ZS_KEY_BYTES) >= 0)
                s->ascending = false;
            memcpy(last, r[i].key, ZS_KEY_BYTES);
            s->records++;
            s->bytes += r[i].len;
            if (s->used < sizeof s->text - 200)
                describe(s, &r[i]);
        }
    } while (n > 0);
    CU_ASSERT(pgwalk_done_bytes(w) == plan.total_bytes);
    pgwalk_close(w);
    pgplan_free(&plan);
    pgcluster_close(&cluster);
}

static void test_small_cluster(void)
{
    struct crafted c;
    struct seen s;
    crafted_open(&c, 0x102018);
    crafted_pages(&c, "base/5/16384", "abcd");
    crafted_pages(&c, "base/5/16384.1", "e");
    crafted_text(&c, "pg_twophase/000002BC", "T");
    walk(&c, &s);
    CU_ASSERT(s.ascending);
    ASSERT_TEXT(s.text, "databases 0/0/0.0 0/0 @0 +0 .\n"
                        "map 1663/5/0.0 0/0 @0 +0 .\n"
                        "relations 1663/5/0.0 0/0 @0 +1 .\n"
                        "size 1663/5/2619.0 0/0 @0 +0 .\n"
                        "block 1663/5/16384.0 0/0 @0 +0 a\n"
                        "block 1663/5/16384.0 0/0 @1 +0 b\n"
                        "block 1663/5/16384.0 0/0 @2 +0 c\n"
                        "block 1663/5/16384.0 0/0 @3 +0 d\n"
                        "block 1663/5/16384.0 0/0 @4 +0 e\n"
                        "size 1663/5/16384.0 0/0 @0 +0 .\n"
                        "block 1663/5/16384.1 0/0 @0 +0 f\n"
                        "size 1663/5/16384.1 0/0 @0 +0 .\n"
                        "map 1664/0/0.0 0/0 @0 +0 .\n"
                        "relations 1664/0/0.0 0/0 @0 +1 .\n"
                        "block 1664/0/1262.0 0/0 @0 +0 g\n"
                        "size 1664/0/1262.0 0/0 @0 +0 .\n"
                        "slru 0/0/0.0 0/0 @0 +0 x\n"
                        "slru size 0/0/0.0 0/0 @0 +0 .\n"
                        "slru 0/0/0.0 1/0 @0 +0 m\n"
                        "slru size 0/0/0.0 1/0 @0 +0 .\n"
                        "slru 0/0/0.0 2/0 @0 +0 o\n"
                        "slru size 0/0/0.0 2/0 @0 +0 .\n"
                        "twophase 0/0/0.0 0/0 @0 +0 T\n"
                        "control 0/0/0.0 0/0 @0 +0 .\n"
                        "checkpoint 0/0/0.0 0/0 @0 +0 .\n");
    CU_ASSERT(s.records == 25 + 3); /* PG_VERSION twice, postgresql.conf */
    crafted_close(&c);
}

/* More than fits into one buffer, and files of more than one piece. */
static void test_large_files(void)
{
    struct crafted c;
    struct seen s;
    char *large = calloc(3, PGKEY_PIECE_BYTES);
    char name[64];
    CU_ASSERT_FATAL(large != NULL);
    crafted_open(&c, 0x102018);
    crafted_write(&c, "postgresql.conf", large, 2 * PGKEY_PIECE_BYTES + 1);
    crafted_write(&c, "x.conf", large, PGKEY_PIECE_BYTES);
    crafted_write(&c, "y.conf", large, 0);
    crafted_write(&c, "pg_twophase/000002BC", large, PGKEY_PIECE_BYTES + 1);
    crafted_write(&c, "pg_twophase/000002BD", large, 5);
    crafted_write(&c, "pg_twophase/000002BE", large, (size_t)3 * PGKEY_PIECE_BYTES);
    for (unsigned i = 0; i < 700; i++) {
        (void)snprintf(name, sizeof name, "base/5/%u", 20000 + i);
        crafted_write(&c, name, large, (size_t)4 * CRAFTED_BLOCK);
    }
    walk(&c, &s);
    CU_ASSERT(s.ascending);
    /* as above with 2 blocks of 16384; 3 + 1 + 1 + 2 pieces; 2 + 1 + 3 pieces */
    CU_ASSERT(s.records == 21 + 7 + 6 + 700 * 5);
    CU_ASSERT(s.bytes > (uint64_t)700 * 4 * CRAFTED_BLOCK);
    free(large);
    crafted_close(&c);
}

static void test_tablespaces(void)
{
    struct crafted c;
    struct seen s;
    char target[96], link[256];
    crafted_open(&c, 0x102018);
    (void)snprintf(target, sizeof target, "%s/elsewhere", c.dir);
    CU_ASSERT(mkdir(target, 0700) == 0);
    crafted_path(&c, "pg_tblspc/16400", link);
    CU_ASSERT(symlink(target, link) == 0);
    crafted_folder(&c, "pg_tblspc/16400/PG_15_202209061");
    crafted_folder(&c, "pg_tblspc/16400/PG_15_202209061/5");
    crafted_pages(&c, "pg_tblspc/16400/PG_15_202209061/5/16401", "t");
    walk(&c, &s);
    CU_ASSERT(s.ascending);
    CU_ASSERT(strstr(s.text, "block 16400/5/16401.0 0/0 @0 +0 t\n") != NULL);
    CU_ASSERT(strstr(s.text, "relations 16400/5/0.0 0/0 @0 +1 .\n") != NULL);
    crafted_close(&c);
}

static void test_file_that_shrinks_is_told(void)
{
    struct zs_error e = {0};
    struct crafted c;
    struct pgcluster cluster;
    struct pgplan plan = {0};
    struct pgwalk *w = NULL;
    const struct zs_record *r;
    uint64_t n;
    crafted_open(&c, 0x102018);
    ASSERT_OK(pgcluster_open(c.data, &cluster, &e));
    ASSERT_OK(pgplan_make(cluster.root, &cluster.control, NULL, &plan, &e));
    crafted_text(&c, "postgresql.conf", "");
    ASSERT_OK(pgwalk_open(&cluster, &plan, &w, &e));
    ASSERT_FAILS(pgwalk_next(w, &r, &n, &e), ZS_MOVED_MEANWHILE);
    pgwalk_close(w);
    pgplan_free(&plan);
    pgcluster_close(&cluster);
    crafted_close(&c);
}

SUITE("pgdata/pgwalk", {"every file comes, in key order", test_small_cluster},
      {"large files come in pieces, many in many batches", test_large_files},
      {"tablespaces are followed to where they are", test_tablespaces},
      {"a file that became shorter is told", test_file_that_shrinks_is_told})
