/* zenith-sync/store.h - what a host supplies: its timelines, to read and to write.
 *
 * One table of functions, struct zs_store.  The plugin reads a branch through a
 * snapshot and iterators, and writes one through an ingest; there is no other
 * way in or out.  A host that fills in this table can push and pull.
 *
 * Lifecycle, in the order of calls
 *
 *   reading                               writing
 *     snapshot_open(branch) -> info         ingest_begin(spec) -> info
 *       snapshot_history ...                  ingest_put ...  (ascending)
 *       iter_open(after, upto]                ingest_state
 *         iter_seek?  iter_next ...           ingest_commit   (at most once)
 *       iter_close                          ingest_close
 *     snapshot_close
 *
 * What a store promises (the contract suite in tests/contract checks each)
 *
 *   1. A snapshot does not change, whatever is written or collected meanwhile;
 *      what it reads is kept from garbage collection until it is closed.
 *   2. An iterator returns every record with after_lsn < lsn <= upto_lsn, once,
 *      in (key, lsn) order, and nothing else.  Never a derived image.
 *   3. One ingest per branch name and per timeline at a time; a second one gets
 *      55006 at once.  A host's own writer may be refused meanwhile, or may win:
 *      the commit then fails with 40001.
 *   4. Nothing put is visible before the commit.  A commit is atomic and
 *      durable: records, last_valid_lsn, digest, history, blobs, together or none.
 *   5. ingest_begin names the last_valid_lsn that it builds on; the commit
 *      fails (40001) if that is no longer so.
 *   6. After a crash at any point a timeline is as before or as after, never
 *      between; what was neither committed nor synced as a stage is gone, and its
 *      space given back by the next start.
 *
 * A branch that is deleted, which only the host can do: open snapshots and their iterators
 * go on to show what they did, and its space goes when the last is closed.  While an ingest
 * is open on it the deletion is refused (55006); a host that cannot refuse lets the ingest's
 * next call fail (40001).  A branch_verify that runs goes on, without faults for what is
 * gone.  Its stage goes with it.  Afterwards the host tells branch_gone (host.h).
 *
 * What the module does: it reads a branch (snapshots, blobs, lists) while the same thread has
 * an ingest open on it, so that no lock may be held from begin to close.  A visitor calls
 * nothing of the store, which may hold a lock while it lists.
 *
 * Threads: the functions that take `self` may be called from any thread at the
 * same time.  A snapshot may be shared by several iterators in several threads;
 * every other handle is used by one thread at a time and may move.
 * Errors: 53100 disk full, 53200 out of memory, 58030 read or write failed,
 * XX001 stored data is damaged, and what each function names besides. */
#ifndef ZENITH_SYNC_STORE_H
#define ZENITH_SYNC_STORE_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Handles: each store defines these structs for itself. */
struct zs_snapshot;
struct zs_iter;
struct zs_ingest;

/* zs_store.features
 *
 * DIGEST  digests and history points are kept; without it they are all 0, and timeline
 *         ids alone decide what fits
 * BLOBS   the functions from blob_read on are there, and commits keep blobs: the plugin
 *         then keeps a map of what changed, and an increment costs what changed, if both
 *         sides have DIGEST, which proves it; else each one scans the branch
 * RESUME  the functions from ingest_sync on are there: what an ingest has put so far can
 *         be kept as a stage, and a transfer that was cut off goes on from there.  Goes
 *         with DIGEST, which proves that the parts fit
 * VERIFY  branch_verify is there: the store looks through its own files on demand */
#define ZS_STORE_DIGEST 1ull
#define ZS_STORE_BLOBS  2ull
#define ZS_STORE_RESUME 4ull
#define ZS_STORE_VERIFY 8ull

#define ZS_TOKEN_MAX 4096u /* bytes of a stage's token */

#define ZS_BLOB_NAME_MAX 63u       /* bytes, without the NUL */
#define ZS_BLOB_MAX      16777216u /* 16 MiB: a blob's size */

