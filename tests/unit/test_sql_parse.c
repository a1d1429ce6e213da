/* The parser: each kind of statement and expression as text of its plan, what is refused and where, depth, spans. */
#include "driver/sql/parser.h"
#include "tests/unit/suite.h"

#include <stdlib.h>

static struct arena ar;

static void setup(void)
{
    arena_init(&ar);
}

static void teardown(void)
{
    arena_fini(&ar);
}

/* The plan of sql as text, without its last newline; or "CLASS@start-stop". */
static const char *shape(const char *sql)
{
    struct ast_statement *st;
    struct error err = ERROR_INIT;
    struct buf b = BUF_INIT;
    if (sql_parse(&ar, sql, &st, &err) == 0) {
        ast_print(st, &b);
        b.bytes--;
    } else {
        struct span s = err.detail ? err.detail->span : (struct span){0};
        buf_addf(&b, "%s@%u-%u", errcode_id(err.code), s.start, s.stop);
    }
    const char *r = arena_strndup(&ar, b.data, b.bytes);
    buf_fini(&b);
    error_fini(&err);
    return r;
}

static const char *expr_shape(const char *sql)
{
    struct ast_expr *e;
    struct error err = ERROR_INIT;
    struct buf b = BUF_INIT;
    if (sql_parse_expr(&ar, sql, &e, &err) == 0)
        ast_print_expr(e, &b);
    else
        buf_addf(&b, "%s@%u-%u", errcode_id(err.code), err.detail ? err.detail->span.start : 0,
                 err.detail ? err.detail->span.stop : 0);
    const char *r = arena_strndup(&ar, b.data, b.bytes);
    buf_fini(&b);
    error_fini(&err);
    return r;
}

struct pair {
    const char *sql, *want;
};

static void check_pairs(const struct pair *pairs, size_t count, const char *(*fn)(const char *))
{
    for (size_t i = 0; i < count; i++) {
        const char *got = fn(pairs[i].sql);
        ck_assert_msg(strcmp(got, pairs[i].want) == 0, "%s\n gave %s\n want %s", pairs[i].sql, got, pairs[i].want);
    }
}

START_TEST(literals)
{
    static const struct pair pairs[] = {
        {"1", "1"}, {"2147483647", "2147483647"}, {"2147483648", "2147483648L"}, {"-2147483648", "-2147483648"},
        {"9223372036854775808", "9223372036854775808BD(19,0)"}, {"-9223372036854775808", "-9223372036854775808L"},
        {"1Y", "1Y"}, {"-128y", "-128Y"}, {"128Y", "LITERAL_RANGE@0-4"}, {"1S", "1S"}, {"1L", "1L"},
        {"1.5", "1.5BD(2,1)"}, {".05", "0.05BD(2,2)"}, {"1.", "1BD(1,0)"}, {"0.0", "0.0BD(1,1)"}, {"1.50", "1.50BD(3,2)"},
        {"1e3", "1000.0D"}, {"1.5e2bd", "150BD(3,0)"}, {"1.5D", "1.5D"}, {"1f", "1.0F"}, {"1e400", "LITERAL_RANGE@0-5"},
        {"123456789012345678901234567890123456789", "DECIMAL_DIGITS@0-39"},
        {"NULL", "NULL"}, {"TRUE", "true"}, {"false", "false"},
        {"'a' \"b\"", "'ab'"}, {"'it''s \\n \\u0041 \\101 \\% \\z'", "'it\\'s \\n A A \\\\% z'"}, {"r'a\\n'", "'a\\\\n'"},
        {"'\\uD83D\\uDE00'", "'\xF0\x9F\x98\x80'"}, {"X'1f'", "X'1F'"}, {"x'123'", "X'0123'"}, {"X'1G'", "INVALID_LITERAL@0-5"},
        {"DATE '2020-01-01'", "DATE '2020-01-01'"}, {"timestamp '2020'", "TIMESTAMP '2020'"},
        {"TIMESTAMP_NTZ'x'", "TIMESTAMP_NTZ 'x'"}, {"interval '1' day", "INTERVAL 86400000000us DAY"},
        {"interval '1-2' year to month", "INTERVAL 14m YEAR TO MONTH"}, {"interval 3 months", "INTERVAL 3m MONTH"},
        {"interval '1 2:3:4.5' day to second", "INTERVAL 93784500000us DAY TO SECOND"},
        {"interval '-1 day 2 hours'", "INTERVAL -79200000000us DAY TO HOUR"}, {"interval -3 day", "INTERVAL -259200000000us DAY"},
        {"interval 1 week", "INTERVAL 604800000000us DAY"}, {"interval 1.5 seconds", "INTERVAL 1500000us SECOND"},
        {"interval 1.5 days", "INTERVAL_FRACTION@0-17"}, {"interval 3 months 2 days", "SEMANTICS@0-24"},
        {"interval '1' day to month", "INTERVAL_FROM_TO@9-25"}, {"interval", "interval"}, {"interval + 1", "(+ interval 1)"},
        {"'abc", "PARSE_SYNTAX@0-1"}, {"`abc", "PARSE_SYNTAX@0-1"}, {"/* x", "PARSE_SYNTAX@0-2"}, {"a # b", "PARSE_SYNTAX@2-3"}};
    check_pairs(pairs, ARRAY_LEN(pairs), expr_shape);
}
END_TEST

