/* zenith-sync/host.h - a pageserver and the module that it loads.
 *
 * The module (zenith_sync.so) is a shared object with one exported symbol.  The
 * host looks it up, checks the descriptor, calls init once, and from then on
 * runs the commands that the module registered, for whichever clients it has.
 *
 * Lifecycle, as the host does it
 *
 *     dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)
 *     dlsym(ZS_MODULE_SYMBOL)() -> struct zs_module        check: below
 *     module->init(host)                                   once, alone
 *         host->command_add(...) for each command
 *     command->run(session, args) ...                      concurrently, one per session
 *     module->fini()                                       once, alone; no session is running
 *
 * If init fails, the host forgets the commands that it added by then and does not
 * call fini: the module has freed what it made.
 *
 * A loaded module is never unmapped.  A new build of it is loaded from a new
 * real path; its commands take the place of the old one's for sessions to come.
 * The old one's fini follows when its last session has ended.  What the host took
 * from it has to change hands by then, in this order: seal and close each zs_writer
 * (from there on nothing is noted), init the new module, let its commands serve, open
 * the writers on the new one with the LSN of that last seal, or of last_valid_lsn if
 * something was written in between, which is then a gap; close what is open of the old
 * recording_store, and ask the new module for its own.  A writer that stays open on
 * the old module notes for nobody: a snapshot of the new one knows only what is sealed.
 *
 * Before init the host refuses, in one sentence that names the file, what it
 * has and what is needed: a struct_size below ZS_MODULE_SIZE_V1 or above 64 KiB,
 * a required member that is NULL, a bit in `needs` that the host's `features`
 * lack, a command that another module registered.
 *
 * The smallest host: fill in struct zs_store (store.h), struct zs_host, and for
 * each client a struct zs_session; host-stubs/stub is one in memory. */
#ifndef ZENITH_SYNC_HOST_H
#define ZENITH_SYNC_HOST_H

#include "store.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- roles: what a logged-in user may do ----------------------------------- */

#define ZS_ROLE_READ  1u /* fetch branches (branch_pull, sync_status) */
#define ZS_ROLE_WRITE 2u /* and store branches (branch_push) */
#define ZS_ROLE_ADMIN 3u /* and make this server connect elsewhere (perform_push, perform_pull) */

/* ---- a session: one client, while one command of its runs ------------------ */

/* Supplied by the host for one call of run; used by that call's thread only,
 * but for `cancel`.  A struct_size below ZS_SESSION_SIZE_V1 or above ZS_STRUCT_SIZE_MAX, or a
 * required member that is NULL, is 0A000.  Required are columns, row and notice. */
struct zs_session {
    uint32_t struct_size;
    uint32_t role; /* of the client: ZS_ROLE_* */
    void *self;
    const struct zs_cancel *cancel; /* set by CancelRequest, shutdown, a client that vanished;
                                       NULL: nothing stops the command */
    const char *user;               /* for logs, and whose max_transfers it counts to; NULL: "" */
    const char *peer; /* where the client is, for logs: "127.0.0.1:5433", "local"; NULL: "" */

    /* The result: first the columns, then each row; values are text, NULL is
     * SQL's null.  At most one result per command, not after copy_both. */
    int32_t (*columns)(void *self, const char *const *names, uint32_t n, struct zs_error *e);
    int32_t (*row)(void *self, const char *const *values, uint32_t n, struct zs_error *e);

    /* Tell the client something meanwhile (sqlstate 00000, or 01000 for a
     * warning).  Never waits for a slow client longer than a cancel allows;
     * what cannot be told is dropped. */
    void (*notice)(void *self, const struct zs_error *notice);

    /* Turn the client's connection into a message channel (in PostgreSQL's
     * protocol: CopyBothResponse), at most once per command.  *out is filled up
     * to out->struct_size; its close ends the copy and is to be called before
     * run returns.  If run then fails, the client gets the error; after a finish it
     * may have seen the end already, so a command that can still fail does not
     * finish.  The channel obeys `cancel`.  NULL: commands that need it are 0A000. */
    int32_t (*copy_both)(void *self, struct zs_channel *out, struct zs_error *e);
};

/* ---- a command -------------------------------------------------------------- */

struct zs_command {
    uint32_t struct_size;
    uint32_t role;       /* the least that a client needs: ZS_ROLE_*; the host enforces it */
    const char *name;    /* lower case, [a-z_]; what the client's query starts with */
    const char *summary; /* one line for a person: arguments and purpose */
    void *self;          /* passed back to run */

