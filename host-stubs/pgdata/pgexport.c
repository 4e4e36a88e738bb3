/* pgexport.c - a branch as of one import, as a data directory that PostgreSQL starts on.
 * Flow: snapshot -> which import is meant (the newest pg_control up to the LSN asked for)
 * -> visible, in key order -> pgtree; then the checkpoint's WAL, the configuration that
 * is missing, everything to disk, and pg_control last: a directory without it is none, so
 * that what a killed export leaves behind never starts.
 * The branch came from a peer, maybe: no size, name or number in it is believed.  Blocks
 * must be there without a gap and as many as the size key says; XX001 if not. */
#include "pgdata/pgdata.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "model/branch_name.h"
#include "model/lsn.h"
#include "pgdata/pgconf.h"
#include "pgdata/pgcontrol.h"
#include "pgdata/pgkey.h"
#include "pgdata/pgpath.h"
#include "pgdata/pgtree.h"
#include "pgdata/pgwal.h"
#include "pgdata/visible.h"

#include <string.h>

struct export
{
    const char *branch;
    const char *dir;
    const struct pgdata_watch *watch;
    struct snapshot snapshot;
    zs_lsn lsn; /* of the import that is exported */
    struct pgcontrol control;
    uint32_t control_len, record_len;
    uint8_t control_bytes[PGCONTROL_FILE_BYTES];
    uint8_t record[PGWAL_RECORD_MAX]; /* the checkpoint's */
    struct pgtree *tree;
    struct pgkey run;    /* the fork or SLRU segment being written; relation and slru */
    uint64_t run_blocks; /* how many of its blocks were written */
    uint64_t other_hash; /* of the other file written last, and its next piece */
    uint32_t other_piece;
    uint64_t total_bytes; /* of all versions up to lsn; 0 unknown */
    unsigned configured;  /* bit i: pgconf_names[i] is in the branch */
    unsigned prepared;    /* transactions that wait for their second phase */
};

static void export_close(struct export *x)
{
    if (x == NULL)
        return;
    pgtree_close(x->tree);
    snapshot_close(&x->snapshot);
    free(x);
}
CLEANUP_POINTER(struct export, export_close)
CLEANUP_POINTER(struct visible, visible_close)

static int hint_damaged(struct zs_error *e)
{
    return error_hint(e, "Import the cluster again, or pull the branch from where it is whole.");
}

