/* hint.h - what a server cannot know, put into a refusal's hint: how this side calls
 * the far one, and where its own repository is.  Pure.  Threads: any. */
#ifndef ZS_CLI_HINT_H
#define ZS_CLI_HINT_H

#include <zenith-sync/types.h>

/* In the hint of a refusal (ZS001, ZS002, ZS003) " ORIGIN:" becomes " <origin>:", and
 * "zenith push" or "zenith pull" in front of it gets "-D <dir>", quoted for a shell.
 *   origin  NULL: a URI was typed, which holds secrets; ORIGIN stays
 *   dir     NULL: -D was not typed
 * The hint is left as it is if the new one is too long, or it names no origin. */
void hint_complete(struct zs_error *e, const char *origin, const char *dir);

/* The first "zenith " in the hint of an error of this side's gets "-D <dir>" behind it, as above.
 */
void hint_dir(struct zs_error *e, const char *dir);

#endif
