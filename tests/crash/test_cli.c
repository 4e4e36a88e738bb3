/* test_cli.c - the n-th allocation of what the command line does by itself fails, for every n
 * until it makes fewer: an edit of a TOML file, JSON and tables on standard output, the list of
 * origins on disk, the check of a URI.  Each time the error says that memory is short, or what
 * was asked for is there whole; a file is as before or as after, and nothing lies beside it.
 * (tests/crash/cli_faults.sh does the same to the commands, with a server.)  Threads: one. */
#include "../support/suite.h"

#include "alloc.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/origins.h"
#include "cli/output.h"
#include "cli/query.h"
#include "cli/uri_check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANY = 5000 }; /* more allocations than any of these makes */

/* One operation: ZS_OK, or ZS_FAIL and e.  `undo` puts back what it changed. */
struct operation {
    const char *name;
    int (*run)(void *context, struct zs_error *e);
    void (*undo)(void *context);
};

static void each_fails(const struct operation *op, void *context)
{
    uint64_t n = 1;
    for (bool fired = true; fired && n < MANY; n++) {
        struct zs_error e = {0};
        alloc_fail_from(n, 1);
        int rc = op->run(context, &e);
        fired = alloc_failed();
        bool good =
            rc == ZS_OK || (fired && error_is(&e, ZS_OUT_OF_MEMORY) && e.message[0] != '\0');
        CU_ASSERT(good);
        if (!good)
            (void)fprintf(stderr, "%s, %llu: %d %s %s\n", op->name, (unsigned long long)n, rc,
                          e.sqlstate, e.message);
        if (op->undo != NULL)
            op->undo(context);
    }
    CU_ASSERT(n > 3 && n < MANY);
}

/* ---- TOML ------------------------------------------------------------------------------------ */

struct edit {
    const char *before, *value, *after; /* value NULL: remove */
};

static int run_edit(void *context, struct zs_error *e)
{
    const struct edit *edit = context;
    CLEANUP(toml_free_ptr) struct toml_doc *t = NULL;
    CLEANUP(free_ptr) char *text = NULL;
    size_t len = 0;
    TRY(toml_parse(edit->before, strlen(edit->before), "o.toml", &t, e));
    if (edit->value != NULL)
        TRY(toml_set_string(t, TOML_PATH("origin", "a", "uri"), edit->value, &text, &len, e));
    else
        TRY(toml_remove(t, TOML_PATH("origin", "a"), &text, &len, e));
    ASSERT_TEXT(text, edit->after);
    return ZS_OK;
}

static int run_lists(void *context, struct zs_error *e)
{
    static const char text[] = "l = ['a', 'b']\n[o.x]\n[o.y]\n";
    CLEANUP(toml_free_ptr) struct toml_doc *t = NULL;
    CLEANUP(free_ptr) const char *const *list = NULL, *const *keys = NULL;
    size_t n = 0;
    (void)context;
    TRY(toml_parse(text, sizeof text - 1, "o.toml", &t, e));
    TRY(toml_get_strings(t, TOML_PATH("l"), &list, &n, e));
    CU_ASSERT(n == 2 && strcmp(list[1], "b") == 0);
    TRY(toml_get_keys(t, TOML_PATH("o"), &keys, &n, e));
    CU_ASSERT(n == 2 && strcmp(keys[1], "y") == 0);
    return ZS_OK;
}