/* A branch at one moment.  Filled by the store up to the caller's struct_size. */
struct zs_branch_info {
    uint32_t struct_size;
    uint32_t reserved;
    char name[ZS_BRANCH_NAME_MAX + 1];
    struct zs_timeline_id timeline;
    struct zs_timeline_id ancestor; /* zero if none; told for display only: what a
                                       snapshot reads is flattened through ancestors */
    zs_lsn last_valid_lsn;          /* all records up to here are in; readers never see beyond */
    zs_lsn gc_cutoff_lsn;           /* versions older than what is visible here may be gone */
    struct zs_digest digest;        /* D(last_valid_lsn) */
    uint64_t records;               /* ever written; as in struct zs_point */
    uint64_t bytes;
};

/* zs_ingest_spec.flags
 *
 * CREATE          the branch must not exist (42710); it does after the commit
 * EXACT_TIMELINE  with CREATE: 42710 if the timeline id is taken, never another id (a
 *                 store without ZS_STORE_DIGEST) */
#define ZS_INGEST_CREATE         1u
#define ZS_INGEST_EXACT_TIMELINE 2u

/* What an ingest is to be. */
struct zs_ingest_spec {
    uint32_t struct_size;
    uint32_t flags;                 /* ZS_INGEST_* */
    const char *branch;             /* lifetime CALL */
    struct zs_timeline_id timeline; /* CREATE: the id wished for; zero, or taken by a branch
                                       already: a fresh one; being created by another ingest:
                                       a fresh one or 55006.
                                       Else: zero, or the id the branch must have (40001) */
    zs_lsn base_lsn;                /* the last_valid_lsn it builds on; 0 with CREATE */
    zs_lsn target_lsn;              /* every record has base_lsn < lsn <= target_lsn */
    uint64_t expected_bytes;        /* an estimate, to choose between bulk and small; 0 unknown */
};

/* An ingest as it stands. */
struct zs_ingest_state {
    uint32_t struct_size;
    uint32_t reserved;
    struct zs_timeline_id timeline; /* the one that it writes: wished for, or fresh */
    struct zs_point base;           /* the branch that it builds on; all 0 with CREATE */
    struct zs_digest sum;           /* over the records put so far; 0 without ZS_STORE_DIGEST */
    uint64_t records;               /* put so far */
    uint64_t bytes;                 /* their value bytes */
};

/* A small value that the plugin keeps with a timeline, by name.  Meaningless to a host. */
struct zs_blob {
    const char *name; /* [a-z0-9/_-], at most ZS_BLOB_NAME_MAX bytes */
    const void *data; /* NULL: remove the blob, if there is one */
    uint64_t len;     /* at most ZS_BLOB_MAX */
};

/* How an ingest ends.  22023 if its LSNs or points do not fit the ingest, a record that
 * was put above upto_lsn among them: it would become visible with a later commit.
 * upto_lsn == base_lsn without a record is legal: blobs alone change (a change map that is made
 * anew), `end` is what the branch has, and the history gets no second point for it.
 * A store without ZS_STORE_DIGEST does not look at sum, points, or the digest of end. */
struct zs_commit {
    uint32_t struct_size;
    uint32_t npoints;
    zs_lsn upto_lsn;               /* the new last_valid_lsn: base_lsn <= upto <= target_lsn */
    zs_lsn gc_cutoff_lsn;          /* the new one; below the old one: the old one stays */
    struct zs_digest sum;          /* what all that was put must sum to, else XX001 */
    struct zs_point end;           /* the point at upto_lsn: what (upto_lsn, D) and the counts
                                      become.  end.lsn == upto_lsn.  Taken as it is: a full
                                      transfer of a collected branch has a digest that its
                                      records do not sum to; whoever commits has checked */
    const struct zs_point *points; /* earlier points in (base_lsn, upto_lsn) to remember as well,
                                      ascending; lifetime CALL */
    /* Only given to a store with ZS_STORE_BLOBS. */
    const struct zs_blob *blobs; /* to keep or remove, in the same commit, each name once, else
                                    22023; lifetime CALL */
    uint64_t nblobs;
};

/* A stage: what an ingest that did not come to its commit left to be gone on with. */
struct zs_stage_info {
    uint32_t struct_size;
    uint32_t token_bytes;
    char branch[ZS_BRANCH_NAME_MAX + 1];
    struct zs_timeline_id timeline; /* the one it writes */
    zs_lsn base_lsn, target_lsn;    /* as in struct zs_ingest_spec */
    int64_t synced_unix;            /* when it was last synced, seconds since 1970 */
    uint64_t disk_bytes;            /* what it takes there; 0 if that is not known */
    const void *token;              /* as it was given to ingest_sync; lifetime CALL */
};

