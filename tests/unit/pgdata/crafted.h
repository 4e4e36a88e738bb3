/* crafted.h - small data directories made by hand, for tests of import and export.
 * A cluster of pages of 1024 bytes, 4 pages to a segment file, 1 MiB WAL files: large
 * files come in segments without being large.  All in a folder of its own under /tmp. */
#ifndef TESTS_PGDATA_CRAFTED_H
#define TESTS_PGDATA_CRAFTED_H

#include "base/bytes.h"
#include "base/crc32c.h"
#include "pgdata/pgcontrol.h"
#include "pgdata/pgwal.h"

#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CRAFTED_BLOCK = 1024, CRAFTED_SEGMENT_BLOCKS = 4, CRAFTED_WAL = 1 << 20 };

struct crafted {
    char dir[64];  /* the temporary folder */
    char data[80]; /* the data directory in it */
};

/* pg_control of such a cluster at an LSN; returns its length. */
static inline size_t crafted_control(uint8_t *out, zs_lsn lsn, uint32_t state)
{
    memset(out, 0, PGCONTROL_FILE_BYTES);
    put_u64le(out, 0x1122334455667788);
    put_u32le(out + 8, PGCONTROL_VERSION);
    put_u32le(out + 12, PGCONTROL_CATALOG);
    put_u32le(out + 16, state);
    put_u64le(out + 32, lsn);
    put_u64le(out + 40, lsn);
    put_u32le(out + 48, 1);
    put_u32le(out + 172, 1);
    put_u32le(out + 180, 100);
    put_u32le(out + 192, 7);
    put_u32le(out + 216, CRAFTED_BLOCK);
    put_u32le(out + 220, CRAFTED_SEGMENT_BLOCKS);
    put_u32le(out + 224, 8192);
    put_u32le(out + 228, CRAFTED_WAL);
    put_u32le(out + 288, crc32c(0, out, 288));
    return PGCONTROL_FILE_BYTES;
}

/* Set a field of 4 bytes and mend the checksum. */
static inline void crafted_control_set(uint8_t *control, size_t at, uint32_t v)
{
    put_u32le(control + at, v);
    put_u32le(control + 288, crc32c(0, control, 288));
}

/* A shutdown checkpoint's record of 114 bytes. */
static inline uint32_t crafted_record(uint8_t *out, zs_lsn lsn)
{
    memset(out, 0, 114);
    put_u32le(out, 114);
    out[24] = 255;
    out[25] = 88;
    put_u64le(out + 26, lsn);
    put_u32le(out + 20, crc32c(crc32c(0, out + 24, 90), out, 20));
    return 114;
}

static inline void crafted_path(const struct crafted *c, const char *name, char out[256])
{
    (void)snprintf(out, 256, "%.79s/%.150s", c->data, name);
}

static inline void crafted_write(const struct crafted *c, const char *name, const void *bytes,
                                 size_t len)
{
    char path[256];
    crafted_path(c, name, path);
    FILE *f = fopen(path, "we");
    CU_ASSERT_FATAL(f != NULL);
    CU_ASSERT(fwrite(bytes, 1, len, f) == len);
    CU_ASSERT(fclose(f) == 0);
}

static inline void crafted_text(const struct crafted *c, const char *name, const char *text)
{
    crafted_write(c, name, text, strlen(text));
}

/* A file of pages, each filled with one of the letters. */
static inline void crafted_pages(const struct crafted *c, const char *name, const char *letters)
{
    enum { MOST = 8 };
    char bytes[MOST * CRAFTED_BLOCK];
    size_t n = strlen(letters);
    CU_ASSERT_FATAL(n <= MOST);
    for (size_t i = 0; i < n; i++)
        memset(bytes + i * CRAFTED_BLOCK, letters[i], CRAFTED_BLOCK);
    crafted_write(c, name, bytes, n * CRAFTED_BLOCK);
}

static inline void crafted_folder(const struct crafted *c, const char *name)
{
    char path[256];
    crafted_path(c, name, path);
    CU_ASSERT(mkdir(path, 0700) == 0);
}

