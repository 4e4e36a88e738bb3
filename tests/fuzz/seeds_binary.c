/* seeds_binary.c - seeds of the targets whose input is no text, made by the encoders. */
#include "seeds.h"

#include "../unit/pgdata/crafted.h"

#include "base/bytes.h"
#include "kv/kv_internal.h"
#include "pageserver/pgwire.h"
#include "pgdata/pgkey.h"
#include "sync/change_map.h"
#include "sync/resume.h"
#include "wire/batch.h"
#include "wire/control.h"
#include "wire/sums.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes as they are: no NUL is wanted behind them. */
static void put(void *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n);
}

/* Making a seed cannot go wrong but for want of memory. */
static void must(int rc)
{
    if (rc != ZS_OK)
        abort();
}

/* The target's byte in front of what follows. */
static void write_behind(const char *target, const char *name, uint8_t mode, const void *bytes,
                         size_t n)
{
    static uint8_t seed[65536];
    seed[0] = mode;
    memcpy(seed + 1, bytes, n);
    seed_write(target, name, seed, n + 1);
}

static void seeds_batch(void)
{
    static const char value[] = "zenith zenith zenith zenith";
    static const struct {
        enum batch_encoding encoding;
        bool sums;
        const char *name;
    } cases[] = {{BATCH_NONE, false, "none"},
                 {BATCH_LZ4, false, "lz4"},
                 {BATCH_ZSTD, false, "zstd"},
                 {BATCH_NONE, true, "summed"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e;
        struct batch_writer *w = NULL;
        const void *message = NULL;
        uint64_t bytes = 0;
        must(batch_writer_open(cases[i].encoding, &w, &e));
        batch_writer_sums(w, cases[i].sums);
        for (uint32_t k = 0; k < 40; k++) {
            bool added = false;
            struct zs_record r = {.kind = (uint8_t)(k % 5 == 0 ? ZS_KIND_TOMBSTONE : 1 + k % 2),
                                  .len = k % 5 == 0 ? 0 : k % sizeof value,
                                  .lsn = 0x1000 + k,
                                  .value = value};
            r.key[17] = (uint8_t)k;
            must(batch_add(w, &r, &added, &e));
        }
        must(batch_finish(w, &message, &bytes, &e));
        write_behind("batch", cases[i].name, 1, message, bytes);
        if (cases[i].encoding == BATCH_NONE && !cases[i].sums) {
            write_behind("batch", "as_it_is", 0, message, bytes);
            write_behind("batch", "packed_lz4", 1 | 2 | 8, message, bytes);
            write_behind("batch", "packed_zstd", 1 | 4 | 8, message, bytes);
            write_behind("batch", "cut", 1, message, bytes - 9);
        }
        batch_writer_close(w);
    }
}

/* Three values, two of which have a run of zeros that does not travel. */
static void seeds_batch_holes(void)
{
    static const char *const names[] = {"holes", "holes_lz4", "holes_summed"};
    for (int way = 0; way < 3; way++) {
        struct zs_error e;
        struct batch_writer *w = NULL;
        const void *message = NULL;
        uint64_t bytes = 0;
        uint8_t value[700];
        must(batch_writer_open(way == 1 ? BATCH_LZ4 : BATCH_NONE, &w, &e));
        batch_writer_sums(w, way == 2);
        batch_writer_holes(w, 1000);
        for (uint32_t k = 0; k < 3; k++) {
            bool added = false;
            struct zs_record r = {
                .kind = ZS_KIND_IMAGE, .len = sizeof value, .lsn = 0x1000, .value = value};
            r.key[17] = (uint8_t)k;
            memset(value, 'z', sizeof value);
            memset(value + 40, 0, k == 1 ? 0 : 650);
            must(batch_add(w, &r, &added, &e));
        }
        must(batch_finish(w, &message, &bytes, &e));
        write_behind("batch", names[way], 1, message, bytes);
        if (way == 0)
            write_behind("batch", "holes_packed", 1 | 4 | 8, message, bytes);
        batch_writer_close(w);
    }
}

/* As it is written, with its checksum; and one that does not fit. */
static void seeds_control(void)
{
    struct zs_error e;
    char *text = NULL;
    const struct done_message done = {.verdict = VERDICT_BEHIND, .last = {.lsn = 0x2000}};
    must(done_encode(&done, &text, &e));
    write_behind("control", "checked", 3, text, strlen(text));
    text[20] ^= 1;
    write_behind("control", "damaged", 3, text, strlen(text));
    free(text);
}

static void seeds_change_map(void)
{
    static const struct {
        const char *name;
        uint32_t keys, step, prefixes;
    } cases[] = {{"empty", 0, 1, 1},
                 {"run", 3000, 1, 2},
                 {"array", 200, 77, 1},
                 {"bits", 5000, 2, 1},
                 {"far", 6, 0x10001, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zs_error e;
        struct change_map *m = NULL;
        const struct change_epoch epoch = {.from_lsn = 0x1000, .to_lsn = 0x2000};
        uint8_t *bytes = NULL;
        size_t len = 0;
        must(change_map_open(&m, &e));
        for (uint32_t k = 0; k < cases[i].keys * cases[i].prefixes; k++) {
            uint8_t key[ZS_KEY_BYTES] = {0};
            key[13] = (uint8_t)(k / cases[i].keys);
            put_u32be(key + 14, k % cases[i].keys * cases[i].step);
            must(change_map_add(m, key, &e));
        }
        must(change_map_encode(m, &epoch, &bytes, &len, &e));
        if (len < 4096)
            write_behind("change_map", cases[i].name, 1, bytes, len);
        if (strcmp(cases[i].name, "array") == 0) {
            put_u16le(bytes + len - 8 - 300, 0); /* no longer ascending */
            write_behind("change_map", "out_of_order", 1, bytes, len);
        }
        free(bytes);
        change_map_close(m);
    }
}

/* A header of 4 bytes for the phase without types, then the packet. */
static void seed_startup(const char *name, uint32_t code, const char *parameters, size_t n)
{
    uint8_t packet[512];
    put_u32be(packet, (uint32_t)(8 + n));
    put_u32be(packet + 4, code);
    memcpy(packet + 8, parameters, n);
    write_behind("startup", name, WIRE_STARTUP, packet, 8 + n);
}

static void seeds_pgwire(void)
{
    static const char plain[] = "user\0bob\0database\0zenith\0application_name\0psql\0";
    static const char newer[] = "user\0bob\0_pq_.option\0x\0";
    static const char copy[] = "d\0\0\0\7abcd\0\0\0\4c\0\0\0\4";
    static const char query[] = "Q\0\0\0\13status\0X\0\0\0\4";
    seed_startup("session", WIRE_CODE(3, 0), plain, sizeof plain);
    seed_startup("newer", WIRE_CODE(3, 2), newer, sizeof newer);
    seed_startup("tls", WIRE_SSL_CODE, plain, 0);
    seed_startup("cancel", WIRE_CANCEL_CODE, plain, 8);
    seed_startup("replication", WIRE_CODE(3, 0), "replication\0on\0user\0b\0\0", 23);
    write_behind("startup", "query", WIRE_COMMAND, query, sizeof query - 1);
    static const uint8_t cut = 100;
    uint8_t seed[64];
    seed[0] = cut;
    put(seed + 1, copy, sizeof copy - 1);
    write_behind("inbox", "copy", WIRE_COPY, seed, sizeof copy);
    write_behind("inbox", "late_copy", WIRE_COMMAND, seed, sizeof copy);
    put(seed + 1, query, sizeof query - 1);
    write_behind("inbox", "query", WIRE_COMMAND, seed, sizeof query);
    put(seed + 1, "p\0\0\0\10pass", 9);
    write_behind("inbox", "login", WIRE_LOGIN, seed, 10);
    static const char login[] = "p\0\0\0\46SCRAM-SHA-256\0\0\0\0\20n,,n=,r=fyko+d2l"
                                "p\0\0\0\35c=biws,r=fyko+d2lx,p=AAAA";
    seed_write("login", "known", login, sizeof login - 1);
    seed_write("login", "cut", login, 30);
    seed_write("login", "query", query, sizeof query - 1);
}

static void seeds_pgdata(void)
{
    uint8_t file[PGCONTROL_FILE_BYTES], record[PGWAL_RECORD_MAX + 2];
    (void)crafted_control(file, 0x100028, PGCONTROL_SHUT_DOWN);
    write_behind("pgcontrol", "sound", 1, file, PGCONTROL_MIN_BYTES);
    crafted_control_set(file, 216, 1000);
    write_behind("pgcontrol", "odd_sizes", 1, file, PGCONTROL_MIN_BYTES);
    write_behind("pgcontrol", "short", 0, file, 200);

    static const struct {
        const char *name;
        uint16_t at; /* as in fuzz_pgwal.c */
    } places[] = {{"first", 5}, {"across_pages", 1023}, {"across_files", 65535}, {"header", 1024}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        put_u16le(record, places[i].at);
        uint32_t len = crafted_record(record + 2, (zs_lsn)0x180000 + (zs_lsn)places[i].at * 8);
        write_behind("pgwal", places[i].name, 1, record, 2 + len);
    }
    write_behind("pgwal", "raw", 0, record, 100);

    static const struct pgkey keys[] = {
        {.type = PGKEY_DATABASES},
        {.type = PGKEY_BLOCK, .space = PGKEY_SPC_BASE, .database = 5, .relation = 9, .block = 7},
        {.type = PGKEY_SIZE, .space = 16400, .database = 5, .relation = 9, .fork = 2},
        {.type = PGKEY_SLRU_BLOCK, .slru = 1, .segment = 31, .block = 2},
        {.type = PGKEY_TWOPHASE, .xid = 0x2F1},
        {.type = PGKEY_FILE, .hash = 1, .piece = 1},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        uint8_t seed[128];
        char name[2] = {(char)('a' + i), '\0'};
        pgkey_encode(&keys[i], seed);
        size_t n = ZS_KEY_BYTES + pgkey_file_head("base/5/PG_VERSION", seed + ZS_KEY_BYTES);
        put(seed + n, "15\n", 3);
        write_behind("pgkey", name, 1, seed, n + 3);
    }
}

/* Long texts in characters of two bytes: where an error is cut, there is one of them. */
static void seeds_long(void)
{
    char text[1210] = "x\"";
    for (size_t i = 2; i + 2 <= sizeof text; i += 2)
        put(text + i, "\xc3\xa9", 2);
    write_behind("far_error", "long", 0, text + 2, 1100);
    text[1] = 'x';
    write_behind("far_error", "long_odd", 0, text + 1, 1101);
    text[0] = '"';
    put(text + 602, "\" = 1\n", 6);
    seed_write("config", "long_key", text, 608);
}

static void seeds_kv(void)
{
    char seed[256];
    const uint8_t key[ZS_KEY_BYTES] = {1, 2, 3};
    const struct branch_meta meta = {.space = 4, .last_valid_lsn = 0x2000, .records = 7};
    kv_key_record(seed, 4, key, 0x2000, ZS_KIND_IMAGE);
    write_behind("kv_layout", "record", KV_RECORD_KEY, seed, KV_RECORD_KEY);
    struct kv_key k = kv_key_branch("main");
    put(seed, k.bytes, k.len);
    kv_branch_encode(&meta, seed + k.len);
    write_behind("kv_layout", "branch", (uint8_t)k.len, seed, k.len + KV_BRANCH_VALUE);
    k = kv_key_point(4, 0x1000);
    put(seed, k.bytes, k.len);
    kv_point_encode(&(struct zs_point){.records = 3}, seed + k.len);
    write_behind("kv_layout", "point", (uint8_t)k.len, seed, k.len + KV_POINT_VALUE);
    k = kv_key_dead(4);
    write_behind("kv_layout", "dead", (uint8_t)k.len, k.bytes, k.len);
}

static void seeds_stage(void)
{
    uint8_t token[RESUME_TOKEN_BYTES];
    const struct resume_token t = {
        .from = {.lsn = 0x1000, .records = 3, .bytes = 64},
        .at = {.present = true, .to = {.lsn = 0x2000, .bytes = 8192}, .lsn = 0x1800, .bytes = 99}};
    resume_token_encode(&t, token);
    write_behind("resume", "token", 0, token, sizeof token);
    write_behind("resume", "mended", 1, token, sizeof token);
    write_behind("resume", "cut", 0, token, sizeof token - 1);

    struct zs_error e;
    uint64_t sizes[] = {4096, 100};
    struct manifest m = {.branch = "main",
                         .base = {.space = 4, .last_valid_lsn = 0x1000},
                         .target_lsn = 0x2000,
                         .token_bytes = sizeof token,
                         .nfiles = 2,
                         .sizes = sizes};
    memcpy(m.token, token, sizeof token);
    char folder[] = "/tmp/zs-seed-XXXXXX", path[64];
    uint8_t file[2048];
    if (mkdtemp(folder) == NULL)
        abort();
    must(manifest_write(&m, folder, &e));
    (void)snprintf(path, sizeof path, "%s/manifest", folder);
    FILE *f = fopen(path, "rb");
    size_t n = f == NULL ? 0 : fread(file, 1, sizeof file, f);
    if (n == 0 || fclose(f) != 0 || unlink(path) != 0 || rmdir(folder) != 0)
        abort();
    put_u64le(file + 402, 1700000000); /* not the time of today */
    write_behind("manifest", "sound", 1, file, n);
    write_behind("manifest", "damaged", 0, file, n);
    write_behind("manifest", "cut", 1, file, n - 9);
}

/* A shared object of two segments, the second of them at the file's end. */
static void seeds_elf(void)
{
    static const char *const names[] = {"whole", "short", "far"};
    for (size_t i = 0; i < 3; i++) {
        Elf64_Ehdr header = {
            .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB},
            .e_type = ET_DYN,
            .e_machine = EM_X86_64,
            .e_phoff = sizeof header,
            .e_phentsize = sizeof(Elf64_Phdr),
            .e_phnum = 2};
        const Elf64_Phdr segments[] = {
            {.p_type = PT_LOAD, .p_filesz = 64},
            {.p_type = PT_DYNAMIC, .p_offset = i == 2 ? UINT64_MAX : 176, .p_filesz = 40 + i}};
        uint8_t file[216] = {0};
        put(file, &header, sizeof header);
        put(file + sizeof header, segments, sizeof segments);
        seed_write("elf", names[i], file, sizeof file);
    }
}

/* A question and an answer in parts, in records, and one that does not fit. */
static void seeds_sums(void)
{
    static const char *const names[] = {"parts", "list", "beyond", "none"};
    for (unsigned i = 0; i < 4; i++) {
        static struct sums_message m;
        struct ask_message ask = {.after_lsn = 0x1000, .upto_lsn = i == 2 ? 0x1001 : 0x2000};
        struct zs_error e;
        char *question = NULL, *answer = NULL, seed[4096];
        memset(ask.last, i == 2 ? 0 : 0xFF, ZS_KEY_BYTES);
        memset(&m, 0, sizeof m);
        m.listed = i != 0;
        m.count = i == 3 ? 0 : 3;
        for (uint32_t k = 0; k < m.count; k++) {
            const struct zs_digest sum = {.lo = k + 1};
            if (m.listed)
                m.list[k] = (struct sum_record){.lsn = 0x1001 + k, .sum = sum};
            else
                m.parts[k] = (struct sum_part){.records = 1, .sum = sum};
            (m.listed ? m.list[k].key : m.parts[k].last)[17] = (uint8_t)k;
            m.sum.lo += sum.lo;
            m.records++;
        }
        if (!m.listed)
            memset(m.parts[2].last, 0xFF, ZS_KEY_BYTES);
        must(ask_encode(&ask, &question, &e));
        must(sums_encode(&m, &answer, &e));
        int n = snprintf(seed, sizeof seed, "%s%c%s", question, 0, answer);
        seed_write("sums", names[i], seed, (size_t)n);
        free(question);
        free(answer);
    }
}

void seeds_binary(void)
{
    seeds_sums();
    seeds_stage();
    seeds_elf();
    seeds_batch();
    seeds_batch_holes();
    seeds_control();
    seeds_change_map();
    seeds_pgwire();
    seeds_pgdata();
    seeds_kv();
    seeds_long();
}
