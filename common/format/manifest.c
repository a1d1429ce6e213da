/* See manifest.h. */
#include "common/format/manifest.h"

static void put_u32(struct buf *out, uint32_t v)
{
    buf_add(out, &v, sizeof v);
}

static void put_u64(struct buf *out, uint64_t v)
{
    buf_add(out, &v, sizeof v);
}

static void put_text(struct buf *out, const char *s)
{
    uint32_t n = (uint32_t)strlen(s) + 1;
    put_u32(out, n);
    buf_add(out, s, n);
}

void manifest_encode(const struct manifest *m, struct buf *out)
{
    put_text(out, m->folder);
    put_u32(out, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct manifest_entry *e = &m->entries[i];
        put_text(out, e->name);
        put_text(out, e->path);
        put_u64(out, e->rows);
        put_u64(out, e->bytes);
    }
}

struct reader {
    const char *at, *stop;
};

static bool get(struct reader *r, void *to, size_t bytes)
{
    if ((size_t)(r->stop - r->at) < bytes)
        return false;
    memcpy(to, r->at, bytes);
    r->at += bytes;
    return true;
}

static bool get_text(struct reader *r, struct arena *ar, const char **ret)
{
    uint32_t n;
    if (!get(r, &n, sizeof n) || n == 0 || (size_t)(r->stop - r->at) < n || strnlen(r->at, n) != n - 1)
        return false;
    *ret = arena_strndup(ar, r->at, n - 1);
    r->at += n;
    return true;
}

bool manifest_path_ok(const char *path)
{
    if (strcmp(path, "_temporary") == 0 || str_has_prefix(path, "_temporary/"))
        return false;
    for (const char *p = path;;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        if (p[n] == 0)
            return true;
        p += n + 1;
    }
}

static bool name_ok(const char *name)
{
    return manifest_path_ok(name) && !strchr(name, '/');
}

static bool decode(struct arena *ar, struct reader *r, struct manifest *m)
{
    enum { ENTRY_BYTES_MIN = 2 * 6 + 16 };
    if (!get_text(r, ar, &m->folder) || !name_ok(m->folder) || !get(r, &m->count, sizeof m->count) ||
        m->count > (size_t)(r->stop - r->at) / ENTRY_BYTES_MIN)
        return false;
    m->entries = ARENA_ARRAY(ar, struct manifest_entry, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        struct manifest_entry *e = &m->entries[i];
        if (!get_text(r, ar, &e->name) || !get_text(r, ar, &e->path) || !get(r, &e->rows, 8) || !get(r, &e->bytes, 8) ||
            !name_ok(e->name) || !manifest_path_ok(e->path))
            return false;
    }
    return r->at == r->stop;
}

int manifest_decode(struct arena *ar, const void *p, size_t bytes, struct manifest *ret, struct error *err)
{
    struct reader r = {p, (const char *)p + bytes};
    struct manifest m = {0};
    if (!decode(ar, &r, &m))
        return error_set(err, ERR_PROTOCOL, "message", "a write's manifest that cannot be read", NULL);
    *ret = m;
    return 0;
}