static inline void crafted_remove(const struct crafted *c, const char *name)
{
    char path[256];
    crafted_path(c, name, path);
    CU_ASSERT(remove(path) == 0);
}

/* The WAL files that hold the record at pg_control's checkpoint. */
static inline void crafted_wal(const struct crafted *c, const struct pgcontrol *control,
                               const uint8_t *record, uint32_t len)
{
    struct pgwal_part part;
    for (uint32_t done = 0; pgwal_part(control, done, len, &part); done = part.done + part.len) {
        char name[PGWAL_NAME_BYTES], inside[64], path[256];
        uint8_t header[40];
        pgwal_file_name(control, part.page, name);
        (void)snprintf(inside, sizeof inside, "pg_wal/%s", name);
        crafted_path(c, inside, path);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        CU_ASSERT_FATAL(fd >= 0);
        uint32_t n =
            pgwal_page_header(control, part.page, part.done == 0 ? 0 : len - part.done, header);
        off_t page = (off_t)(part.page % control->wal_segment_bytes);
        off_t at = (off_t)(part.at % control->wal_segment_bytes);
        CU_ASSERT(pwrite(fd, header, n, page) == (ssize_t)n);
        CU_ASSERT(pwrite(fd, record + part.done, part.len, at) == (ssize_t)part.len);
        CU_ASSERT(close(fd) == 0);
    }
}

/* Bring pg_control and the WAL to a later checkpoint, as a start and a stop would. */
static inline void crafted_checkpoint(const struct crafted *c, zs_lsn lsn)
{
    uint8_t bytes[PGCONTROL_FILE_BYTES], record[PGWAL_RECORD_MAX];
    struct pgcontrol control;
    struct zs_error e = {0};
    size_t len = crafted_control(bytes, lsn, PGCONTROL_SHUT_DOWN);
    CU_ASSERT_FATAL(pgcontrol_parse(bytes, len, &control, &e) == ZS_OK);
    crafted_write(c, "global/pg_control", bytes, len);
    uint32_t n = crafted_record(record, lsn);
    crafted_wal(c, &control, record, n);
}

/* A cluster with one database, 5, of one relation, 16384, with pages a, b and forks. */
static inline void crafted_open(struct crafted *c, zs_lsn lsn)
{
    static const char *const folders[] = {"",
                                          "base",
                                          "base/5",
                                          "global",
                                          "pg_tblspc",
                                          "pg_xact",
                                          "pg_multixact",
                                          "pg_multixact/members",
                                          "pg_multixact/offsets",
                                          "pg_commit_ts",
                                          "pg_twophase",
                                          "pg_logical",
                                          "pg_logical/mappings",
                                          "pg_logical/snapshots",
                                          "pg_wal"};
    (void)snprintf(c->dir, sizeof c->dir, "/tmp/zenith-pgdata-XXXXXX");
    CU_ASSERT_FATAL(mkdtemp(c->dir) != NULL);
    (void)snprintf(c->data, sizeof c->data, "%s/data", c->dir);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        crafted_folder(c, folders[i]);
    crafted_text(c, "PG_VERSION", "15\n");
    crafted_text(c, "base/5/PG_VERSION", "15\n");
    crafted_text(c, "base/5/pg_filenode.map", "map of 5");
    crafted_text(c, "global/pg_filenode.map", "shared map");
    crafted_text(c, "postgresql.conf", "port = 1\n");
    crafted_pages(c, "base/5/16384", "ab");
    crafted_pages(c, "base/5/16384_fsm", "f");
    crafted_pages(c, "base/5/2619", "");
    crafted_pages(c, "global/1262", "g");
    crafted_pages(c, "pg_xact/0000", "x");
    crafted_pages(c, "pg_multixact/members/0000", "m");
    crafted_pages(c, "pg_multixact/offsets/0000", "o");
    crafted_checkpoint(c, lsn);
}

static inline void crafted_close(struct crafted *c)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", c->dir);
    CU_ASSERT(system(command) == 0); /* NOLINT(concurrency-mt-unsafe): a path of our own */
}

#endif
