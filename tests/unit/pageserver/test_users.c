/* test_users.c - the users file. */
#include "../../support/suite.h"

#include "pageserver/files.h"
#include "pageserver/users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zenith-sync/host.h>

#define VERIFIER                                                                                   \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"    \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static const uint8_t fallback[SCRAM_KEY_BYTES] = {9};

static void test_lines(void)
{
    static const char text[] = "# comment\n"
                               "\n"
                               "alice read " VERIFIER "\n"
                               "al admin " VERIFIER "\n"
                               "bob write " VERIFIER; /* no newline at the end */
    static const struct {
        const char *name;
        uint32_t role;
    } cases[] = {{"alice", ZS_ROLE_READ},
                 {"al", ZS_ROLE_ADMIN},
                 {"bob", ZS_ROLE_WRITE},
                 {"ali", 0},
                 {"#", 0},
                 {"", 0},
                 {"bob write", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct user u;
        bool found = false;
        struct zs_error e = {0};
        ASSERT_OK(users_text_find(text, cases[i].name, fallback, &u, &found, &e));
        CU_ASSERT_EQUAL(found, cases[i].role != 0);
        CU_ASSERT_EQUAL(u.role, cases[i].role);
        ASSERT_TEXT(u.name, cases[i].name);
        CU_ASSERT_EQUAL(u.verifier.iterations, SCRAM_ITERATIONS);
    }
}

static void test_damaged_lines(void)
{
    static const char *const bad[] = {"x",
                                      "x ",
                                      "x read",
                                      "x read ",
                                      "x read md5",
                                      "x king " VERIFIER,
                                      "x  read " VERIFIER,
                                      "x read " VERIFIER "x",
                                      "x read  " VERIFIER};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512];
        struct user u;
        bool found = false;
        struct zs_error e = {0};
        (void)snprintf(text, sizeof text, "# one\n%s\ny read " VERIFIER "\n", bad[i]);
        /* It stops nobody else. */
        ASSERT_OK(users_text_find(text, "y", fallback, &u, &found, &e));
        CU_ASSERT(found);
        if (strchr(bad[i], ' ') == NULL)
            continue; /* not even a name */
        ASSERT_FAILS(users_text_find(text, "x", fallback, &u, &found, &e), "XX001");
        CU_ASSERT(strstr(e.message, "line 2") != NULL);
    }
}

static void test_the_files_key_makes_the_mock(void)
{
    struct user a;
    struct user b;
    bool found = true;
    struct zs_error e = {0};
    ASSERT_OK(users_text_find("#key WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=\n", "eve",
                              fallback, &a, &found, &e));
    CU_ASSERT(!found);
    ASSERT_OK(users_text_find("", "eve", fallback, &b, &found, &e));
    CU_ASSERT(memcmp(a.verifier.salt, b.verifier.salt, SCRAM_SALT_BYTES) != 0);
}

static int count(void *context, const char *name, uint32_t role)
{
    (void)name;
    (void)role;
    (*(unsigned *)context)++;
    return 0;
}

static void test_add_and_remove(void)
{
    char dir[] = "/tmp/zs-users-XXXXXX";
    char path[FILE_PATH_MAX];
    struct zs_error e = {0};
    struct user u;
    bool found = false;
    unsigned n = 0;
    struct stat st;
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    ASSERT_OK(path_join(path, dir, "users", &e));
    ASSERT_OK(users_create(path, &e));
    ASSERT_FAILS(users_create(path, &e), "42710");
    ASSERT_OK(users_add(path, "alice", ZS_ROLE_READ, "secret", &e));
    ASSERT_OK(users_add(path, "bob", ZS_ROLE_ADMIN, "secret", &e));
    ASSERT_FAILS(users_add(path, "alice", ZS_ROLE_WRITE, "other", &e), "42710");
    ASSERT_FAILS(users_add(path, "a b", ZS_ROLE_WRITE, "other", &e), "22023");
    ASSERT_FAILS(users_add(path, "-x", ZS_ROLE_WRITE, "other", &e), "22023");
    ASSERT_FAILS(users_add(path, "#x", ZS_ROLE_WRITE, "other", &e), "22023");
    ASSERT_FAILS(users_add(path, "x\ny", ZS_ROLE_WRITE, "other", &e), "22023");
    ASSERT_FAILS(users_add(path, "", ZS_ROLE_WRITE, "other", &e), "22023");
    ASSERT_FAILS(users_add(path, "carl", ZS_ROLE_WRITE, "", &e), "22023");
    ASSERT_OK(users_find(path, "alice", &u, &found, &e));
    CU_ASSERT(found && u.role == ZS_ROLE_READ);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    ASSERT_OK(users_list(path, count, &n, &e));
    CU_ASSERT_EQUAL(n, 2);
    ASSERT_OK(users_remove(path, "alice", &e));
    ASSERT_FAILS(users_remove(path, "alice", &e), "42704");
    ASSERT_OK(users_find(path, "alice", &u, &found, &e));
    CU_ASSERT(!found);
    ASSERT_OK(users_find(path, "bob", &u, &found, &e));
    CU_ASSERT(found);
    (void)unlink(path);
    (void)rmdir(dir);
}

SUITE("pageserver/users", {"a user is found by the whole name", test_lines},
      {"a damaged line is named, and is nobody else's trouble", test_damaged_lines},
      {"the file's key makes the mock", test_the_files_key_makes_the_mock},
      {"users are added once and removed", test_add_and_remove})
