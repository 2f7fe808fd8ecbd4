/* SPDX-License-Identifier: MIT
 *
 * files.h: the path in a request target, and opening it below a folder without ever leaving that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handler/files.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct http_slice slice(const char *text)
{
    return (struct http_slice){text, strlen(text)};
}

/* --- paths ------------------------------------------------------------------ */

static const struct {
    const char *encoded;
    int result;
    const char *path;
} encoded_paths[] = {
    {"", 0, ""},
    {"a", 0, "a"},
    {"a.txt", 0, "a.txt"},
    {"dir/", 0, "dir/"},
    {"dir/a.txt", 0, "dir/a.txt"},
    {"a%20b", 0, "a b"},
    {"%61", 0, "a"},
    {"caf%c3%A9", 0, "caf\xc3\xa9"},
    {"a..b", 0, "a..b"},
    {"a.", 0, "a."},
    {"a../b", 0, "a../b"},
    {"a%0Ab", 0, "a\nb"},
    {"100%25", 0, "100%"},
    {"a%5cb", 0, "a\\b"},
    /* decoded once: what comes out is a name, not to be decoded again */
    {"%252e%252e/x", 0, "%2e%2e/x"},
    {"%252e%252e%252fx", 0, "%2e%2e%2fx"},
    {"a%2500", 0, "a%00"},
    /* malformed */
    {"%", -EINVAL, NULL},
    {"%4", -EINVAL, NULL},
    {"a%", -EINVAL, NULL},
    {"a%2", -EINVAL, NULL},
    {"%zz", -EINVAL, NULL},
    {"%2z", -EINVAL, NULL},
    {"%z2", -EINVAL, NULL},
    {"%+1", -EINVAL, NULL},
    {"%%20", -EINVAL, NULL},
    {"%00", -EINVAL, NULL},
    {"a.txt%00.html", -EINVAL, NULL},
    {"../%zz", -EINVAL, NULL}, /* malformed says more than refused */
    /* refused */
    {".", -ENOENT, NULL},
    {"..", -ENOENT, NULL},
    {"../x", -ENOENT, NULL},
    {"a/../b", -ENOENT, NULL},
    {"a/./b", -ENOENT, NULL},
    {"a/..", -ENOENT, NULL},
    {"a/.", -ENOENT, NULL},
    {".hidden", -ENOENT, NULL},
    {"a/.git/config", -ENOENT, NULL},
    {"...", -ENOENT, NULL},
    {"%2e%2e/x", -ENOENT, NULL},
    {"%2E./x", -ENOENT, NULL},
    {".%2e/x", -ENOENT, NULL},
    {"a/%2e%2e/x", -ENOENT, NULL},
    {"%2e%2e%2fx", -ENOENT, NULL},
    {"%2ehidden", -ENOENT, NULL},
    {"/", -ENOENT, NULL},
    {"/etc/passwd", -ENOENT, NULL},
    {"//", -ENOENT, NULL},
    {"a//b", -ENOENT, NULL},
    {"a//", -ENOENT, NULL},
    {"a%2Fb", -ENOENT, NULL},
    {"a%2fb", -ENOENT, NULL},
    {"%2fetc", -ENOENT, NULL},
};

static void test_decode_path(void **state)
{
    char path[FILES_PATH_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT(encoded_paths); i++) {
        int result = files_decode_path(slice(encoded_paths[i].encoded), path);
        if (result != encoded_paths[i].result ||
            (result == 0 && strcmp(path, encoded_paths[i].path) != 0))
            fail_msg("\"%s\": %d, \"%s\"", encoded_paths[i].encoded, result, path);
    }
}

static void test_decode_path_length(void **state)
{
    char encoded[FILES_PATH_SIZE + 8];
    char path[FILES_PATH_SIZE];
    struct http_slice longest;

    (void)state;
    memset(encoded, 'a', sizeof encoded);
    longest = (struct http_slice){encoded, FILES_PATH_SIZE - 1};
    assert_int_equal(files_decode_path(longest, path), 0);
    assert_int_equal(strlen(path), FILES_PATH_SIZE - 1);
    for (size_t length = FILES_PATH_SIZE; length <= sizeof encoded; length++) {
        struct http_slice longer = {encoded, length};
        assert_int_equal(files_decode_path(longer, path), -ENOENT);
    }
}

/* The slice ends where the memory does: nothing beyond it is read. */
static void test_decode_path_bounds(void **state)
{
    static const char *const texts[] = {"%", "%4", "ab%", "ab%2", "a", ".", "a/"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        char path[FILES_PATH_SIZE];
        size_t length = strlen(texts[i]);
        char *exact = malloc(length); /* the sanitizer build sees a byte too far */
        int result;

        assert_non_null(exact);
        memcpy(exact, texts[i], length);
        result = files_decode_path((struct http_slice){exact, length}, path);
        assert_true(result == 0 || result == -EINVAL || result == -ENOENT);
        free(exact);
    }
}

/* --- opening ----------------------------------------------------------------- */

struct tree {
    char top[64]; /* holds "outside.txt" and "root/" */
    int top_fd;
    int root_fd;
};

static void make_file(int directory, const char *name)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "text\n", 5), 5);
    close(fd);
}

