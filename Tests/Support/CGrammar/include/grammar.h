#ifndef GRAMMAR_H
#define GRAMMAR_H

#include <stddef.h>
#include <stdint.h>

/*
 * What PostgreSQL 15's own lexer and grammar, in libpg_query, make of a text: for comparison with Holdfast's lexer.
 * A target of its own, since pg_query.h and CPgQuery's header declare the same types.
 */

/* Scans a text. Returns a ScanResult of libpg_query's protobuf schema, to be freed by the caller, or NULL where the
   scan fails. */
uint8_t *grammar_scan(const char *text, size_t *size);

/* How many statements the grammar sees in a text; -1 where it sees none of its own. */
int grammar_statement_count(const char *text);

#endif
