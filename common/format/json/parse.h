/*
 * JSON documents as a flat array of nodes, by Jackson's rules as Spark sets them: what it accepts beside the standard
 * (single quotes, NaN, comments where allowed) and where it stops (behind the first value: what follows it on the line
 * is not looked at). A parser belongs to one thread; its nodes live until the next document.
 */
#pragma once

#include "common/format/json/json.h"

enum json_kind { JSON_NULL, JSON_TRUE, JSON_FALSE, JSON_INT, JSON_REAL, JSON_STRING, JSON_OBJECT, JSON_ARRAY };

struct json_node {
    uint8_t kind;    /* enum json_kind */
    uint32_t bytes;
    uint32_t next;   /* the node after this one and all it holds */
    const char *p;   /* STRING: the text, escapes undone; all others: as it stands in the document */
};
/* Children of an object: a STRING node for each name, then its value. Those of an array: the values. */

struct json_parser {
    const struct json_options *o;
    struct account *account; /* may be NULL */
    size_t reserved;
    struct json_node *nodes;
    uint32_t count, cap;
    char *text;      /* strings whose escapes were undone */
    size_t text_bytes, text_cap;
    /* of the document at hand: */
    const char *p, *end;
    const char *wrong; /* what was wrong with it, or NULL */
    bool refused;      /* by the account: err of json_parse is set */
};
enum { JSON_DEPTH_MAX = 1000, JSON_PAD = 64 };

void json_parser_init(struct json_parser *j, const struct json_options *o, struct account *account);
void json_parser_fini(struct json_parser *j);
enum json_result { JSON_DOCUMENT, JSON_NOTHING /* blank */, JSON_MALFORMED };
/*
 * The first value of p: nodes[0] is its root. JSON_PAD bytes behind p are readable. ERR_TASK_MEMORY; damage is a result.
 * *ret_used: bytes up to the end of the value.
 */
WARN_UNUSED int json_parse(struct json_parser *j, const char *p, size_t bytes, enum json_result *ret, size_t *ret_used,
                           struct error *err);
