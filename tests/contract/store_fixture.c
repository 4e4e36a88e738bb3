/* store_fixture.c - see store_fixture.h. */
#include "store_fixture.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"
#include "model/lsn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_DEFAULT 100u

/* CUnit's tests get no argument: the driver that runs is kept here. */
static const struct store_driver *the_driver;

/* ---- the suite ------------------------------------------------------------------------ */

static unsigned driver_has(const struct store_driver *d)
{
    unsigned has =
        (d->reopen != NULL ? NEEDS_REOPEN : 0) | (d->branch_create != NULL ? NEEDS_CREATE : 0) |
        (d->branch_delete != NULL ? NEEDS_DELETE : 0) | (d->collect != NULL ? NEEDS_COLLECT : 0) |
        (d->write != NULL ? NEEDS_WRITE : 0) | (d->hinder_commits != NULL ? NEEDS_HINDER : 0);
    void *self = NULL;
    struct zs_error e = {0};
    if (d->open(&self, &e) != ZS_OK) {
        printf("cannot open the store: %s %s %s\n", e.sqlstate, e.message, e.detail);
        exit(EXIT_FAILURE); /* NOLINT(concurrency-mt-unsafe): no thread runs yet */
    }
    if ((d->table(self)->features & ZS_STORE_DIGEST) != 0)
        has |= NEEDS_DIGEST;
    if ((d->table(self)->features & ZS_STORE_BLOBS) != 0)
        has |= NEEDS_BLOBS;
    if ((d->table(self)->features & ZS_STORE_RESUME) != 0)
        has |= NEEDS_RESUME;
    d->close(self);
    return has;
}

int store_contract_main(const struct store_driver *driver, int argc, char **argv)
{
    const struct contract_tests parts[] = {store_read_tests(),    store_write_tests(),
                                           store_refusal_tests(), store_blob_tests(),
                                           store_resume_tests(),  store_whole_tests()};
    struct test tests[128];
    size_t n = 0;
    unsigned has = driver_has(driver);
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        for (size_t i = 0; i < parts[p].n && n < sizeof tests / sizeof *tests; i++)
            if ((parts[p].tests[i].needs & ~has) == 0)
                tests[n++] =
                    (struct test){.name = parts[p].tests[i].name, .run = parts[p].tests[i].run};
    the_driver = driver;
    return suite_main(driver->suite, tests, n, argc, argv);
}

static bool import(struct fixture *f)
{
    struct zs_error e = {0};
    int rc = store_import(f->driver->table(f->self), &f->store, &e);
    ASSERT_OK(rc);
    f->digest = rc == ZS_OK && store_has(&f->store, ZS_STORE_DIGEST);
    return rc == ZS_OK;
}

bool fixture_open(struct fixture *f)
{
    struct zs_error e = {0};
    *f = (struct fixture){.driver = the_driver};
    int rc = f->driver->open(&f->self, &e);
    ASSERT_OK(rc);
    return rc == ZS_OK && import(f);
}

void fixture_close(struct fixture *f)
{
    f->driver->close(f->self);
}

bool fixture_reopen(struct fixture *f)
{
    struct zs_error e = {0};
    int rc = f->driver->reopen(f->self, &e);
    ASSERT_OK(rc);
    return rc == ZS_OK && import(f);
}

/* ---- histories -------------------------------------------------------------------------- */

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void key_make(uint8_t key[ZS_KEY_BYTES], uint32_t rel, uint32_t blk)
{
    memset(key, 0, ZS_KEY_BYTES);
    put_u32be(key + 1, 1663);
    put_u32be(key + 5, 5);
    put_u32be(key + 9, rel);
    put_u32be(key + 14, blk);
}

void history_free(struct history *h)
{
    free(h->records);
    *h = (struct history){0};
}

