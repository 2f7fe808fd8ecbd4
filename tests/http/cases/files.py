# SPDX-License-Identifier: MIT
"""/files/: names, ranges, conditions, and the ways out of the folder."""

import re
from typing import Dict, Optional
from urllib.parse import quote

from support.client import message
from support.site import LONG, MODIFIED_TEXT, PAGE, TEXT as FILE

from .case import ALLOW_GET, TEXT, Case, Fact, in_group

ETAG = re.compile(r'"[!#-~]+"')
WHOLE: Dict[str, Fact] = {"Content-Length": "36", "ETag": ETAG, "Last-Modified": MODIFIED_TEXT,
                          "Accept-Ranges": "bytes", "Content-Range": None, "Content-Type": TEXT}
SAME: Dict[str, Fact] = {"ETag": ETAG, "Last-Modified": MODIFIED_TEXT, "Content-Length": None,
                         "Transfer-Encoding": None, "Content-Type": None}


def _file(name: str, *fields: str, body: Optional[bytes] = FILE, method: str = "GET") -> Case:
    """The whole file."""
    return Case("", name, message(method, "/files/text.txt", *fields), 200, False, WHOLE, body,
                method)


def _part(value: str, first: int, last: int) -> Case:
    facts: Dict[str, Fact] = {**WHOLE, "Content-Length": str(last - first + 1),
                              "Content-Range": f"bytes {first}-{last}/36"}
    return Case("", f"Range: {value}", message("GET", "/files/text.txt", f"Range: {value}"), 206,
                False, facts, FILE[first : last + 1])


def _beyond(value: str) -> Case:
    return Case("", f"Range: {value}", message("GET", "/files/text.txt", f"Range: {value}"), 416,
                False, {"Content-Range": "bytes */36"})


def _same(name: str, *fields: str, method: str = "GET") -> Case:
    return Case("", name, message(method, "/files/text.txt", *fields), 304, False, SAME, b"", method)


FILES = in_group("files", [
    _file("a file"),
    _file("HEAD", method="HEAD", body=b""),
    _file("HEAD with a Range", "Range: bytes=0-1", method="HEAD", body=b""),
    Case("", "a folder", message("GET", "/files/folder/"), 200, False, {}, PAGE),
    Case("", "a folder without its slash", message("GET", "/files/folder"), 301, False,
         {"Location": "/files/folder/"}),
    Case("", "a folder of another spelling", message("GET", "/files/f%6flder"), 301, False,
         {"Location": "/files/f%6flder/"}),
    Case("", "a folder without its slash, a query", message("GET", "/files/folder?a=/b&c"), 301, False,
         {"Location": "/files/folder/?a=/b&c"}),
    Case("", "a folder of a long name", message("GET", f"/files/{quote(LONG)}"), 301, False,
         {"Location": f"/files/{quote(LONG)}/"}),
    Case("", "a folder of a long name, HEAD", message("HEAD", f"/files/{quote(LONG)}"), 301, False,
         {"Location": f"/files/{quote(LONG)}/"}, b"", "HEAD"),
    Case("", "a folder, a long query", message("GET", f"/files/folder?{'q' * 7900}"), 301, False,
         {"Location": f"/files/folder/?{'q' * 7900}"}),
    Case("", "a query", message("GET", "/files/text.txt?v=3"), 200, False, WHOLE, FILE),
    Case("", "a query that says nothing", message("GET", "/files/text.txt?"), 200, False, WHOLE, FILE),
    Case("", "a query like a path", message("GET", "/files/text.txt?/../%00%zz{|}"), 200, False,
         WHOLE, FILE),
    Case("", "escapes before its name", message("GET", "/%66ile%73/text.txt"), 200, False, WHOLE,
         FILE),
    Case("", "an escaped name", message("GET", "/files/a%20file.txt"), 200, False, {}, b"spaced\n"),
    Case("", "an empty file", message("GET", "/files/empty.txt"), 200, False,
         {"Content-Length": "0"}, b""),
    Case("", "POST", message("POST", "/files/text.txt", "Content-Length: 0"), 405, False,
         {"Allow": ALLOW_GET}),
    _part("bytes=0-0", 0, 0),
    _part("bytes=30-", 30, 35),
    _part("bytes=-10", 26, 35),
    _part("bytes=35-99999999999999999999999", 35, 35),
    _beyond("bytes=36-"),
    _beyond("bytes=-0"),
    *[_file(f"Range: {value}", f"Range: {value}")
      for value in ["bytes=0-1,5-6", "bytes=5-4", "bytes=-", "lines=0-1", "bytes=+1-2"]],
    _file("two Range fields", "Range: bytes=0-0", "Range: bytes=1-1"),
    _file("If-Range of another time", "Range: bytes=0-0", "If-Range: Sun, 06 Nov 1994 08:49:36 GMT"),
    _same("not modified", f"If-Modified-Since: {MODIFIED_TEXT}"),
    _same("not modified, HEAD", f"If-Modified-Since: {MODIFIED_TEXT}", method="HEAD"),
    _same("not modified, RFC 850's form", "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"),
    _same("not modified, asctime's form", "If-Modified-Since: Sun Nov  6 08:49:37 1994"),
    _same("any tag", "If-None-Match: *"),
    _same("a tag before a date", "If-None-Match: *", "If-Modified-Since: Sun Nov  6 08:49:36 1994"),
    _file("another tag before a date", 'If-None-Match: "x"', f"If-Modified-Since: {MODIFIED_TEXT}"),
    _file("an invalid date", "If-Modified-Since: Sun, 31 Feb 1994 08:49:37 GMT"),
    Case("", "another tag is wanted", message("GET", "/files/text.txt", 'If-Match: "x"'), 412, False),
    *[
        Case("", path, message("GET", f"/files/{path}"), (400, 404), False)
        for path in ["%00", "text.txt%00", "%zz", "text.txt%2", "../secret", "%2e%2e%2fsecret",
                     "..%2fsecret", "%252e%252e%252fsecret", "//text.txt", "./text.txt",
                     "folder/../text.txt", ".hidden", "outside", "outside-folder/secret", "pipe",
                     "bare/", "%5c..%5csecret", "%2fetc%2fpasswd", "text.txt/", "text.txt%0d%0a"]
    ],
])
