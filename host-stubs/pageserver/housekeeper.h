/* housekeeper.h - what a running server does without being asked: stages whose time is over go.
 * Flow: server_start -> housekeeper_start; a thread of its own, as removing gigabytes takes
 * seconds in which a client would wait; server_stop -> housekeeper_stop. */
#ifndef PAGESERVER_HOUSEKEEPER_H
#define PAGESERVER_HOUSEKEEPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <zenith-sync/types.h>

struct kv;

struct housekeeper {
    struct kv *kv;
    uint32_t every_s;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopped;
};

/* At once, and then as often as a stage may expire, but every minute and no more than every
 * second.  The keeper must not move until it is stopped. */
int housekeeper_start(struct housekeeper *keeper, struct kv *kv, uint32_t stage_timeout_s,
                      struct zs_error *e);
/* Waits for a removal that is under way. */
void housekeeper_stop(struct housekeeper *keeper);

#endif
