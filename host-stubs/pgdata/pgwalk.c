/* pgwalk.c - see pgwalk.h.
 * A state machine over the key layout.  Each step adds one record, or one run of blocks
 * of a file, or moves on to the next thing; or finds no room and ends the batch, to be
 * taken again with an empty buffer.  A step changes state only after it had room. */
#include "pgdata/pgwalk.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "pgdata/pgfolder.h"
#include "pgdata/pgio.h"
#include "pgdata/pgpath.h"

#include <fcntl.h>
#include <stdlib.h>

enum {
    RECORDS = 1024,
    BUFFER_BYTES = 1 << 20,
    MAP_MAX = 65536,            /* pg_filenode.map has 512 bytes */
    LARGE_FILE_BYTES = 4 << 20, /* worth telling the kernel that it is read in order */
};

enum phase {
    DATABASES,
    FOLDER, /* list the next folder with relations */
    MAP,    /* of that folder, as the next two */
    RELATIONS,
    FORKS,
    SLRU,     /* list the next SLRU */
    SEGMENTS, /* of that SLRU */
    TWOPHASE, /* list them */
    PIECES,   /* of prepared transactions */
    CONTROL,
    CHECKPOINT,
    OTHERS,
    END,
};

enum step { MOVED, NO_ROOM };

struct pgwalk {
    const struct pgcluster *cluster;
    const struct pgplan *plan;
    enum phase phase;
    size_t folder; /* in plan->folders */
    uint32_t slru;
    struct pgfiles files; /* of the folder or SLRU, or the prepared transactions */
    size_t file;          /* in files, or in plan->others */
    uint32_t piece;       /* of relations, prepared transactions, other files */
    bool any;             /* PIECES: this round of pieces had one */
    uint64_t block;       /* FORKS, SEGMENTS: the next one to read */
    int fd;               /* open at `block`, or -1 */
    uint32_t fd_segment;
    uint64_t done_bytes;
    size_t used;
    uint64_t count;
    struct zs_record records[RECORDS];
    uint8_t buffer[BUFFER_BYTES];
};

int pgwalk_open(const struct pgcluster *cluster, const struct pgplan *plan, struct pgwalk **out,
                struct zs_error *e)
{
    struct pgwalk *w = malloc(sizeof *w);
    if (w == NULL)
        return error_memory(e);
    memset(w, 0, offsetof(struct pgwalk, records));
    w->cluster = cluster;
    w->plan = plan;
    w->fd = -1;
    *out = w;
    return ZS_OK;
}

void pgwalk_close(struct pgwalk *w)
{
    if (w == NULL)
        return;
    fd_close(&w->fd);
    pgfiles_free(&w->files);
    free(w);
}

uint64_t pgwalk_done_bytes(const struct pgwalk *w)
{
    return w->done_bytes;
}

static bool room(const struct pgwalk *w, size_t bytes)
{
    return w->count < RECORDS && w->used + bytes <= BUFFER_BYTES;
}

/* The record of the next `len` bytes of the buffer, which are filled in by now. */
static void add(struct pgwalk *w, const struct pgkey *key, uint32_t len)
{
    struct zs_record *r = &w->records[w->count++];
    *r = (struct zs_record){
        .kind = ZS_KIND_IMAGE, .len = len, .value = len == 0 ? NULL : w->buffer + w->used};
    pgkey_encode(key, r->key);
    w->used += len;
}

static void add_size(struct pgwalk *w, const struct pgkey *key, uint64_t blocks)
{
    put_u32le(w->buffer + w->used, (uint32_t)blocks);
    add(w, key, 4);
}

static enum step add_bytes(struct pgwalk *w, enum pgkey_type type, const void *bytes, uint32_t len)
{
    if (!room(w, len))
        return NO_ROOM;
    memcpy(w->buffer + w->used, bytes, len);
    w->done_bytes += type == PGKEY_CONTROL ? len : 0;
    add(w, &(struct pgkey){.type = type}, len);
    return MOVED;
}

