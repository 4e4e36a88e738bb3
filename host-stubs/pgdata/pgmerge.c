/* pgmerge.c - see pgmerge.h. */
#include "pgdata/pgmerge.h"

#include <string.h>

enum import_plan import_decide(bool exists, zs_lsn last_valid_lsn, const struct pgcontrol *theirs,
                               const struct pgcontrol *ours)
{
    if (!exists)
        return IMPORT_CREATE;
    if (last_valid_lsn == 0)
        return IMPORT_FILL;
    if (theirs == NULL)
        return IMPORT_NO_CLUSTER;
    if (theirs->system_identifier != ours->system_identifier)
        return IMPORT_OTHER_CLUSTER;
    if (theirs->block_bytes != ours->block_bytes || theirs->segment_blocks != ours->segment_blocks)
        return IMPORT_OTHER_BLOCKS;
    if (ours->checkpoint < last_valid_lsn)
        return IMPORT_OLDER;
    return ours->checkpoint == last_valid_lsn ? IMPORT_COMPARE : IMPORT_CHANGES;
}

/* A WAL record on top hides the page that it makes: to be written again in any case. */
static bool same_value(const struct zs_record *ours, const struct zs_record *theirs)
{
    return theirs->kind == ZS_KIND_IMAGE && ours->len == theirs->len &&
           (ours->len == 0 || memcmp(ours->value, theirs->value, ours->len) == 0);
}

enum merge_step merge_decide(const struct zs_record *ours, const struct zs_record *theirs)
{
    if (ours == NULL)
        return theirs == NULL ? MERGE_END : MERGE_TOMBSTONE;
    if (theirs == NULL)
        return MERGE_PUT_NEW;
    int order = memcmp(ours->key, theirs->key, ZS_KEY_BYTES);
    if (order < 0)
        return MERGE_PUT_NEW;
    if (order > 0)
        return MERGE_TOMBSTONE;
    return same_value(ours, theirs) ? MERGE_KEEP : MERGE_PUT;
}