START_TEST(expressions)
{
    static const struct pair pairs[] = {
        {"a.b.`c d`", "a.b.`c d`"}, {"`a``b`", "`a``b`"}, {"1a", "1a"}, {"t.1a", "t.1a"}, {"t.*", "t.*"},
        {"* except (a, b.c)", "*-(a,b.c)"}, {"a + b * c - d", "(- (+ a (* b c)) d)"}, {"a || b + c", "(+ (|| a b) c)"},
        {"a & b | c ^ d << 2", "(| (& a b) (^ c (<< d 2)))"}, {"-a + ~b", "(+ (negative a) (~ b))"}, {"-(1)", "(negative 1)"},
        {"a div 2 % 3", "(% (div a 2) 3)"}, {"a = b <=> c", "(<=> (= a b) c)"}, {"a <> b", "(!= a b)"}, {"a == b", "(= a b)"},
        {"not a = b and c or d", "(or (and (not (= a b)) c) d)"}, {"!a", "(not a)"}, {"a !< b", "(>= a b)"},
        {"a and b and c and d", "(and (and a b) (and c d))"}, {"a between 1 and 2 and b", "(and (between a 1 2) b)"},
        {"a not between 1 and 2", "(not (between a 1 2))"}, {"a in (1, 2)", "(in a 1 2)"}, {"a not in (1)", "(not (in a 1))"},
        {"a in (select 1)", "(in a [select 1])"}, {"(a, b) in (select 1, 2)", "(in a b [select 1, 2])"},
        {"a like 'b' escape '!'", "(like a 'b' '!')"}, {"a not ilike b", "(not (ilike a b))"}, {"a rlike b", "(rlike a b)"},
        {"a regexp b", "(rlike a b)"}, {"a like any ('b', 'c')", "(_likeany a 'b' 'c')"},
        {"a not like all ('b', 'c')", "(_notlikeall a 'b' 'c')"}, {"a is null", "(isnull a)"},
        {"a is not null", "(isnotnull a)"}, {"a is not true", "(not (<=> a true))"}, {"a is unknown", "(isnull a)"},
        {"a is distinct from b", "(not (<=> a b))"}, {"a = b is null", "(isnull (= a b))"},
        {"exists (select 1)", "(exists [select 1])"}, {"exists(x, y -> y)", "(call exists x (lambda (y) y))"},
        {"(select 1)", "(scalar [select 1])"}, {"((select 1) + 1)", "(+ (scalar [select 1]) 1)"},
        {"((select 1) union select 2)", "(scalar [union; select 1; select 2])"},
        {"case a when 1 then 2 else 3 end", "(case (= a 1) 2 3)"}, {"case when a then b end", "(case a b)"},
        {"cast(a as decimal(10, 2))", "(cast decimal(10,2) a)"}, {"try_cast(a as array<array<int>>)", "(try_cast array<array<int>> a)"},
        {"-1::string::int", "(cast int (cast string -1))"}, {"a::map<int,struct<x:int>>", "(cast map<int,struct<x:int>> a)"},
        {"cast(a as interval day to second)", "(cast interval day to second a)"}, {"cast(a as foo)", "UNSUPPORTED_TYPE@10-13"},
        {"extract(year from d)", "(call extract 'year' d)"}, {"substring(a from 1 for 2)", "(call substring a 1 2)"},
        {"substr(a, 1)", "(call substr a 1)"}, {"trim(a)", "(call trim a)"}, {"trim(both from a)", "(call trim a)"},
        {"trim(leading 'x' from a)", "(call ltrim 'x' a)"}, {"trim('x' from a)", "(call trim 'x' a)"},
        {"position(a in b)", "(call locate a b)"}, {"position(a, b)", "(call position a b)"},
        {"overlay(a placing b from 1 for 2)", "(call overlay a b 1 2)"}, {"dateadd(day, 1, t)", "(call timestampadd 'day' 1 t)"},
        {"datediff(a, b)", "(call datediff a b)"}, {"current_date", "current_date"}, {"current_date()", "(call current_date)"},
        {"if(a, b, c)", "(call if a b c)"}, {"left(a, 1)", "(call left a 1)"}, {"count(*)", "(call count *)"},
        {"count(distinct a, b)", "(call count DISTINCT a b)"}, {"count(distinct)", "(call count distinct)"},
        {"sum(a) filter (where b)", "(call sum a FILTER b)"}, {"first(a ignore nulls)", "(call first a IGNORE NULLS)"},
        {"f(a => 1, b)", "(call f (named a 1) b)"}, {"db.f(a)", "(call db.f a)"},
        {"percentile_cont(0.5) within group (order by a desc)", "(call percentile_cont 0.5BD(1,1) WITHIN a DESC)"},
        {"sum(a) over (partition by b order by c rows between 1 preceding and current row)",
         "(call sum a OVER {partition b order c rows 1 PRECEDING to CURRENT ROW})"},
        {"rank() over w", "(call rank OVER {w})"}, {"x -> x + 1", "(lambda (x) (+ x 1))"}, {"(x, y) -> x", "(lambda (x y) x)"},
        {"a[0].b[1]", "(at (field b (at a 0)) 1)"}, {"f(x).y", "(field y (call f x))"}, {"(a, 1 as b)", "(row a (as b 1))"},
        {"struct(1 as a)", "(call struct (as a 1))"}, {":p", ":p"}, {"? + ?", "(+ ?0 ?1)"}, {"a as b", "(as b a)"},
        {"a `b`", "(as `b` a)"}, {"a as (x, y)", "(as (x y) a)"}, {"a collate utf8_binary", "(collate a 'utf8_binary')"},
        {"case", "case"}, {"select", "select"}, {"1 +", "PARSE_SYNTAX@3-4"}, {"(1", "PARSE_SYNTAX@2-3"},
        {"a 'b'", "PARSE_SYNTAX@0-1"}, {"f(1,)", "PARSE_SYNTAX@4-5"}, {"a in ()", "IN_NOTHING@2-7"}, {"case when 1 then 2", "PARSE_SYNTAX@18-19"}};
    check_pairs(pairs, ARRAY_LEN(pairs), expr_shape);
}
END_TEST

