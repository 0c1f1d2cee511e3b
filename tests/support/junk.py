"""Tables of input that no honest client sends; used by broken.py."""

from __future__ import annotations

# JSON values that are invalid for every field of every route.
JUNK = [
    b'""', b'" "', b'"\\u0000"', b'"\\ud800"', b'"\\udfff\\ud800"', b'"\\ufeff"', b'"\\u202e"', b'"="', b'"=="',
    b'"+1"', b'"1.0"', b'"0x10"', b'"1e3"', b'"\\uff11"', b'"\xc3\xa9"', b'"\xf0\x9f\x98\x80"', b'"\xff"',
    b'"../../etc/passwd"', b"\"' OR 1=1 --\"", b'"<script>alert(1)</script>"', b'"{{ 7*7 }}"', b'"%00"', b'"%s%n"',
    b'"a b"', b'"\\r\\nX: y"', b'"a', b"null", b"true", b"false", b"1.5", b"-0.0", b"1e999", b"-1e999", b"NaN",
    b"Infinity", b"[]", b"{}", b'["a"]', b'{"a": {"a": 1}}', b"9" * 20, b"9" * 10_000, b"+1", b"01", b"-", b"'a'",
    b"nope", b'"' + b"\xc3\xa9" * 20_000 + b'"', b"[" * 100, b'"' + b"=" * 60_000 + b'"',
]  # fmt: skip

# The same for forms, percent-encoded or worse.
FORM_JUNK = [
    b"", b"+", b"%00", b"%ff", b"%", b"%zz", b"%u0041", b"%ed%a0%80", b"%ef%bb%bf", b"%3d", b"=", b"==", b"%2B1",
    b"1.0", b"0x10", b"1e3", b"%ef%bc%91", b"\xff\xfe", b"\xc3\xa9", b"\x00", b"%27+OR+1%3D1+--", b"null%00",
    b"NaN%20", b"%0d%0a", b"=" * 60_000, b"%c3%a9" * 8_000,
]  # fmt: skip

NOT_JSON_OBJECTS = [
    b"", b" ", b"null", b"true", b"0", b"-1", b"1e999", b"NaN", b'"text"', b"[]", b"[{}]", b"{", b"}", b"{]",
    b"{}{}", b"{,}", b"{a:1}", b"{'a':1}", b"\x00", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}",
    b'\xef\xbb\xbf{"a":"b"}', b"\xff", b"[" * 65_000, b'{"a":' * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b"9" * 10_000, b"-" + b"9" * 60_000, b'{"' + b"a" * 60_000 + b'":1}', b'"\\ud800"', b"{}", b'{"a":{}}',
    b'{"":""}', b'{"\\ud800":"\\ud800"}', b"[1e999]", b"{" + b",".join(b'"%d":1' % n for n in range(6_000)) + b"}",
    b"//\n{}", b'{"a":1}\x00', b"\xed\xa0\x80",
]  # fmt: skip

NOT_FORMS = [
    b"", b"&", b"=" * 1000, b"&&&===", b"%", b"a", b"a=", b"\xff" * 100, b"\x00", b";" * 100, b"a=1;b=2",
    b"&".join(b"f%d=%d" % (n, n) for n in range(6_000)), b"a&" * 30_000, b"%" * 60_000, b"=%ff&%ff=", b"+" * 60_000,
]  # fmt: skip

NOT_MULTIPART = [
    b"", b"--seam", b"--seam--", b"--seam--\r\n", b"--seam\r\n\r\n", b"--seam\r\n\r\n\r\n--seam--",
    b"\r\n--seam\r\n", b"--seam\r\nContent-Disposition: form-data\r\n\r\nx\r\n--seam--\r\n",
    b"--seam\r\nContent-Disposition: form-data; name=\r\n\r\nx\r\n--seam--\r\n",
    b'--seam\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\xff\r\n--seam--\r\n',
    b'--seam\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\nx\r\n--seam--\r\n',
    b"--seam\r\nContent-Disposition: \xff\xff\r\nContent-Type: \x00\r\n\r\nx\r\n--seam--\r\n",
    b"--seam\r\nContent-Disposition: form-data; name*=utf-8''%ff%00; x*=?''%zz\r\n\r\nx\r\n--seam--\r\n",
    b"--seam\r\nX\r\n\r\nx\r\n--seam--\r\n", b"--seam\r\n: \r\n\r\nx\r\n--seam--\r\n", b"--seam\r\n" + b"A" * 60_000,
    b'--seam\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 900, b"--seam\r\n\r\n" * 3_000,
    b"--seam\n\n" * 3_000, b"-" * 60_000, b"\r\n" * 30_000,
]  # fmt: skip

