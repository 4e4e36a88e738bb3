/* fixture.h - two pageservers in memory, "a" and "b", each with the real commands, that
 * reach each other over the stub transport; and what a test needs to look at them.
 * A module is put together as plugin.c does, with the stub transport in its registry.
 * Threads: the far command runs in the stub transport's own. */
#ifndef TESTS_UNIT_COMMAND_FIXTURE_H
#define TESTS_UNIT_COMMAND_FIXTURE_H

#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "command/command.h"
#include "model/lsn.h"
#include "stub/stub_fault.h"
#include "stub/stub_host.h"
#include "stub/stub_store.h"
#include "stub/stub_transport.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

/* ---- a world of two hosts -------------------------------------------------------------------- */

struct side {
    struct stub_store *store;
    struct stub_faults faults; /* of the store */
    struct stub_fault_store *faulty;
    struct stub_setting settings[2];
    struct stub_host *host;
    struct sync_module module;
    struct zs_transport_host transport_host;
};

struct world {
    struct stub_network *net;
    struct side a, b;
    struct stub_faults near_net, far_net;
};

UNUSED static void must(int rc, const struct zs_error *e)
{
    if (rc != ZS_OK) {
        (void)printf("fixture: %s %s %s\n", e->sqlstate, e->message, e->detail);
        abort();
    }
}

UNUSED static void side_open(struct side *s, const char *name, unsigned store_options,
                             const struct zs_transport *transport, struct stub_network *net)
{
    struct zs_error e = {0};
    s->settings[0] = (struct stub_setting){"stub_network", stub_network_key(net)};
    must(stub_store_open(store_options, &s->store, &e), &e);
    must(stub_faults_init(&s->faults, &e), &e);
    must(stub_fault_store_open(stub_store_table(s->store), &s->faults, &s->faulty, &e), &e);
    must(stub_host_open(name, stub_fault_store_table(s->faulty), s->settings, &s->host, &e), &e);
    const struct zs_host *host = stub_host_table(s->host);
    s->module.host = *host;
    must(store_import(host->store, &s->module.store, &e), &e);
    must(transfer_list_open(&s->module.transfers, &e), &e);
    must(lease_list_open(INT64_C(3600) * 1000000000, &s->module.leases, &e), &e);
    s->transport_host = (struct zs_transport_host){.struct_size = sizeof s->transport_host,
                                                   .self = host->self,
                                                   .log = host->log,
                                                   .setting = host->setting};
    must(registry_open(&s->transport_host, &s->module.transports, &e), &e);
    must(registry_add(s->module.transports, transport, "stub", &e), &e);
    must(command_table_register(&s->module, host, &e), &e);
    must(stub_network_add(net, name, s->host, ZS_ROLE_WRITE, &e), &e);
}

/* Nothing may be left open: a command that leaks a handle fails its test here. */
UNUSED static void side_close(struct side *s)
{
    lease_list_close(s->module.leases);
    CU_ASSERT(stub_store_open_handles(s->store) == 0);
    stub_host_close(s->host);
    registry_close(s->module.transports);
    transfer_list_close(s->module.transfers);
    stub_fault_store_close(s->faulty);
    stub_faults_fini(&s->faults);
    stub_store_close(s->store);
}

/* `transport` NULL: the stub's own. */
UNUSED static void world_open_with(struct world *w, unsigned a_options, unsigned b_options,
                                   const struct zs_transport *transport)
{
    struct zs_error e = {0};
    memset(w, 0, sizeof *w);
    transport = transport == NULL ? stub_transport_table() : transport;
    must(stub_network_open(&w->net, &e), &e);
    must(stub_faults_init(&w->near_net, &e), &e);
    must(stub_faults_init(&w->far_net, &e), &e);
    side_open(&w->a, "a", a_options, transport, w->net);
    side_open(&w->b, "b", b_options, transport, w->net);
}

UNUSED static void world_open(struct world *w)
{
    world_open_with(w, 0, STUB_STORE_COPIES, NULL); /* both ways to hand out values */
}

UNUSED static void world_close(struct world *w)
{
    side_close(&w->a);
    side_close(&w->b);
    stub_network_close(w->net);
    stub_faults_fini(&w->near_net);
    stub_faults_fini(&w->far_net);
}

UNUSED static struct side *side_of(struct world *w, char name)
{
    return name == 'a' ? &w->a : &w->b;
}

/* ---- records ------------------------------------------------------------------------------------
 */

UNUSED static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

UNUSED static zs_lsn last_lsn(const struct side *s, const char *branch)
{
    struct zs_error e = {0};
    struct zs_branch_info info = {.struct_size = sizeof info};
    const struct zs_store *t = stub_store_table(s->store);
    return t->branch_find(t->self, branch, &info, &e) == ZS_OK ? info.last_valid_lsn : 0;
}

/* Handles that nobody keeps on purpose. */
UNUSED static uint64_t leaked_handles(const struct side *s)
{
    struct lease_facts kept[LEASES_MAX];
    return stub_store_open_handles(s->store) - lease_list_look(s->module.leases, kept);
}

