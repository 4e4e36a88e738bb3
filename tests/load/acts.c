/* acts.c - see acts.h. */
#include "acts.h"

#include "vanish.h"

#include "base/clock.h"
#include "base/error.h"
#include "model/lsn.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPLAINTS_MAX 20
#define FINAL_PUSH_NS  INT64_C(60000000000)
#define BRANCH_KEPT    4u /* a puller stays with a branch for so many pulls on average */

const char *const act_names[ACT_COUNT] = {"push", "pull", "status", "wrong login", "disconnect"};

static uint64_t draw(struct client *c, uint64_t below)
{
    c->seed = c->seed * 6364136223846793005u + 1442695040888963407u;
    return (c->seed >> 33) % below;
}

static void count(struct client *c, int rc, const struct zs_error *e)
{
    struct tally *t = &c->load->tallies[c->act];
    if (rc == ZS_OK) {
        t->done++;
        return;
    }
    /* Only who writes can be too late.  In a pull, too, a server that is behind is ZS001: it
     * has lost what it had given. */
    bool pushes = c->act == ACT_PUSH || c->act == ACT_DISCONNECT;
    if (pushes && (error_is(e, ZS_BUSY) || error_is(e, ZS_MOVED_MEANWHILE) ||
                   error_is(e, ZS_NOT_FAST_FORWARD))) {
        t->lost++;
        return;
    }
    t->failed++;
    if (c->load->complaints++ < COMPLAINTS_MAX)
        (void)fprintf(stderr, "%s: %s %s %s\n", act_names[c->act], e->sqlstate, e->message,
                      e->detail);
}

/* ---- push and pull: real commands of the real module, in this process ---------------------- */

static int run(struct load *l, struct node *n, struct stub_session *s, const char *command,
               uint32_t branch, struct zs_error *e)
{
    char line[1024];
    (void)snprintf(line, sizeof line, "%s %s '%s' (progress off)", command,
                   l->model.branches[branch].name, l->uri);
    return stub_host_run(n->host, s, line, e);
}

static int push(struct load *l, uint32_t branch, unsigned long cancel_at, struct zs_error *e)
{
    struct stub_session s;
    zs_lsn to = 0;
    TRY(stub_session_init(&s, e));
    stub_cancel_at_poll(&s.cancel, cancel_at);
    int rc = run(l, &l->model.node, &s, "perform_push", branch, e);
    const char *text = rc == ZS_OK ? stub_session_value(&s, 0, "to_lsn") : NULL;
    if (rc == ZS_OK && (text == NULL || !lsn_parse(text, &to)))
        rc = error_set(e, ZS_INTERNAL_ERROR, "a push ended without to_lsn");
    if (rc == ZS_OK)
        model_confirm(&l->model, branch, to);
    stub_session_fini(&s);
    return rc;
}

static int act_push(struct client *c, struct zs_error *e)
{
    struct load *l = c->load;
    uint32_t branch = (uint32_t)draw(c, l->model.n);
    TRY(model_grow(&l->model, branch, e));
    return push(l, branch, 0, e);
}

static int pull(struct load *l, struct node *node, uint32_t branch, struct zs_error *e)
{
    struct stub_session s;
    struct zs_branch_info info = {.struct_size = sizeof info};
    bool had = false;
    TRY(stub_session_init(&s, e));
    int rc = run(l, node, &s, "perform_pull", branch, e);
    stub_session_fini(&s);
    TRY(rc);
    const struct zs_store *store = stub_store_table(node->store);
    TRY(store->branch_find(store->self, l->model.branches[branch].name, &info, e));
    TRY(model_had(&l->model, branch, info.last_valid_lsn, info.digest, &had, e));
    return had ? ZS_OK
               : error_set(e, ZS_CORRUPT, "%s was pulled as it never was, at %s", info.name,
                           lsn_text(info.last_valid_lsn).s);
}

static int act_pull(struct client *c, struct node *node, int64_t *branch, struct zs_error *e)
{
    struct load *l = c->load;
    if (*branch >= 0 && draw(c, BRANCH_KEPT) == 0) {
        TRY(stub_store_branch_delete(node->store, l->model.branches[*branch].name, e));
        *branch = -1;
    }
    uint32_t next = *branch >= 0 ? (uint32_t)*branch : (uint32_t)draw(c, l->model.n);
    TRY(pull(l, node, next, e));
    *branch = next;
    return ZS_OK;
}

/* A client that vanished may hold the branch for a moment still. */
int final_push(struct load *l, uint32_t branch, struct zs_error *e)
{
    int64_t until = clock_now_ns() + FINAL_PUSH_NS;
    int rc = push(l, branch, 0, e);
    while (rc != ZS_OK && error_is(e, ZS_BUSY) && clock_now_ns() < until) {
        (void)poll(NULL, 0, 50);
        *e = (struct zs_error){0};
        rc = push(l, branch, 0, e);
    }
    return rc;
}

int final_look(struct load *l, uint32_t branch, struct node *node, struct zs_error *e)
{
    const struct model_branch *b = &l->model.branches[branch];
    struct zs_branch_info info = {.struct_size = sizeof info};
    const struct zs_store *store = stub_store_table(node->store);
    TRY(pull(l, node, branch, e));
    TRY(store->branch_find(store->self, b->name, &info, e));
    return info.last_valid_lsn >= b->confirmed
               ? ZS_OK
               : error_set(e, ZS_CORRUPT, "%s ends at %s, and %s was confirmed", b->name,
                           lsn_text(info.last_valid_lsn).s, lsn_text(b->confirmed).s);
}

int final_check(struct load *l, uint32_t branch, struct node *node, struct zs_error *e)
{
    TRY(pull(l, node, branch, e));
    return model_compare(&l->model, branch, node->store, e);
}

