/* password.c - see password.h. */
#include "pageserver/password.h"

#include "base/error.h"

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Byte by byte, so that nothing of it stays in a buffer of stdio's. */
static int read_line(char out[PASSWORD_MAX], struct zs_error *e)
{
    size_t n = 0;
    char c = 0;
    while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
        if (n + 1 == PASSWORD_MAX || c == '\0') {
            error_set(e, ZS_BAD_VALUE, "the password is too long or has a NUL in it");
            return error_hint(e, "Give one of at most %d bytes.", PASSWORD_MAX - 1);
        }
        out[n++] = c;
    }
    if (n > 0 && out[n - 1] == '\r')
        n--;
    out[n] = '\0';
    if (n == 0) {
        error_set(e, ZS_BAD_VALUE, "no password was given");
        return error_hint(e, "Give it on standard input, one line.");
    }
    return ZS_OK;
}

static int ask(const char *prompt, char out[PASSWORD_MAX], struct zs_error *e)
{
    struct termios shown;
    bool hidden = tcgetattr(STDIN_FILENO, &shown) == 0;
    if (hidden) {
        struct termios quiet = shown;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        hidden = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
    }
    (void)fputs(prompt, stderr);
    int rc = read_line(out, e);
    (void)fputc('\n', stderr);
    if (hidden)
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    return rc;
}

int password_read(char out[PASSWORD_MAX], struct zs_error *e)
{
    if (isatty(STDIN_FILENO) == 0)
        return read_line(out, e);
    char again[PASSWORD_MAX];
    TRY(ask("Password: ", out, e));
    int rc = ask("The same again: ", again, e);
    if (rc == ZS_OK && strcmp(out, again) != 0)
        rc = error_set(e, ZS_BAD_VALUE, "the two passwords are not the same");
    password_wipe(again);
    return rc;
}

void password_wipe(char password[PASSWORD_MAX])
{
    OPENSSL_cleanse(password, PASSWORD_MAX);
}