static void test_toml_without_memory(void)
{
    static struct edit edits[] = {
        {"# c\n[z]\nk = 1\n", "x", "# c\n[z]\nk = 1\n\n[origin.a]\nuri = \"x\"\n"},
        {"[origin.a] # c\nuri = 'y'\n", "x", "[origin.a] # c\nuri = \"x\"\n"},
        {"origin = { b = {}, a = { n = { m = 1 } } }\n", "x",
         "origin = { b = {}, a = { n = { m = 1 }, uri = \"x\" } }\n"},
        {"[z]\n[origin.a]\nuri = 'y'\nn = { m = 1 }\n", NULL, "[z]\n"},
        {"origin = { a = { uri = 'y' }, b = 1 }\n", NULL, "origin = { b = 1 }\n"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++)
        each_fails(&(struct operation){edits[i].before, run_edit, NULL}, &edits[i]);
    each_fails(&(struct operation){"lists", run_lists, NULL}, NULL);
}

/* ---- standard output ---------------------------------------------------------------------------
 */

/* Standard output and standard error go into files meanwhile. */
struct screen {
    int out, err, out_before, err_before;
    struct rows *rows;
    char text[2048];
};

static const char *screen_read(struct screen *s, int fd)
{
    (void)fflush(stdout);
    ssize_t n = pread(fd, s->text, sizeof s->text - 1, 0);
    s->text[n > 0 ? n : 0] = '\0';
    return s->text;
}

static void screen_clear(void *context)
{
    struct screen *s = context;
    (void)fflush(stdout);
    CU_ASSERT(ftruncate(s->out, 0) == 0 && lseek(s->out, 0, SEEK_SET) == 0);
    CU_ASSERT(ftruncate(s->err, 0) == 0 && lseek(s->err, 0, SEEK_SET) == 0);
}

/* What stands behind a column's name in a RowDescription. */
#define COLUMN "\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0"

static void screen_open(struct screen *s)
{
    static const char columns[] = "\0\2name\0" COLUMN "records\0" COLUMN;
    static const char values[] = "\0\2\0\0\0\4main\0\0\0\0017";
    struct zs_error e = {0};
    memset(s, 0, sizeof *s);
    CU_ASSERT_FATAL(rows_open(columns, sizeof columns - 1, &s->rows, &e) == ZS_OK);
    for (int i = 0; i < 2; i++)
        CU_ASSERT(rows_add(s->rows, values, sizeof values - 1, &e) == ZS_OK);
    (void)fputs("\n", stdout); /* gives it its buffer */
    (void)fflush(stdout);
    s->out_before = dup(STDOUT_FILENO);
    s->err_before = dup(STDERR_FILENO);
    s->out = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    s->err = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(s->out >= 0 && s->err >= 0);
    (void)dup2(s->out, STDOUT_FILENO);
    (void)dup2(s->err, STDERR_FILENO);
}

static void screen_close(struct screen *s)
{
    (void)fflush(stdout);
    (void)dup2(s->out_before, STDOUT_FILENO);
    (void)dup2(s->err_before, STDERR_FILENO);
    (void)close(s->out_before);
    (void)close(s->err_before);
    (void)close(s->out);
    (void)close(s->err);
    rows_close(s->rows);
}

static int run_result(void *context, struct zs_error *e)
{
    struct screen *s = context;
    int rc = print_result_json(s->rows, e);
    ASSERT_TEXT(screen_read(s, s->out),
                rc == ZS_OK ? "{\n \"ok\": true,\n \"name\": \"main\",\n \"records\": 7\n}\n" : "");
    return rc;
}

static int run_rows(void *context, struct zs_error *e)
{
    struct screen *s = context;
    int rc = print_json(rows_json(s->rows), e);
    ASSERT_TEXT(screen_read(s, s->out),
                rc == ZS_OK ? "[{\n  \"name\": \"main\",\n  \"records\": 7\n }, {\n  \"name\": "
                              "\"main\",\n  \"records\": 7\n }]\n"
                            : "");
    return rc;
}

/* A failure is told as an object or, for want of memory, as text: never not at all. */
static int run_failure(void *context, struct zs_error *e)
{
    struct screen *s = context;
    struct zs_error told = {0};
    error_set(&told, ZS_BUSY, "busy");
    error_detail(&told, "d");
    error_hint(&told, "wait");
    cJSON *more = cJSON_CreateArray();
    print_failure_json(&told, "faults", more);
    bool as_json = screen_read(s, s->out)[0] == '{';
    if (as_json) {
        CU_ASSERT(strstr(s->text, "\"sqlstate\": \"55006\"") != NULL);
        CU_ASSERT(strstr(s->text, "\"hint\": \"wait\"") != NULL);
        return ZS_OK;
    }
    CU_ASSERT(strstr(screen_read(s, s->err), "hint: ") != NULL);
    return error_memory(e);
}

static int run_read_rows(void *context, struct zs_error *e)
{
    static const char columns[] = "\0\1name\0" COLUMN;
    static const char value[] = "\0\1\0\0\0\1x";
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    (void)context;
    TRY(rows_open(columns, sizeof columns - 1, &rows, e));
    for (int i = 0; i < 300; i++)
        TRY(rows_add(rows, value, sizeof value - 1, e));
    ASSERT_TEXT(row_text(rows, 299, "name"), "x");
    return ZS_OK;
}

static int run_table(void *context, struct zs_error *e)
{
    static const bool right[] = {false, true};
    struct screen *s = context;
    CLEANUP(table_fini) struct table t = {.columns = 2};
    for (int i = 0; i < 70; i++) {
        table_add(&t, "ab");
        table_add(&t, i == 3 ? "12" : "3");
    }
    int rc = table_print(&t, right, e);
    if (rc == ZS_OK)
        CU_ASSERT(strncmp(screen_read(s, s->out), "ab   3\n", 7) == 0);
    return rc;
}

static void test_output_without_memory(void)
{
    static const struct operation operations[] = {{"result", run_result, screen_clear},
                                                  {"rows", run_rows, screen_clear},
                                                  {"failure", run_failure, screen_clear},
                                                  {"rows read", run_read_rows, screen_clear},
                                                  {"table", run_table, screen_clear}};
    struct screen s;
    screen_open(&s);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        each_fails(&operations[i], &s);
    screen_close(&s);
}

/* ---- the repository's files ------------------------------------------------------------------ */

#define ONE "[origin.one]\nuri = \"postgresql://h\"\n"
#define TWO ONE "\n[origin.two]\nuri = \"postgresql://u:p@10.1.2.3\"\n"

static void put_file(const struct repo *repo, const char *name, const char *text)
{
    CLEANUP(fd_close)
    int fd = openat(repo->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CU_ASSERT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* One of the two, and no file that was to take its place. */
static void check_files(const struct repo *repo)
{
    char text[512] = "";
    unsigned files = 0;
    int fd = openat(repo->fd, "origins.toml", O_RDONLY | O_CLOEXEC);
    CU_ASSERT(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    CU_ASSERT(strcmp(text, ONE) == 0 || strcmp(text, TWO) == 0);
    (void)close(fd);
    DIR *dir = opendir(repo->zenith);
    CU_ASSERT(dir != NULL);
    if (dir == NULL)
        return;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): this thread's own folder stream
    for (const struct dirent *d = readdir(dir); d != NULL; d = readdir(dir))
        files += strncmp(d->d_name, "origins.toml.", 13) == 0;
    (void)closedir(dir);
    CU_ASSERT(files <= 1); /* the lock */
}

static int run_add(void *context, struct zs_error *e)
{
    const struct repo *repo = context;
    return origins_add(repo, "two", "postgresql://u:p@10.1.2.3", e);
}

static void undo_add(void *context)
{
    check_files(context);
    put_file(context, "origins.toml", ONE);
}

static int run_remove(void *context, struct zs_error *e)
{
    return origins_remove(context, "two", e);
}

static void undo_remove(void *context)
{
    check_files(context);
    put_file(context, "origins.toml", TWO);
}

/* Without memory it is said which origin there is none of, if not which there are. */
static int run_missing(void *context, struct zs_error *e)
{
    CLEANUP(toml_free_ptr) struct toml_doc *origins = NULL;
    const char *uri = NULL;
    TRY(origins_load(context, &origins, e));
    CU_ASSERT(origins_find(origins, "three", &uri, e) == ZS_FAIL && error_is(e, ZS_NO_SUCH_BRANCH));
    CU_ASSERT(strstr(e->hint, "zenith origin add three") != NULL);
    return ZS_OK;
}

/* No transport is here: what comes before one is asked for is what may fail. */
static int run_check(void *context, struct zs_error *e)
{
    char shown[256];
    int rc = uri_check(context, "postgresql://10.1.2.3", shown, sizeof shown, e);
    CU_ASSERT(rc != ZS_OK);
    return error_is(e, ZS_OUT_OF_MEMORY) ? rc : ZS_OK;
}

/* The whole of it, or none: a part of a command may be another one. */
static int run_query(void *context, struct zs_error *e)
{
    CLEANUP(query_close) struct query q = {0};
    const char *text = NULL;
    (void)context;
    query_add(&q, "push");
    for (int i = 0; i < 300; i++)
        query_argument(&q, "a part of it");
    TRY(query_text(&q, &text, e));
    CU_ASSERT_EQUAL(strlen(text), 4 + 300 * strlen(" 'a part of it'"));
    return ZS_OK;
}

static void test_a_command_without_memory(void)
{
    each_fails(&(struct operation){"a command", run_query, NULL}, NULL);
}

static void test_files_without_memory(void)
{
    char dir[] = "/tmp/test-cli-XXXXXX", path[64];
    struct repo repo = {0};
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    (void)snprintf(repo.zenith, sizeof repo.zenith, "%s", dir);
    repo.fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    put_file(&repo, "pageserver.toml",
             "allow_destinations = ['10.0.0.0/8', 'h']\ntransport_dir = 'transports'\n");
    CU_ASSERT(mkdirat(repo.fd, "transports", 0700) == 0);
    put_file(&repo, "origins.toml", ONE);
    each_fails(&(struct operation){"origins_add", run_add, undo_add}, &repo);
    put_file(&repo, "origins.toml", TWO);
    each_fails(&(struct operation){"origins_remove", run_remove, undo_remove}, &repo);
    each_fails(&(struct operation){"origins_find", run_missing, NULL}, &repo);
    each_fails(&(struct operation){"uri_check", run_check, NULL}, &repo);
    static const char *const files[] = {"pageserver.toml", "origins.toml", "origins.toml.lock"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        (void)unlinkat(repo.fd, files[i], 0);
    (void)snprintf(path, sizeof path, "%s/transports", dir);
    CU_ASSERT(rmdir(path) == 0 && rmdir(dir) == 0);
    repo_close(&repo);
}

SUITE("crash/cli", {"TOML without memory", test_toml_without_memory},
      {"output without memory", test_output_without_memory},
      {"a command without memory", test_a_command_without_memory},
      {"the repository's files without memory", test_files_without_memory})