    /* Run it.  `args` is what stood behind the name in the client's query, blanks
     * around it and one trailing `;` cut off.  Concurrent across sessions.
     * On ZS_FAIL the host sends `e` to the client as it is. */
    int32_t (*run)(void *self, const struct zs_session *session, const char *args,
                   struct zs_error *e);
};

/* ---- the host ---------------------------------------------------------------- */

/* zs_host.features, zs_module.needs */
#define ZS_HOST_STORE     1ull /* `store` is filled in */
#define ZS_HOST_COPY_BOTH 2ull /* sessions have copy_both */

#define ZS_LOG_DEBUG   0u
#define ZS_LOG_INFO    1u
#define ZS_LOG_WARNING 2u
#define ZS_LOG_ERROR   3u

/* What the module gets from the host.  Lifetime PROCESS.  zenith_sync refuses (0A000, from
 * init) a host whose struct_size is below ZS_HOST_SIZE_V1 or above ZS_STRUCT_SIZE_MAX, or in
 * which the name, the version, the store or a function is NULL. */
struct zs_host {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t features; /* ZS_HOST_* */
    void *self;
    const char *name;    /* of the pageserver, for messages: "pageserver" */
    const char *version; /* its own */
    const struct zs_store *store;

    /* Offer a command to clients.  Only during init.  42710, naming the other
     * module, if the name is taken.  The struct is copied, its strings are
     * PROCESS. */
    int32_t (*command_add)(void *self, const struct zs_command *command, struct zs_error *e);

    /* One line for the host's log.  From any thread, at any time. */
    void (*log)(void *self, uint32_t level, const char *line);

    /* A setting by name from the host's configuration, as text, or NULL if it
     * is not set.  Lifetime PROCESS.  Only during init.  The module reads:
     *   transport_dir      the folder with the transports' shared objects
     *   allow_destinations destinations that perform_* may connect to, separated
     *                      by blanks: host, host:port, *.domain, or an address
     *                      with a mask length; not set: any, set but empty: none
     *   allow_unix_sockets "true" if a URI may name a Unix socket
     *   tls_dir            the folder that file names in a URI (sslrootcert,
     *                      sslcert, sslkey) are taken from; not set: none may be given
     *   lease_timeout      seconds that a snapshot is kept for a transfer that was cut
     *                      off while this server sent; not set: 3600, 0: none is kept
     *   progress_timeout   seconds that a peer may say nothing but KEEPALIVE where a message
     *                      of it is due; not set, or 0: 86400
     *   max_transfers      so many transfers (verify and branch_verify are some, too) may one
     *                      user have under way; not set: 32, 0: any number */
    const char *(*setting)(void *self, const char *name);
};

/* ---- the module ---------------------------------------------------------------- */

/* A host's own writer
 *
 * A host that has all of its writes done through recording_store needs none of this.  One
 * that writes WAL by a path of its own, continuously, tells the module what it changes, so
 * that an increment goes to what changed there, too:
 *
 *     writer_open(timeline, from_lsn = last_valid_lsn)       at the start of the timeline
 *     for what arrives:
 *         writer_note(keys, the highest LSN of theirs)       before a snapshot can show it
 *         write the records, move last_valid_lsn             in whatever way, as often
 *     every 64 MiB of WAL or so, and before an orderly stop:
 *         writer_seal(branch, upto_lsn = last_valid_lsn) -> blobs
 *         write the blobs and last_valid_lsn                 in one durable step
 *         writer_sealed(1), or (0) if that failed
 *     writer_close                                           before fini
 *
 * History.  A store that keeps digests keeps a point for each commit and for each seal, and
 * these for good.  Between two seals last_valid_lsn may move without one: snapshot_history
 * then begins with a point made for the moment, the snapshot's own state (store.h), which
 * nobody keeps.  What that costs: a peer that got the branch at such a state is told apart
 * later by a pass over the branch in place of a look, and not at all below gc_cutoff_lsn; a
 * transfer to there that was cut off starts again once its lease (lease_timeout) has ended.
 *
 * The blobs are kept and removed as those of a commit (struct zs_commit) and are read again
 * by the store's blob_read, as of a snapshot.  They are an epoch: what changed in (the seal
 * before, upto_lsn].  A snapshot between two seals is served from memory.
 *
 * After a crash all that was noted and not sealed is gone.  The timeline is opened again
 * with the last_valid_lsn that was recovered: what lies between the last seal and there is a
 * gap in the map, and is scanned when it is asked for.  A host that takes up its WAL at the last
 * seal recovers that last_valid_lsn, and has no gap.  Whatever from_lsn says, a writer begins
 * at what the store shows of the timeline then.
 *
 * While a writer is open, all that is written to its timeline is noted or comes through the
 * module.  A key that is not noted is a lie: the history digest finds it, at the price of a second,
 * full scan.  A key too many costs a seek.  The module adds by itself what it ingests into
 * the timeline meanwhile.
 * Memory: up to 24 MiB per writer, where that many keys change between two seals; beyond
 * some four million the range is scanned. */