START_TEST(queries)
{
    static const struct pair pairs[] = {
        {"select 1 from", "query\n  select (as from 1)"},
        {"select a from from t", "query\n  select a\n    alias t\n      table from"},
        {"select a as from from t", "query\n  select (as from a)\n    table t"},
        {"select distinct a b, c as d from t where e group by f having g order by h desc nulls last limit 1 offset 2;",
         "query\n  query order h DESC NULLS LAST limit 1 offset 2\n    select distinct (as b a), (as d c) where e group f having g\n      table t"},
        {"from t", "query\n  select *\n    table t"}, {"from t select a", "query\n  select a\n    table t"}, {"table db.t", "query\n  table db.t"},
        {"values 1, (2)", "query\n  values (1), (2)"}, {"values (1, 'a') as t(x, y)", "query\n  alias t(x y)\n    values (1, 'a')"},
        {"values (1, 2), (3)", "INLINE_TABLE_WIDTH@15-18"},
        {"select * from parquet.`/a/*.p` x", "query\n  select *\n    alias x\n      table parquet.`/a/*.p`"},
        {"select * from range(5) t(a)", "query\n  select *\n    alias t(a)\n      function range(5)"},
        {"select * from (select 1) left semi join b on c natural join d cross join e using (f)",
         "query\n  select *\n    join cross using (f)\n      join natural inner\n        join semi on c\n          alias -\n            select 1\n"
         "          table b\n        table d\n      table e"},
        {"select * from a, lateral (select 1) x, (b join c)",
         "query\n  select *\n    join cross\n      join lateral cross\n        table a\n        alias x\n          select 1\n      join inner\n        "
         "table b\n        table c"},
        {"select 1 union all select 2 union all select 3 union select 4 intersect select 5 except all select 6",
         "query\n  except all\n    union\n      union all\n        select 1\n        select 2\n        select 3\n      intersect\n        "
         "select 4\n        select 5\n    select 6"},
        {"(select 1 limit 1) minus (select 2)", "query\n  except\n    query limit 1\n      select 1\n    select 2"},
        {"with a(x) as (select 1), b as (select 2) select * from a",
         "query\n  query\n    with a(x)\n      select 1\n    with b\n      select 2\n    select *\n      table a"},
        {"select a from t group by a, b with cube", "query\n  select a group a, b sets (0 1),(0),(1),()\n    table t"},
        {"select a from t group by c, rollup((a, b), c)", "query\n  select a group c, a, b sets (1 2 0),(1 2 0),(0)\n    table t"},
        {"select a from t group by a, b grouping sets ((a), (b), ())", "query\n  select a group a, b sets (0),(1),()\n    table t"},
        {"select a from t group by all", "query\n  select a group all\n    table t"},
        {"select /*+ broadcast(t), repartition(3, a) */ a from t", "query\n  select /*+ BROADCAST(t) */ /*+ REPARTITION(3, a) */ a\n    table t"},
        {"select a from t sort by a distribute by b", "query\n  query distribute b sort a\n    select a\n      table t"},
        {"select a from t tablesample (10 percent) repeatable (5) s", "query\n  select a\n    alias s\n      sample 10 percent seed 5\n        table t"},
        {"select a from t lateral view outer explode(b) e as c", "query\n  select a\n    lateral view outer explode(b) e(c)\n      table t"},
        {"select * from t pivot (sum(a) for b in (1 as x, 2))", "query\n  select *\n    pivot (call sum a) for b in (as x 1), 2\n      table t"},
        {"select a from t window w as (order by a) order by b", "query\n  query order b\n    select a window w {order a}\n      table t"},
        {"select a from t limit all", "query\n  query\n    select a\n      table t"},
        {"select 1 /* a /* b */ */ -- c\n, 2", "query\n  select 1, 2"},
        {"", "PARSE_EMPTY@0-0"}, {" ; -- x", "PARSE_EMPTY@0-0"}, {"select", "PARSE_SYNTAX@6-7"}, {"selec 1", "PARSE_SYNTAX@0-5"},
        {"select 1 2", "PARSE_SYNTAX@9-10"}, {"select 1; select 2", "PARSE_SYNTAX@10-16"}, {"select a from t where b c", "PARSE_SYNTAX@24-25"},
        {"select a from (select 1", "PARSE_SYNTAX@23-24"}, {"select a from t join", "PARSE_SYNTAX@20-21"}};
    check_pairs(pairs, ARRAY_LEN(pairs), shape);
}
END_TEST

