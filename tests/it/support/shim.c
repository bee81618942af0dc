/* Loaded into the server by tests of the disk: writes down, for the files below SHIM_DIR, what is made durable and when, and
   lets the SHIM_FAIL-th fsync or fdatasync fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static int syncs;

/* Whether a path is one of those that are watched; then the part behind SHIM_DIR. */
static const char *watched(const char *path) {
    const char *dir = getenv("SHIM_DIR");
    size_t length = dir ? strlen(dir) : 0;
    if (!length || strncmp(path, dir, length)) return NULL;
    return path[length] == '/' ? path + length + 1 : path + length;
}

static void note(const char *what, const char *path, const char *to) {
    char line[1024];
    int length = snprintf(line, sizeof line, "%s %s%s%s\n", what, *path ? path : ".", to ? " " : "", to ? to : "");
    int fd = open(getenv("SHIM_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) abort();
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (real(fd, line, (size_t)length) != length) abort();
    close(fd);
}

/* The path behind a descriptor, if it is watched. */
static const char *of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length <= 0) return NULL;
    path[length] = 0;
    return watched(path);
}

static void wrote(int fd) {
    char path[512];
    const char *name = of(fd, path, sizeof path);
    if (!name) return;
    pthread_mutex_lock(&guard);
    note("write", name, NULL);
    pthread_mutex_unlock(&guard);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (fd > 2) wrote(fd);
    return real(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    wrote(fd);
    return real(fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite");
    wrote(fd);
    return real(fd, bytes, count, at);
}

static int sync_with(const char *how, int fd) {
    char path[512];
    const char *name = of(fd, path, sizeof path);
    if (name) {
        const char *which = getenv("SHIM_FAIL");
        pthread_mutex_lock(&guard);
        int fails = which && ++syncs == atoi(which);
        note(fails ? "failed" : "sync", name, NULL);
        pthread_mutex_unlock(&guard);
        if (fails) {
            errno = EIO;
            return -1;
        }
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, how);
    return real(fd);
}

int fsync(int fd) { return sync_with("fsync", fd); }
int fdatasync(int fd) { return sync_with("fdatasync", fd); }

int rename(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real) real = dlsym(RTLD_NEXT, "rename");
    char whole[4096];
    const char *name = realpath(from, whole) ? watched(whole) : NULL;
    if (name) {
        const char *last = strrchr(to, '/');
        pthread_mutex_lock(&guard);
        note("rename", name, last ? last + 1 : to);
        pthread_mutex_unlock(&guard);
    }
    return real(from, to);
}