static int damaged(struct export *x, const char *what, const struct zs_record *r,
                   struct zs_error *e)
{
    char hex[2 * ZS_KEY_BYTES + 1];
    for (size_t i = 0; i < ZS_KEY_BYTES; i++) {
        hex[2 * i] = "0123456789abcdef"[r->key[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[r->key[i] & 15];
    }
    hex[sizeof hex - 1] = '\0';
    error_set(e, ZS_CORRUPT, "branch \"%s\" cannot be exported: %s", x->branch, what);
    error_detail(e, "At key %s, LSN %s.", hex, lsn_text(r->lsn).s);
    return hint_damaged(e);
}

/* ---- which state ----------------------------------------------------------------- */

/* The newest version of a small key up to x->lsn, as a file's bytes. */
static int read_small(struct export *x, enum pgkey_type type, zs_lsn upto, uint8_t *bytes,
                      size_t size, uint32_t *len, zs_lsn *at, struct zs_error *e)
{
    uint8_t key[ZS_KEY_BYTES];
    struct zs_record r;
    int found;
    pgkey_encode(&(struct pgkey){.type = type}, key);
    TRY(visible_get(&x->snapshot, upto, key, bytes, size, &r, &found, e));
    *at = 0;
    if (!found || r.kind == ZS_KIND_TOMBSTONE)
        return ZS_OK;
    if (r.kind != ZS_KIND_IMAGE || r.len > size)
        return damaged(x, "its pg_control or checkpoint is no file", &r, e);
    *len = r.len;
    *at = r.lsn;
    return ZS_OK;
}

static int no_import_before(struct export *x, zs_lsn lsn, struct zs_error *e)
{
    if (x->snapshot.info.last_valid_lsn == 0) {
        error_set(e, ZS_BAD_VALUE, "branch \"%s\" is empty", x->branch);
        return error_hint(e, "Import a cluster or pull into it first: zenith import %s PGDATA",
                          x->branch);
    }
    error_set(e, ZS_BAD_VALUE, "branch \"%s\" holds no PostgreSQL cluster at %s", x->branch,
              lsn_text(lsn).s);
    return error_hint(e, "Give the LSN of an import, or none for the newest; the branch is at %s.",
                      lsn_text(x->snapshot.info.last_valid_lsn).s);
}

static int choose_state(struct export *x, zs_lsn asked, struct zs_error *e)
{
    const struct zs_branch_info *info = &x->snapshot.info;
    zs_lsn upto = asked == 0 ? info->last_valid_lsn : asked, record_at;

    if (upto > info->last_valid_lsn) {
        error_set(e, ZS_BAD_VALUE, "branch \"%s\" does not reach %s yet", x->branch,
                  lsn_text(asked).s);
        return error_hint(e, "Its newest LSN is %s.", lsn_text(info->last_valid_lsn).s);
    }
    if (upto < info->gc_cutoff_lsn) {
        error_set(e, ZS_BAD_VALUE, "branch \"%s\" no longer keeps what it was at %s", x->branch,
                  lsn_text(asked).s);
        return error_hint(e, "The oldest LSN that it keeps is %s.",
                          lsn_text(info->gc_cutoff_lsn).s);
    }
    TRY(read_small(x, PGKEY_CONTROL, upto, x->control_bytes, sizeof x->control_bytes,
                   &x->control_len, &x->lsn, e));
    if (x->lsn == 0)
        return no_import_before(x, upto, e);
    if (pgcontrol_parse(x->control_bytes, x->control_len, &x->control, e) != ZS_OK)
        return hint_damaged(e);
    TRY(read_small(x, PGKEY_CHECKPOINT, x->lsn, x->record, sizeof x->record, &x->record_len,
                   &record_at, e));
    if (pgwal_check_record(&x->control, x->record, record_at == 0 ? 0 : x->record_len, e) != ZS_OK)
        return hint_damaged(e);
    if (upto != x->lsn)
        watch_note(x->watch, "Exporting %s: the last import at or before %s.", lsn_text(x->lsn).s,
                   lsn_text(upto).s);
    return ZS_OK;
}

static int find_total(struct export *x, struct zs_error *e)
{
    struct zs_point point;
    uint64_t count;
    TRY(snapshot_history(&x->snapshot, x->lsn, &point, 1, &count, e));
    x->total_bytes = count == 1 && point.lsn == x->lsn ? point.bytes : 0;
    return ZS_OK;
}

/* ---- folders ---------------------------------------------------------------------- */

static int make_folders(struct export *x, struct zs_error *e)
{
    static const char *const folders[] = {"base",
                                          "global",
                                          "pg_commit_ts",
                                          "pg_dynshmem",
                                          "pg_logical",
                                          "pg_logical/mappings",
                                          "pg_logical/snapshots",
                                          "pg_multixact",
                                          "pg_multixact/members",
                                          "pg_multixact/offsets",
                                          "pg_notify",
                                          "pg_replslot",
                                          "pg_serial",
                                          "pg_snapshots",
                                          "pg_stat",
                                          "pg_stat_tmp",
                                          "pg_subtrans",
                                          "pg_tblspc",
                                          "pg_twophase",
                                          "pg_wal",
                                          "pg_wal/archive_status",
                                          "pg_xact"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        TRY(pgtree_folder(x->tree, folders[i], e));
    return ZS_OK;
}

static int make_tablespace(struct export *x, uint32_t space, struct zs_error *e)
{
    struct pgpath path = pgpath_tablespace(space);
    char *slash = strrchr(path.s, '/');
    *slash = '\0';
    TRY(pgtree_folder(x->tree, path.s, e));
    *slash = '/';
    TRY(pgtree_folder(x->tree, path.s, e));
    watch_note(x->watch,
               "Tablespace %u lies in pg_tblspc/%u of the export: a folder in place of the link.",
               space, space);
    return ZS_OK;
}

static int take_databases(struct export *x, const struct zs_record *r, struct zs_error *e)
{
    const uint8_t *at = r->value;
    if (r->len % 8 != 0)
        return damaged(x, "its list of databases is malformed", r, e);
    for (uint32_t i = 0; i < r->len; i += 8) {
        uint32_t space = get_u32be(at + i), database = get_u32be(at + i + 4);
        TRY(watch_poll(x->watch, e));
        if (space < PGKEY_SPC_BASE || (space == PGKEY_SPC_BASE && database == 0) ||
            (space == PGKEY_SPC_GLOBAL && database != 0))
            return damaged(x, "its list of databases is malformed", r, e);
        if (database != 0)
            TRY(pgtree_folder(x->tree, pgpath_database(space, database).s, e));
        else if (space != PGKEY_SPC_GLOBAL)
            TRY(make_tablespace(x, space, e));
    }
    return ZS_OK;
}

/* ---- blocks ------------------------------------------------------------------------ */

static bool same_run(const struct pgkey *a, const struct pgkey *b)
{
    bool slru_a = a->type == PGKEY_SLRU_BLOCK || a->type == PGKEY_SLRU_SIZE;
    bool slru_b = b->type == PGKEY_SLRU_BLOCK || b->type == PGKEY_SLRU_SIZE;
    return slru_a == slru_b && a->space == b->space && a->database == b->database &&
           a->relation == b->relation && a->fork == b->fork && a->slru == b->slru &&
           a->segment == b->segment;
}

static struct pgpath run_path(const struct pgkey *k, uint32_t segment)
{
    return k->type == PGKEY_BLOCK || k->type == PGKEY_SIZE ? pgpath_relation_file(k, segment)
                                                           : pgpath_slru_file(k);
}

static int take_block(struct export *x, const struct pgkey *k, const struct zs_record *r,
                      struct zs_error *e)
{
    if (r->len != x->control.block_bytes)
        return damaged(x, "a page has the wrong size", r, e);
    if (!same_run(k, &x->run) || x->run_blocks == 0) {
        if (x->run_blocks != 0)
            return damaged(x, "the size before this is missing", r, e);
        x->run = *k;
    }
    if (k->block != x->run_blocks)
        return damaged(x, "a page before this is missing", r, e);
    bool relation = k->type == PGKEY_BLOCK;
    if (relation ? k->block % x->control.segment_blocks == 0 : k->block == 0) {
        uint32_t segment = relation ? k->block / x->control.segment_blocks : 0;
        TRY(pgtree_file(x->tree, run_path(k, segment).s, false, e));
    }
    x->run_blocks++;
    return pgtree_write(x->tree, r->value, r->len, e);
}

static int take_size(struct export *x, const struct pgkey *k, const struct zs_record *r,
                     struct zs_error *e)
{
    if (x->run_blocks != 0 && !same_run(k, &x->run))
        return damaged(x, "the size before this is missing", r, e);
    if (r->len != 4 || get_u32le(r->value) != x->run_blocks)
        return damaged(x, "a size and the pages differ", r, e);
    if (x->run_blocks == 0)
        TRY(pgtree_file(x->tree, run_path(k, 0).s, false, e));
    x->run_blocks = 0;
    return ZS_OK;
}

/* ---- small files -------------------------------------------------------------------- */

static int take_map(struct export *x, const struct pgkey *k, const struct zs_record *r,
                    struct zs_error *e)
{
    struct pgpath folder = pgpath_database(k->space, k->database);
    TRY(pgtree_file(x->tree, pgpath_join(folder.s, "pg_filenode.map").s, false, e));
    return pgtree_write(x->tree, r->value, r->len, e);
}

static int take_twophase(struct export *x, const struct pgkey *k, const struct zs_record *r,
                         struct zs_error *e)
{
    x->prepared += k->piece == 0;
    TRY(pgtree_file(x->tree, pgpath_twophase_file(k->xid).s, k->piece != 0, e));
    return pgtree_write(x->tree, r->value, r->len, e);
}

static int take_other(struct export *x, const struct pgkey *k, const struct zs_record *r,
                      struct zs_error *e)
{
    char name[PGKEY_NAME_MAX + 1];
    struct pgpath folder;
    size_t head;
    if (!pgkey_file_parse(r, k, name, &head) || !pgpath_other_allowed(name))
        return damaged(x, "a file has a name that no data directory holds", r, e);
    if (k->piece != 0 && (k->hash != x->other_hash || k->piece != x->other_piece))
        return damaged(x, "a piece of a file is missing", r, e);
    x->other_hash = k->hash;
    x->other_piece = k->piece + 1;
    for (unsigned i = 0; i < PGCONF_FILES; i++)
        if (strcmp(name, pgconf_names[i]) == 0)
            x->configured |= 1u << i;
    if (k->piece == 0 && pgpath_configuration(name, &folder))
        TRY(pgtree_folder(x->tree, folder.s, e));
    if (k->piece == 0)
        TRY(pgtree_file(x->tree, name, false, e));
    return pgtree_write(x->tree, (const uint8_t *)r->value + head, r->len - head, e);
}

static int take(struct export *x, const struct zs_record *r, struct zs_error *e)
{
    struct pgkey k;
    if (r->kind != ZS_KIND_IMAGE) {
        error_set(e, ZS_NOT_SUPPORTED, "branch \"%s\" holds WAL records that no import wrote",
                  x->branch);
        return error_hint(e, "Export it with the pageserver that wrote them.");
    }
    if (!pgkey_decode(r->key, &k))
        return damaged(x, "it holds a key that no import writes", r, e);
    if (x->run_blocks != 0 && (k.type != PGKEY_BLOCK && k.type != PGKEY_SIZE &&
                               k.type != PGKEY_SLRU_BLOCK && k.type != PGKEY_SLRU_SIZE))
        return damaged(x, "the size before this is missing", r, e);
    switch (k.type) {
    case PGKEY_DATABASES:
        return take_databases(x, r, e);
    case PGKEY_FILENODE_MAP:
        return take_map(x, &k, r, e);
    case PGKEY_BLOCK:
    case PGKEY_SLRU_BLOCK:
        return take_block(x, &k, r, e);
    case PGKEY_SIZE:
    case PGKEY_SLRU_SIZE:
        return take_size(x, &k, r, e);
    case PGKEY_TWOPHASE:
        return take_twophase(x, &k, r, e);
    case PGKEY_FILE:
        return take_other(x, &k, r, e);
    case PGKEY_RELATIONS:  /* for readers that list */
    case PGKEY_CONTROL:    /* written last */
    case PGKEY_CHECKPOINT: /* laid out in pg_wal */
        break;
    }
    return ZS_OK;
}

static int take_all(struct export *x, struct zs_error *e)
{
    CLEANUP(visible_close_ptr) struct visible *v = NULL;
    const struct zs_record *r;
    uint64_t n = 0;
    TRY(visible_open(&x->snapshot, x->lsn, x->watch, &v, e));
    for (;;) {
        TRY(visible_next(v, &r, e));
        if (r == NULL)
            return ZS_OK;
        if (++n % 128 == 0) {
            TRY(watch_poll(x->watch, e));
            watch_progress(x->watch, visible_done_bytes(v), x->total_bytes);
        }
        TRY(take(x, r, e));
    }
}

/* ---- what the branch does not hold ---------------------------------------------------- */

/* The file that begins at `start`, with the valid first page that PostgreSQL looks for. */
static int begin_wal_file(struct export *x, zs_lsn start, uint32_t left, struct zs_error *e)
{
    char name[PGWAL_NAME_BYTES];
    uint8_t header[40];
    pgwal_file_name(&x->control, start, name);
    TRY(pgtree_file(x->tree, pgpath_join("pg_wal", name).s, false, e));
    uint32_t len = pgwal_page_header(&x->control, start, left, header);
    TRY(pgtree_write(x->tree, header, len, e));
    return pgtree_extend(x->tree, x->control.wal_segment_bytes, e);
}

static int write_wal(struct export *x, struct zs_error *e)
{
    const struct pgcontrol *c = &x->control;
    struct pgwal_part part;
    uint8_t header[40];
    for (uint32_t done = 0; pgwal_part(c, done, x->record_len, &part);
         done = part.done + part.len) {
        zs_lsn start = part.page - part.page % c->wal_segment_bytes;
        uint32_t left = part.done == 0 ? 0 : x->record_len - part.done;
        if (part.done == 0 || part.page == start)
            TRY(begin_wal_file(x, start, part.page == start ? left : 0, e));
        if (part.page != start) {
            uint32_t len = pgwal_page_header(c, part.page, left, header);
            TRY(pgtree_seek(x->tree, part.page - start, e));
            TRY(pgtree_write(x->tree, header, len, e));
        }
        TRY(pgtree_seek(x->tree, part.at - start, e));
        TRY(pgtree_write(x->tree, x->record + part.done, part.len, e));
    }
    return ZS_OK;
}

static int write_configuration(struct export *x, struct zs_error *e)
{
    char text[PGCONF_TEXT_MAX];
    for (unsigned i = 0; i < PGCONF_FILES; i++) {
        if (x->configured & (1u << i))
            continue;
        size_t len = pgconf_text(i, &x->control, text);
        TRY(pgtree_file(x->tree, pgconf_names[i], false, e));
        TRY(pgtree_write(x->tree, text, len, e));
        watch_note(x->watch,
                   "The cluster kept its %s outside of its data directory: a minimal one was "
                   "written.",
                   pgconf_names[i]);
    }
    return ZS_OK;
}

static int export(struct export *x, zs_lsn asked, struct pgdata_result *result, struct zs_error *e)
{
    TRY(choose_state(x, asked, e));
    TRY(find_total(x, e));
    TRY(pgtree_open(x->dir, x->watch, &x->tree, e));
    TRY(make_folders(x, e));
    TRY(take_all(x, e));
    TRY(write_wal(x, e));
    TRY(write_configuration(x, e));
    TRY(pgtree_sync(x->tree, e));
    TRY(watch_poll(x->watch, e));
    TRY(pgtree_seal(x->tree, "global", "pg_control", x->control_bytes, x->control_len, e));
    *result = (struct pgdata_result){
        .to_lsn = x->lsn, .records = pgtree_files(x->tree), .bytes = pgtree_bytes(x->tree)};
    watch_progress(x->watch, x->total_bytes, x->total_bytes);
    if (x->prepared > 0) /* the setting may have stood on a command line */
        watch_note(x->watch,
                   "Transactions prepared for two-phase commit: %u.  PostgreSQL starts if "
                   "max_prepared_transactions is %u, as in the cluster, and not less than them.",
                   x->prepared, x->control.max_prepared_transactions);
    if (geteuid() == 0)
        watch_note(x->watch,
                   "The files belong to root, as whom PostgreSQL does not start: "
                   "chown -R postgres %s",
                   x->dir);
    return ZS_OK;
}

int pgdata_export(const struct zs_store *store, const char *branch, zs_lsn lsn, const char *dir,
                  const struct pgdata_watch *watch, struct pgdata_result *result,
                  struct zs_error *e)
{
    CLEANUP(export_close_ptr) struct export *x = NULL;
    TRY(branch_name_check(branch, e));
    x = calloc(1, sizeof *x);
    if (x == NULL)
        return error_memory(e);
    x->branch = branch;
    x->dir = dir;
    x->watch = watch;
    TRY(snapshot_open(store, branch, &x->snapshot, e));
    return export(x, lsn, result, e);
}
