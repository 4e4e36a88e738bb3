/* test_stub_host.c - a host in memory, its sessions, and two hosts over the network. */
#include "../../support/suite.h"

#include "base/error.h"
#include "stub/stub_host.h"
#include "stub/stub_transport.h"

#include <stdlib.h>
#include <string.h>

/* ---- commands ------------------------------------------------------------------------------ */

/* One row: the arguments as they came. */
static int32_t run_args(void *self, const struct zs_session *session, const char *args,
                        struct zs_error *e)
{
    static const char *const names[] = {"args", "null"};
    const char *values[] = {args, NULL};
    (void)self;
    TRY(session->columns(session->self, names, 2, e));
    session->notice(session->self, &(struct zs_error){.sqlstate = "00000", .message = "hello"});
    return session->row(session->self, values, 2, e);
}

/* Send each message back until the end; "fail" makes it fail. */
static int32_t run_echo(void *self, const struct zs_session *session, const char *args,
                        struct zs_error *e)
{
    struct zs_channel c = {.struct_size = sizeof c};
    const void *msg;
    uint64_t len;
    int32_t got = ZS_RECV_END;
    int rc = ZS_OK;
    (void)self;
    (void)args;
    TRY(session->copy_both(session->self, &c, e));
    while (rc == ZS_OK && (got = c.recv(c.self, -1, &msg, &len, e)) == ZS_RECV_MESSAGE) {
        if (len == 4 && memcmp(msg, "fail", 4) == 0)
            rc = error_set(e, ZS_DISK_FULL, "the far disk is full");
        else
            rc = c.send(c.self, msg, len, e);
    }
    if (got == ZS_RECV_ERROR)
        rc = ZS_FAIL;
    if (rc == ZS_OK)
        rc = c.finish(c.self, e);
    c.close(c.self);
    return rc;
}

static int32_t run_silent(void *self, const struct zs_session *session, const char *args,
                          struct zs_error *e)
{
    (void)self;
    (void)session;
    (void)args;
    (void)e;
    return ZS_FAIL;
}

static int inits, finis;

static int32_t module_init(const struct zs_host *host, void **self, struct zs_error *e)
{
    static const struct zs_command commands[] = {{.struct_size = sizeof *commands,
                                                  .role = ZS_ROLE_READ,
                                                  .name = "args",
                                                  .summary = "args ...",
                                                  .run = run_args},
                                                 {.struct_size = sizeof *commands,
                                                  .role = ZS_ROLE_WRITE,
                                                  .name = "echo",
                                                  .summary = "echo",
                                                  .run = run_echo},
                                                 {.struct_size = sizeof *commands,
                                                  .role = ZS_ROLE_READ,
                                                  .name = "silent",
                                                  .summary = "silent",
                                                  .run = run_silent}};
    *self = &inits;
    inits++;
    host->log(host->self, ZS_LOG_INFO, host->setting(host->self, "greeting"));
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        TRY(host->command_add(host->self, &commands[i], e));
    return ZS_OK;
}

static void module_fini(void *self)
{
    CU_ASSERT_PTR_EQUAL(self, &inits);
    finis++;
}

static void module_digest_add(struct zs_digest *sum, const struct zs_record *records, uint64_t n)
{
    (void)sum;
    (void)records;
    (void)n;
}

static const struct zs_module module = {.struct_size = sizeof module,
                                        .needs = ZS_HOST_COPY_BOTH,
                                        .name = "tester",
                                        .version = "1",
                                        .init = module_init,
                                        .fini = module_fini,
                                        .digest_add = module_digest_add};
static const struct stub_setting settings[] = {{"greeting", "good day"}, {NULL, NULL}};

static struct stub_host *open_host(const char *name)
{
    struct zs_error e = {0};
    struct stub_host *host = NULL;
    ASSERT_OK(stub_host_open(name, NULL, settings, &host, &e));
    ASSERT_OK(stub_host_load(host, &module, &e));
    return host;
}