static enum step step_databases(struct pgwalk *w)
{
    const struct pgplan *p = w->plan;
    if (!room(w, p->nfolders * 8))
        return NO_ROOM;
    uint8_t *at = w->buffer + w->used;
    for (size_t i = 0; i < p->nfolders; i++, at += 8) {
        put_u32be(at, p->folders[i].space);
        put_u32be(at + 4, p->folders[i].database);
    }
    add(w, &(struct pgkey){.type = PGKEY_DATABASES}, (uint32_t)(p->nfolders * 8));
    w->phase = FOLDER;
    return MOVED;
}

static int list(struct pgwalk *w, const char *folder, enum pgfolder_kind kind, struct zs_error *e)
{
    w->file = 0;
    w->block = 0;
    return pgfolder_list(w->cluster->root, folder, kind, &w->cluster->control, NULL, &w->files, e);
}

static int step_folder(struct pgwalk *w, struct zs_error *e)
{
    while (w->folder < w->plan->nfolders &&
           pgplan_is_tablespace_itself(&w->plan->folders[w->folder]))
        w->folder++;
    if (w->folder == w->plan->nfolders) {
        w->phase = SLRU;
        return ZS_OK;
    }
    const struct pgplan_folder *f = &w->plan->folders[w->folder];
    w->phase = MAP;
    return list(w, pgpath_database(f->space, f->database).s,
                f->space == PGKEY_SPC_GLOBAL ? PGFOLDER_GLOBAL : PGFOLDER_DATABASE, e);
}

static struct pgkey folder_key(const struct pgwalk *w, enum pgkey_type type)
{
    const struct pgplan_folder *f = &w->plan->folders[w->folder];
    return (struct pgkey){.type = type, .space = f->space, .database = f->database};
}

static int step_map(struct pgwalk *w, enum step *step, struct zs_error *e)
{
    struct pgkey key = folder_key(w, PGKEY_FILENODE_MAP);
    struct pgpath folder = pgpath_database(key.space, key.database);
    size_t len;
    bool missing;
    if (!room(w, MAP_MAX)) {
        *step = NO_ROOM;
        return ZS_OK;
    }
    TRY(pgio_read_small(w->cluster->root, pgpath_join(folder.s, "pg_filenode.map").s,
                        w->buffer + w->used, MAP_MAX, &len, &missing, e));
    if (!missing)
        add(w, &key, (uint32_t)len);
    w->phase = RELATIONS;
    w->piece = 1;
    return ZS_OK;
}

static enum step step_relations(struct pgwalk *w)
{
    size_t first = (size_t)(w->piece - 1) * PGKEY_RELATIONS_PER_PIECE;
    if (first >= w->files.n) {
        w->phase = FORKS;
        return MOVED;
    }
    size_t n = w->files.n - first;
    if (n > PGKEY_RELATIONS_PER_PIECE)
        n = PGKEY_RELATIONS_PER_PIECE;
    if (!room(w, n * 5))
        return NO_ROOM;
    uint8_t *at = w->buffer + w->used;
    for (size_t i = first; i < first + n; i++, at += 5) {
        put_u32be(at, w->files.at[i].number);
        at[4] = (uint8_t)w->files.at[i].fork;
    }
    struct pgkey key = folder_key(w, PGKEY_RELATIONS);
    key.piece = w->piece++;
    add(w, &key, (uint32_t)(n * 5));
    return MOVED;
}