/* Called once per stage; a return other than 0 ends the listing, without error. */
typedef int32_t (*zs_stage_visit)(void *context, const struct zs_stage_info *info);

/* Called once per thing that is wrong with what is stored; a return other than 0 ends the
 * look, without error. */
typedef int32_t (*zs_fault_visit)(void *context, const struct zs_error *fault);

/* Called with a key, lifetime CALL; a return other than 0 ends the listing. */
typedef int32_t (*zs_key_visit)(void *context, const uint8_t key[ZS_KEY_BYTES]);

/* Called once per blob, in name order; a return other than 0 ends the listing. */
typedef int32_t (*zs_blob_visit)(void *context, const char *name, uint64_t len);

/* Called once per branch; a return other than 0 ends the listing, without error. */
typedef int32_t (*zs_branch_visit)(void *context, const struct zs_branch_info *info);

struct zs_store {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t features; /* ZS_STORE_* */
    void *self;        /* passed back to the functions below; lifetime PROCESS */

    /* The branch called `name`.  42704 if there is none. */
    int32_t (*branch_find)(void *self, const char *name, struct zs_branch_info *info,
                           struct zs_error *e);

    /* Every branch, in name order, each as it was at one moment. */
    int32_t (*branch_list)(void *self, zs_branch_visit visit, void *context, struct zs_error *e);

    /* A read view of the branch, frozen at its last_valid_lsn.  `info` tells
     * what it shows.  Cheap: no copy, no scan.  42704. */
    int32_t (*snapshot_open)(void *self, const char *branch, struct zs_branch_info *info,
                             struct zs_snapshot **out, struct zs_error *e);
    void (*snapshot_close)(struct zs_snapshot *snapshot);

    /* The history of the snapshot: the end of every commit and the points that came with
     * it, all of them kept.  None is thinned: the module thins what it sends, and one that
     * is gone costs a peer that stands there a pass over the branch, or, below
     * gc_cutoff_lsn, its increment.  Newest first: up to n points with
     * lsn <= upto_lsn.  The first one with upto_lsn = last_valid_lsn is the
     * snapshot's own state, if it is not empty.  *count tells how many were
     * filled; fewer than n means that there are no more.  0 points without
     * ZS_STORE_DIGEST. */
    int32_t (*snapshot_history)(struct zs_snapshot *snapshot, zs_lsn upto_lsn,
                                struct zs_point *points, uint64_t n, uint64_t *count,
                                struct zs_error *e);

    /* A cursor over the records with after_lsn < lsn <= upto_lsn.  It stands
     * before the first one. */
    int32_t (*iter_open)(struct zs_snapshot *snapshot, zs_lsn after_lsn, zs_lsn upto_lsn,
                         struct zs_iter **out, struct zs_error *e);

    /* Stand before the first record with key >= `key`, before or behind where it stood.
     * Lifts what an iter_range set. */
    int32_t (*iter_seek)(struct zs_iter *iter, const uint8_t key[ZS_KEY_BYTES], struct zs_error *e);

    /* Up to n next records.  *more 0: those were the last, else call again.  A call
     * that has looked for some 50 ms returns what it found, *count 0 included, with
     * *more 1, so that its caller can see to a cancel request meanwhile.
     * Each value is copied at most once, and where the caller wants it: a store that
     * has to copy writes the values one after the other, without gaps, from buf on,
     * and each record's value points to its place there.  When the next value does
     * not fit in what is left of buf_bytes, the call ends before it, unless it would
     * be the first: then it is handed out alone, as a view into the store's own
     * memory (lifetime NEXT).  A store whose memory is stable until the next call may
     * hand out such views for all records and leave buf alone.
     * Values and views: lifetime NEXT; buf stays the caller's. */
    int32_t (*iter_next)(struct zs_iter *iter, struct zs_record *records, uint64_t n, void *buf,
                         uint64_t buf_bytes, uint64_t *count, uint32_t *more, struct zs_error *e);
    void (*iter_close)(struct zs_iter *iter);

