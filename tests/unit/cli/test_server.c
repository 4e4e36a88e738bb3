/* test_server.c - one command over a connection to a server that follows a script:
 * rows, notices, errors, a cut connection, Ctrl-C.
 * The server is a thread with a Unix socket in a folder of its own; it speaks just
 * enough of PostgreSQL's protocol, and sends what each case says. */
#include "../../support/suite.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/cli.h"
#include "cli/server.h"
#include "cli/session.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

/* What the server sends, message by message: a type, and fields that end with '|'
 * (a NUL on the wire). */
struct script {
    const char *login; /* bytes in place of a login that goes well; NULL: it does */
    size_t login_len;
    const char *const *messages;
    bool interrupt; /* before it answers: Ctrl-C, until a CancelRequest comes */
    bool deaf;      /* with interrupt: no CancelRequest can come */
    bool mute;      /* with interrupt: Ctrl-C again, and no answer at all */
};

struct fake {
    char dir[32];
    int listener;
    struct repo repo;
    const struct script *script;
    char query[256]; /* that came */
    bool cancelled;
    sem_t told; /* posted at each notice */
    pthread_t thread;
};

static bool read_all(int fd, void *out, size_t n)
{
    char *at = out;
    while (n > 0) {
        ssize_t got = read(fd, at, n);
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static uint32_t big(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put(int fd, char type, const void *body, uint32_t len)
{
    unsigned char message[1024];
    uint32_t all = len + 4;
    message[0] = (unsigned char)type;
    for (int i = 0; i < 4; i++)
        message[1 + i] = (unsigned char)(all >> (24 - 8 * i));
    memcpy(message + 5, body, len);
    (void)send(fd, message, len + 5, MSG_NOSIGNAL); /* a client may have left at a word before */
}

/* T: column names, all text.  D: values.  E and N: fields.  Others: as they are. */
static void put_scripted(int fd, const char *text)
{
    unsigned char body[900] = {0};
    uint32_t len = 0, fields = 0;
    if (text[0] == '!') { /* shorter than its own length */
        (void)send(fd, "C\0\0\0\3", 5, MSG_NOSIGNAL);
        return;
    }
    bool row = text[0] == 'T' || text[0] == 'D';
    len = row ? 2 : 0;
    for (const char *p = text + 1; *p != '\0'; fields++) {
        size_t n = strcspn(p, "|");
        if (text[0] == 'D') {
            memset(body + len, 0, 3);
            body[len + 3] = (unsigned char)n;
            len += 4;
        }
        memcpy(body + len, p, n);
        len += (uint32_t)n;
        if (text[0] != 'D')
            body[len++] = '\0';
        if (text[0] == 'T') {
            static const unsigned char text_column[18] = {0, 0,  0,   0,   0,   0,   0,   0,
                                                          0, 25, 255, 255, 255, 255, 255, 255};
            memcpy(body + len, text_column, sizeof text_column);
            len += sizeof text_column;
        }
        p += n + (p[n] == '|');
    }
    if (row)
        body[1] = (unsigned char)fields;
    if (text[0] == 'E' || text[0] == 'N')
        body[len++] = '\0';
    put(fd, text[0], body, len);
}

static bool take_cancel(struct fake *f)
{
    unsigned char request[16];
    CLEANUP(fd_close) int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    return fd >= 0 && read_all(fd, request, sizeof request) && big(request + 4) == 80877102;
}

static void *serve(void *arg)
{
    struct fake *f = arg;
    unsigned char head[5], body[1024];
    CLEANUP(fd_close) int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    if (!read_all(fd, head, 4) || !read_all(fd, body, big(head) - 4))
        return NULL;
    if (f->script->login != NULL) {
        (void)send(fd, f->script->login, f->script->login_len, MSG_NOSIGNAL);
        return NULL;
    }
    put(fd, 'R', "\0\0\0\0", 4);
    put(fd, 'S', "a\0b", 4);
    put(fd, 'K', "\0\0\0\1\0\0\0\2", 8);
    put(fd, 'Z', "I", 1);
    if (!read_all(fd, head, 5) || head[0] != 'Q' || big(head + 1) - 4 > sizeof f->query ||
        !read_all(fd, f->query, big(head + 1) - 4))
        return NULL;
    if (f->script->interrupt) {
        if (f->script->deaf) {
            (void)close(f->listener);
            f->listener = -1;
        }
        CU_ASSERT(kill(getpid(), SIGINT) == 0);
        f->cancelled = !f->script->deaf && take_cancel(f);
        while (f->script->deaf && sem_wait(&f->told) != 0)
            ;
    }
    if (f->script->mute) {
        CU_ASSERT(kill(getpid(), SIGINT) == 0);
        while (read(fd, body, sizeof body) > 0)
            ;
        return NULL;
    }
    for (const char *const *m = f->script->messages; *m != NULL; m++) {
        if (strcmp(*m, "Z") == 0)
            put(fd, 'Z', "I", 1);
        else
            put_scripted(fd, *m);
    }
    /* Until the client closes, unless the script ends in the middle. */
    const char *const *last = f->script->messages;
    while (*last != NULL && last[1] != NULL)
        last++;
    while (*last != NULL && strcmp(*last, "Z") == 0 && read(fd, body, sizeof body) > 0)
        ;
    return NULL;
}

static void fake_open(struct fake *f, const struct script *script)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[64];
    memset(f, 0, sizeof *f);
    f->script = script;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/test-server-XXXXXX");
    CU_ASSERT_FATAL(mkdtemp(f->dir) != NULL);
    (void)snprintf(f->repo.zenith, sizeof f->repo.zenith, "%s", f->dir);
    f->repo.fd = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    (void)snprintf(path, sizeof path, "%s/.s.PGSQL.5432", f->dir);
    memcpy(address.sun_path, path, sizeof path);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* A client that never comes, or never cancels, fails the test and does not hang it. */
    const struct timeval limit = {.tv_sec = 60};
    (void)setsockopt(f->listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    CU_ASSERT_FATAL(bind(f->listener, (struct sockaddr *)&address, sizeof address) == 0);
    CU_ASSERT_FATAL(listen(f->listener, 4) == 0);
    CU_ASSERT_FATAL(sem_init(&f->told, 0, 0) == 0);
    CU_ASSERT_FATAL(pthread_create(&f->thread, NULL, serve, f) == 0);
}

static void fake_close(struct fake *f)
{
    char path[64];
    CU_ASSERT(pthread_join(f->thread, NULL) == 0);
    (void)sem_destroy(&f->told);
    if (f->listener >= 0)
        (void)close(f->listener);
    (void)snprintf(path, sizeof path, "%s/.s.PGSQL.5432", f->dir);
    (void)unlink(path);
    (void)rmdir(f->dir);
    repo_close(&f->repo);
}

struct heard {
    sem_t *told;
    unsigned count;
    struct zs_error last;
};

static void hear(void *self, const struct zs_error *notice)
{
    struct heard *heard = self;
    heard->count++;
    heard->last = *notice;
    (void)sem_post(heard->told);
}

static int run(struct fake *f, struct heard *heard, struct rows **rows, struct zs_error *e)
{
    CLEANUP(server_close) struct server s = {0};
    const struct listener listener = {.self = heard, .notice = hear};
    heard->told = &f->told;
    TRY(server_connect(&s, &f->repo, e));
    return server_run(&s, "perform_push 'a'", &listener, rows, e);
}

static void test_rows_and_notices_come(void)
{
    static const char *const messages[] = {"NSNOTICE|C00000|Mfirst|D{}|",
                                           "Tname|records|",
                                           "NSNOTICE|C01000|Msecond|Hdo|",
                                           "Da|12|",
                                           "Cx|",
                                           "Z",
                                           NULL};
    static const struct script script = {.messages = messages};
    struct fake f;
    struct heard heard = {0};
    struct zs_error e = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    fake_open(&f, &script);
    ASSERT_OK(run(&f, &heard, &rows, &e));
    fake_close(&f);
    ASSERT_TEXT(f.query, "perform_push 'a'");
    ASSERT_TEXT(row_text(rows, 0, "name"), "a");
    CU_ASSERT(row_number(rows, 0, "records") == 12 && row_number(rows, 0, "name") == 0);
    ASSERT_TEXT(row_text(rows, 0, "nothing"), "");
    ASSERT_TEXT(row_text(rows, 1, "name"), "");
    CU_ASSERT(heard.count == 2);
    ASSERT_TEXT(heard.last.message, "second");
    ASSERT_TEXT(heard.last.hint, "do");
}

static void test_errors_come_as_the_server_said_them(void)
{
    static const struct {
        const char *messages[4];
        const char *sqlstate, *message;
    } cases[] = {
        {{"ESERROR|CZS002|Mdiverged|Dafter 0/1|Hpull|", "Z", NULL}, "ZS002", "diverged"},
        {{"Tname|", "ESERROR|C57014|Mcancelled|", "Z", NULL}, "57014", "cancelled"},
        {{"ESERROR|", "Z", NULL}, "XX000", "the server did not say why"},
        {{"Cx|", "Z", NULL}, "08P01", "the server gave no rows"},
        {{"Tname|", "Da|", NULL}, "08006", NULL},
        {{NULL}, "08006", NULL},
        {{"ESFATAL|C57P01|Mshutting down|", NULL}, "57P01", "shutting down"},
        {{"ESERROR|C42601|Mfirst|", "ESERROR|C42602|Msecond|", "Z", NULL}, "42601", "first"},
        {{"Tname|", "Tname|", "Z", NULL}, "08P01", "the server gave rows of two kinds"},
        {{"Da|", "Z", NULL}, "08P01", "the server gave a row without columns"},
        {{"Tname|", "Da|b|", "Z", NULL}, "08P01", "the server sent rows that cannot be read"},
        {{"ESERROR|C123|Mshort|", "Z", NULL}, "XX000", "short"},
        {{"E\303odd|C57014|Mhalf|", "Z", NULL}, "57014", "half"},
        {{"!", NULL}, "08P01", "the server sent a message of 3 bytes"},
        {{"Gx|", "Z", NULL}, "08P01", "the server began to copy, unasked"},
        {{"Hx|", "Z", NULL}, "08P01", "the server began to copy, unasked"},
        {{"Wx|", "Z", NULL}, "08P01", "the server began to copy, unasked"},
        {{"?", "Z", NULL}, "08P01", "the server sent a message that has no place in an answer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct script script = {.messages = cases[i].messages};
        struct fake f;
        struct heard heard = {0};
        struct zs_error e = {0};
        CLEANUP(rows_close_ptr) struct rows *rows = NULL;
        fake_open(&f, &script);
        ASSERT_FAILS(run(&f, &heard, &rows, &e), cases[i].sqlstate);
        fake_close(&f);
        if (cases[i].message != NULL)
            ASSERT_TEXT(e.message, cases[i].message);
    }
}

static void test_a_login_that_fails_says_why(void)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *why;
    } cases[] = {
        {"", 0, "the server closed the connection"},
        {"R\0\0\0\10\0\0\0\5", 9, "the server asks for a password"},
        {"R\0\0\0\5\0", 6, "the server asks for a password"},
        {"E\0\0\0\15C28000\0\0", 14, "the server did not say why"},
        {"E\0\0\0\22C28000\0Mno!\0\0", 19, "no!"},
        {"D\0\0\0\6\0\0", 7, "the server's answer is not one to a login"},
        {"R\0\0\0\3", 5, "the server sent a message of 3 bytes"},
        {"R\377\377\377\377", 5, "the server sent a message of 4294967295 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct script script = {.login = cases[i].bytes, .login_len = cases[i].len};
        struct fake f;
        struct heard heard = {0};
        struct zs_error e = {0};
        CLEANUP(rows_close_ptr) struct rows *rows = NULL;
        fake_open(&f, &script);
        ASSERT_FAILS(run(&f, &heard, &rows, &e), ZS_CANNOT_CONNECT);
        fake_close(&f);
        CU_ASSERT(strstr(e.message, cases[i].why) != NULL);
        CU_ASSERT(strstr(e.hint, "pageserver.log") != NULL);
    }
}

static void block_interrupt(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* the fake's thread must not take it */
}

static void test_an_interrupt_asks_the_server_and_waits_for_its_word(void)
{
    static const char *const stopped[] = {"ESERROR|C57014|Mcancelled|", "Z", NULL};
    static const char *const done[] = {"Tname|", "Da|", "Cx|", "Z", NULL};
    static const char *const *const words[] = {stopped, done};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const struct script script = {.messages = words[i], .interrupt = true};
        struct fake f;
        struct heard heard = {0};
        struct zs_error e = {0};
        CLEANUP(rows_close_ptr) struct rows *rows = NULL;
        block_interrupt();
        fake_open(&f, &script);
        int rc = run(&f, &heard, &rows, &e);
        fake_close(&f);
        CU_ASSERT(f.cancelled && heard.count == 1);
        CU_ASSERT(words[i] == done ? rc == ZS_OK : error_is(&e, ZS_CANCELLED));
    }
}

static void test_an_answer_without_its_row(void)
{
    static const char *const messages[] = {"Tname|", "Cx|", "Z", NULL};
    static const struct script script = {.messages = messages};
    struct cli c = {.quiet = true};
    struct fake f;
    struct server s = {0};
    struct zs_error e = {0};
    CLEANUP(query_close) struct query query = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    fake_open(&f, &script);
    query_add(&query, "status");
    ASSERT_OK(server_connect(&s, &f.repo, &e));
    ASSERT_FAILS(session_run_on(&c, &s, &query, "main", 1, &rows, &e), ZS_PROTOCOL_VIOLATION);
    CU_ASSERT(rows == NULL);
    server_close(&s);
    fake_close(&f);
    ASSERT_TEXT(f.query, "status");
}

static void test_a_second_interrupt_leaves(void)
{
    static const char *const none[] = {NULL};
    static const struct script script = {.messages = none, .interrupt = true, .mute = true};
    struct fake f;
    struct heard heard = {0};
    struct zs_error e = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    block_interrupt();
    fake_open(&f, &script);
    ASSERT_FAILS(run(&f, &heard, &rows, &e), ZS_CANCELLED);
    fake_close(&f);
    ASSERT_TEXT(e.message, "left without waiting for the server's answer");
}

static void test_a_server_that_cannot_be_asked_to_stop(void)
{
    static const char *const done[] = {"Tname|", "Da|", "Cx|", "Z", NULL};
    static const struct script script = {.messages = done, .interrupt = true, .deaf = true};
    struct fake f;
    struct heard heard = {0};
    struct zs_error e = {0};
    CLEANUP(rows_close_ptr) struct rows *rows = NULL;
    block_interrupt();
    fake_open(&f, &script);
    int rc = run(&f, &heard, &rows, &e);
    fake_close(&f);
    ASSERT_OK(rc);
    CU_ASSERT_EQUAL(heard.count, 1);
    CU_ASSERT(strstr(heard.last.message, "could not be asked to stop") != NULL);
}

static void test_nobody_there_is_said_with_what_to_type(void)
{
    struct repo repo = {.dir = "/tmp", .zenith = "/tmp"};
    struct server s;
    struct zs_error e = {0};
    char dir[] = "/tmp/test-server-XXXXXX";
    CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
    repo.fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    ASSERT_FAILS(server_connect(&s, &repo, &e), ZS_CANNOT_CONNECT);
    CU_ASSERT(strstr(e.hint, "zenith start") != NULL);
    repo_close(&repo);
    (void)rmdir(dir);
}

SUITE("cli/server", {"rows and notices come", test_rows_and_notices_come},
      {"errors come as the server said them", test_errors_come_as_the_server_said_them},
      {"a login that fails says why", test_a_login_that_fails_says_why},
      {"an interrupt asks the server and waits for its word",
       test_an_interrupt_asks_the_server_and_waits_for_its_word},
      {"an answer without its row is refused", test_an_answer_without_its_row},
      {"a second interrupt leaves", test_a_second_interrupt_leaves},
      {"a server that cannot be asked to stop is waited for",
       test_a_server_that_cannot_be_asked_to_stop},
      {"nobody there is said with what to type", test_nobody_there_is_said_with_what_to_type})