/* Open the file of segment `segment`, if it is not the one that is open. */
static int open_segment(struct pgwalk *w, const char *path, uint32_t segment, uint64_t whole_bytes,
                        struct zs_error *e)
{
    uint64_t bytes;
    if (w->fd >= 0 && w->fd_segment == segment)
        return ZS_OK;
    fd_close(&w->fd);
    TRY(pgio_open(w->cluster->root, path, &w->fd, &bytes, NULL, e));
    w->fd_segment = segment;
    if (whole_bytes >= LARGE_FILE_BYTES)
        (void)posix_fadvise(w->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return ZS_OK;
}

/* A run of blocks of one file into the buffer; `key` has no block yet. */
static int add_blocks(struct pgwalk *w, struct pgkey *key, const char *path, uint64_t first_in_file,
                      uint64_t most, struct zs_error *e)
{
    uint32_t block_bytes = w->cluster->control.block_bytes;
    uint64_t n = (BUFFER_BYTES - w->used) / block_bytes;
    n = n < most ? n : most;
    n = n < RECORDS - w->count ? n : RECORDS - w->count;
    TRY(pgio_read(w->fd, path, first_in_file * block_bytes, w->buffer + w->used, n * block_bytes,
                  e));
    for (uint64_t i = 0; i < n; i++) {
        key->block = (uint32_t)w->block++;
        add(w, key, block_bytes);
    }
    w->done_bytes += n * block_bytes;
    return ZS_OK;
}

static void next_file(struct pgwalk *w)
{
    fd_close(&w->fd);
    w->fd = -1;
    w->block = 0;
    w->file++;
}

static int step_forks(struct pgwalk *w, enum step *step, struct zs_error *e)
{
    const struct pgcontrol *c = &w->cluster->control;
    if (w->file == w->files.n) {
        w->phase = FOLDER;
        w->folder++;
        return ZS_OK;
    }
    const struct pgfile *f = &w->files.at[w->file];
    uint64_t blocks = f->bytes / c->block_bytes;
    struct pgkey key = folder_key(w, PGKEY_SIZE);
    key.relation = f->number;
    key.fork = f->fork;
    if (blocks >= PGKEY_SIZE_BLOCK) {
        error_set(e, ZS_CORRUPT, "relation %u has more blocks than a relation can", f->number);
        return error_hint(e, "See that the data directory is whole, and import again.");
    }
    if (!room(w, c->block_bytes)) {
        *step = NO_ROOM;
        return ZS_OK;
    }
    if (w->block == blocks) {
        add_size(w, &key, blocks);
        next_file(w);
        return ZS_OK;
    }
    uint32_t segment = (uint32_t)(w->block / c->segment_blocks);
    uint64_t in_segment = w->block % c->segment_blocks;
    uint64_t most = blocks - w->block;
    if (most > c->segment_blocks - in_segment)
        most = c->segment_blocks - in_segment;
    struct pgpath path = pgpath_relation_file(&key, segment);
    key.type = PGKEY_BLOCK;
    TRY(open_segment(w, path.s, segment, f->bytes, e));
    return add_blocks(w, &key, path.s, in_segment, most, e);
}

static int step_slru(struct pgwalk *w, struct zs_error *e)
{
    if (w->slru == PGKEY_SLRUS) {
        w->phase = TWOPHASE;
        return ZS_OK;
    }
    w->phase = SEGMENTS;
    return list(w, pgpath_slru(w->slru), PGFOLDER_SLRU, e);
}

static int step_segments(struct pgwalk *w, enum step *step, struct zs_error *e)
{
    const struct pgcontrol *c = &w->cluster->control;
    if (w->file == w->files.n) {
        w->phase = SLRU;
        w->slru++;
        return ZS_OK;
    }
    const struct pgfile *f = &w->files.at[w->file];
    uint64_t blocks = f->bytes / c->block_bytes;
    struct pgkey key = {.type = PGKEY_SLRU_SIZE, .slru = w->slru, .segment = f->number};
    if (!room(w, c->block_bytes)) {
        *step = NO_ROOM;
        return ZS_OK;
    }
    if (w->block == blocks) {
        add_size(w, &key, blocks);
        next_file(w);
        return ZS_OK;
    }
    struct pgpath path = pgpath_slru_file(&key);
    key.type = PGKEY_SLRU_BLOCK;
    TRY(open_segment(w, path.s, 0, f->bytes, e));
    return add_blocks(w, &key, path.s, w->block, blocks - w->block, e);
}

/* One piece of a file, behind `head_bytes` that stand in the buffer already. */
static int add_piece(struct pgwalk *w, const struct pgkey *key, const char *path, uint64_t bytes,
                     size_t head_bytes, struct zs_error *e)
{
    CLEANUP(fd_close) int fd = -1;
    uint64_t now, from = (uint64_t)w->piece * PGKEY_PIECE_BYTES;
    uint64_t len = bytes - from < PGKEY_PIECE_BYTES ? bytes - from : PGKEY_PIECE_BYTES;
    TRY(pgio_open(w->cluster->root, path, &fd, &now, NULL, e));
    TRY(pgio_read(fd, path, from, w->buffer + w->used + head_bytes, len, e));
    w->done_bytes += len;
    add(w, key, (uint32_t)(head_bytes + len));
    return ZS_OK;
}

/* Key order is by piece, then by transaction: a round over all for each piece. */
static int step_pieces(struct pgwalk *w, enum step *step, struct zs_error *e)
{
    if (w->file == w->files.n) {
        w->phase = w->any ? PIECES : CONTROL;
        w->any = false;
        w->file = 0;
        w->piece++;
        return ZS_OK;
    }
    const struct pgfile *f = &w->files.at[w->file];
    if (!room(w, PGKEY_PIECE_BYTES)) {
        *step = NO_ROOM;
        return ZS_OK;
    }
    if (w->piece == 0 || f->bytes > (uint64_t)w->piece * PGKEY_PIECE_BYTES) {
        struct pgkey key = {.type = PGKEY_TWOPHASE, .piece = w->piece, .xid = f->number};
        TRY(add_piece(w, &key, pgpath_twophase_file(f->number).s, f->bytes, 0, e));
        w->any = true;
    }
    w->file++;
    return ZS_OK;
}

static int step_others(struct pgwalk *w, enum step *step, struct zs_error *e)
{
    if (w->file == w->plan->nothers) {
        w->phase = END;
        return ZS_OK;
    }
    const struct pgplan_other *o = &w->plan->others[w->file];
    if (!room(w, PGKEY_PIECE_BYTES + sizeof o->name + 2)) {
        *step = NO_ROOM;
        return ZS_OK;
    }
    size_t head = pgkey_file_head(o->name, w->buffer + w->used);
    struct pgkey key = {.type = PGKEY_FILE, .hash = o->hash, .piece = w->piece};
    TRY(add_piece(w, &key, o->name, o->bytes, head, e));
    w->piece++;
    if (o->bytes <= (uint64_t)w->piece * PGKEY_PIECE_BYTES) {
        w->file++;
        w->piece = 0;
    }
    return ZS_OK;
}

static int step(struct pgwalk *w, enum step *step, struct zs_error *e)
{
    const struct pgcluster *c = w->cluster;
    switch (w->phase) {
    case DATABASES:
        *step = step_databases(w);
        return ZS_OK;
    case FOLDER:
        return step_folder(w, e);
    case MAP:
        return step_map(w, step, e);
    case RELATIONS:
        *step = step_relations(w);
        return ZS_OK;
    case FORKS:
        return step_forks(w, step, e);
    case SLRU:
        return step_slru(w, e);
    case SEGMENTS:
        return step_segments(w, step, e);
    case TWOPHASE:
        w->phase = PIECES;
        w->piece = 0;
        w->any = false;
        return list(w, "pg_twophase", PGFOLDER_TWOPHASE, e);
    case PIECES:
        return step_pieces(w, step, e);
    case CONTROL:
        *step = add_bytes(w, PGKEY_CONTROL, c->control_bytes, c->control_len);
        w->phase = *step == MOVED ? CHECKPOINT : CONTROL;
        return ZS_OK;
    case CHECKPOINT:
        *step = add_bytes(w, PGKEY_CHECKPOINT, c->record, c->record_len);
        w->phase = *step == MOVED ? OTHERS : CHECKPOINT;
        w->file = 0;
        w->piece = 0;
        return ZS_OK;
    case OTHERS:
        return step_others(w, step, e);
    case END:
        break;
    }
    return ZS_OK;
}

int pgwalk_next(struct pgwalk *w, const struct zs_record **records, uint64_t *count,
                struct zs_error *e)
{
    enum step taken = MOVED;
    w->used = 0;
    w->count = 0;
    while (w->phase != END && taken == MOVED)
        TRY(step(w, &taken, e));
    *records = w->records;
    *count = w->count;
    return ZS_OK;
}
