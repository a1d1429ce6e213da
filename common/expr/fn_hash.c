/* Hash and digest functions. */
#include "common/expr/fn.h"

const struct fn_row fn_hash_rows[] = {{0}};
