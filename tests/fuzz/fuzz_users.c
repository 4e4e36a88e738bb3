/* fuzz_users.c - the file of users, and a name that someone logs in by (pageserver/users.h).
 * Input: the name, NUL, the file's text.
 * Holds: a user that is found has that name, a role and a verifier; one that is not is a
 * mock that no password fits, the same each time. */
#include "support.h"

#include "pageserver/users.h"

#include <string.h>
#include <zenith-sync/host.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[SCRAM_KEY_BYTES] = {1, 2, 3};
    struct user user, again;
    bool found = false, found_again = false;
    struct zs_error e;
    if (size > 8192)
        return 0;
    struct fuzz_input in = {data, size};
    const char *name = fuzz_take_text(&in, 0), *text = fuzz_take_text(&in, 1);
    if (strlen(name) > USER_NAME_MAX) /* a longer one ends at the startup packet */
        return 0;
    fuzz_error_before(&e);
    if (!fuzz_error_after(users_text_find(text, name, key, &user, &found, &e), &e))
        return 0;
    HOLDS(strcmp(user.name, name) == 0 && user.verifier.iterations >= 1);
    HOLDS(found == (user.role >= ZS_ROLE_READ && user.role <= ZS_ROLE_ADMIN));
    HOLDS(!found || user_name_check(name, &e) == ZS_OK);
    HOLDS(users_text_find(text, name, key, &again, &found_again, &e) == ZS_OK);
    HOLDS(found == found_again &&
          memcmp(user.verifier.salt, again.verifier.salt, sizeof user.verifier.salt) == 0);
    return 0;
}
