#include <check.h>
#include "tests/unit/format_scan.h"
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "copy") == 0) return tool_copy(argc, argv);
    if (argc > 1 && strcmp(argv[1], "scan") == 0) return tool_scan(argc, argv);
    return 0;
}