struct zs_writer; /* the module's */

struct zs_module {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t features; /* 0 so far */
    uint64_t needs;    /* ZS_HOST_* bits that the host must have */
    const char *name;
    const char *version;

    /* Start; register commands.  *self is handed to fini.  Required. */
    int32_t (*init)(const struct zs_host *host, void **self, struct zs_error *e);

    /* Stop; free what init made.  Called once, when no session runs.  Required. */
    void (*fini)(void *self);

    /* Add the hash of each record to *sum, as types.h defines it: the digest for
     * hosts that keep one.  From any thread.  Required. */
    void (*digest_add)(struct zs_digest *sum, const struct zs_record *records, uint64_t n);

    /* The host's own store with a change map kept on the way: a host whose own writers
     * ingest through this table pays for an increment what changed.  What is written
     * past it is found all the same, by a scan.  Good from init to fini; NULL if the host's store
     * lacks ZS_STORE_BLOBS.  Its snapshots, iterators and ingests are its own: one of them is
     * never handed to the host's own table, nor the other way round. */
    const struct zs_store *(*recording_store)(void *self);

    /* The host has deleted a branch: what the module keeps of it, a snapshot for a
     * transfer that was cut off, is closed, so that its space can go.  Good from init to
     * fini, from any thread; a name that nothing is kept of is none of its business. */
    void (*branch_gone)(void *self, const char *branch);

    /* ---- a host's own writer; handles, used by one thread at a time ---- */

    /* Note from here on what is written above from_lsn.  One per timeline: 55006.  0A000
     * without ZS_STORE_BLOBS. */
    int32_t (*writer_open)(void *self, const struct zs_timeline_id *timeline, zs_lsn from_lsn,
                           struct zs_writer **out, struct zs_error *e);

    /* n keys of ZS_KEY_BYTES each, one behind the other, whose records have LSNs of upto_lsn
     * at most.  Cannot fail: where memory is short, the range is scanned. */
    void (*writer_note)(struct zs_writer *writer, const uint8_t *keys, uint64_t n, zs_lsn upto_lsn);

    /* The blobs with which upto_lsn becomes durable; lifetime until writer_sealed.  22023 if
     * upto_lsn is not above the last seal's. */
    int32_t (*writer_seal)(struct zs_writer *writer, const char *branch, zs_lsn upto_lsn,
                           const struct zs_blob **blobs, uint64_t *nblobs, struct zs_error *e);
    /* It is durable (1), or nothing of it is (0): then the next seal has it, too. */
    void (*writer_sealed)(struct zs_writer *writer, int32_t durable);
    void (*writer_close)(struct zs_writer *writer);
};

#define ZS_MODULE_SYMBOL  "zenith_sync_module_v1"
#define ZS_MODULE_SIZE_V1 64u
typedef const struct zs_module *(*zs_module_entry)(void); /* the symbol's type; PROCESS */

#define ZS_HOST_SIZE_V1    72u /* through setting: the least that a module accepts */
#define ZS_SESSION_SIZE_V1 72u /* through copy_both: the same */

ZS_STATIC_ASSERT(sizeof(struct zs_session) == ZS_SESSION_SIZE_V1, "no tail padding");
ZS_STATIC_ASSERT(sizeof(struct zs_command) == 40, "no tail padding");
ZS_STATIC_ASSERT(sizeof(struct zs_host) == ZS_HOST_SIZE_V1, "no tail padding");
ZS_STATIC_ASSERT(offsetof(struct zs_module, recording_store) == ZS_MODULE_SIZE_V1, "append only");
ZS_STATIC_ASSERT(offsetof(struct zs_module, writer_open) == 80, "append only");
ZS_STATIC_ASSERT(sizeof(struct zs_module) == 120, "no tail padding");

#ifdef __cplusplus
}
#endif
#endif