static int setup_tree(void **state)
{
    struct tree *tree = calloc(1, sizeof *tree);

    assert_non_null(tree);
    strcpy(tree->top, "/tmp/test_files.XXXXXX");
    assert_non_null(mkdtemp(tree->top));
    tree->top_fd = open(tree->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(tree->top_fd >= 0);
    make_file(tree->top_fd, "outside.txt");
    assert_int_equal(mkdirat(tree->top_fd, "root", 0755), 0);
    assert_int_equal(mkdirat(tree->top_fd, "root/dir", 0755), 0);
    assert_int_equal(mkdirat(tree->top_fd, "root/dir/deep", 0755), 0);
    make_file(tree->top_fd, "root/a.txt");
    make_file(tree->top_fd, "root/dir/deep/b.txt");
    assert_int_equal(mkfifoat(tree->top_fd, "root/fifo", 0644), 0);
    assert_int_equal(symlinkat("../outside.txt", tree->top_fd, "root/up"), 0);
    assert_int_equal(symlinkat("/etc/passwd", tree->top_fd, "root/absolute"), 0);
    assert_int_equal(symlinkat("..", tree->top_fd, "root/parent"), 0);
    assert_int_equal(symlinkat("dir/deep/b.txt", tree->top_fd, "root/inside"), 0);
    assert_int_equal(symlinkat("circle", tree->top_fd, "root/circle"), 0);
    tree->root_fd = openat(tree->top_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(tree->root_fd >= 0);
    *state = tree;
    return 0;
}

static int teardown_tree(void **state)
{
    static const char *const files[] = {
        "outside.txt",   "root/a.txt",  "root/dir/deep/b.txt", "root/fifo",   "root/up",
        "root/absolute", "root/parent", "root/inside",         "root/circle",
    };
    static const char *const directories[] = {"root/dir/deep", "root/dir", "root"};
    struct tree *tree = *state;

    for (size_t i = 0; i < COUNT(files); i++)
        unlinkat(tree->top_fd, files[i], 0);
    for (size_t i = 0; i < COUNT(directories); i++)
        unlinkat(tree->top_fd, directories[i], AT_REMOVEDIR);
    close(tree->root_fd);
    close(tree->top_fd);
    rmdir(tree->top);
    free(tree);
    return 0;
}

/* What both ways of opening have in common. */
static void check_open(const struct tree *tree, int (*open_path)(int, const char *))
{
    static const char *const found[] = {"a.txt", "dir", "dir/deep", "dir/deep/b.txt", "fifo"};
    static const struct {
        const char *path;
        int error;
    } refused[] = {
        {"none", -ENOENT},     {"none/a.txt", -ENOENT},
        {"dir/none", -ENOENT}, {"a.txt/b", -ENOTDIR},
        {"circle", -ELOOP},    {"up", 0},
        {"absolute", 0},       {"parent/outside.txt", 0},
        {"parent", 0},         {"parent/root/a.txt", 0},
        {"../outside.txt", 0}, {"dir/../../outside.txt", 0},
        {"/etc/passwd", 0},    {"..", 0},
    };
    char long_name[400];

    for (size_t i = 0; i < COUNT(found); i++) {
        int fd = open_path(tree->root_fd, found[i]);
        if (fd < 0)
            fail_msg("%s: %s", found[i], strerror(-fd));
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        close(fd);
    }
    for (size_t i = 0; i < COUNT(refused); i++) {
        int fd = open_path(tree->root_fd, refused[i].path);
        if (fd >= 0)
            fail_msg("%s was opened", refused[i].path);
        if (refused[i].error != 0 && fd != refused[i].error)
            fail_msg("%s: %s", refused[i].path, strerror(-fd));
    }
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(open_path(tree->root_fd, long_name), -ENAMETOOLONG);
    assert_int_equal(fcntl(tree->root_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC); /* still open */
}

static void test_open(void **state)
{
    const struct tree *tree = *state;
    char text[16];
    int fd;

    check_open(tree, files_open);
    fd = files_open(tree->root_fd, "dir/deep/b.txt");
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof text), 5);
    close(fd);
}

static void test_open_walk(void **state)
{
    const struct tree *tree = *state;
    char text[16];
    int fd;

    check_open(tree, files_open_walk);
    assert_int_equal(files_open_walk(tree->root_fd, "inside"), -ELOOP);
    assert_int_equal(files_open_walk(tree->root_fd, "dir//deep"), -ENOENT);
    assert_int_equal(files_open_walk(tree->root_fd, "dir/"), -ENOENT);
    assert_int_equal(files_open_walk(tree->root_fd, ""), -ENOENT);
    fd = files_open_walk(tree->root_fd, "dir/deep/b.txt");
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof text), 5);
    close(fd);
}

/* Neither way of opening leaves a descriptor behind, whatever becomes of it. */
static void test_open_leaks_nothing(void **state)
{
    static const char *const paths[] = {"dir/deep/b.txt", "dir/deep/none", "dir/none/b", "up",
                                        "a.txt/b",        "parent/a",      "circle"};
    const struct tree *tree = *state;
    int before = dup(tree->top_fd);
    int after;

    assert_true(before >= 0);
    close(before);
    for (size_t i = 0; i < COUNT(paths); i++) {
        int fd = files_open(tree->root_fd, paths[i]);
        if (fd >= 0)
            close(fd);
        fd = files_open_walk(tree->root_fd, paths[i]);
        if (fd >= 0)
            close(fd);
    }
    after = dup(tree->top_fd);
    assert_int_equal(after, before);
    close(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_path),
        cmocka_unit_test(test_decode_path_length),
        cmocka_unit_test(test_decode_path_bounds),
        cmocka_unit_test_setup_teardown(test_open, setup_tree, teardown_tree),
        cmocka_unit_test_setup_teardown(test_open_walk, setup_tree, teardown_tree),
        cmocka_unit_test_setup_teardown(test_open_leaks_nothing, setup_tree, teardown_tree),
    };
    return cmocka_run_group_tests_name("handler/files", tests, NULL, NULL);
}
