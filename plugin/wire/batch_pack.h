/* batch_pack.h - lz4 and zstd behind one function, for the writer of batches.
 * Flow: wire/batch -> here.  zstd's context, 1 MiB and more, is made once and used again.
 * Threads: none of its own. */
#ifndef ZS_WIRE_BATCH_PACK_H
#define ZS_WIRE_BATCH_PACK_H

#include "wire/batch.h"

struct batch_packer { /* zeroed: nothing yet */
    struct ZSTD_CCtx_s *zstd;
    void *piece; /* where samples are packed to */
};

/* The most that `raw` bytes can become. */
size_t batch_pack_bound(enum batch_encoding encoding, size_t raw);

/* Pack into `to`, which has room for the bound.  *packed 0: it cannot be packed.  53200. */
int batch_pack(struct batch_packer *p, enum batch_encoding encoding, const void *from, size_t raw,
               void *to, size_t *packed, struct zs_error *e);

/* What a byte costs, in ns, and becomes: by packing a piece from the middle. */
int batch_pack_sample(struct batch_packer *p, enum batch_encoding encoding, const uint8_t *from,
                      size_t raw, double *ns, double *ratio, struct zs_error *e);

void batch_packer_fini(struct batch_packer *p);

#endif
