/* fault_server.h - a pageserver under test, with fault.so in it: asked, armed, started again.
 * Flow: faults.c -> here -> libpq, and the file that fault.so maps, too.
 * Ownership: what a reply says is in the reply.  Threads: one. */
#ifndef TESTS_CRASH_FAULT_SERVER_H
#define TESTS_CRASH_FAULT_SERVER_H

#include "fault.h"

#include <stdbool.h>
#include <stddef.h>

struct server {
    const char *name;   /* "A": what FAULTS_RESTART is told */
    const char *folder; /* of its socket, its data and its control file "fault" */
    const char *uri;    /* how the other one reaches it */
    struct fault_control *control;
};

struct reply {
    bool ok, lost; /* lost: no answer, the connection ended */
    char sqlstate[6];
    char message[512], hint[512];
    char rows[4096]; /* a line each: the first column, and those that tell what is there */
};

/* A variable that faults.sh sets; ends the program if it did not. */
const char *setting(const char *name);

/* Of the server whose variables end in this name; its data/ is where files fail. */
void server_open(struct server *s, const char *name);

struct reply server_ask(const struct server *s, const char *query);
/* The same, again while it says 55006: the other side's half of a command ends when it has
 * seen that this one did. */
struct reply server_ask_when_free(const struct server *s, const char *query);
/* Stop it, if it runs, and start it. */
void server_restart(const struct server *s);
/* Do that if the reply says so; was it done? */
bool server_restart_if_told(const struct server *s, const struct reply *r);

/* It must succeed, if need be once the server was started again: a fault may have hit the
 * engine's own threads, and the next to write is told. */
void server_must(const struct server *s, const char *query);

/* Let the n-th call fail, 0: count them alone.   disarm: how many there were. */
void server_arm(const struct server *s, unsigned kind, int errnum, uint64_t n);
uint64_t server_disarm(const struct server *s);

/* What a server holds while nothing runs: what an earlier command must have given back.
 * Not counted: the engine's threads, and its files, which it opens and keeps as it likes. */
struct holdings {
    int pid;
    unsigned descriptors, threads;
    unsigned stages; /* files and folders in data/stage */
    unsigned others; /* and in data/ besides that and the engine's folder */
    long anon_kib;
};
struct holdings server_holdings(const struct server *s);

/* What a line of a reply's rows says behind its first word; "" if there is none. */
const char *row_of(const struct reply *r, const char *name, char *out, size_t size);

#endif
