/* test_pgimport_conf.c - which configuration an import carries, and what it says of the rest. */
#include "../../support/suite.h"

#include "crafted.h"
#include "pgdata/pgdata.h"
#include "stub/stub_store.h"

enum { FIRST = 0x102018 };

struct world {
    struct crafted cluster;
    struct stub_store *store;
    const struct zs_store *table;
};

static void world_open(struct world *w)
{
    struct zs_error e = {0};
    crafted_open(&w->cluster, FIRST);
    ASSERT_OK(stub_store_open(STUB_STORE_COPIES, &w->store, &e));
    w->table = stub_store_table(w->store);
}

static void world_close(struct world *w)
{
    CU_ASSERT(stub_store_open_handles(w->store) == 0);
    stub_store_close(w->store);
    crafted_close(&w->cluster);
}

static void note(void *context, const char *sentence)
{
    char *all = context;
    strncat(all, sentence, 4000 - strlen(all));
}

/* include_dir reads *.conf of a folder; what else lies there is not PostgreSQL's. */
static void test_configuration_in_folders_is_carried(void)
{
    static const struct {
        const char *folder, *file, *said; /* said "": nothing is skipped */
        bool carried;
    } cases[] = {
        {"conf.d", "10-memory.conf", "", true},
        {"conf.d", "README", "Not imported: conf.d.", false},
        {"conf.d", "x y.conf", "Not imported: conf.d.", false},
        {"conf.d", ".hidden.conf", "Not imported: conf.d.", false},
        {"my conf", "x.conf", "Not imported: my conf.", false},
        {".git", "x.conf", "Not imported: .git.", false},
        {"tablespace_map", "x.conf", "Not imported: tablespace_map.", false},
        {"log", "x.conf", "", false},
        {"pg_stat", "x.conf", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct world w;
        struct pgdata_result without, with;
        char said[4096] = "", path[64];
        struct pgdata_watch watch = {.context = said, .note = note};
        world_open(&w);
        ASSERT_OK(pgdata_import(w.table, "without", w.cluster.data, NULL, &without, &e));
        (void)snprintf(path, sizeof path, "%s/%s", cases[i].folder, cases[i].file);
        crafted_folder(&w.cluster, cases[i].folder);
        crafted_text(&w.cluster, path, "work_mem = 5MB\n");
        ASSERT_OK(pgdata_import(w.table, "main", w.cluster.data, &watch, &with, &e));
        CU_ASSERT(with.records == without.records + cases[i].carried);
        CU_ASSERT(cases[i].said[0] == '\0' ? said[0] == '\0' : strstr(said, cases[i].said) != NULL);
        world_close(&w);
    }
}

static void test_the_rest_of_such_a_folder_is_named(void)
{
    struct zs_error e = {0};
    struct world w;
    struct pgdata_result r;
    char said[4096] = "";
    struct pgdata_watch watch = {.context = said, .note = note};
    world_open(&w);
    crafted_folder(&w.cluster, "conf.d");
    crafted_folder(&w.cluster, "conf.d/sub");
    crafted_folder(&w.cluster, "conf.d/folder.conf");
    crafted_text(&w.cluster, "conf.d/sub/x.conf", "");
    crafted_text(&w.cluster, "conf.d/x.conf", "");
    ASSERT_OK(pgdata_import(w.table, "main", w.cluster.data, &watch, &r, &e));
    CU_ASSERT(strstr(said, "conf.d (but for its *.conf)") != NULL);
    CU_ASSERT(strstr(said, "conf.d/folder.conf") != NULL && strstr(said, "x.conf") == NULL);
    world_close(&w);
}

SUITE("pgdata/pgimport_conf",
      {"*.conf of folders that are not PostgreSQL's own are carried",
       test_configuration_in_folders_is_carried},
      {"what else such a folder has is named", test_the_rest_of_such_a_folder_is_named})
