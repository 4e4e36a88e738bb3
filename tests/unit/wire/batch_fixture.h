/* batch_fixture.h - records to encode, and a batch made of them.
 * Each record's content follows from its index, so that what is decoded can be checked
 * against it.  Threads: none. */
#ifndef TESTS_UNIT_WIRE_BATCH_FIXTURE_H
#define TESTS_UNIT_WIRE_BATCH_FIXTURE_H

#include "../../support/suite.h"

#include "base/bytes.h"
#include "base/error.h"
#include "wire/batch.h"
#include "wire/batch_format.h"

#include <stdlib.h>
#include <string.h>

/* What a record's value is made of. */
enum filling { FILL_TEXT, FILL_NOISE };

__attribute__((unused)) static void fill(uint8_t *value, uint32_t len, uint64_t seed,
                                         enum filling filling)
{
    uint64_t x = seed * 0x9E3779B97F4A7C15u + 1;
    for (uint32_t i = 0; i < len; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        value[i] = filling == FILL_NOISE ? (uint8_t)(x >> 32) : (uint8_t)("zenith"[i % 6]);
    }
}

/* The i-th record of a shape, its value in malloc'ed memory that the caller frees. */
__attribute__((unused)) static struct zs_record record_make(uint64_t i, uint32_t len,
                                                            enum filling filling)
{
    struct zs_record r = {.kind = (uint8_t)(len == 0 && i % 2 == 0 ? ZS_KIND_TOMBSTONE : 1 + i % 2),
                          .len = len,
                          .lsn = UINT64_MAX - i * 7};
    memset(r.key, 0x11, sizeof r.key);
    put_u64be(r.key + 10, i);
    uint8_t *value = malloc(len + 1u);
    if (value == NULL)
        abort();
    fill(value, len, i, filling);
    r.value = value;
    return r;
}

__attribute__((unused)) static void record_free(struct zs_record *r)
{
    free((void *)(uintptr_t)r->value);
    r->value = NULL;
}

__attribute__((unused)) static bool record_same(const struct zs_record *a,
                                                const struct zs_record *b)
{
    return memcmp(a->key, b->key, sizeof a->key) == 0 && a->lsn == b->lsn && a->kind == b->kind &&
           a->len == b->len && (a->len == 0 || memcmp(a->value, b->value, a->len) == 0);
}

/* A writer of batches with that in their second byte: BATCH_SUMMED, too. */
__attribute__((unused)) static struct batch_writer *writer_open(int encoding)
{
    struct zs_error e = {0};
    struct batch_writer *w = NULL;
    enum batch_encoding packed =
        encoding == BATCH_SUMMED ? BATCH_NONE : (enum batch_encoding)encoding;
    ASSERT_OK(batch_writer_open(packed, &w, &e));
    batch_writer_sums(w, encoding == BATCH_SUMMED);
    return w;
}

/* Encode n records of `len` bytes each as the batch with this number; malloc'ed. */
__attribute__((unused)) static uint8_t *encode(int encoding, uint64_t number, uint32_t n,
                                               uint32_t len, uint64_t *bytes)
{
    struct zs_error e = {0};
    struct batch_writer *w = writer_open(encoding);
    const void *message = NULL;
    for (uint64_t b = 0; b <= number; b++) {
        for (uint32_t i = 0; i < n; i++) {
            struct zs_record r = record_make(i, len, FILL_TEXT);
            bool added = false;
            ASSERT_OK(batch_add(w, &r, &added, &e));
            CU_ASSERT(added);
            record_free(&r);
        }
        ASSERT_OK(batch_finish(w, &message, bytes, &e));
    }
    uint8_t *copy = malloc(*bytes);
    if (copy == NULL)
        abort();
    memcpy(copy, message, *bytes);
    batch_writer_close(w);
    return copy;
}

#endif