UNUSED static void branch_make(struct side *s, const char *branch)
{
    struct zs_error e = {0};
    must(stub_store_branch_create(s->store, branch, NULL, NULL, &e), &e);
}

/* One commit of n records of all kinds: pages, WAL records, tombstones, many versions of
 * few keys; content by seed. */
UNUSED static void grow(struct side *s, const char *branch, uint64_t seed, uint32_t n)
{
    struct zs_error e = {0};
    zs_lsn after = last_lsn(s, branch);
    CLEANUP(free_ptr) struct zs_record *records = calloc(n + 1, sizeof *records);
    CLEANUP(free_ptr) uint8_t *values = malloc((size_t)n * 8192 + 1);
    if (records == NULL || values == NULL)
        abort();
    for (uint32_t i = 0; i < n; i++) {
        uint64_t x = mix(seed * 1000003 + i);
        struct zs_record *r = &records[i];
        uint8_t *value = values + (size_t)i * 8192;
        r->kind = (uint8_t)(x % 8 == 0 ? ZS_KIND_TOMBSTONE : 1 + x / 8 % 2);
        if (r->kind == ZS_KIND_IMAGE)
            r->len = 8192;
        else if (r->kind == ZS_KIND_WAL)
            r->len = (uint32_t)(x / 16 % 300);
        for (uint32_t k = 0; k < r->len; k += 8)
            memcpy(value + k, &(uint64_t){mix(x + k)}, r->len - k < 8 ? r->len - k : 8);
        r->value = r->len > 0 ? value : NULL;
        r->lsn = after + 8 + 8 * (zs_lsn)i;
        r->key[0] = (uint8_t)(x / 64 % 3);
        put_u32be(r->key + 14, (uint32_t)(x / 256 % (n / 2 + 1)));
    }
    must(stub_store_write(s->store, branch, records, n, after + 8 * (zs_lsn)n + 0x100, &e), &e);
}

UNUSED static void grow_one(struct side *s, const char *branch, uint64_t seed, uint8_t kind,
                            uint32_t len)
{
    struct zs_error e = {0};
    zs_lsn lsn = last_lsn(s, branch) + 0x10;
    CLEANUP(free_ptr) uint8_t *value = malloc(len + 8u);
    if (value == NULL)
        abort();
    for (uint32_t k = 0; k < len; k += 8)
        memcpy(value + k, &(uint64_t){mix(seed + k)}, 8);
    struct zs_record r = {.kind = kind, .len = len, .value = len > 0 ? value : NULL, .lsn = lsn};
    put_u64be(r.key + 10, seed);
    must(stub_store_write(s->store, branch, &r, 1, lsn, &e), &e);
}

/* ---- looking ----------------------------------------------------------------------------------
 */

/* The sum over a branch's records as an iterator gives them, and how many. */
UNUSED static struct zs_digest content(const struct snapshot *s, uint64_t *count)
{
    struct zs_error e = {0};
    struct zs_digest sum = {0};
    struct zs_record records[64];
    CLEANUP(free_ptr) void *buf = malloc(65536);
    CLEANUP(iter_close) struct iter it = {0};
    *count = 0;
    must(iter_open(s, 0, s->info.last_valid_lsn, &it, &e), &e);
    for (bool more = true; more;) {
        uint64_t n = 0;
        must(iter_next(&it, records, 64, buf, 65536, &n, &more, &e), &e);
        digest_add_records(&sum, records, n);
        *count += n;
    }
    return sum;
}

/* Everything that can be seen of one branch, as a line of text. */
UNUSED static void describe(const struct zs_store *store, const char *branch, FILE *out)
{
    struct zs_error e = {0};
    CLEANUP(snapshot_close) struct snapshot s = {0};
    uint64_t records = 0, npoints = 0;
    struct zs_point points[64];
    must(snapshot_open(store, branch, &s, &e), &e);
    struct zs_digest sum = content(&s, &records);
    (void)fprintf(out, "%s %s at %s cutoff %s D %s (%llu, %llu) sum %s of %llu:", branch,
                  timeline_text(s.info.timeline).s, lsn_text(s.info.last_valid_lsn).s,
                  lsn_text(s.info.gc_cutoff_lsn).s, digest_text(s.info.digest).s,
                  (unsigned long long)s.info.records, (unsigned long long)s.info.bytes,
                  digest_text(sum).s, (unsigned long long)records);
    must(snapshot_history(&s, UINT64_MAX, points, 64, &npoints, &e), &e);
    for (uint64_t i = 0; i < npoints; i++)
        (void)fprintf(out, " %s=%s", lsn_text(points[i].lsn).s, digest_text(points[i].digest).s);
    (void)fprintf(out, "\n");
}

struct listing {
    const struct zs_store *store;
    FILE *out;
};

UNUSED static int32_t describe_one(void *context, const struct zs_branch_info *info)
{
    struct listing *l = context;
    describe(l->store, info->name, l->out);
    return 0;
}