void history_add(struct history *h, uint32_t rel, uint32_t blk, uint8_t kind, uint32_t len,
                 zs_lsn lsn)
{
    if (h->n == h->room) {
        h->room = h->room == 0 ? 64 : 2 * h->room;
        h->records = realloc(h->records, h->room * sizeof *h->records);
        if (h->records == NULL)
            abort();
    }
    struct zs_record *r = &h->records[h->n++];
    *r = (struct zs_record){.kind = kind, .len = len, .lsn = lsn};
    key_make(r->key, rel, blk);
}

void history_add_images(struct history *h, uint32_t rel, uint32_t n, uint32_t len, zs_lsn lsn)
{
    for (uint32_t blk = 0; blk < n; blk++)
        history_add(h, rel, blk, ZS_KIND_IMAGE, len, lsn);
    history_sort(h);
}

static int compare(const void *a, const void *b)
{
    const struct zs_record *x = a, *y = b;
    int order = memcmp(x->key, y->key, ZS_KEY_BYTES);
    return order != 0 ? order : (x->lsn > y->lsn) - (x->lsn < y->lsn);
}

void history_sort(struct history *h)
{
    if (h->n > 0)
        qsort(h->records, h->n, sizeof *h->records, compare);
}

static uint64_t value_seed(const struct zs_record *r)
{
    return get_u64be(r->key + 10) * 31 + r->lsn;
}

void value_fill(const struct zs_record *r, void *out)
{
    uint64_t state = value_seed(r);
    for (uint32_t at = 0; at < r->len; at += 8) {
        uint64_t word = random_next(&state);
        memcpy((char *)out + at, &word, r->len - at < 8 ? r->len - at : 8);
    }
}

bool value_matches(const struct zs_record *r, const void *value)
{
    uint64_t state = value_seed(r);
    for (uint32_t at = 0; at < r->len; at += 8) {
        uint64_t word = random_next(&state);
        if (memcmp((const char *)value + at, &word, r->len - at < 8 ? r->len - at : 8) != 0)
            return false;
    }
    return true;
}

