/* sessions.h - who is connected: limits, cancel keys, and the way to end them all.
 * Flow: listener and session enter and leave; CancelRequest, status and shutdown look.
 * Threads: any. */
#ifndef PAGESERVER_SESSIONS_H
#define PAGESERVER_SESSIONS_H

#include "pageserver/cancel.h"

#include <pthread.h>

struct session_entry {
    struct session_entry *next, **link;
    uint32_t id, key; /* what a CancelRequest must bring */
    bool logged_in, running;
    struct cancel *cancel;
    int fd; /* the client's socket */
};

struct sessions {
    pthread_mutex_t lock;
    pthread_cond_t gone;
    struct session_entry *first;
    uint32_t half_open, logged_in, last_id;
    uint32_t max_half_open, max_logged_in;
    bool stopping;
};

int sessions_init(struct sessions *s, uint32_t max_half_open, uint32_t max_logged_in,
                  struct zs_error *e);
void sessions_fini(struct sessions *s);

/* A place for a connection that is not logged in.  53300 if there are too many; a local one
 * always finds a place, so that strangers cannot lock the server's own user out. */
int sessions_reserve(struct sessions *s, bool is_local, struct zs_error *e);
void sessions_release(struct sessions *s); /* a place that no entry took */

/* Use the place.  The entry is the caller's; cancel and fd are set. */
int sessions_enter(struct sessions *s, struct session_entry *entry, struct zs_error *e);

/* Leaving is in two steps: after the first nobody touches the entry, its cancel or its
 * fd any more, which can then be closed; the second gives the place back. */
void sessions_leave_begin(struct sessions *s, struct session_entry *entry);
void sessions_leave_end(struct sessions *s, bool logged_in);

/* Logged in: 53300 if there are too many.  The last SESSIONS_FOR_ADMINS places, half of all if
 * there are few, are for admins, so that the other users cannot lock them out. */
#define SESSIONS_FOR_ADMINS 3u
int sessions_promote(struct sessions *s, struct session_entry *entry, bool is_admin,
                     struct zs_error *e);

/* Around a command: a CancelRequest outside of them is too late and ignored. */
void sessions_command_begin(struct sessions *s, struct session_entry *entry);
void sessions_command_end(struct sessions *s, struct session_entry *entry);

/* A CancelRequest.  False if the key fits no running command. */
bool sessions_cancel(struct sessions *s, uint32_t id, uint32_t key);

uint32_t sessions_count(struct sessions *s);

/* Cancel all; no more may enter.  Then wait for them; false if some remain. */
void sessions_stop(struct sessions *s);
bool sessions_wait(struct sessions *s, int timeout_ms);
/* Cut the connections of those that remain. */
void sessions_cut(struct sessions *s);

#endif