CONTENT_TYPES = [
    b"", b"text/plain", b"application/xml", b"nonsense", b"/", b";", b"application/jsonp",
    b"application/json;charset=\xff", b"application/json; charset=utf-16", b"multipart/form-data",
    b"multipart/form-data; boundary=", b"multipart/form-data; " b'boundary="', b"multipart/form-data; boundary=\xff",
    b"multipart/form-data; boundary=" + b"a" * 4_000, b"multipart/form-" b"data; boundary*=utf-8''%ff",
    b"multipart/mixed; boundary=seam", b"application/x-www-form-urlencoded; charset=\x00",
    b"application/x-url-encoded", b"application/json, application/json", b"a/b; " + b"c=d; " * 2_000, b'a/b; c="\\',
]  # fmt: skip

# Odd values for any header.
VALUES = [
    b"", b" ", b"\x00", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b",", b";", b"=", b'"', b"%", b"*", b"*/*;q=",
    b"a" * 5_000, b"-1", b"9" * 5_000, b"1e999", b"NaN", b"null", b"\xef\xbc\x91", b"http://[",
    b"http://[::1]:99999999", b"//", b"\t",
]  # fmt: skip

# Odd values for particular headers.
ODD: dict[bytes, list[bytes]] = {
    b"accept": [
        b"application/json;q=NaN", b"text/html;q=1e999, application/json;q=-1", b"application/json;q=\xff",
        b"a/b/c/d, ,;;q", b"application/json; q=0.5; q=1", b'application/json;"', b"/", b"application/json," * 600,
        b"text/html;level=" + b"9" * 999,
    ],
    b"cookie": [
        b"ezdms_session", b"ezdms_session=", b"=; =; ==", b'ezdms_session="\\', b"ezdms_session=" + b"A" * 43,
        b"\xff=\xff", b"ezdms_session=\xff" + b"A" * 42, b'ezdms_session="\\303\\251"', b"; " * 2_000,
        b"a=b; " * 1_000, b"ezdms_session=" + b"\xe9" * 43, b'ezdms_session="\\777\\400\\0"',
        b"__Host-ezdms_session=" + b"A" * 43,
    ],
    b"authorization": [
        b"Bearer", b"Bearer ", b"Bearer " + b"A" * 43, b"Bearer \xff" + b"A" * 42, b"bearer\t" + b"A" * 43,
        b"Basic ", b"Basic =", b"Basic \xff", b"Basic Og==", b"Digest a=\xff", b'Digest "', b"Bearer  " + b"A" * 42,
        b"Bearer " + b"\xe9" * 43, b"Negotiate", b"Bearer " + b"A" * 43 + b" x",
    ],
    b"content-type": CONTENT_TYPES,
    b"content-length": [b"0", b"5", b"-5", b"+5", b"5, 5", b"5_0", b" 5 ", b"0x5", b"9" * 30, b"\xb2", b"1.0", b""],
    b"transfer-encoding": [b"chunked", b"gzip", b"identity", b"chunked, chunked", b"\xff"],
    b"origin": [
        b"null", b"http://[", b"http://[::1", b"http://evil.example", b"http://127.0.0.1:5000@evil.example",
        b"http://127.0.0.1:5000.evil.example", b"http://\xbd", b"http://]", b"://", b"http://a:b:c",
        b"http://127.0.0.1:99999",
    ],
    b"sec-fetch-site": [b"cross-site", b"same-site", b"none, none", b"\xff", b"SAME-ORIGIN"],
    b"host": [
        b"", b"[", b"[::1", b"]", b"a b", b"a/b", b"a@b", b"a:b", b"a:99999", b"\xff", b"\xc3\xa9", b"xn--\xff",
        b"xn--a", b"a" * 4_000, b"a." * 2_000, b"..", b"-", b"%00", b"a\\b", b"127.0.0.1:5000, b", b"\xe2\x84\x80",
        b"\xbd", b"a?b", b"a#b",
    ],
    b"x-forwarded-for": [b"1.2.3.4", b"\xff", b",,,", b"[::1]", b"1.2.3.4, " * 500],
    b"x-forwarded-proto": [b"https", b"wss", b"\xff"],
    b"x-forwarded-host": [b"evil.example", b"["],
    b"x-forwarded-prefix": [b"/a", b"\xff"],
    b"forwarded": [b"for=1.2.3.4;proto=https", b'for="[', b"\xff"],
    b"range": [
        b"bytes=0-", b"bytes=-1", b"bytes=9-1", b"bytes=0-1,2-3", b"bytes=" + b"9" * 5_000 + b"-", b"bytes=a-b",
        b"bytes", b"bytes=--1", b"\xff=0-1", b"bytes=0-0," * 900, b"items=0-1", b"bytes=-" + b"9" * 30,
        b"bytes=\xb2-\xb3",
    ],
    b"if-range": [b'"a"', b"\xff", b"Mon, 99 Foo 9999"],
    b"if-none-match": [b"*", b'"', b'W/"', b'"a", W/"b"', b"\xff", b'"a"' * 900],
    b"if-match": [b"*", b'"', b"\xff"],
    b"if-modified-since": [
        b"Mon, 99 Foo 9999 99:99:99 GMT", b"Thu, 01 Jan 99999 00:00:00 GMT", b"0", b"\xff",
        b"Thu, 01 Jan 1970" b" 00:00:00 +9999", b"Fri, 31 Dec 9999 23:59:59 -2359",
        b"Mon, 01 Jan 0001 00:00:00 +2359",
    ],
    b"if-unmodified-since": [b"Mon, 99 Foo 9999 99:99:99 GMT", b"\xff"],
    b"cache-control": [b"max-age=a", b"\xff", b"=,=", b'max-age="'],
    b"user-agent": [b"\x00", b"\xff" * 500, b"Mozilla/5.0 (" * 300, b"Chrome/" + b"9" * 5_000, b"Firefox/\xb2"],
    b"accept-language": [b"*;q=", b"\xff", b"de;q=NaN"],
    b"accept-encoding": [b"gzip;q=NaN", b"\xff"],
    b"expect": [b"100-continue", b"200-ok"],
    b"upgrade": [b"websocket", b"h2c", b"\xff"],
    b"connection": [b"upgrade", b"close, \xff", b"keep-alive, Upgrade"],
    b"remote-addr": [b"1.2.3.4", b"\xff"],
    b"hx-request": [b"true", b"\xff"],
    b"hx-target": [b"\xff", b"<script>"],
    b"sec-websocket-key": [b"", b"\xff", b"a"],
    b"sec-websocket-version": [b"0", b"14", b"\xff"],
    b"sec-websocket-protocol": [b"ezdms.json", b",", b"\xff"],
    b"\xff": [b"\xff"],
    b"x" * 2_000: [b"y" * 2_000],
}  # fmt: skip

