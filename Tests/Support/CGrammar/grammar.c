#include "grammar.h"

#include <pg_query.h>
#include <stdlib.h>
#include <string.h>

uint8_t *grammar_scan(const char *text, size_t *size) {
    PgQueryScanResult result = pg_query_scan(text);
    uint8_t *copy = NULL;
    if (!result.error && (copy = malloc(result.pbuf.len + 1)) != NULL) {
        memcpy(copy, result.pbuf.data, result.pbuf.len);
        *size = result.pbuf.len;
    }
    pg_query_free_scan_result(result);
    return copy;
}

int grammar_statement_count(const char *text) {
    PgQuerySplitResult result = pg_query_split_with_parser(text);
    int count = result.error ? -1 : result.n_stmts;
    pg_query_free_split_result(result);
    return count;
}
