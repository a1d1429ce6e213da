/*
 * Modules of ours: shared objects beside the binary (or in ../lib/drover of an installed tree) that hold what drags large
 * libraries along, loaded when first used and never unloaded. Thread: any, one call at a time.
 */
#pragma once

#include "common/base/base.h"

/* Where the module lies: owned text, or NULL when it is nowhere. */
char *module_path(const char *file);
/* The object that it exports under symbol, or NULL with a sentence in *ret_problem, which is the caller's. */
const void *module_load(const char *file, const char *symbol, char **ret_problem);
