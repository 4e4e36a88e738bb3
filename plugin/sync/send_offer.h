/* send_offer.h - what a sender offers to a receiver in this state: the verdict, the range, and
 * whether an interrupted transfer goes on.
 * Flow: sync/send has the STATE -> here -> sync/verdict and sync/history -> the OFFER.
 * What holds: nothing is sent here but KEEPALIVE, while a branch is read for a verdict.
 * Threads: the caller's. */
#ifndef ZS_SYNC_SEND_OFFER_H
#define ZS_SYNC_SEND_OFFER_H

#include "sync/send.h"

/* The offer of job->snapshot; the verdict and the common point go into *o.  0A000: versions
 * that are missing there have been collected here. */
int send_offer(const struct send_job *job, const struct state_message *state, struct outcome *o,
               struct offer_message *offer, struct zs_error *e);

/* What the history says will travel; 0 where it does not know. */
int send_estimate(const struct send_job *job, zs_lsn after_lsn, struct offer_message *offer,
                  struct zs_error *e);

#endif