START_TEST(statements)
{
    static const struct pair pairs[] = {
        {"create or replace temporary view v (a int, b string) using csv options (path '/x', header true, `a.b` 1)",
         "create view v or_replace temporary (a int, b string) using=csv options(path=/x, header=true, a.b=1)"},
        {"create global temp view v as select 1", "create view v temporary global\n  select 1"},
        {"create view if not exists v (a comment 'x') comment 'y' as select 1", "create view v if_not_exists (a comment 'x') comment=y\n  select 1"},
        {"create view v using csv", "SEMANTICS@20-23"},
        {"create table if not exists db.t (a int not null, b decimal(3,1) default 1.5) using parquet options (compression 'zstd') "
         "partitioned by (a) location '/p' comment 'c' tblproperties ('k' = 'v') as select 1",
         "create table db.t if_not_exists (a int not null, b decimal(3,1) default 1.5BD(2,1)) using=parquet location=/p comment=c "
         "options(compression=zstd) properties(k=v) partition(a)\n  select 1"},
        {"create table t partitioned by (p int)", "create table t partition(p) partition_defs(p int)"},
        {"drop table if exists t purge", "drop table t if_exists"}, {"drop view v", "drop view v"},
        {"insert into table t partition (p = 1, q) (a, b) select 1", "insert t partition(p=1, q) columns (a b)\n  select 1"},
        {"insert overwrite t values (1, default)", "insert t overwrite\n  values (1, DEFAULT)"},
        {"insert into t (select 1)", "insert t\n  select 1"}, {"insert into t by name table u", "insert t by_name\n  table u"},
        {"insert overwrite directory '/o' using csv options (header 'true') select 1",
         "insert directory overwrite using=csv location=/o options(header=true)\n  select 1"},
        {"insert overwrite local directory using json options (path '/o') select 1",
         "insert directory overwrite local using=json options(path=/o)\n  select 1"},
        {"describe extended db.t", "describe db.t extended"}, {"desc t a", "describe t columns (a)"}, {"desc query select 1", "describe query\n  select 1"},
        {"describe select 1", "describe query\n  select 1"}, {"describe table t", "describe t"}, {"desc function abs", "describe function abs"},
        {"show tables in db like 'a*'", "show tables db like=a*"}, {"show views", "show views"}, {"show columns from t in db", "show columns db.t"},
        {"show functions", "show functions"}, {"show system functions like 'x'", "show functions like=x scope=system"},
        {"show databases", "show databases"}, {"show create table t", "show create table t"}, {"show partitions t", "show partitions t"},
        {"set", "set"}, {"set -v", "set verbose"}, {"set a.b", "set key=a.b"}, {"set a.b-c = x y; ", "set key=a.b-c value=x y"},
        {"set a=@#'", "set key=a value=@#'"}, {"set a=", "set key=a value="}, {"set time zone 'UTC'", "set time zone value=UTC"},
        {"set time zone interval '-1:30' hour to minute", "set time zone value=-01:30"}, {"reset", "reset"}, {"reset a.b", "reset key=a.b"},
        {"use db", "use db"}, {"use catalog c", "use c"}, {"create database if not exists d", "create database d if_not_exists"},
        {"drop schema if exists d cascade", "drop database d if_exists cascade"}, {"cache lazy table t as select 1", "cache t lazy\n  select 1"},
        {"cache table t", "cache t"}, {"uncache table if exists t", "uncache t if_exists"}, {"clear cache", "clear cache"},
        {"refresh table t", "refresh t"}, {"explain formatted select 1", "explain formatted\nquery\n  select 1"},
        {"explain insert into t select 1", "explain simple\ninsert t\n  select 1"}, {"add jar /a/b.jar", "add key=JAR value=/a/b.jar"},
        {"analyze table t compute statistics for all columns", "analyze t"}, {"show nothing", "PARSE_SYNTAX@5-12"}, {"drop index x", "PARSE_SYNTAX@5-10"},
        {"create table", "PARSE_SYNTAX@12-13"}, {"insert t select 1", "PARSE_SYNTAX@7-8"}};
    check_pairs(pairs, ARRAY_LEN(pairs), shape);
}
END_TEST

