/* SPDX-License-Identifier: MIT
 *
 * The path of /files/: decoded as a second decoder does it, and never to a path that could
 * leave the root; and whatever it is, opening it opens nothing but the files that are below
 * the root, with openat2() and with the walk that replaces it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "handler/files.h"

/* A folder with something to find in it, and a secret beside it. */
struct site {
    char folder[64];
    int root_fd;
};

static struct site site = {.root_fd = -1};

static const char *const FILES[] = {"secret", "root/a", "root/.hidden", "root/d/index.html",
                                    "root/%41"};
static const char *const FOLDERS[] = {"root", "root/d", "root/.d"};
static const struct {
    const char *path, *to;
} LINKS[] = {{"root/out", "../secret"}, {"root/up", ".."}, {"root/in", "d/index.html"}};

static void in_site(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", site.folder, name);
}

static void remove_site(void)
{
    char path[128];

    for (size_t i = 0; i < sizeof LINKS / sizeof LINKS[0]; i++) {
        in_site(path, LINKS[i].path);
        unlink(path);
    }
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        in_site(path, FILES[i]);
        unlink(path);
    }
    for (size_t i = sizeof FOLDERS / sizeof FOLDERS[0]; i-- > 0;) {
        in_site(path, FOLDERS[i]);
        rmdir(path);
    }
    rmdir(site.folder);
    close(site.root_fd);
}

static void make_site(void)
{
    const char *temporary = getenv("TMPDIR");
    char path[128];

    snprintf(site.folder, sizeof site.folder, "%s/fuzz-path.XXXXXX",
             temporary != NULL && strlen(temporary) < 40 ? temporary : "/tmp");
    FUZZ_CHECK(mkdtemp(site.folder) != NULL);
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        in_site(path, FOLDERS[i]);
        FUZZ_CHECK(mkdir(path, 0700) == 0);
    }
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        int fd;

        in_site(path, FILES[i]);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        FUZZ_CHECK(fd >= 0 && close(fd) == 0);
    }
    for (size_t i = 0; i < sizeof LINKS / sizeof LINKS[0]; i++) {
        in_site(path, LINKS[i].path);
        FUZZ_CHECK(symlink(LINKS[i].to, path) == 0);
    }
    in_site(path, "root");
    site.root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    FUZZ_CHECK(site.root_fd >= 0);
    atexit(remove_site);
}

/* What was opened, and is closed here, is below the root by the kernel's own word, and, where the
 * path has passed the first guard, not hidden. */
static void check_open(int fd, bool passed)
{
    char path[128], name[256], root[128];
    ssize_t length;

    if (fd < 0)
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    length = readlink(path, name, sizeof name - 1);
    FUZZ_CHECK(length > 0);
    name[length] = '\0';
    in_site(root, "root");
    FUZZ_CHECK(strncmp(name, root, strlen(root)) == 0);
    FUZZ_CHECK(name[strlen(root)] == '/' || name[strlen(root)] == '\0');
    FUZZ_CHECK(!passed || strstr(name + strlen(root), "/.") == NULL);
    close(fd);
}

/* RFC 3986, 2.1, once. Returns false for a '%' without two hexadecimal digits, or for %00. */
static bool decode(const uint8_t *data, size_t size, char *out, size_t *length)
{
    char digits[3] = "";

    for (*length = 0; size > 0; data++, size--) {
        if (*data != '%') {
            out[(*length)++] = (char)*data;
            if (*data == '\0')
                return false;
            continue;
        }
        if (size < 3)
            return false;
        memcpy(digits, data + 1, 2);
        if (strspn(digits, "0123456789abcdefABCDEF") != 2 || strcmp(digits, "00") == 0)
            return false;
        out[(*length)++] = (char)strtol(digits, NULL, 16);
        data += 2;
        size -= 2;
    }
    return true;
}

int fuzz_path(const uint8_t *data, size_t size)
{
    char *encoded = fuzz_copy(data, size), *mine = malloc(size + 1);
    char path[FILES_PATH_SIZE];
    size_t length;
    bool valid;
    int error;

    if (site.root_fd < 0)
        make_site();
    FUZZ_CHECK(mine != NULL);
    memset(path, 'x', sizeof path);
    error = files_decode_path((struct http_slice){encoded, size}, path);
    valid = decode(data, size, mine, &length);
    FUZZ_CHECK(valid == (error != -EINVAL));
    FUZZ_CHECK(error == 0 || error == -ENOENT || error == -EINVAL);
    if (error == 0) {
        FUZZ_CHECK(strlen(path) == length && memcmp(path, mine, length) == 0);
        FUZZ_CHECK(path[0] != '/' && path[0] != '.');
        FUZZ_CHECK(strstr(path, "//") == NULL && strstr(path, "/.") == NULL);
    }
    free(encoded);
    free(mine);
    /* The second guard holds without the first. */
    if (error != -EINVAL && path[0] != '\0' && path[strlen(path) - 1] != '/') {
        check_open(files_open_walk(site.root_fd, path), error == 0);
        check_open(files_open(site.root_fd, path), error == 0);
    }
    return 0;
}
