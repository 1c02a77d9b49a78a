#include "CPgQuery.h"

#include <setjmp.h>

#include "parser/parser.h"
#include "utils/elog.h"
#include "utils/memutils.h"

/*
 * libpg_query's copies of PostgreSQL's globals are one for each thread; PostgreSQL's headers know nothing of that.
 */
extern __thread sigjmp_buf *cpg_exception_stack __asm__("PG_exception_stack");
extern __thread ErrorContextCallback *cpg_error_callbacks __asm__("error_context_stack");
extern __thread MemoryContext cpg_current_context __asm__("CurrentMemoryContext");
extern __thread MemoryContext cpg_top_context __asm__("TopMemoryContext");

/* Of libpg_query: makes the thread's TopMemoryContext, and has it freed with all below it when the thread ends. */
extern void pg_query_init(void);

/* What the context keeps from one parse to the next: a 2 KB join takes 70 KB. */
#define CPG_KEPT_BYTES (128 * 1024)

static __thread MemoryContext cpg_context;
static __thread bool cpg_holds_tree;

void cpg_free_tree(void) {
    MemoryContextReset(cpg_context);
    cpg_holds_tree = false;
}

bool cpg_parse(const char *text, List **tree) {
    *tree = NULL;
    if (cpg_holds_tree) return false;
    if (cpg_context == NULL) {
        pg_query_init();
        cpg_context = AllocSetContextCreateInternal(
            cpg_top_context, "holdfast", 0, CPG_KEPT_BYTES, ALLOCSET_DEFAULT_MAXSIZE);
    }
    MemoryContext outer_context = cpg_current_context;
    sigjmp_buf *outer_stack = cpg_exception_stack;
    ErrorContextCallback *outer_callbacks = cpg_error_callbacks;
    sigjmp_buf failure;
    volatile bool is_parsed = false;

    cpg_current_context = cpg_context;
    cpg_holds_tree = true;
    if (sigsetjmp(failure, 0) == 0) {
        cpg_exception_stack = &failure;
        *tree = raw_parser(text, RAW_PARSE_DEFAULT);
        is_parsed = true;
    }
    cpg_exception_stack = outer_stack;
    cpg_error_callbacks = outer_callbacks;
    if (!is_parsed) FlushErrorState();
    cpg_current_context = outer_context;
    if (!is_parsed) cpg_free_tree();
    return is_parsed;
}