    /* Begin to write.  55006 if another ingest is open on the branch or its
     * timeline, 42710 with CREATE if the branch exists, 42704 without if it
     * does not, 40001 if base_lsn or timeline is not the branch's. */
    int32_t (*ingest_begin)(void *self, const struct zs_ingest_spec *spec,
                            struct zs_ingest_state *state, struct zs_ingest **out,
                            struct zs_error *e);

    /* Add records.  Strictly ascending in (key, lsn) over the whole ingest, lsn
     * in (base_lsn, target_lsn], kinds known, values at most ZS_VALUE_MAX: else
     * 22023 (54000 for the size), with the position in the detail.  Views are
     * borrowed for the call.  After a failure only a close is of use. */
    int32_t (*ingest_put)(struct zs_ingest *ingest, const struct zs_record *records, uint64_t n,
                          struct zs_error *e);

    /* How far it is.  Fills up to state->struct_size. */
    int32_t (*ingest_state)(struct zs_ingest *ingest, struct zs_ingest_state *state,
                            struct zs_error *e);

    /* Make all of it visible, durably, at once.  XX001 if the sum differs,
     * 40001 if the branch moved or its name was taken meanwhile.  After a
     * failure nothing is visible.  Close it afterwards in either case. */
    int32_t (*ingest_commit)(struct zs_ingest *ingest, const struct zs_commit *commit,
                             struct zs_error *e);

    /* End it.  Not committed: all that was put is dropped, but for a stage that
     * ingest_sync kept, if no commit was refused: one that failed for a reason that may
     * pass, such as want of memory or a disk that could not be read, leaves it. */
    void (*ingest_close)(struct zs_ingest *ingest);

    /* ---- with ZS_STORE_BLOBS; else NULL, or not in the struct at all ---- */

    /* The blob as of the snapshot: copied to buf if it fits, *len is its size in any
     * case.  42704 if there is none of that name. */
    int32_t (*blob_read)(struct zs_snapshot *snapshot, const char *name, void *buf,
                         uint64_t buf_bytes, uint64_t *len, struct zs_error *e);

    /* The names and sizes of all blobs, as of the snapshot. */
    int32_t (*blob_list)(struct zs_snapshot *snapshot, zs_blob_visit visit, void *context,
                         struct zs_error *e);

    /* As iter_seek, but the iterator ends behind the last record with key <= `last`:
     * from here on it gives nothing but first <= key <= last.  A short range should
     * cost a point read or two, not a read-ahead. */
    int32_t (*iter_range)(struct zs_iter *iter, const uint8_t first[ZS_KEY_BYTES],
                          const uint8_t last[ZS_KEY_BYTES], struct zs_error *e);

    /* ---- with ZS_STORE_RESUME; else NULL, or not in the struct at all ----
     *
     * A stage belongs to a branch, one at most, and waits while no ingest is open on
     * it.  It is never served and never stands in anybody's way: ingest_begin on its
     * branch drops it.  It goes, too, when its branch moves or is deleted, when a commit
     * succeeds or is refused (XX001, 22023, 54000, 40001), and when it was last synced
     * longer ago than the host keeps one, 7 days if nothing else is set: at the latest with
     * the next start, stage_list, or ingest_begin on any branch. */

    /* Make all that was put so far durable, with the token (at most ZS_TOKEN_MAX bytes,
     * meaningless to the store), as the branch's stage: it survives a close and a crash;
     * what is put later and not synced does not.  *synced 0: the store keeps so little
     * for later, and nothing was kept by this call.  After a failure only a close is of
     * use, and the stage is as of the last success. */
    int32_t (*ingest_sync)(struct zs_ingest *ingest, const void *token, uint64_t token_bytes,
                           uint32_t *synced, struct zs_error *e);

    /* Every stage that waits, in branch order. */
    int32_t (*stage_list)(void *self, zs_stage_visit visit, void *context, struct zs_error *e);

    /* Open the branch's stage as an ingest that stands where it was last synced: `state`
     * and ingest_put go on from there.  Its token is copied to buf if it fits; its
     * size is *token_bytes in any case.  Cheap where ingest_keys is there, which looks through
     * it; a store without reads it here.  Whatever happens, no damaged record is ever
     * committed.  A stage that makes a branch whose timeline id another
     * has by now gets a fresh id, unless it was begun with EXACT_TIMELINE.  42704 if no stage
     * waits; 55006 as ingest_begin; the stage is dropped with 40001 if the branch moved, or the
     * exact id is taken, and with XX001 if it is damaged. */
    int32_t (*ingest_resume)(void *self, const char *branch, struct zs_ingest_state *state,
                             void *buf, uint64_t buf_bytes, uint64_t *token_bytes,
                             struct zs_ingest **out, struct zs_error *e);

