/* SPDX-License-Identifier: MIT
 *
 * What the headers of a request for a file mean: media types, entity tags,
 * conditions and ranges, as RFC 9110 has them. Pure functions; see files.h.
 *
 * The entity tag is made of the modification time to the nanosecond and the
 * size: strong, as far as a file system's clock ticks between two changes that
 * keep the size, and the same from every worker and after a restart.
 */
#include "files.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One row an ending; text in UTF-8, which is what text files are today. */
static const struct {
    char ending[12];
    const char *type;
} types[] = {
    {"3gp", "video/3gpp"},
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"aif", "audio/aiff"},
    {"apk", "application/vnd.android.package-archive"},
    {"apng", "image/apng"},
    {"atom", "application/atom+xml"},
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"bin", "application/octet-stream"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"c", "text/plain; charset=utf-8"},
    {"cjs", "text/javascript; charset=utf-8"},
    {"conf", "text/plain; charset=utf-8"},
    {"crt", "application/x-x509-ca-cert"},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"deb", "application/vnd.debian.binary-package"},
    {"der", "application/x-x509-ca-cert"},
    {"diff", "text/x-diff; charset=utf-8"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"eot", "application/vnd.ms-fontobject"},
    {"eps", "application/postscript"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"flv", "video/x-flv"},
    {"geojson", "application/geo+json"},
    {"gif", "image/gif"},
    {"glb", "model/gltf-binary"},
    {"gltf", "model/gltf+json"},
    {"gz", "application/gzip"},
    {"h", "text/plain; charset=utf-8"},
    {"heic", "image/heic"},
    {"heif", "image/heif"},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"ics", "text/calendar; charset=utf-8"},
    {"jar", "application/java-archive"},
    {"jnlp", "application/x-java-jnlp-file"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"jsonld", "application/ld+json"},
    {"jxl", "image/jxl"},
    {"kml", "application/vnd.google-earth.kml+xml"},
    {"kmz", "application/vnd.google-earth.kmz"},
    {"log", "text/plain; charset=utf-8"},
    {"m3u", "audio/mpegurl"},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"m4a", "audio/mp4"},
    {"m4s", "video/iso.segment"},
    {"m4v", "video/mp4"},
    {"map", "application/json"},
    {"md", "text/markdown; charset=utf-8"},
    {"mid", "audio/midi"},
    {"midi", "audio/midi"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"mkv", "video/matroska"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpd", "application/dash+xml"},
    {"mpeg", "video/mpeg"},
    {"mpg", "video/mpeg"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"patch", "text/x-diff; charset=utf-8"},
    {"pdf", "application/pdf"},
    {"pem", "application/x-x509-ca-cert"},
    {"png", "image/png"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"ps", "application/postscript"},
    {"rar", "application/vnd.rar"},
    {"rpm", "application/x-rpm"},
    {"rss", "application/rss+xml"},
    {"rtf", "application/rtf"},
    {"shtml", "text/html; charset=utf-8"},
    {"svg", "image/svg+xml"},
    {"swf", "application/x-shockwave-flash"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"toml", "application/toml"},
    {"ts", "video/mp2t"},
    {"ttc", "font/collection"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain; charset=utf-8"},
    {"vtt", "text/vtt; charset=utf-8"},
    {"war", "application/java-archive"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"wma", "audio/x-ms-wma"},
    {"wmv", "video/x-ms-wmv"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "application/xml"},
    {"xpi", "application/x-xpinstall"},
    {"xsl", "application/xml"},
    {"xspf", "application/xspf+xml"},
    {"xz", "application/x-xz"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

const char *files_content_type(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash != NULL ? slash + 1 : path, '.');

    if (dot != NULL)
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
            if (strcasecmp(dot + 1, types[i].ending) == 0)
                return types[i].type;
    return "application/octet-stream";
}

void files_describe(struct files_meta *meta, const struct stat *st, int64_t now)
{
    meta->size = (uint64_t)st->st_size;
    meta->modified = st->st_mtim.tv_sec;
    if (meta->modified > now)
        meta->modified = now;
    meta->modified_is_strong = meta->modified < now;
    if (meta->modified < 0) /* HTTP could tell a time before 1970, but nobody else may */
        meta->modified = 0;
    snprintf(meta->etag, sizeof meta->etag, "\"%llx.%lx-%llx\"",
             (unsigned long long)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec,
             (unsigned long long)st->st_size);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool files_etag_matches(struct http_slice list, const char *etag, bool weak)
{
    const char *at = list.data;
    const char *end = list.data + list.length;
    size_t etag_length = strlen(etag);

    if (list.length == 1 && *at == '*')
        return true; /* the file exists, or this would not be asked */
    while (at < end) {
        bool member_weak = false;
        const char *closing;
        size_t length;

        if (*at == ',' || is_blank(*at)) {
            at++;
            continue;
        }
        if (end - at >= 2 && at[0] == 'W' && at[1] == '/') {
            member_weak = true;
            at += 2;
        }
        if (at == end || *at != '"')
            return false;
        closing = memchr(at + 1, '"', (size_t)(end - at - 1));
        if (closing == NULL)
            return false;
        length = (size_t)(closing + 1 - at);
        if ((weak || !member_weak) && length == etag_length && memcmp(at, etag, length) == 0)
            return true;
        at = closing + 1;
        while (at < end && is_blank(*at))
            at++;
        if (at < end && *at != ',')
            return false;
    }
    return false;
}

/* The same over all fields of that name: a list may be spread over several lines
 * (RFC 9110 section 5.3). Sets *present when there is any. */
static bool any_etag_matches(const struct http_request *request, const char *name, const char *etag,
                             bool weak, bool *present)
{
    bool matches = false;

    *present = false;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        if (!http_slice_is_nocase(field->name, name))
            continue;
        *present = true;
        matches = matches || files_etag_matches(field->value, etag, weak);
    }
    return matches;
}

/* How many fields of that name there are; *value: of the last, or NULL data. */
static unsigned count_fields(const struct http_request *request, const char *name,
                             struct http_slice *value)
{
    unsigned count = 0;

    *value = (struct http_slice){0};
    for (unsigned i = 0; i < request->field_count; i++)
        if (http_slice_is_nocase(request->fields[i].name, name)) {
            *value = request->fields[i].value;
            count++;
        }
    return count;
}

/* Reads the date field of that name; false when absent, repeated or invalid. */
static bool date_field(const struct http_request *request, const char *name, int64_t *seconds)
{
    struct http_slice value;

    return count_fields(request, name, &value) == 1 && http_date_parse(value, seconds);
}

enum files_verdict files_judge(const struct http_request *request, const struct files_meta *meta)
{
    int64_t date;
    bool present;

    bool matches = any_etag_matches(request, "If-Match", meta->etag, false, &present);
    if (!present)
        matches = !date_field(request, "If-Unmodified-Since", &date) || meta->modified <= date;
    if (!matches)
        return FILES_PRECONDITION_FAILED;

    if (any_etag_matches(request, "If-None-Match", meta->etag, true, &present))
        return FILES_NOT_MODIFIED;
    if (!present && date_field(request, "If-Modified-Since", &date) && meta->modified <= date)
        return FILES_NOT_MODIFIED;
    return FILES_SEND;
}

/* Reads decimal digits at *at; false when there are none. A number too large for
 * 64 bits becomes UINT64_MAX, which is beyond the end of every file. */
static bool read_number(const char **at, const char *end, uint64_t *number)
{
    const char *start = *at;

    *number = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        uint64_t digit = (uint64_t)(**at - '0');
        if (*number > (UINT64_MAX - digit) / 10)
            *number = UINT64_MAX;
        else
            *number = *number * 10 + digit;
    }
    return *at > start;
}

enum files_extent files_range(struct http_slice value, uint64_t size, uint64_t *offset,
                              uint64_t *length)
{
    static const char unit[] = "bytes=";
    const size_t unit_length = sizeof unit - 1;
    uint64_t first, last;
    const char *at, *end;
    bool has_first, has_last;

    *offset = 0;
    *length = size;
    if (value.length <= unit_length || strncasecmp(value.data, unit, unit_length) != 0)
        return FILES_WHOLE;

    at = value.data + unit_length;
    end = value.data + value.length;
    has_first = read_number(&at, end, &first);
    if (at == end || *at != '-')
        return FILES_WHOLE;
    at++;
    has_last = read_number(&at, end, &last);
    if (at != end || (!has_first && !has_last) || (has_first && has_last && last < first))
        return FILES_WHOLE; /* a list, or nonsense */

    if (!has_first) { /* the last so many bytes */
        if (size == 0 && last > 0)
            return FILES_WHOLE; /* satisfiable, but "bytes 0--1/0" cannot be said */
        first = last < size ? size - last : 0;
        has_last = false;
        if (last == 0)
            first = size;
    }
    if (first >= size) {
        *length = 0;
        return FILES_UNSATISFIABLE;
    }
    if (!has_last || last >= size)
        last = size - 1;
    *offset = first;
    *length = last - first + 1;
    return FILES_PART;
}

/* True when the representation is still the one of which the client has a part:
 * no If-Range, or just one, that names it by a strong tag, or by its exact date if that is one. */
static bool range_holds(const struct http_request *request, const struct files_meta *meta)
{
    struct http_slice value;
    unsigned count = count_fields(request, "If-Range", &value);
    int64_t date;

    if (count != 1)
        return count == 0;
    if (http_slice_is(value, meta->etag))
        return true;
    return meta->modified_is_strong && http_date_parse(value, &date) && date == meta->modified;
}

enum files_extent files_select(const struct http_request *request, const struct files_meta *meta,
                               uint64_t *offset, uint64_t *length)
{
    struct http_slice range;

    *offset = 0;
    *length = meta->size;
    if (request->method != HTTP_METHOD_GET)
        return FILES_WHOLE;
    if (count_fields(request, "Range", &range) != 1 || !range_holds(request, meta))
        return FILES_WHOLE;
    return files_range(range, meta->size, offset, length);
}