static void test_command_lines(void)
{
    static const struct {
        const char *line, *args, *sqlstate;
    } cases[] = {
        {"args", "", NULL},
        {"args a b", "a b", NULL},
        {"  args\t a  b  ;  ", "a  b", NULL},
        {"args a;", "a", NULL},
        {"args a;;", "a;", NULL},
        {"args;", "", NULL},
        {"", NULL, ZS_SYNTAX_ERROR},
        {"unknown a", NULL, ZS_SYNTAX_ERROR},
        {"arg s", NULL, ZS_SYNTAX_ERROR},
        {"echo", NULL, ZS_NO_PERMISSION},
        {"silent", NULL, ZS_INTERNAL_ERROR},
    };
    struct stub_host *host = open_host("a");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct stub_session s;
        ASSERT_OK(stub_session_init(&s, &e));
        s.session.role = ZS_ROLE_READ;
        int rc = stub_host_run(host, &s, cases[i].line, &e);
        if (cases[i].sqlstate != NULL) {
            ASSERT_FAILS(rc, cases[i].sqlstate);
        } else {
            ASSERT_OK(rc);
            ASSERT_TEXT(stub_session_value(&s, 0, "args"), cases[i].args);
            CU_ASSERT_PTR_NULL(stub_session_value(&s, 0, "null"));
            CU_ASSERT_PTR_NULL(stub_session_value(&s, 1, "args"));
            CU_ASSERT(s.notice_count == 1 && strcmp(s.notices[0].message, "hello") == 0);
        }
        stub_session_fini(&s);
    }
    char *log = stub_host_log(host);
    ASSERT_TEXT(log, "INFO: good day\n");
    free(log);
    stub_host_close(host);
    CU_ASSERT_EQUAL(inits, finis);
}

static void test_modules_that_cannot_be_loaded(void)
{
    struct zs_error e = {0};
    struct stub_host *host = open_host("a");
    struct zs_module m = module;
    ASSERT_FAILS(stub_host_load(host, NULL, &e), ZS_NOT_SUPPORTED);
    ASSERT_FAILS(stub_host_load(host, &module, &e), ZS_ALREADY_EXISTS); /* its commands are */
    CU_ASSERT(strstr(e.message, "tester") != NULL);
    m.struct_size = ZS_MODULE_SIZE_V1 - 1;
    ASSERT_FAILS(stub_host_load(host, &m, &e), ZS_NOT_SUPPORTED);
    m = module;
    m.fini = NULL;
    ASSERT_FAILS(stub_host_load(host, &m, &e), ZS_NOT_SUPPORTED);
    m = module;
    m.needs = ZS_HOST_STORE; /* this host has none */
    ASSERT_FAILS(stub_host_load(host, &m, &e), ZS_NOT_SUPPORTED);
    stub_host_close(host);
    inits = finis = 0;
}

/* ---- two hosts ---------------------------------------------------------------------------------
 */

struct two_hosts {
    struct stub_network *net;
    struct stub_host *far;
    const struct zs_transport *transport;
    void *self;
    struct stub_cancel cancel;
};

static const char *network_setting(void *self, const char *name)
{
    const struct two_hosts *t = self;
    return strcmp(name, "stub_network") == 0 ? stub_network_key(t->net) : NULL;
}

static void two_hosts_open(struct two_hosts *t)
{
    struct zs_error e = {0};
    struct zs_transport_host host = {
        .struct_size = sizeof host, .self = t, .setting = network_setting};
    *t = (struct two_hosts){.far = open_host("b"), .transport = stub_transport_table()};
    ASSERT_OK(stub_network_open(&t->net, &e));
    ASSERT_OK(stub_network_add(t->net, "b", t->far, ZS_ROLE_WRITE, &e));
    ASSERT_FAILS(stub_network_add(t->net, "b", t->far, ZS_ROLE_WRITE, &e), ZS_ALREADY_EXISTS);
    ASSERT_OK(t->transport->init(&host, &t->self, &e));
    CU_ASSERT_PTR_EQUAL(t->self, stub_network_self(t->net));
    ASSERT_OK(stub_cancel_init(&t->cancel, &e));
}