    /* Drop the branch's stage and give its space back.  42704 if none waits. */
    int32_t (*stage_drop)(void *self, const char *branch, struct zs_error *e);

    /* ---- with ZS_STORE_VERIFY; else NULL, or not in the struct at all ---- */

    /* Look through all that the branch's data and its stage, if one waits, lie in, as it
     * is on the disk, past any cache, and compare every checksum.  Each fault is a
     * sentence that names the file.  Faults are no failure, and nothing is changed: a
     * damaged stage stays.  Takes as long as reading does; `cancel` (NULL: none) is
     * looked at on the way (57014).  A branch that does not exist has no faults.
     * (The command branch_verify is something else: a peer's half of a comparison.) */
    int32_t (*branch_verify)(void *self, const char *branch, const struct zs_cancel *cancel,
                             zs_fault_visit visit, void *context, struct zs_error *e);

    /* ---- with ZS_STORE_RESUME, and even then NULL or not in the struct ---- */

    /* Called right after ingest_resume: the key of every record that the stage holds, in
     * order; a key with several records may come once or for each.  Everything that the stage
     * lies in is read on the way, and every checksum compared: XX001, and the caller closes
     * the ingest and drops the stage.  A visitor that ends it early has been cancelled.  With
     * it the change map of a transfer that was cut off is whole; without it what such a
     * transfer brought is found by a scan. */
    int32_t (*ingest_keys)(struct zs_ingest *ingest, zs_key_visit visit, void *context,
                           struct zs_error *e);
};

#define ZS_STORE_SIZE_V1 136u /* through ingest_close: the least that is accepted */

ZS_STATIC_ASSERT(sizeof(struct zs_branch_info) == 344, "no tail padding");
ZS_STATIC_ASSERT(sizeof(struct zs_ingest_spec) == 56, "no tail padding");
ZS_STATIC_ASSERT(sizeof(struct zs_ingest_state) == 96, "no tail padding");
ZS_STATIC_ASSERT(sizeof(struct zs_commit) == 104, "no tail padding");
ZS_STATIC_ASSERT(offsetof(struct zs_store, blob_read) == ZS_STORE_SIZE_V1, "append only");
ZS_STATIC_ASSERT(offsetof(struct zs_store, ingest_sync) == 160, "append only");
ZS_STATIC_ASSERT(sizeof(struct zs_stage_info) == 320, "no tail padding");
ZS_STATIC_ASSERT(offsetof(struct zs_store, branch_verify) == 192, "append only");
ZS_STATIC_ASSERT(offsetof(struct zs_store, ingest_keys) == 200, "append only");
ZS_STATIC_ASSERT(sizeof(struct zs_store) == 208, "no tail padding");

/* ---- test vectors of the history digest -------------------------------------
 *
 * What digest_add of host.h, and any other maker of struct zs_digest, must give
 * for one record (types.h has the definition).  Digests are printed hi, then lo,
 * 16 hex digits each; "n x" is a byte n times; the 27 head bytes are hashed, too.
 *
 *     key                    lsn                 kind  value
 *  1  18 x 00                0/1                  3    none
 *     digest 2f8d4a628bf710ad0a045cf114d02e1d
 *  2  00 01 02 .. 11         16/B374D848          2    61 62 63 ("abc")
 *     digest 71852a80598d4f954f07d3d8fe3a405a
 *  3  18 x ff                FFFFFFFF/FFFFFFFF    1    8192 x 00
 *     digest 3e9ca363d5b3c596c9620ff905083979
 *  4  a0 a1 a2 .. b1         1020304/5060708      1    8192 bytes, the i-th (7 i + 1) mod 256
 *     digest 6b8a434fa868ab47bae5cf0d55e7af92
 *  1 + 2 + 3 + 4, in any order
 *     digest 4b395b9663a0d120dd540fd06dfa5782 */

#ifdef __cplusplus
}
#endif
#endif