/* All of a side, as text: what must not change when something is refused. */
UNUSED static char *picture(const struct side *s)
{
    struct zs_error e = {0};
    char *text = NULL;
    size_t len = 0;
    struct listing l = {.store = stub_store_table(s->store), .out = open_memstream(&text, &len)};
    if (l.out == NULL)
        abort();
    must(store_branch_list(l.store, describe_one, &l, &e), &e);
    (void)fclose(l.out);
    return text;
}

/* Both branches have the same state and the same records, one by one. */
UNUSED static bool same_branch(const struct side *x, const char *x_branch, const struct side *y,
                               const char *y_branch)
{
    struct zs_error e = {0};
    CLEANUP(snapshot_close) struct snapshot s = {0};
    CLEANUP(snapshot_close) struct snapshot t = {0};
    CLEANUP(iter_close) struct iter i = {0};
    CLEANUP(iter_close) struct iter k = {0};
    if (snapshot_open(stub_store_table(x->store), x_branch, &s, &e) != ZS_OK ||
        snapshot_open(stub_store_table(y->store), y_branch, &t, &e) != ZS_OK)
        return false;
    if (s.info.last_valid_lsn != t.info.last_valid_lsn)
        return false;
    if (store_has(s.store, ZS_STORE_DIGEST) && store_has(t.store, ZS_STORE_DIGEST) &&
        (!digest_equal(s.info.digest, t.info.digest) || s.info.records != t.info.records ||
         s.info.bytes != t.info.bytes))
        return false;
    must(iter_open(&s, 0, s.info.last_valid_lsn, &i, &e), &e);
    must(iter_open(&t, 0, t.info.last_valid_lsn, &k, &e), &e);
    for (bool more_s = true, more_t = true;;) {
        struct zs_record p, q;
        uint64_t np = 0, nq = 0;
        while (np == 0 && more_s) /* without room every value is a view */
            must(iter_next(&i, &p, 1, NULL, 0, &np, &more_s, &e), &e);
        while (nq == 0 && more_t)
            must(iter_next(&k, &q, 1, NULL, 0, &nq, &more_t, &e), &e);
        if (np == 0 || nq == 0)
            return np == nq;
        if (memcmp(p.key, q.key, sizeof p.key) != 0 || p.lsn != q.lsn || p.kind != q.kind ||
            p.len != q.len || (p.len > 0 && memcmp(p.value, q.value, p.len) != 0))
            return false;
    }
}

/* ---- running --------------------------------------------------------------------------------- */

/* One client that runs one line. */
struct client {
    struct stub_session s;
    struct zs_error e;
    int rc;
};

UNUSED static void client_open(struct client *c)
{
    struct zs_error e = {0};
    memset(c, 0, sizeof *c);
    must(stub_session_init(&c->s, &e), &e);
}

UNUSED static void client_close(struct client *c)
{
    stub_session_fini(&c->s);
}

UNUSED static int client_run(struct client *c, struct side *side, const char *line)
{
    c->e = (struct zs_error){0};
    c->rc = stub_host_run(side->host, &c->s, line, &c->e);
    return c->rc;
}

UNUSED static const char *cell(const struct client *c, const char *column)
{
    const char *value = stub_session_value(&c->s, 0, column);
    return value == NULL ? "(null)" : value;
}

/* Run the line on a side; it must succeed with this verdict.  Returns the records. */
UNUSED static uint64_t run_ok(struct side *side, const char *line, const char *verdict,
                              const char *file, int at)
{
    struct client c;
    client_open(&c);
    client_run(&c, side, line);
    assert_ok(c.rc, &c.e, line, file, at);
    assert_text(cell(&c, "verdict"), verdict, file, at);
    uint64_t records = strtoull(cell(&c, "records"), NULL, 10);
    client_close(&c);
    return records;
}
#define RUN_OK(side, line, verdict) run_ok((side), (line), (verdict), __FILE__, __LINE__)

/* Run the line; it must fail with this SQLSTATE, a message and a hint, and change nothing
 * on either side. */
UNUSED static struct zs_error run_refused(struct world *w, struct side *side, const char *line,
                                          const char *sqlstate, const char *file, int at)
{
    struct client c;
    CLEANUP(free_ptr) char *a = picture(&w->a);
    CLEANUP(free_ptr) char *b = picture(&w->b);
    client_open(&c);
    client_run(&c, side, line);
    assert_fails(c.rc, &c.e, sqlstate, line, file, at);
    CU_assertImplementation(c.s.names == NULL, (unsigned)at, "no result", file, "", CU_FALSE);
    CU_assertImplementation(c.e.hint[0] != '\0', (unsigned)at, "a hint", file, "", CU_FALSE);
    struct zs_error e = c.e;
    client_close(&c);
    CLEANUP(free_ptr) char *a_after = picture(&w->a);
    CLEANUP(free_ptr) char *b_after = picture(&w->b);
    assert_text(a_after, a, file, at);
    assert_text(b_after, b, file, at);
    return e;
}
#define RUN_REFUSED(world, side, line, sqlstate)                                                   \
    run_refused((world), (side), (line), (sqlstate), __FILE__, __LINE__)

#endif