/* every node's span, by the text it covers */
START_TEST(spans)
{
    const char *sql = "select  f(a + 1) as x, (b and c) or not d from t join (select 1) u on t.a = u.b where a / 0 > 1";
    struct ast_statement *st;
    struct error err = ERROR_INIT;
    ck_assert_int_eq(sql_parse(&ar, sql, &st, &err), 0);
    struct ast_rel *s = st->query;
#define TEXT(span) arena_strndup(&ar, sql + (span).start, (span).stop - (span).start)
    ck_assert_str_eq(TEXT(s->exprs[0]->span), "f(a + 1) as x");
    ck_assert_str_eq(TEXT(s->exprs[0]->args[0]->span), "f(a + 1)");
    ck_assert_str_eq(TEXT(s->exprs[0]->args[0]->args[0]->span), "a + 1");
    ck_assert_str_eq(TEXT(s->exprs[0]->args[0]->args[0]->args[1]->span), "1");
    ck_assert_str_eq(TEXT(s->exprs[1]->span), "(b and c) or not d");
    ck_assert_str_eq(TEXT(s->exprs[1]->args[0]->span), "b and c");
    ck_assert_str_eq(TEXT(s->exprs[1]->args[1]->span), "not d");
    ck_assert_str_eq(TEXT(s->where->span), "a / 0 > 1");
    ck_assert_str_eq(TEXT(s->where->args[0]->span), "a / 0");
    ck_assert_str_eq(TEXT(s->inputs[0]->span), "t join (select 1) u on t.a = u.b");
    ck_assert_str_eq(TEXT(s->inputs[0]->on->args[1]->name.parts[1].span), "b");
    ck_assert_str_eq(TEXT(s->inputs[0]->inputs[1]->inputs[0]->span), "select 1");
    ck_assert_str_eq(TEXT(st->span), sql);
}
END_TEST

