/* fuzz_manifest.c - the manifest of a stage on disk (kv/kv_manifest.c).
 * Input: a byte of mode, then the file.  Mode 1 mends its magic, length and checksum.
 * Holds: a manifest that is read keeps to the limits, and written again is read as the
 * same; a file that is there and is none is damaged. */
#include "support.h"

#include "base/bytes.h"
#include "kv/kv_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static char folder[64];

static void forget(void)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/manifest", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void put_file(const uint8_t *bytes, size_t size)
{
    char path[128];
    if (folder[0] == '\0') {
        (void)snprintf(folder, sizeof folder, "/dev/shm/zs-fuzz-XXXXXX");
        HOLDS(mkdtemp(folder) != NULL && atexit(forget) == 0);
    }
    (void)snprintf(path, sizeof path, "%s/manifest", folder);
    FILE *f = fopen(path, "wb");
    HOLDS(f != NULL && fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
}

static void check_manifest(const struct manifest *m)
{
    struct zs_error e;
    struct manifest *again = NULL;
    HOLDS(memchr(m->branch, '\0', sizeof m->branch) != NULL);
    HOLDS(m->token_bytes <= ZS_TOKEN_MAX && m->nfiles > 0 && m->sizes != NULL);
    HOLDS(manifest_write(m, folder, &e) == ZS_OK);
    HOLDS(manifest_read(folder, &again, &e) == ZS_OK);
    HOLDS(again != NULL && again->nfiles == m->nfiles);
    HOLDS(memcmp(again->sizes, m->sizes, m->nfiles * sizeof *m->sizes) == 0);
    HOLDS(strcmp(again->branch, m->branch) == 0 && again->target_lsn == m->target_lsn);
    HOLDS(again->last_lsn == m->last_lsn && memcmp(again->token, m->token, m->token_bytes) == 0);
    manifest_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[8192];
    struct manifest *m = NULL;
    struct zs_error e;
    if (size < 1 || size > sizeof file)
        return 0;
    size_t len = size - 1;
    memcpy(file, data + 1, len);
    if (data[0] & 1u && len >= 20) {
        static const char magic[8] = {'Z', 'S', 'S', 'T', 'A', 'G', 'E', '1'};
        memcpy(file, magic, sizeof magic);
        put_u32le(file + 8, (uint32_t)len);
        put_u64le(file + len - 8, XXH3_64bits(file, len - 8));
    }
    put_file(file, len);
    bool good = manifest_read(folder, &m, &e) == ZS_OK;
    HOLDS(good ? m != NULL : m == NULL && error_is(&e, ZS_CORRUPT));
    if (m != NULL)
        check_manifest(m);
    manifest_free(m);
    return 0;
}