static void two_hosts_close(struct two_hosts *t)
{
    stub_cancel_fini(&t->cancel);
    stub_network_close(t->net);
    stub_host_close(t->far);
}

static int reach(struct two_hosts *t, const char *uri, const char *command, struct zs_channel *out,
                 struct zs_error *e)
{
    *out = (struct zs_channel){.struct_size = sizeof *out};
    return t->transport->connect(t->self,
                                 &(struct zs_connect){.struct_size = sizeof(struct zs_connect),
                                                      .uri = uri,
                                                      .command = command,
                                                      .application = "test",
                                                      .cancel = &t->cancel.token},
                                 out, e);
}

static void test_a_far_command_answers(void)
{
    struct zs_error e = {0};
    struct two_hosts t;
    struct zs_channel c;
    const void *msg;
    uint64_t len;
    two_hosts_open(&t);
    ASSERT_OK(reach(&t, "stub://user:secret@b/x", "echo", &c, &e));
    for (uint32_t i = 0; i < 500; i++) {
        ASSERT_OK(c.send(c.self, &i, sizeof i, &e));
        CU_ASSERT_EQUAL(c.recv(c.self, -1, &msg, &len, &e), ZS_RECV_MESSAGE);
        CU_ASSERT(len == sizeof i && memcmp(msg, &i, sizeof i) == 0);
    }
    ASSERT_OK(c.finish(c.self, &e));
    CU_ASSERT_EQUAL(c.recv(c.self, -1, &msg, &len, &e), ZS_RECV_END);
    c.close(c.self);
    CU_ASSERT_EQUAL(stub_network_connects(t.net), 1);
    two_hosts_close(&t);
}

static void test_a_far_error_arrives_as_it_is(void)
{
    static const struct {
        const char *command, *sqlstate, *message;
    } cases[] = {
        {"echo", ZS_DISK_FULL, "the far disk is full"},
        {"unknown", ZS_SYNTAX_ERROR, "there is no command \"unknown\""},
        {"args x", ZS_PROTOCOL_VIOLATION, "the command ended without a stream"},
    };
    struct two_hosts t;
    two_hosts_open(&t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e = {0};
        struct zs_channel c;
        const void *msg;
        uint64_t len;
        ASSERT_OK(reach(&t, "stub://b", cases[i].command, &c, &e));
        ASSERT_OK(c.send(c.self, "fail", 4, &e));
        CU_ASSERT_EQUAL(c.recv(c.self, -1, &msg, &len, &e), ZS_RECV_ERROR);
        ASSERT_TEXT(e.sqlstate, cases[i].sqlstate);
        ASSERT_TEXT(e.message, cases[i].message);
        c.close(c.self);
    }
    two_hosts_close(&t);
}

static void test_hanging_up(void)
{
    struct zs_error e = {0};
    struct two_hosts t;
    struct zs_channel c;
    const void *msg;
    uint64_t len;
    two_hosts_open(&t);
    ASSERT_OK(reach(&t, "stub://b", "echo", &c, &e)); /* the far one waits in recv */
    c.close(c.self);
    ASSERT_OK(reach(&t, "stub://b", "echo", &c, &e));
    stub_cancel_at_poll(&t.cancel, atomic_load(&t.cancel.polls) + 2);
    CU_ASSERT_EQUAL(c.recv(c.self, -1, &msg, &len, &e), ZS_RECV_ERROR);
    ASSERT_TEXT(e.sqlstate, ZS_CANCELLED);
    c.close(c.self);
    ASSERT_FAILS(reach(&t, "stub://b", "echo", &c, &e), ZS_CANCELLED);
    two_hosts_close(&t);
}