# Odd values for a path variable.
IN_PATHS = [
    b"", b".", b"..", b"%2e%2e", b"%2f", b"%00", b"%ff", b"%", b"%zz", b"%c3%a9", b"%ed%a0%80", b"%f0%9f%98%80",
    b"%0d%0aX:%20y", b"%5c", b"%25", b"%3f", b"%23", b" ", b"a" * 300, b"a" * 9_000, b"%ff" * 2_000, b"a%2fb",
    b"\xff", b"\xc3\xa9", b"*", b"~", b"..%2f..%2f..%2fetc%2fpasswd", b"....//....//etc/passwd", b"%2e%2e%5c",
    b"<x>", b"{{7*7}}", b"'--", b"%uFFFF", b";a=b", b"%01", b"js%00.js", b"css/", b"/", b"con",
    b"0" * 12 + b"/js/boot.js", b"%2fetc%2fpasswd", b"-1", b"9" * 100, b"A" * 22, b"%C0%AE",
]  # fmt: skip

# Paths that match no route, or that no browser would send.
TARGETS = [
    b"", b"*", b"?", b"?x", b"#", b"ping", b"//", b"///", b"//ping", b"/ping/", b"/ping//", b"/./ping", b"/../ping",
    b"/%2e/ping", b"http://127.0.0.1/ping", b"http://[/ping", b"http://[::1", b"http://\xbd/ping", b"http:",
    b"http://", b"x:y", b"127.0.0.1:443", b"//evil.example/sessions/", b"//evil.example//login",
    b"/%2f%2fevil.example", b"/sessions//end", b"//sessions//a//end", b"/%5cevil.example//a", b"//\xff//a",
    b"//%ff//", b"/c//", b"/static/", b"/static", b"/static//js/boot.js", b"/static/%00", b"/" + b"a" * 60_000,
    b"/" + b"a/" * 20_000, b"/" + b"%ff" * 20_000, b"/\xff", b"/ws", b"/ws/", b"/" + b"%00" * 999, b"/ /",
    b"//%0d%0aX:y//a", b"/c/%0d%0a//", b"//c//\xed\xa0\x80", b"/;/", b"/?" + b"a=b&" * 5_000, b"http://%5b/",
    b"//[//a", b"///[//",
]  # fmt: skip

QUERIES = [
    b"", b"?", b"?=", b"?&&", b"?after=", b"?after=-1", b"?after=1&before=1", b"?after=%00", b"?after=%ff",
    b"?after=\xff", b"?limit=0", b"?limit=201", b"?limit=" + b"9" * 5_000, b"?limit=1e3", b"?before=" + b"9" * 16,
    b"?after=1&after=2", b"?after[]=1", b"?%ff=%ff", b"?" + b"a=b&" * 3_000, b"?after=%ef%bc%91", b"?\x00",
    b"?after=%ed%a0%80", b"?after=1;before=2", b"?_=%", b"?limit=\xed\xa0\x80",
]  # fmt: skip

METHODS = [
    "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "FOO", "get", "",
    "\u00e9",
]  # fmt: skip

FRAMES: list[str | bytes] = [
    b"\x00", b"\xff" * 10, b"A" * 60_000, "", " ", "null", "[]", "0", "NaN", "9" * 4_000, "9" * 5_000, "[" * 4_000, "{",
    '{"a":' * 800, "\ufeff{}", "\x00", "\ud800", "A" * 60_000, '{"event":"join"}', '{"conversation_id":"FOREIGN"}',
    '{"event":"join","conversation_id":"FOREIGN"}}', '{"event":"join","event":"leave","conversation_id":"FOREIGN"}',
]  # fmt: skip