static char *repeat(const char *head, const char *item, int count, const char *tail)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, head);
    for (int i = 0; i < count; i++)
        buf_adds(&b, item);
    buf_adds(&b, tail);
    return buf_steal(&b);
}

START_TEST(depth)
{
    enum { N = 100000 };
    static const struct {
        const char *head, *item, *tail;
        enum errcode want;
    } cases[] = {{"select ", "(", "1", ERR_TOO_DEEP},
                 {"select ", "f(", "1", ERR_TOO_DEEP},
                 {"select 1", " + 1", "", ERR_TOO_DEEP},
                 {"select true", " and true", "", ERR_OK},
                 {"select true", " or a = 1", " and b", ERR_OK},
                 {"select 1", " union all select 1", "", ERR_OK},
                 {"select 1", " intersect select 1", " union select 2", ERR_OK},
                 {"select ", "not ", "true", ERR_TOO_DEEP},
                 {"select ", "- ", "a", ERR_TOO_DEEP},
                 {"select a", "[0]", "", ERR_TOO_DEEP},
                 {"select a", "::int", "", ERR_TOO_DEEP},
                 {"select ", "case when 1 then ", "1", ERR_TOO_DEEP},
                 {"select ", "x -> ", "1", ERR_TOO_DEEP},
                 {"select 1 in (1", ", 2", ")", ERR_OK},
                 {"select a in ", "(select a in ", "(1)", ERR_TOO_DEEP},
                 {"select * from a", " join b", "", ERR_TOO_DEEP},
                 {"select * from ", "(select * from ", "t", ERR_TOO_DEEP},
                 {"", "(", "select 1", ERR_TOO_DEEP},
                 {"", "explain ", "select 1", ERR_TOO_DEEP},
                 {"", "with a as (", "select 1", ERR_TOO_DEEP},
                 {"values (1)", ", (2)", "", ERR_OK},
                 {"select a from t group by ", "grouping sets (", "a", ERR_TOO_DEEP},
                 {"select ", "[", "", ERR_PARSE_SYNTAX},
                 {"select cast(a as ", "array<", "int)", ERR_PARSE_SYNTAX}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *sql = repeat(cases[i].head, cases[i].item, N, cases[i].tail);
        struct arena own;
        struct ast_statement *st;
        struct error err = ERROR_INIT;
        arena_init(&own);
        int rc = sql_parse(&own, sql, &st, &err);
        ck_assert_msg(rc == (int)cases[i].want, "%s%s..: %s", cases[i].head, cases[i].item, errcode_id(err.code));
        if (rc == 0 && st->query) {
            ck_assert_uint_lt(st->query->depth, 60);
            struct buf b = BUF_INIT;
            ast_print(st, &b);
            buf_fini(&b);
        }
        error_fini(&err);
        arena_fini(&own);
        xfree(sql);
    }
    char *sql = repeat("select ", "(", 900, "1");
    char *closed = repeat(sql, ")", 900, "");
    ck_assert_str_eq(shape(closed), "query\n  select 1");
    xfree(sql);
    xfree(closed);
}
END_TEST