static void test_uris(void)
{
    static const struct {
        const char *uri, *shown;
    } cases[] = {
        {"stub://b", "stub://b"},
        {"stub://me:secret@b", "stub://b"},
        {"stub://b/path@x", "stub://b"},
        {"stub://", NULL},
        {"stub://@", NULL},
        {"stub:///x", NULL},
        {"stub://a b", NULL},
        {"http://b", NULL},
        {"stub://me:secret@", NULL},
        {"", NULL},
    };
    struct zs_error e = {0};
    struct two_hosts t;
    struct zs_channel c;
    two_hosts_open(&t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char shown[300];
        int rc = t.transport->uri_check(t.self, cases[i].uri, shown, sizeof shown, &e);
        if (cases[i].shown != NULL) {
            ASSERT_OK(rc);
            ASSERT_TEXT(shown, cases[i].shown);
        } else {
            ASSERT_FAILS(rc, ZS_BAD_VALUE);
            CU_ASSERT_PTR_NULL(strstr(e.message, "secret"));
        }
    }
    ASSERT_FAILS(reach(&t, "stub://nobody", "echo", &c, &e), ZS_CANNOT_CONNECT);
    two_hosts_close(&t);
}

static void test_faults_on_both_sides(void)
{
    struct zs_error e = {0};
    struct stub_faults near, far;
    struct two_hosts t;
    struct zs_channel c;
    const void *msg;
    uint64_t len;
    two_hosts_open(&t);
    ASSERT_OK(stub_faults_init(&near, &e));
    ASSERT_OK(stub_faults_init(&far, &e));
    stub_network_faults(t.net, &near, &far);
    stub_faults_arm(&near, &(struct stub_fault){.operation = "connect", .nth = 1});
    ASSERT_FAILS(reach(&t, "stub://b", "echo", &c, &e), ZS_CANNOT_CONNECT);
    stub_faults_arm(&near, &(struct stub_fault){.operation = "send", .nth = 1});
    ASSERT_OK(reach(&t, "stub://b", "echo", &c, &e));
    ASSERT_FAILS(c.send(c.self, "x", 1, &e), ZS_CONNECTION_LOST);
    c.close(c.self);
    stub_faults_arm(&far, &(struct stub_fault){
                              .operation = "copy_both", .nth = 1, .sqlstate = ZS_LIMIT_EXCEEDED});
    ASSERT_OK(reach(&t, "stub://b", "echo", &c, &e));
    CU_ASSERT_EQUAL(c.recv(c.self, -1, &msg, &len, &e), ZS_RECV_ERROR);
    ASSERT_TEXT(e.sqlstate, ZS_LIMIT_EXCEEDED);
    c.close(c.self);
    stub_faults_arm(&far,
                    &(struct stub_fault){.operation = "send", .nth = 1, .sqlstate = ZS_IO_ERROR});
    ASSERT_OK(reach(&t, "stub://b", "echo", &c, &e));
    ASSERT_OK(c.send(c.self, "x", 1, &e));
    CU_ASSERT_EQUAL(c.recv(c.self, -1, &msg, &len, &e), ZS_RECV_ERROR);
    ASSERT_TEXT(e.sqlstate, ZS_IO_ERROR);
    c.close(c.self);
    stub_faults_fini(&near);
    stub_faults_fini(&far);
    two_hosts_close(&t);
}

SUITE("stub/stub_host",
      {"a query's first word is the command, the rest its arguments", test_command_lines},
      {"a module that cannot be used is refused", test_modules_that_cannot_be_loaded},
      {"a far command answers", test_a_far_command_answers},
      {"a far error arrives as it is", test_a_far_error_arrives_as_it_is},
      {"hanging up and cancelling end the far command", test_hanging_up},
      {"only the host's name of a URI is shown", test_uris},
      {"faults stand in front of both sides", test_faults_on_both_sides})
