/* pgkey.h - the keys under which a cluster lies in a branch, and its small values.
 * Flow: pgwalk encodes, pgexport decodes.  Pure functions.  Threads: any.
 *
 * A key has 18 bytes, all numbers big endian, fields of 1+4+4+4+1+4 bytes:
 *
 *   00 00000000 00000000 00000000 00   00000000  databases: every directory (below)
 *   00 SPCNODE  DBNODE   00000000 00   00000000  pg_filenode.map
 *   00 SPCNODE  DBNODE   00000000 00   PIECE     relations of a database, PIECE from 1
 *   00 SPCNODE  DBNODE   RELNODE  FORK BLKNUM    a block; BLKNUM FFFFFFFF: blocks in the fork
 *   01 KIND     00000001 SEGNO    00   BLKNUM    an SLRU block; FFFFFFFF: blocks in the segment
 *   02 PIECE    00000000 00000000 00   XID       a piece of a pg_twophase file, PIECE from 0
 *   03 00000000 00000000 00000000 00   00000000  pg_control, whole
 *   03 00000000 00000000 00000000 00   00000001  the checkpoint's WAL record, without pages
 *   03 HASH(8 bytes)     PIECE    00   00000002  a piece of any other file, PIECE from 0
 *
 * SPCNODE 1663 is base/, 1664 with DBNODE 0 global/, any other pg_tblspc/SPCNODE/.
 * FORK: 0 main, 1 fsm, 2 vm, 3 init.  KIND: 0 pg_xact, 1 pg_multixact/members,
 * 2 pg_multixact/offsets, 3 pg_commit_ts.
 *
 * Values that are not simply the file's bytes:
 *   databases   SPCNODE, DBNODE, 4 bytes each, ascending; DBNODE 0 with an SPCNODE of
 *               pg_tblspc is the tablespace itself, which may hold no database
 *   relations   RELNODE 4, FORK 1, ascending, PGKEY_RELATIONS_PER_PIECE to a piece.
 *               For readers that want to list; an export has no need of it
 *   sizes       4 bytes little-endian, as Neon's
 *   other file  name length 2, name, the bytes.  The key's HASH is XXH3_64 of the
 *               name (the path inside the data directory): it gives each file a
 *               place without an index, and the value tells what it is called
 * Files are cut into pieces of PGKEY_PIECE_BYTES: at most 8 MiB may be one value,
 * and a piece is what a small edit costs. */
#ifndef HOST_STUBS_PGDATA_PGKEY_H
#define HOST_STUBS_PGDATA_PGKEY_H

#include <stdbool.h>
#include <zenith-sync/types.h>

#define PGKEY_SIZE_BLOCK          0xFFFFFFFFu
#define PGKEY_PIECE_BYTES         262144u
#define PGKEY_RELATIONS_PER_PIECE 16384u
#define PGKEY_NAME_MAX            255u

#define PGKEY_SPC_BASE   1663u
#define PGKEY_SPC_GLOBAL 1664u

#define PGKEY_FORKS 4u
#define PGKEY_SLRUS 4u

enum pgkey_type {
    PGKEY_DATABASES,
    PGKEY_FILENODE_MAP,
    PGKEY_RELATIONS,
    PGKEY_BLOCK,
    PGKEY_SIZE,
    PGKEY_SLRU_BLOCK,
    PGKEY_SLRU_SIZE,
    PGKEY_TWOPHASE,
    PGKEY_CONTROL,
    PGKEY_CHECKPOINT,
    PGKEY_FILE,
};

/* A key taken apart; what a type does not use is 0. */
struct pgkey {
    enum pgkey_type type;
    uint32_t space, database; /* SPCNODE, DBNODE */
    uint32_t relation;        /* RELNODE */
    uint32_t fork;            /* FORK, below PGKEY_FORKS */
    uint32_t slru, segment;   /* KIND, below PGKEY_SLRUS; SEGNO */
    uint32_t block;           /* BLKNUM of BLOCK and SLRU_BLOCK */
    uint32_t piece;           /* of RELATIONS from 1, TWOPHASE and FILE from 0 */
    uint32_t xid;             /* of TWOPHASE */
    uint64_t hash;            /* of FILE */
};

void pgkey_encode(const struct pgkey *key, uint8_t out[ZS_KEY_BYTES]);

/* False if the key is none of the above; *out is then left. */
bool pgkey_decode(const uint8_t key[ZS_KEY_BYTES], struct pgkey *out);

uint64_t pgkey_name_hash(const char *name);

/* The head of an "other file" value into out, which has PGKEY_NAME_MAX + 2 bytes;
 * returns its length.  The name has 1 to PGKEY_NAME_MAX bytes. */
size_t pgkey_file_head(const char *name, uint8_t *out);

/* Take such a value apart: the name, NUL-terminated, and where the bytes start.
 * False if it is malformed or the name is not the one in the key. */
bool pgkey_file_parse(const struct zs_record *record, const struct pgkey *key,
                      char name[PGKEY_NAME_MAX + 1], size_t *head_bytes);

#endif