/* ---- clients that are not pageservers -------------------------------------------------------- */

static PGconn *connect_as(const struct load *l, const char *user, const char *password)
{
    const char *const names[] = {"host", "port", "user", "password", "dbname", NULL};
    const char *const values[] = {l->host, l->port, user, password, "zenith", NULL};
    return PQconnectdbParams(names, values, 0);
}

static int unexpected(const char *what, const PGconn *conn, struct zs_error *e)
{
    return error_set(e, ZS_INTERNAL_ERROR, "%s: %s", what, PQerrorMessage(conn));
}

static int remember(struct client *c, double ms, struct zs_error *e)
{
    if (c->nstatus == c->room) {
        size_t room = c->room == 0 ? 1024 : 2 * c->room;
        double *grown = realloc(c->status_ms, room * sizeof *grown);
        if (grown == NULL)
            return error_memory(e);
        c->status_ms = grown;
        c->room = room;
    }
    c->status_ms[c->nstatus++] = ms;
    return ZS_OK;
}

static int act_status(struct client *c, PGconn **conn, struct zs_error *e)
{
    static const char *const queries[] = {"status", "branch_list", "sync_status"};
    if (*conn == NULL)
        *conn = connect_as(c->load, c->load->user, c->load->password);
    if (PQstatus(*conn) != CONNECTION_OK)
        return unexpected("status: cannot connect", *conn, e);
    uint64_t which = draw(c, 4) < 2 ? 0 : 1 + draw(c, 2);
    int64_t begin = clock_now_ns();
    PGresult *result = PQexec(*conn, queries[which]);
    double ms = (double)(clock_now_ns() - begin) / 1e6;
    bool good = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    if (!good)
        return unexpected(queries[which], *conn, e);
    return which == 0 ? remember(c, ms, e) : ZS_OK;
}

static int act_login(struct client *c, struct zs_error *e)
{
    bool nobody = draw(c, 2) == 0;
    PGconn *conn = connect_as(c->load, nobody ? "nobody" : c->load->user, "wrong");
    int rc = ZS_OK;
    if (PQstatus(conn) == CONNECTION_OK)
        rc = error_set(e, ZS_INTERNAL_ERROR, "a wrong password was taken");
    else if (strstr(PQerrorMessage(conn), "password") == NULL)
        rc = unexpected("wrong login", conn, e);
    PQfinish(conn);
    return rc;
}

static int act_disconnect(struct client *c, struct zs_error *e)
{
    struct load *l = c->load;
    uint32_t branch = (uint32_t)draw(c, l->model.n);
    const char *name = l->model.branches[branch].name;
    switch (draw(c, 4)) {
    case 0: { /* in the middle of a login */
        const char *const names[] = {"host", "port", "user", "password", "dbname", NULL};
        const char *const values[] = {l->host, l->port, l->user, l->password, "zenith", NULL};
        PGconn *conn = PQconnectStartParams(names, values, 0);
        for (uint64_t steps = draw(c, 4); steps > 0; steps--) {
            struct pollfd p = {.fd = PQsocket(conn), .events = POLLIN | POLLOUT};
            (void)poll(&p, 1, 50);
            (void)PQconnectPoll(conn);
        }
        vanish(conn);
        return ZS_OK;
    }
    case 1: /* with a pull or a push under way */
    case 2: {
        bool pulls = draw(c, 2) == 0;
        PGconn *conn = connect_as(l, l->user, l->password);
        if (PQstatus(conn) != CONNECTION_OK) {
            int rc = unexpected("disconnect: cannot connect", conn, e);
            PQfinish(conn);
            return rc;
        }
        TRY((pulls ? vanish_in_pull : vanish_in_push)(conn, name, draw(c, 1u << 16), e));
        atomic_fetch_add(pulls ? &l->cut_pulls : &l->cut_pushes, 1);
        return ZS_OK;
    }
    default: { /* a push that is stopped somewhere */
        int rc = push(l, branch, 1 + draw(c, 60), e);
        return rc != ZS_OK && error_is(e, ZS_CANCELLED) ? ZS_OK : rc;
    }
    }
}

/* ---- a client's life ----------------------------------------------------------------------- */

/* In small steps, so that the end does not wait. */
static void pause_a_while(struct client *c)
{
    int64_t until =
        clock_now_ns() + (int64_t)draw(c, 2000u * (uint64_t)c->load->pause_ms + 1) * 1000;
    while (!c->load->ending && clock_now_ns() < until)
        (void)poll(NULL, 0, 20);
}

static void act(struct client *c, struct node *node, int64_t *branch, PGconn **conn)
{
    struct zs_error e = {0};
    int rc = ZS_OK;
    switch (c->act) {
    case ACT_PUSH:
        rc = act_push(c, &e);
        break;
    case ACT_PULL:
        rc = act_pull(c, node, branch, &e);
        break;
    case ACT_STATUS:
        rc = act_status(c, conn, &e);
        break;
    case ACT_LOGIN:
        rc = act_login(c, &e);
        break;
    case ACT_DISCONNECT:
        rc = act_disconnect(c, &e);
        break;
    case ACT_COUNT:
        break;
    }
    count(c, rc, &e);
}

void *client_run(void *self)
{
    struct client *c = self;
    struct load *l = c->load;
    struct zs_error e = {0};
    struct node node = {0};
    PGconn *conn = NULL;
    int64_t branch = -1;
    if (c->act == ACT_PULL && node_open("puller", l->module, l->transport_dir, &node, &e) != ZS_OK)
        count(c, ZS_FAIL, &e);
    else
        for (pause_a_while(c); !l->ending; pause_a_while(c))
            act(c, &node, &branch, &conn);
    PQfinish(conn);
    node_close(&node);
    return NULL;
}
