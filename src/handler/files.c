/* SPDX-License-Identifier: MIT
 *
 * GET /files/PATH: a regular file below --root, sent with sendfile(). Opening is
 * files_open.c's, the meaning of the headers files_meta.c's; here they are put
 * together.
 *
 * A directory is its index.html; asked for without the slash at its end it is
 * redirected, or relative links in the page would miss. A query is ignored:
 * pages put one behind a style sheet's name to get past caches. The descriptor
 * belongs to this function and is announced with io_hold() for as long as it is open.
 */
#include "handler.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "server.h"

/* Says why a file could not be opened. What is outside the root, a link in a circle, a name too
 * long or a socket does not exist, as far as the client may know. Nothing else is answered 404,
 * which caches keep: an error that is not named here is a fault of the storage. */
static int files_refuse(struct http_exchange *x, int error)
{
    switch (-error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EXDEV:
    case ENXIO:
        return http_error(x, 404, "no such file");
    case EACCES:
    case EPERM:
        return http_error(x, 403, "not permitted");
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        http_add_header(x, "Retry-After", "1");
        return http_error(x, 503, "too busy to open the file");
    default:
        return http_error(x, 500, "the file cannot be read");
    }
}

/* Sends the client to the directory's address with a slash at its end. */
static int files_redirect(struct http_exchange *x)
{
    struct http_slice path = x->request->path;

    if (path.data[path.length - 1] == '/') /* it is the index.html that is a directory */
        return http_error(x, 404, "not a regular file");
    return http_redirect_to_slash(x);
}

/* Answers with the open regular file fd, described by st. */
static int files_send(struct http_exchange *x, int fd, const struct stat *st, const char *path)
{
    struct files_meta meta;
    char modified[HTTP_DATE_SIZE];
    uint64_t offset, length;
    unsigned status = 200;
    enum files_verdict verdict;
    int error;

    files_describe(&meta, st, (int64_t)time(NULL));
    verdict = files_judge(x->request, &meta);
    if (verdict == FILES_PRECONDITION_FAILED)
        return http_error(x, 412, "the file is not the one asked for");

    http_date_format(modified, meta.modified);
    http_add_header(x, "ETag", "%s", meta.etag);
    http_add_header(x, "Last-Modified", "%s", modified);
    if (verdict == FILES_NOT_MODIFIED)
        return http_reply(x, 304, NULL, "", 0);

    http_add_header(x, "Accept-Ranges", "bytes");
    switch (files_select(x->request, &meta, &offset, &length)) {
    case FILES_UNSATISFIABLE:
        http_add_header(x, "Content-Range", "bytes */%" PRIu64, meta.size);
        return http_error(x, 416, "the file has %" PRIu64 " bytes", meta.size);
    case FILES_PART:
        http_add_header(x, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, offset,
                        offset + length - 1, meta.size);
        status = 206;
        break;
    case FILES_WHOLE:
        break;
    }
    error = http_begin(x, status, files_content_type(path), length);
    if (error != 0 || length == 0)
        return error;
    return http_send_file(x, fd, offset, length);
}

/* Answers with whatever the open fd is. */
static int files_serve(struct http_exchange *x, int fd, const char *path)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return files_refuse(x, -errno);
    if (S_ISREG(st.st_mode))
        return files_send(x, fd, &st, path);
    if (S_ISDIR(st.st_mode))
        return files_redirect(x);
    return http_error(x, 404, "not a regular file");
}

int handler_files(struct http_exchange *x)
{
    static const char index_name[] = "index.html";
    struct http_slice encoded = handler_below_prefix(x->request);
    int root_fd = x->io->server->root_fd;
    char path[FILES_PATH_SIZE];
    int error, fd;
    size_t length;

    if (root_fd < 0)
        return http_error(x, 404, "no files are served here; see --root");

    error = files_decode_path(encoded, path);
    if (error == -EINVAL)
        return http_error(x, 400, "malformed percent-encoding in the path");
    if (error != 0)
        return files_refuse(x, error);

    length = strlen(path);
    if (length == 0 || path[length - 1] == '/') {
        if (length + sizeof index_name > sizeof path)
            return files_refuse(x, -ENAMETOOLONG);
        memcpy(path + length, index_name, sizeof index_name);
    }

    io_opening(x->io);
    fd = files_open(root_fd, path);
    io_hold(x->io, fd);
    if (fd < 0)
        return files_refuse(x, fd);
    error = files_serve(x, fd, path);
    io_close(x->io, fd);
    return error;
}
