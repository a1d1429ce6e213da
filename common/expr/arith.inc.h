/*
 * One checked binary operation over plain arrays, in the three shapes of its arguments.
 * Parameters: NAME, CTYPE, OVERFLOW(a, b, &r) -> bool. Undefined at the end.
 * Each returns whether any row overflowed; the caller finds the row on that path only.
 */
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
static bool PASTE(NAME, _vv)(const CTYPE *restrict a, const CTYPE *restrict b, uint32_t n, CTYPE *restrict out)
{
    bool bad = false;
    for (uint32_t i = 0; i < n; i++)
        bad |= OVERFLOW(a[i], b[i], &out[i]);
    return bad;
}
static bool PASTE(NAME, _vc)(const CTYPE *restrict a, CTYPE b, uint32_t n, CTYPE *restrict out)
{
    bool bad = false;
    for (uint32_t i = 0; i < n; i++)
        bad |= OVERFLOW(a[i], b, &out[i]);
    return bad;
}
static bool PASTE(NAME, _cv)(CTYPE a, const CTYPE *restrict b, uint32_t n, CTYPE *restrict out)
{
    bool bad = false;
    for (uint32_t i = 0; i < n; i++)
        bad |= OVERFLOW(a, b[i], &out[i]);
    return bad;
}
static bool PASTE(NAME, _sel)(const CTYPE *restrict a, uint32_t step_a, const CTYPE *restrict b, uint32_t step_b,
                              const uint16_t *restrict sel, uint32_t n, CTYPE *restrict out)
{
    bool bad = false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = sel[i];
        bad |= OVERFLOW(a[r * step_a], b[r * step_b], &out[r]);
    }
    return bad;
}
static bool NAME(const struct column *x, const struct column *y, const struct kernel *k, CTYPE *out)
{
    const CTYPE *a = x->data, *b = y->data;
    bool ca = x->kind == COL_CONST, cb = y->kind == COL_CONST;
    if (k->sel) /* the dead may hold anything: only live rows may count as overflow */
        return PASTE(NAME, _sel)(a, !ca, b, !cb, k->sel, k->sel_count, out);
    if (ca && !cb)
        return PASTE(NAME, _cv)(a[0], b, k->rows, out);
    if (cb && !ca)
        return PASTE(NAME, _vc)(a, b[0], k->rows, out);
    ASSERT(!ca || k->rows <= 1); /* two constants are added once */
    return PASTE(NAME, _vv)(a, b, k->rows, out);
}
#undef NAME
#undef CTYPE
#undef OVERFLOW
#undef PASTE
#undef PASTE_
