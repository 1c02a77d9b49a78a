#ifndef CPGQUERY_H
#define CPGQUERY_H

/*
 * PostgreSQL's parse tree as libpg_query builds it, and the one entry point that Holdfast calls. The struct layout is
 * that of PostgreSQL 15's headers; a self-test at start (StatementAnalyzer.layoutFault) compares it with what the
 * library builds.
 */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wignored-attributes" /* gnu_printf, which clang does not know */
#include "postgres.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "common/keywords.h"
#pragma clang diagnostic pop

/*
 * Parses a text with PostgreSQL's own grammar (raw_parser, gram.y) as pg_query_raw_parse does, without what that adds for
 * its callers: 4 KB of zeroes for messages on stderr, a copy of them, a copy of the error, a memory context for each
 * call. Of 12,860 instructions for a pgbench SELECT that was 880, of a syntax error two thirds.
 *
 * Returns false if the text is not of this grammar, or if the thread holds a tree already. True must be followed by
 * cpg_free_tree on the same thread, which ends the life of the tree.
 */
bool cpg_parse(const char *text, List **tree);
void cpg_free_tree(void);

/* Macros and inline functions of pg_list.h and value.h that Swift does not import. */

static inline uint32_t cpg_tag(const void *node) {
    return (uint32_t) ((const Node *) node)->type;
}

static inline int cpg_count(const List *list) {
    return list ? list->length : 0;
}

static inline const void *cpg_nth(const List *list, int index) {
    return list->elements[index].ptr_value;
}

/* A keyword that needs no quotes as a name: quote_ident leaves it as it is. The word must be in lower case. */
static inline bool cpg_is_unreserved_keyword(const char *word) {
    int keyword = ScanKeywordLookup(word, &ScanKeywords);
    return keyword >= 0 && ScanKeywordCategories[keyword] == UNRESERVED_KEYWORD;
}

/* The bytes of a String node; NULL for any other. */
static inline const char *cpg_string(const void *node) {
    return node && ((const Node *) node)->type == T_String ? ((const String *) node)->sval : NULL;
}

/* The tag of a constant's value; T_Invalid for NULL. */
static inline uint32_t cpg_constant_tag(const A_Const *constant) {
    return constant->isnull ? (uint32_t) T_Invalid : (uint32_t) constant->val.node.type;
}

static inline const char *cpg_constant_string(const A_Const *constant) {
    return !constant->isnull && constant->val.node.type == T_String ? constant->val.sval.sval : NULL;
}

static inline int cpg_constant_integer(const A_Const *constant) {
    return constant->val.ival.ival;
}

static inline const char *cpg_constant_float(const A_Const *constant) {
    return constant->val.fval.fval;
}

static inline bool cpg_constant_boolean(const A_Const *constant) {
    return constant->val.boolval.boolval;
}

#endif
