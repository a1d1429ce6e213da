/* Typed loops over plain arrays: include with CTYPE and SUFFIX set. Undefined at the end. */
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

static void PASTE(gather_, SUFFIX)(const CTYPE *restrict src, const uint32_t *restrict idx, uint32_t count,
                                   CTYPE *restrict out)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = idx[i] == UINT32_MAX ? (CTYPE){0} : src[idx[i]];
}

static void PASTE(decode_, SUFFIX)(const CTYPE *restrict dict, const uint32_t *restrict codes,
                                   const uint16_t *restrict sel, uint32_t count, CTYPE *restrict out)
{
    if (sel) {
        for (uint32_t i = 0; i < count; i++)
            out[sel[i]] = dict[codes[sel[i]]];
    } else {
        for (uint32_t i = 0; i < count; i++)
            out[i] = dict[codes[i]];
    }
}

static void PASTE(fill_, SUFFIX)(CTYPE v, uint32_t count, CTYPE *restrict out)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = v;
}
#undef CTYPE
#undef SUFFIX
#undef PASTE
#undef PASTE_
