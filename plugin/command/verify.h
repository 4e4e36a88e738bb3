/* verify.h - what verify and perform_verify share: options, and faults as notices.
 * A fault is a warning (01000): a sentence, a hint, and for programs one JSON object in
 * the detail:
 *   {"fault":{"kind":"read","sqlstate":"XX001","detail":"...","after":"<36 hex digits>",
 *             "before":"...","from_lsn":"0/10","to_lsn":"0/20"}}
 * What is not known is left out.  VERIFY_TOLD at most are told, all are counted.
 * Threads: the session's. */
#ifndef ZS_COMMAND_VERIFY_H
#define ZS_COMMAND_VERIFY_H

#include "command/command.h"
#include "sync/verify.h"

#define VERIFY_TOLD 100u

/* The one option there is: progress.  42601 names another. */
int verify_options_read(const struct arguments *a, bool *progress, struct zs_error *e);

/* The fault as a notice; pure, for the tests.  53200 leaves the detail empty. */
void verify_notice(const struct fault *fault, struct zs_error *notice);

#endif
