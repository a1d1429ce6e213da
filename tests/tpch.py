"""TPC-H for tests and benchmarks: data by tpchgen-cli, texts of the queries from DuckDB's extension. Both land in build/tpch,
made when missing; nothing of it is stored in the tree."""
import glob
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]


def data(scale):
    """The folder with one Parquet file a table at this scale factor (a string such as "0.1")."""
    folder = os.path.join(ROOT, "build", "tpch", "sf" + scale)
    if not os.path.exists(os.path.join(folder, "complete")):
        os.makedirs(folder, exist_ok=True)
        subprocess.run([os.path.join(ROOT, "build/venv/bin/tpchgen-cli"), "parquet", "-s", scale, "-q", "--overwrite", "--output-dir", folder],
                       check=True)
        open(os.path.join(folder, "complete"), "w").close()
    return folder


EXTRACT = """
import duckdb, duckdb_extension_{0} as ext, glob, os, sys
con = duckdb.connect(config={{'allow_unsigned_extensions': True}})
con.load_extension(glob.glob(os.path.dirname(ext.__file__) + '/extensions/*/{0}.duckdb_extension')[0])
for n, q in con.sql('select query_nr, query from {0}_queries()').fetchall():
    open(os.path.join(sys.argv[1], 'q%02d.sql' % n), 'w').write(q.strip().rstrip(';') + ';\\n')
"""


def queries(suite="tpch"):
    """{1: text, ...} of the 22 queries ("tpcds": the 99)."""
    folder = os.path.join(ROOT, "build", "tpch", suite + "-queries")
    if len(glob.glob(folder + "/q*.sql")) < 22:
        os.makedirs(folder, exist_ok=True)
        subprocess.run([os.path.join(ROOT, "build/venv-tpch/bin/python"), "-c", EXTRACT.format(suite), folder], check=True)
    ret = {}
    for path in sorted(glob.glob(folder + "/q*.sql")):
        with open(path) as f:
            ret[int(os.path.basename(path)[1:3])] = f.read()
    return ret


def views(folder):
    """Statements that make the tables visible to Drover."""
    return "".join(f"CREATE OR REPLACE TEMPORARY VIEW {t} USING parquet OPTIONS (path '{folder}/{t}.parquet');\n" for t in TABLES)


def duckdb_views(con, folder):
    for t in TABLES:
        con.sql(f"CREATE OR REPLACE VIEW {t} AS SELECT * FROM '{folder}/{t}.parquet'")


if __name__ == "__main__":
    print(data(sys.argv[1] if len(sys.argv) > 1 else "0.1"), len(queries()), "queries")
