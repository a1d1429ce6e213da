/* Whole files in and out, and errors that end the program: for tests whose matter is something else. */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/error/error.h"

static inline void must(int rc, struct error *err)
{
    struct buf b = BUF_INIT;
    if (rc) {
        error_format(err, &b);
        fprintf(stderr, "%s\n", b.data);
        exit(1);
    }
}

static inline void write_whole(const char *path, const void *p, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, p, bytes) != (ssize_t)bytes || close(fd) != 0) {
        perror(path);
        exit(1);
    }
}

static inline void read_whole(const char *path, struct buf *out)
{
    char part[65536];
    int fd = open(path, O_RDONLY);
    buf_reset(out);
    for (ssize_t n; fd >= 0 && (n = read(fd, part, sizeof part)) > 0;)
        buf_add(out, part, (size_t)n);
    if (fd < 0) {
        perror(path);
        exit(1);
    }
    close(fd);
}
