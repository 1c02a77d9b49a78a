// zlib (package zlib1g-dev): files of the audit trail that others have compressed with gzip are read with it.
#pragma once
#include <zlib.h>

// inflateInit2 is a macro.
static inline int zlib_inflate_begin(z_stream *stream) {
    // 15: the largest window; 16: with gzip's header.
    return inflateInit2(stream, 15 + 16);
}
