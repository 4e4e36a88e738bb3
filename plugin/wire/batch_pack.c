/* batch_pack.c - see batch_pack.h. */
#include "wire/batch_pack.h"

#include "base/clock.h"
#include "base/error.h"

#include <lz4.h>
#include <stdlib.h>
#include <zstd.h>

/* zstd's fastest ordinary level: the next one costs half as much again for 2 % less. */
#define ZSTD_LEVEL 1

/* Long enough to tell what a batch would cost, short enough to cost a thousandth of it if
 * done rarely: lz4 takes 60 us for it, zstd 250. */
#define PIECE_BYTES 65536u

size_t batch_pack_bound(enum batch_encoding encoding, size_t raw)
{
    return encoding == BATCH_LZ4 ? (size_t)LZ4_compressBound((int)raw) : ZSTD_compressBound(raw);
}

int batch_pack(struct batch_packer *p, enum batch_encoding encoding, const void *from, size_t raw,
               void *to, size_t *packed, struct zs_error *e)
{
    size_t bound = batch_pack_bound(encoding, raw);
    if (encoding == BATCH_LZ4) {
        int n = LZ4_compress_default(from, to, (int)raw, (int)bound);
        *packed = n > 0 ? (size_t)n : 0;
        return ZS_OK;
    }
    if (p->zstd == NULL && (p->zstd = ZSTD_createCCtx()) == NULL)
        return error_memory(e);
    size_t n = ZSTD_compressCCtx(p->zstd, to, bound, from, raw, ZSTD_LEVEL);
    *packed = ZSTD_isError(n) ? 0 : n;
    return ZS_OK;
}

int batch_pack_sample(struct batch_packer *p, enum batch_encoding encoding, const uint8_t *from,
                      size_t raw, double *ns, double *ratio, struct zs_error *e)
{
    size_t packed = 0, piece = raw < PIECE_BYTES ? raw : PIECE_BYTES;
    *ns = 0;
    *ratio = 1;
    if (piece == 0)
        return ZS_OK;
    if (p->piece == NULL && (p->piece = malloc(batch_pack_bound(BATCH_LZ4, PIECE_BYTES) +
                                               batch_pack_bound(BATCH_ZSTD, PIECE_BYTES))) == NULL)
        return error_memory(e);
    if (encoding == BATCH_ZSTD && p->zstd == NULL) /* its making is no part of the cost */
        TRY(batch_pack(p, encoding, from, piece, p->piece, &packed, e));
    int64_t before = clock_now_ns();
    TRY(batch_pack(p, encoding, from + (raw - piece) / 2, piece, p->piece, &packed, e));
    *ns = (double)(clock_now_ns() - before) / (double)piece;
    if (packed > 0 && packed < piece)
        *ratio = (double)packed / (double)piece;
    return ZS_OK;
}

void batch_packer_fini(struct batch_packer *p)
{
    (void)ZSTD_freeCCtx(p->zstd);
    free(p->piece);
    *p = (struct batch_packer){0};
}
