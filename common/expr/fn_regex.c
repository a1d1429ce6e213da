/* Regular expressions. */
#include "common/expr/fn.h"

const struct fn_row fn_regex_rows[] = {{0}};
