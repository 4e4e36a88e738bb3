/* password.c - see password.h.
 * While the terminal does not echo, the signals that the keyboard sends are off
 * (ISIG) and Ctrl-C and Ctrl-D are read as characters: whatever happens the terminal
 * is put back by the same way out. */
#include "cli/password.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum ended { LINE, END_OF_INPUT, TOO_LONG, HAS_NUL, INTERRUPTED, BROKEN };

/* One line without its end; typed: character by character, with backspace. */
static enum ended read_line(int fd, bool typed, char out[PASSWORD_BYTES])
{
    size_t n = 0;
    for (;;) {
        char ch;
        ssize_t got = read(fd, &ch, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return BROKEN;
        out[n] = '\0';
        if (got == 0)
            return n > 0 ? LINE : END_OF_INPUT;
        if (ch == '\n' || (typed && ch == '\r'))
            return LINE;
        if (typed && (ch == '\x03' || ch == '\x04'))
            return INTERRUPTED;
        if (typed && (ch == '\x7f' || ch == '\b'))
            n -= n > 0;
        else if (typed && ch == '\x15')
            n = 0;
        else if (ch == '\0')
            return HAS_NUL;
        else if (n == PASSWORD_BYTES - 2)
            return TOO_LONG;
        else
            out[n++] = ch;
    }
}

static int check(enum ended ended, char *text, struct zs_error *e)
{
    size_t len = strlen(text);
    switch (ended) {
    case INTERRUPTED:
        return error_set(e, ZS_CANCELLED, "no password was given");
    case BROKEN:
        return error_errno(e, errno, "cannot read the password");
    case TOO_LONG:
        return error_set(e, ZS_BAD_VALUE, "the password is too long: at most %d bytes",
                         PASSWORD_BYTES - 2);
    case HAS_NUL:
        return error_set(e, ZS_BAD_VALUE, "the password has a NUL character in it");
    case LINE:
    case END_OF_INPUT:
        break;
    }
    if (len > 0 && text[len - 1] == '\r')
        text[--len] = '\0';
    if (len == 0) {
        error_set(e, ZS_BAD_VALUE, "the password is empty");
        return error_hint(e, "Give at least one character.");
    }
    return ZS_OK;
}

struct terminal {
    int fd;
    struct termios before;
};

static void terminal_restore(struct terminal *t)
{
    if (t->fd < 0)
        return;
    (void)tcsetattr(t->fd, TCSAFLUSH, &t->before);
    (void)close(t->fd);
}

static int ask(struct terminal *t, const char *question, const char *user, char *out,
               struct zs_error *e)
{
    (void)dprintf(t->fd, "%s \"%s\": ", question, user);
    enum ended ended = read_line(t->fd, true, out);
    (void)dprintf(t->fd, "\r\n");
    return check(ended, out, e);
}

static int ask_twice(const char *user, char out[PASSWORD_BYTES], struct zs_error *e)
{
    char again[PASSWORD_BYTES];
    CLEANUP(terminal_restore) struct terminal t = {.fd = open("/dev/tty", O_RDWR | O_CLOEXEC)};
    if (t.fd < 0 || tcgetattr(t.fd, &t.before) != 0) {
        if (t.fd >= 0)
            (void)close(t.fd);
        t.fd = -1;
        error_set(e, ZS_BAD_VALUE, "there is no terminal to ask for the password on");
        return error_hint(e, "Add --password-stdin and give it on standard input.");
    }
    struct termios quiet = t.before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ISIG | ICANON);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    if (tcsetattr(t.fd, TCSAFLUSH, &quiet) != 0)
        return error_errno(e, errno, "cannot turn off the terminal's echo");
    int rc = ask(&t, "Password for", user, out, e);
    if (rc == ZS_OK)
        rc = ask(&t, "The same again for", user, again, e);
    if (rc == ZS_OK && strcmp(out, again) != 0) {
        error_set(e, ZS_BAD_VALUE, "the two passwords are not the same");
        rc = error_hint(e, "Try again.");
    }
    explicit_bzero(again, sizeof again);
    return rc;
}

int password_read(const char *user, bool from_stdin, char out[PASSWORD_BYTES], struct zs_error *e)
{
    memset(out, 0, PASSWORD_BYTES);
    if (from_stdin)
        TRY(check(read_line(STDIN_FILENO, false, out), out, e));
    else
        TRY(ask_twice(user, out, e));
    memcpy(out + strlen(out), "\n", 2);
    return ZS_OK;
}