START_TEST(hints_of_errors)
{
    static const struct {
        const char *sql, *error, *hint;
    } cases[] = {{"selct 1", "'selct'", "did you mean SELECT instead of selct?"},
                 {"select a form t where b", "'where'", NULL},
                 {"select a form t x", "'t'", "did you mean FROM instead of form?"},
                 {"select a from t whre b = 1", "'b'", "did you mean WHERE instead of whre?"},
                 {"select (1", "end of input", "')'"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        struct ast_statement *st;
        int rc = sql_parse(&ar, cases[i].sql, &st, &err);
        if (!cases[i].hint) {
            error_fini(&err);
            continue;
        }
        ck_assert_int_eq(rc, ERR_PARSE_SYNTAX);
        ck_assert_str_eq(error_param_get(&err, "error"), cases[i].error);
        ck_assert_msg(strstr(error_param_get(&err, "hint"), cases[i].hint), "%s", error_param_get(&err, "hint"));
        error_fini(&err);
    }
}
END_TEST

START_TEST(parts)
{
    struct error err = ERROR_INIT;
    struct ast_column_def *defs;
    uint32_t count;
    struct ast_name name;
    ck_assert_int_eq(sql_parse_columns(&ar, "a INT, `b c`: array<int> not null, s struct<x:int,y:string> comment 'z'", &defs, &count, &err), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(defs[1].name.text, "b c");
    ck_assert(defs[1].not_null);
    ck_assert_str_eq(defs[2].type->text, "struct<x:int,y:string>");
    ck_assert_int_eq(sql_parse_columns(&ar, " ", &defs, &count, &err), 0);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(sql_parse_name(&ar, "a.`b.c`", &name, &err), 0);
    ck_assert_uint_eq(name.count, 2);
    ck_assert_str_eq(name.parts[1].text, "b.c");
    ck_assert_int_ne(sql_parse_name(&ar, "a.", &name, &err), 0);
    error_fini(&err);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    ADD_TESTS(tc, literals, expressions, queries, statements, spans, depth, hints_of_errors, parts);
}

SUITE_MAIN("sql_parse", add)
