/* to come */
#include "common/expr/fn_impl.h"

const struct fn_row fn_bit_rows[] = {{0}};
