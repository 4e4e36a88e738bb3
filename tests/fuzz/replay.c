/* replay.c - runs a fuzz target over its committed corpus, without libFuzzer.
 * The program is called replay_NAME; its files are in tests/fuzz/corpus/NAME, from the
 * top folder, or are named as arguments.  A target that is broken ends the process: the
 * last line says by which file.  Else the last line adds up, as every test's does. */
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = malloc(FUZZ_INPUT_MAX + 1);
    bool good = f != NULL && bytes != NULL;
    size_t n = good ? fread(bytes, 1, FUZZ_INPUT_MAX + 1, f) : 0;
    good = good && ferror(f) == 0 && n <= FUZZ_INPUT_MAX;
    if (f != NULL)
        (void)fclose(f);
    (void)printf("%s\n", path);
    (void)fflush(stdout);
    /* Of its own size, so that a read past it is seen. */
    uint8_t *input = good ? malloc(n + (n == 0)) : NULL;
    good = input != NULL;
    if (good) {
        memcpy(input, bytes, n);
        (void)LLVMFuzzerTestOneInput(input, n);
    } else {
        (void)printf("this file cannot be read, or is longer than %zu bytes\n", FUZZ_INPUT_MAX);
    }
    free(input);
    free(bytes);
    return good;
}

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    const char *slash = strrchr(argv[0], '/');
    const char *name = strstr(slash == NULL ? argv[0] : slash, "replay_");
    name = name == NULL ? "?" : name + strlen("replay_");
    for (int i = 1; i < argc; i++)
        run_file(argv[i]) ? passed++ : failed++;
    if (argc == 1) {
        char folder[256];
        struct dirent **list = NULL;
        (void)snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name);
        int n = scandir(folder, &list, NULL, alphasort);
        for (int i = 0; i < n; i++) {
            char path[1024];
            (void)snprintf(path, sizeof path, "%s/%s", folder, list[i]->d_name);
            if (list[i]->d_name[0] != '.')
                run_file(path) ? passed++ : failed++;
            free(list[i]);
        }
        free(list);
        if (passed + failed == 0) {
            (void)printf("there is nothing in %s: run it in the repository's top folder\n", folder);
            failed = 1;
        }
    }
    (void)printf("fuzz/%s: %u passed, %u failed\n", name, passed, failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
