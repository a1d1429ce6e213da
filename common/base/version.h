/* What this is, and which Spark it answers as. */
#pragma once

#define DROVER_VERSION "0.1"
#define SPARK_VERSION "4.0.0"
