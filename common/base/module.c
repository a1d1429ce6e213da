/* See module.h. */
#include "common/base/module.h"

#include <dlfcn.h>
#include <unistd.h>

char *module_path(const char *file)
{
    static const char *const places[] = {"", "/../lib/drover"};
    char exe[4000];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0)
        return NULL;
    exe[n] = 0;
    *strrchr(exe, '/') = 0;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        char *path = xasprintf("%s%s/%s", exe, places[i], file);
        if (access(path, R_OK) == 0)
            return path;
        xfree(path);
    }
    return NULL;
}

const void *module_load(const char *file, const char *symbol, char **ret_problem)
{
    char *path = module_path(file);
    if (!path) {
        *ret_problem = xasprintf("%s is not beside the binary", file);
        return NULL;
    }
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const void *found = lib ? dlsym(lib, symbol) : NULL;
    if (!found)
        *ret_problem = xstrdup(dlerror());
    xfree(path);
    return found;
}
