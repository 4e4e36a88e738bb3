/* transport_contract.h - what every transport owes (zenith-sync/transport.h), as tests.
 * Flow: test_transport_NAME.c sets a far side up that runs transport_far for each command
 * it is given, and runs the tests below against its transport.
 *
 *     near: the test            transport under test          far: transport_far
 *     connect("echo") ─────────────────────────────────────> copy_both, echo
 *     send / recv  <────────────── channel ─────────────────> send / recv
 *
 * Threads: transport_far runs in the far side's; a test in its own. */
#ifndef TESTS_TRANSPORT_CONTRACT_H
#define TESTS_TRANSPORT_CONTRACT_H

#include <zenith-sync/transport.h>

/* The far side's session, as a behaviour sees it. */
struct far_session {
    void *self;
    int (*copy_both)(void *self, struct zs_channel *out, struct zs_error *e);
    void (*idle)(void *self); /* returns when the near side has gone */
};

/* Behave as `command` says: echo | late | refuse | fail | three | flood | idle | vanish.
 * "late" is an echo whose stream opens after more than a second. */
int transport_far(const struct far_session *session, const char *command, struct zs_error *e);

struct transport_subject {
    const struct zs_transport *table;
    void *self;
    const char *uri;    /* of the far side */
    const char *secret; /* a word in the URI that must never be shown */
};

#define TRANSPORT_CONTRACT(X)                                                                      \
    X(echo, "messages of 1 byte to 16 MiB come back as they were, in order")                       \
    X(both_send, "two sides that send megabytes at once do not stop each other")                   \
    X(two_threads, "one thread may send while another receives")                                   \
    X(refusal, "the far side's refusal arrives as it said it")                                     \
    X(failure, "the far side's error in the middle arrives as it said it")                         \
    X(ends, "an end is told both ways, and stays")                                                 \
    X(vanished, "a far side that vanishes is a lost connection, after what it sent")               \
    X(nothing, "recv with a timeout says that there is nothing")                                   \
    X(kept, "messages that are kept stay as they came")                                            \
    X(cancel_recv, "a cancel ends a recv")                                                         \
    X(cancel_send, "a cancel ends a send that nobody reads")                                       \
    X(deadline, "a deadline that is past ends a recv")                                             \
    X(shown, "what is shown of a URI has no secret, and is told without a network")

#define TRANSPORT_CONTRACT_DECLARE(name, text)                                                     \
    void transport_contract_##name(const struct transport_subject *s);
TRANSPORT_CONTRACT(TRANSPORT_CONTRACT_DECLARE)

/* A cancel token for tests: pulled by contract_cancel_pull, from any thread. */
struct contract_cancel {
    struct zs_cancel token;
    int asked; /* atomic */
};
void contract_cancel_open(struct contract_cancel *c);
void contract_cancel_pull(struct contract_cancel *c);
void contract_cancel_within(struct contract_cancel *c, int64_t ms); /* its deadline */
void contract_cancel_close(struct contract_cancel *c);

/* Pull it from another thread after a while, and wait for that thread. */
struct contract_puller;
struct contract_puller *contract_pull_soon(struct contract_cancel *c);
void contract_pull_join(struct contract_puller *p);

int contract_connect(const struct transport_subject *s, const char *command,
                     const struct zs_cancel *cancel, struct zs_channel *out, struct zs_error *e);

#endif
