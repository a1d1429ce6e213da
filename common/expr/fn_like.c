/* LIKE and ILIKE: the pattern taken apart once, then matched piece by piece. */
#include "common/expr/fn_impl.h"

/*
 * A pattern is a row of pieces between % signs: the first is bound to the start, the last to the end, each
 * of the others is found at its first place after the one before. A piece with _ is matched character by
 * character; the others are plain bytes.
 */
struct piece {
    uint32_t at, bytes; /* in text; any: marked by 1 in wild */
    bool any;           /* has _ */
    uint32_t chars;
};

struct like {
    char *pattern;      /* as given, with the escape in front: to see whether it is the same again */
    uint32_t pattern_bytes;
    char escape;
    char *text, *wild;  /* bytes without escapes; wild[i]: text[i] is a _ */
    struct piece *pieces;
    uint32_t count;
    uint32_t least;     /* bytes that a match has at least */
};

static void like_free(void *data)
{
    struct like *l = data;
    xfree(l->pattern);
    xfree(l->text);
    xfree(l->wild);
    xfree(l->pieces);
    xfree(l);
}

static int bad_escape(struct kernel *k, const struct strview *pattern, const char *at)
{
    struct buf format = BUF_INIT, ch = BUF_INIT;
    text_quoted(strview_data(pattern), pattern->bytes, &format);
    int rc;
    if (at) {
        uint32_t left = (uint32_t)(strview_data(pattern) + pattern->bytes - at), n = utf8_bytes((unsigned char)at[0]);
        text_quoted(at, n < left ? n : left, &ch);
        rc = kernel_raise(k, ERR_LIKE_ESCAPE_MIDDLE, "format", format.data, "char", ch.data, NULL);
    } else {
        rc = kernel_raise(k, ERR_LIKE_ESCAPE_END, "format", format.data, NULL);
    }
    buf_fini(&format);
    buf_fini(&ch);
    return rc;
}

static int like_compile(struct kernel *k, const struct strview *pattern, char escape, struct like **ret)
{
    const char *p = strview_data(pattern);
    uint32_t n = pattern->bytes, cap = 0;
    struct like *l = xcalloc(1, sizeof *l);
    l->pattern = xstrndup(p, n);
    l->pattern_bytes = n;
    l->escape = escape;
    l->text = xcalloc(n + 1, 1);
    l->wild = xcalloc(n + 1, 1);
    struct piece piece = {0};
    uint32_t used = 0;
    for (uint32_t i = 0; i < n; i++) {
        char c = p[i];
        if (c == '%' && c != escape) {
            ARRAY_GROW(l->pieces, l->count, cap);
            l->pieces[l->count++] = piece;
            piece = (struct piece){.at = used};
            continue;
        }
        bool any = c == '_' && c != escape;
        if (c == escape) {
            if (i + 1 >= n || (p[i + 1] != '%' && p[i + 1] != '_' && p[i + 1] != escape)) {
                int rc = bad_escape(k, pattern, i + 1 < n ? p + i + 1 : NULL);
                like_free(l);
                return rc;
            }
            c = p[++i];
        }
        l->wild[used] = any;
        l->text[used++] = c;
        piece.bytes++;
        piece.any |= any;
        l->least++;
    }
    ARRAY_GROW(l->pieces, l->count, cap);
    l->pieces[l->count++] = piece;
    *ret = l;
    return 0;
}

/* The end of the piece when it matches at s, or NULL. */
static const char *piece_at(const struct like *l, const struct piece *p, const char *s, const char *end)
{
    const char *t = l->text + p->at, *wild = l->wild + p->at;
    if (!p->any)
        return (size_t)(end - s) >= p->bytes && memcmp(s, t, p->bytes) == 0 ? s + p->bytes : NULL;
    for (uint32_t i = 0; i < p->bytes; i++) {
        if (s >= end)
            return NULL;
        if (wild[i]) {
            uint32_t n = utf8_bytes((unsigned char)*s);
            s += n <= (size_t)(end - s) ? n : (size_t)(end - s);
        } else if (*s++ != t[i]) {
            return NULL;
        }
    }
    return s;
}

/* The end of the first match of the piece from s on, or NULL. */
static const char *piece_find(const struct like *l, const struct piece *p, const char *s, const char *end)
{
    if (!p->any) {
        const char *hit = text_find(s, (size_t)(end - s), l->text + p->at, p->bytes);
        return hit ? hit + p->bytes : NULL;
    }
    while (s <= end) {
        const char *after = piece_at(l, p, s, end);
        if (after)
            return after;
        s += s < end ? utf8_bytes((unsigned char)*s) : 1;
    }
    return NULL;
}

