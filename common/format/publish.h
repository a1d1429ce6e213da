/*
 * The steps of a commit over its intent, forwards and backwards; shared by commit.c and its recovery. Every step looks
 * first whether it was done, so that both directions can be gone again from any point. Thread: a worker.
 */
#pragma once

#include "common/format/commit.h"

/* From intent to _SUCCESS: old entries to FOLDER/old, new files to their places, all of it synced. */
WARN_UNUSED int publish_forward(struct arena *ar, const char *target, const char *folder, const struct write_intent *in, struct error *err);
/* The way back, last step first. */
WARN_UNUSED int publish_back(struct arena *ar, const char *target, const char *folder, const struct write_intent *in, struct error *err);
/*
 * An intent says that the work of it is done by not being there: it goes before what it speaks of. Should a crash of
 * the machine bring it back, its steps find themselves done.
 */
WARN_UNUSED int publish_forget(struct arena *ar, const char *folder, const char *name, struct error *err);

/* A place between two steps, where tests end the process or make the step fail. */
WARN_UNUSED int publish_point(const char *name, struct error *err);
const char *path_join(struct arena *ar, const char *folder, const char *path);
bool path_is_there(const char *path); /* a dangling link too */
WARN_UNUSED int path_move(const char *from, const char *to, struct error *err);
