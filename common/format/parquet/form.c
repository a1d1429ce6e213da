/* Spark's shapes of types; see form.h. */
#include "common/format/parquet/form.h"

int pq_can_write(const struct type *t, const char *name, struct error *err)
{
    if (t->id == TYPE_INTERVAL_YM || t->id == TYPE_INTERVAL_DT)
        return error_setf(err, ERR_UNSUPPORTED_FEATURE, "message",
                          "Parquet cannot hold the column %s of the type %s; cast it", name, t->text);
    for (uint32_t i = 0; i < t->child_count; i++)
        TRY(pq_can_write(t->children[i], name, err));
    return 0;
}

static uint32_t decimal_bytes(unsigned precision)
{
    uint128_t max = 1;
    uint32_t bytes = 1;
    for (unsigned i = 0; i < precision; i++)
        max *= 10;
    while (bytes < 16 && ((uint128_t)1 << (8 * bytes - 1)) < max)
        bytes++;
    return bytes;
}

struct pq_form pq_form_of(const struct type *t)
{
    switch (t->id) {
    case TYPE_NULL: /* as Spark: booleans, all null */
    case TYPE_BOOLEAN: return (struct pq_form){t, PQ_BOOLEAN, PQ_HOLD_BOOL, 1};
    case TYPE_FLOAT: return (struct pq_form){t, PQ_FLOAT, PQ_HOLD_F, 4};
    case TYPE_DOUBLE: return (struct pq_form){t, PQ_DOUBLE, PQ_HOLD_F, 8};
    case TYPE_STRING:
    case TYPE_BINARY: return (struct pq_form){t, PQ_BYTE_ARRAY, PQ_HOLD_BYTES, 0};
    case TYPE_DECIMAL:
        if (t->precision > 18)
            return (struct pq_form){t, PQ_FIXED, PQ_HOLD_FIXED, decimal_bytes(t->precision)};
        return t->precision <= 9 ? (struct pq_form){t, PQ_INT32, PQ_HOLD_I64, 4} : (struct pq_form){t, PQ_INT64, PQ_HOLD_I64, 8};
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: return (struct pq_form){t, PQ_INT64, PQ_HOLD_I64, 8};
    default: return (struct pq_form){t, PQ_INT32, PQ_HOLD_I64, 4};
    }
}

/* The older annotation, -1 for none. */
static int converted_type(const struct type *t)
{
    switch (t->id) {
    case TYPE_STRING: return 0;
    case TYPE_DECIMAL: return 5;
    case TYPE_DATE: return 6;
    case TYPE_TIMESTAMP: return 10;
    case TYPE_TINYINT: return 15;
    case TYPE_SMALLINT: return 16;
    default: return -1;
    }
}

/* LogicalType is a union of structs: which one, and its fields. */
static void put_logical_type(const struct type *ty, struct thrift_out *t)
{
    static const uint8_t members[TYPE_ID_COUNT] = {[TYPE_STRING] = 1,    [TYPE_DECIMAL] = 5,       [TYPE_DATE] = 6,      [TYPE_TIMESTAMP] = 8,
                                                   [TYPE_TIMESTAMP_NTZ] = 8, [TYPE_TINYINT] = 10, [TYPE_SMALLINT] = 10, [TYPE_NULL] = 11};
    if (!members[ty->id])
        return;
    thrift_put_begin(t, 10);
    thrift_put_begin(t, members[ty->id]);
    switch (ty->id) {
    case TYPE_DECIMAL:
        thrift_put_int(t, 1, THRIFT_I32, ty->scale);
        thrift_put_int(t, 2, THRIFT_I32, ty->precision);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        thrift_put_bool(t, 1, ty->id == TYPE_TIMESTAMP);
        thrift_put_begin(t, 2);
        thrift_put_begin(t, 2); /* microseconds */
        thrift_put_end(t);
        thrift_put_end(t);
        break;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
        thrift_put_int(t, 1, THRIFT_I8, ty->id == TYPE_TINYINT ? 8 : 16);
        thrift_put_bool(t, 2, true);
        break;
    default: break;
    }
    thrift_put_end(t);
    thrift_put_end(t);
}

void pq_form_put(const struct pq_form *f, struct thrift_out *t)
{
    int converted = converted_type(f->type);
    if (converted >= 0)
        thrift_put_int(t, 6, THRIFT_I32, converted);
    if (f->type->id == TYPE_DECIMAL) {
        thrift_put_int(t, 7, THRIFT_I32, f->type->scale);
        thrift_put_int(t, 8, THRIFT_I32, f->type->precision);
    }
    put_logical_type(f->type, t);
}