struct zs_point history_point(const struct history *h, zs_lsn upto)
{
    struct zs_point p = {.lsn = upto};
    unsigned char *value = malloc(ZS_VALUE_MAX);
    if (value == NULL)
        abort();
    for (size_t i = 0; i < h->n; i++) {
        struct zs_record r = h->records[i];
        if (r.lsn > upto)
            continue;
        value_fill(&r, value);
        r.value = value;
        digest_add_records(&p.digest, &r, 1);
        p.records++;
        p.bytes += r.len;
    }
    free(value);
    return p;
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Put one batch: its values are made first, one after the other. */
static int put_batch(struct ingest *in, struct zs_record *batch, size_t n, struct zs_error *e)
{
    size_t bytes = 1;
    for (size_t i = 0; i < n; i++)
        bytes += batch[i].len;
    unsigned char *values = malloc(bytes), *at = values;
    if (values == NULL)
        abort();
    for (size_t i = 0; i < n; i++) {
        value_fill(&batch[i], at);
        batch[i].value = batch[i].len == 0 ? NULL : at;
        at += batch[i].len;
    }
    int rc = ingest_put(in, batch, n, e);
    free(values); /* borrowed for the call: the store must not look again */
    return rc;
}

static int put_history(struct ingest *in, const struct plan *p, struct zs_error *e)
{
    size_t size = p->batch == 0 ? BATCH_DEFAULT : p->batch, n = 0;
    struct zs_record *batch = malloc(size * sizeof *batch);
    int rc = ZS_OK;
    if (batch == NULL)
        abort();
    for (size_t i = 0; i < p->history->n && rc == ZS_OK; i++) {
        const struct zs_record *r = &p->history->records[i];
        if (r->lsn <= p->base || r->lsn > p->upto)
            continue;
        batch[n++] = *r;
        if (n == size || r->len > 1000000) {
            rc = put_batch(in, batch, n, e);
            n = 0;
        }
    }
    if (rc == ZS_OK && n > 0)
        rc = put_batch(in, batch, n, e);
    free(batch);
    return rc;
}

int plan_put(struct fixture *f, const struct plan *p, struct ingest *in, struct zs_error *e)
{
    struct zs_ingest_spec spec = {.struct_size = sizeof spec,
                                  .flags = p->flags,
                                  .branch = p->branch,
                                  .timeline = p->timeline,
                                  .base_lsn = p->base,
                                  .target_lsn = p->upto,
                                  .expected_bytes = p->expected_bytes};
    TRY(ingest_begin(&f->store, &spec, in, e));
    int rc = put_history(in, p, e);
    if (rc != ZS_OK)
        ingest_close(in);
    return rc;
}

int plan_commit(const struct plan *p, struct ingest *in, struct zs_error *e)
{
    struct zs_ingest_state now;
    TRY(ingest_state(in, &now, e));
    const struct zs_point *base = &now.base;
    struct zs_commit commit = {.struct_size = sizeof commit,
                               .npoints = p->npoints,
                               .upto_lsn = p->upto,
                               .gc_cutoff_lsn = p->gc_cutoff,
                               .sum = now.sum,
                               .end = {.lsn = p->upto,
                                       .digest = digest_plus(base->digest, now.sum),
                                       .records = base->records + now.records,
                                       .bytes = base->bytes + now.bytes},
                               .points = p->points};
    return ingest_commit(in, &commit, e);
}

int plan_run(struct fixture *f, const struct plan *p, struct zs_error *e)
{
    struct ingest in;
    TRY(plan_put(f, p, &in, e));
    int rc = plan_commit(p, &in, e);
    ingest_close(&in);
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool differs(const char *what, const struct zs_record *want, const struct zs_record *got)
{
    printf("%s", what);
    if (want != NULL)
        printf("; want block %u at %s, kind %u, %u bytes", get_u32be(want->key + 14),
               lsn_text(want->lsn).s, want->kind, want->len);
    if (got != NULL)
        printf("; got block %u at %s, kind %u, %u bytes", get_u32be(got->key + 14),
               lsn_text(got->lsn).s, got->kind, got->len);
    printf("\n");
    return false;
}

/* Where values may be: all views, or all copied from buf on without gaps. */
static bool places_are_right(const struct zs_record *records, uint64_t n, const char *buf,
                             uint64_t buf_bytes)
{
    uint64_t used = 0, views = 0, copies = 0;
    for (uint64_t i = 0; i < n; i++) {
        const char *value = records[i].value;
        if (records[i].len == 0)
            continue;
        if (buf == NULL || value < buf || value >= buf + buf_bytes) {
            views++;
            continue;
        }
        if (value != buf + used || records[i].len > buf_bytes - used)
            return differs("a copied value is not right behind the one before", NULL, &records[i]);
        used += records[i].len;
        copies++;
    }
    if (views > 0 && copies > 0)
        return differs("views and copies are mixed in one call", NULL, NULL);
    return true;
}

static const struct zs_record *next_wanted(const struct history *h, size_t *at,
                                           const struct reading *r)
{
    for (; *at < h->n; ++*at) {
        const struct zs_record *want = &h->records[*at];
        bool before = r->seek != NULL && memcmp(want->key, r->seek, ZS_KEY_BYTES) < 0;
        if (!before && want->lsn > r->after && want->lsn <= r->upto)
            return &h->records[(*at)++];
    }
    return NULL;
}

static bool batch_equals(const struct zs_record *got, uint64_t n, const struct history *h,
                         size_t *at, const struct reading *r)
{
    for (uint64_t i = 0; i < n; i++) {
        const struct zs_record *want = next_wanted(h, at, r);
        if (want == NULL)
            return differs("a record that should not be there", NULL, &got[i]);
        if (memcmp(want->key, got[i].key, ZS_KEY_BYTES) != 0 || want->lsn != got[i].lsn ||
            want->kind != got[i].kind || want->len != got[i].len)
            return differs("another record than was written", want, &got[i]);
        if (!value_matches(want, got[i].value))
            return differs("another value than was written", want, &got[i]);
    }
    return true;
}

static bool iter_equals(struct iter *it, const struct history *h, const struct reading *r,
                        struct zs_record *records, uint64_t n, char *buf)
{
    struct zs_error e = {0};
    uint64_t count;
    size_t at = 0;
    bool more = true;
    while (more) {
        if (iter_next(it, records, n, buf, r->buf_bytes, &count, &more, &e) != ZS_OK) {
            printf("iter_next: %s %s\n", e.sqlstate, e.message);
            return false;
        }
        if (!places_are_right(records, count, buf, r->buf_bytes) ||
            !batch_equals(records, count, h, &at, r))
            return false;
        if (buf != NULL && buf[r->buf_bytes] != 'x')
            return differs("the byte behind the buffer was overwritten", NULL, NULL);
    }
    const struct zs_record *missing = next_wanted(h, &at, r);
    return missing == NULL || differs("a record is missing", missing, NULL);
}

bool snapshot_equals(const struct snapshot *s, const struct history *h, const struct reading *r)
{
    struct zs_error e = {0};
    struct iter it;
    uint64_t n = r->n == 0 ? BATCH_DEFAULT : r->n;
    struct zs_record *records = malloc(n * sizeof *records);
    char *buf = r->buf_bytes == 0 ? NULL : malloc(r->buf_bytes + 1);
    if (records == NULL || (buf == NULL && r->buf_bytes > 0))
        abort();
    if (buf != NULL)
        buf[r->buf_bytes] = 'x';
    bool equal = iter_open(s, r->after, r->upto, &it, &e) == ZS_OK;
    if (equal && r->seek != NULL)
        equal = iter_seek(&it, r->seek, &e) == ZS_OK;
    if (!equal)
        printf("iter_open or iter_seek: %s %s\n", e.sqlstate, e.message);
    else
        equal = iter_equals(&it, h, r, records, n, buf);
    iter_close(&it);
    free(buf);
    free(records);
    return equal;
}

int next_some(struct iter *it, struct zs_record *records, uint64_t n, void *buf, uint64_t buf_bytes,
              uint64_t *count, struct zs_error *e)
{
    bool more = true;
    *count = 0;
    while (*count == 0 && more)
        TRY(iter_next(it, records, n, buf, buf_bytes, count, &more, e));
    return ZS_OK;
}

void check_branch(struct fixture *f, const char *branch, const struct history *h, zs_lsn upto)
{
    struct zs_error e = {0};
    struct zs_branch_info info;
    struct snapshot s;
    struct zs_point want = history_point(h, upto);
    ASSERT_OK(store_branch_find(&f->store, branch, &info, &e));
    ASSERT_TEXT(lsn_text(info.last_valid_lsn).s, lsn_text(upto).s);
    ASSERT_TEXT(digest_text(info.digest).s,
                digest_text(f->digest ? want.digest : (struct zs_digest){0}).s);
    CU_ASSERT_EQUAL(info.records, want.records);
    CU_ASSERT_EQUAL(info.bytes, want.bytes);
    int rc = snapshot_open(&f->store, branch, &s, &e);
    ASSERT_OK(rc);
    if (rc != ZS_OK)
        return;
    CU_ASSERT(snapshot_equals(&s, h, &(struct reading){.upto = upto, .buf_bytes = 1 << 20}));
    snapshot_close(&s);
}

void check_no_branch(struct fixture *f, const char *branch)
{
    struct zs_error e = {0};
    struct zs_branch_info info;
    ASSERT_FAILS(store_branch_find(&f->store, branch, &info, &e), ZS_NO_SUCH_BRANCH);
}
