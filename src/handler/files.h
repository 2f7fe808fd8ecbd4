/* SPDX-License-Identifier: MIT
 *
 * GET /files/PATH in three parts: files_open.c turns a path into a descriptor
 * that is safely below the root, files_meta.c judges types, conditions and
 * ranges, files.c answers. What is declared here has no side effects beyond the
 * descriptors that it opens, and waits for nothing but the disk.
 */
#ifndef HANDLER_FILES_H
#define HANDLER_FILES_H

#include <stdint.h>
#include <sys/stat.h>

#include "http.h"

enum {
    FILES_PATH_SIZE = 4096, /* a decoded path and its NUL: Linux's PATH_MAX */
    FILES_ETAG_SIZE = 64,
};

/* --- files_open.c: paths -------------------------------------------------- */

/*
 * Decodes the percent-encoded path encoded (what follows "/files/") once and
 * judges the result: what out then holds, NUL-terminated, is relative, made of
 * non-empty components that do not begin with a dot, and at most its end is a
 * '/'. The empty path is accepted. Returns 0, -EINVAL when it is malformed ("%zz",
 * "%00"), or -ENOENT for a path that is never served (a dot file, "..", "//",
 * an encoded slash, longer than FILES_PATH_SIZE). RFC 3986 section 2.1.
 */
int files_decode_path(struct http_slice encoded, char out[FILES_PATH_SIZE])
    __attribute__((warn_unused_result));

/*
 * Opens path, as from files_decode_path() but not empty nor ending in '/', for
 * reading below the directory root_fd; nothing outside can be reached, whatever
 * symbolic links there are. The descriptor is non-blocking (so that opening a
 * FIFO does not wait), closed on exec, and may be of any type of file.
 *
 * Returns the descriptor, the caller's to close, or a negative errno: -EXDEV for
 * a link that leads outside, -ENOENT, -ENOTDIR, -ELOOP, -EACCES, ... Uses
 * openat2() (Linux 5.6); where that does not exist or is forbidden,
 * files_open_walk().
 */
int files_open(int root_fd, const char *path) __attribute__((warn_unused_result));

/* The same without openat2(): opens one component after another and follows no
 * symbolic link at all (-ELOOP, -ENOTDIR). */
int files_open_walk(int root_fd, const char *path) __attribute__((warn_unused_result));

/* --- files_meta.c: types, conditions, ranges ------------------------------ */

/* What is known of a file as a representation (RFC 9110 section 8). */
struct files_meta {
    uint64_t size;              /* bytes */
    int64_t modified;           /* Last-Modified, seconds since the epoch */
    bool modified_is_strong;    /* no other version can have that date any more: it has passed
                                 * (RFC 9110 section 8.8.2.2) */
    char etag[FILES_ETAG_SIZE]; /* a strong one, with its quotes */
};

/* Derives *meta from a regular file's st. now, in seconds since the epoch, is
 * the latest that Last-Modified may be (RFC 9110 section 8.8.2.1). */
void files_describe(struct files_meta *meta, const struct stat *st, int64_t now);

/* The media type for the ending of path's name, any case; application/octet-stream
 * for an unknown one. Never NULL. */
const char *files_content_type(const char *path);

enum files_verdict { FILES_SEND, FILES_NOT_MODIFIED, FILES_PRECONDITION_FAILED };

/*
 * Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since
 * of a GET or HEAD request in the order of RFC 9110 section 13.2.2. A date that
 * is invalid, or given twice, is ignored.
 */
enum files_verdict files_judge(const struct http_request *request, const struct files_meta *meta);

enum files_extent { FILES_WHOLE, FILES_PART, FILES_UNSATISFIABLE };

/*
 * Which part of the file to send: evaluates Range and If-Range of a GET request
 * (any other method: the whole file; RFC 9110 section 14.2). Sets *offset and
 * *length in all cases; for FILES_UNSATISFIABLE both are 0.
 */
enum files_extent files_select(const struct http_request *request, const struct files_meta *meta,
                               uint64_t *offset, uint64_t *length);

/*
 * Reads the value of one Range field for a representation of size bytes. A set
 * of several ranges, another unit or a malformed value is FILES_WHOLE. A last
 * position beyond the end is cut. RFC 9110 sections 14.1.1 and 14.1.2.
 */
enum files_extent files_range(struct http_slice value, uint64_t size, uint64_t *offset,
                              uint64_t *length);

/*
 * True when the value of an If-Match or If-None-Match field, a list of entity
 * tags or "*", matches etag; weakly (W/ is disregarded) or strongly. What follows
 * a malformed member is not looked at. RFC 9110 sections 8.8.3.2 and 13.1.
 */
bool files_etag_matches(struct http_slice list, const char *etag, bool weak);

#endif