/* Whether the piece matches up to the end, from no earlier than s. */
static bool piece_ends(const struct like *l, const struct piece *p, const char *s, const char *end)
{
    if (!p->any)
        return (size_t)(end - s) >= p->bytes && memcmp(end - p->bytes, l->text + p->at, p->bytes) == 0;
    for (; s <= end; s += s < end ? utf8_bytes((unsigned char)*s) : 1) {
        if (piece_at(l, p, s, end) == end)
            return true;
    }
    return false;
}

static bool like_match(const struct like *l, const struct strview *v)
{
    const char *s = strview_data(v), *end = s + v->bytes;
    if (v->bytes < l->least)
        return false;
    s = piece_at(l, &l->pieces[0], s, end);
    if (l->count == 1)
        return s == end;
    for (uint32_t i = 1; s && i + 1 < l->count; i++)
        s = piece_find(l, &l->pieces[i], s, end);
    return s && piece_ends(l, &l->pieces[l->count - 1], s, end);
}

static int like_get(struct kernel *k, const struct column *args, uint32_t r, struct like **ret)
{
    const struct strview *p = arg_text(&args[1], r);
    char escape = '\\';
    if (k->node->arg_count == 3 && arg_text(&args[2], r)->bytes > 0)
        escape = strview_data(arg_text(&args[2], r))[0];
    struct like *l = k->cache->data;
    if (!l || l->pattern_bytes != p->bytes || l->escape != escape || memcmp(l->pattern, strview_data(p), p->bytes) != 0) {
        TRY(like_compile(k, p, escape, &l));
        kernel_cache_set(k, l, like_free);
    }
    *ret = l;
    return 0;
}

/* like(text, pattern, [escape]) */
static int run_like(struct kernel *k, const struct column *args, struct column *out)
{
    uint8_t *o = kernel_out(k, out);
    struct like *l = NULL;
    KERNEL_EACH_VALUE(k, r) {
        if (!l || args[1].kind != COL_CONST)
            TRY(like_get(k, args, r, &l));
        o[r] = like_match(l, arg_text(&args[0], r));
    }
    return 0;
}

static int resolve_like(struct fn_call *c, struct error *err)
{
    for (uint32_t i = 0; i < c->arg_count; i++)
        TRY(fn_cast_text(c, i, err));
    c->type = type_of(TYPE_BOOLEAN);
    return 0;
}

/* ilike folds both sides to lower case. */
static int resolve_ilike(struct fn_call *c, struct error *err)
{
    struct expr *args[3];
    for (uint32_t i = 0; i < c->arg_count; i++) {
        args[i] = c->args[i];
        if (i < 2)
            TRY(expr_call(c->ar, c->cx, "lower", &c->args[i], 1, c->span, &args[i], err));
    }
    struct expr *e;
    TRY(expr_call(c->ar, c->cx, "like", args, c->arg_count, c->span, &e, err));
    fn_become_expr(c, e);
    return 0;
}

/* _likeany(text, patterns...) and its like: one comparison for each pattern. */
static int resolve_like_list(struct fn_call *c, struct error *err)
{
    const char *n = c->row->name + 1;
    bool negate = str_has_prefix(n, "not"), ilike = strstr(n, "ilike") != NULL, any = strstr(n, "any") != NULL;
    struct expr *whole = NULL;
    c->bare = false;
    for (uint32_t i = 1; i < c->arg_count; i++) {
        struct expr *pair[2] = {c->args[0], c->args[i]}, *e;
        c->bare |= c->args[i]->type->id != TYPE_STRING || !expr_is_foldable(c->args[i]); /* Spark names the comparisons then */
        TRY(expr_call(c->ar, c->cx, ilike ? "ilike" : "like", pair, 2, c->span, &e, err));
        if (negate)
            TRY(expr_call(c->ar, c->cx, "not", &e, 1, c->span, &e, err));
        struct expr *both[2] = {whole, e};
        if (whole)
            TRY(expr_call(c->ar, c->cx, any ? "or" : "and", both, 2, c->span, &e, err));
        whole = e;
    }
    fn_become_expr(c, whole);
    return 0;
}

#define LIST(name) {name, 2, 255, FN_NULL_ANY, resolve_like_list, NULL, "comparisons of a text with several patterns"}
const struct fn_row fn_like_rows[] = {
    {"like", 2, 3, FN_NULL_ANY | FN_RAISES_PATTERN, resolve_like, run_like, "whether the text matches the pattern, where % is any text and _ any character"},
    {"ilike", 2, 3, FN_NULL_ANY | FN_RAISES_PATTERN, resolve_ilike, run_like, "like, without regard to case"},
    LIST("_likeany"), LIST("_likeall"), LIST("_notlikeany"), LIST("_notlikeall"),
    LIST("_ilikeany"), LIST("_ilikeall"), LIST("_notilikeany"), LIST("_notilikeall"),
    {0}};
