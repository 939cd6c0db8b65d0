/* Stands between a program and the C library (LD_PRELOAD), and watches the files below one folder.
 *
 * FIELDFLOW_SHIM_DIR    the folder; without it nothing is done
 * FIELDFLOW_SHIM_LOG    records every change and every sync of these files, in order, into this file (outside the folder)
 * FIELDFLOW_SHIM_FAIL   "K N EIO|ENOSPC|SHORT|COUNT": fails N calls beginning with the K-th (from 1) that changes, makes or
 *                       syncs such a file; COUNT fails nothing
 * FIELDFLOW_SHIM_FIRED  gets a line for each call that was counted ("COUNT") or failed: its name and the file's
 *
 * A file whose name begins with "journal" belongs to the oracle: it is recorded, and never fails.
 *
 * A record of the log: u8 kind, u64 inode, u64 offset, u32 length, and so many bytes. One lock is held over the call and its
 * record, so that the order of the log is the order of the calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 4096
enum { CREATE = 'C', WRITE = 'W', TRUNCATE = 'T', SYNC = 'S', DIRSYNC = 'D', UNLINK = 'U', RENAME = 'R' };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char dir[PATH_MAX];
static size_t dir_length;
static int log_fd = -1, fired_fd = -1;
static long fail_at, fail_for, calls;
static int fail_errno, fail_short, count_only;
static struct { uint64_t inode; char watched, journal, append, folder; char name[48]; } table[FDS];

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}
#define REAL(ret, name, ...) \
    static ret (*next)(__VA_ARGS__); \
    if (!next) *(void **)&next = real(#name)

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("FIELDFLOW_SHIM_DIR"), *log = getenv("FIELDFLOW_SHIM_LOG");
    const char *fail = getenv("FIELDFLOW_SHIM_FAIL"), *fired = getenv("FIELDFLOW_SHIM_FIRED");
    char how[16] = "";
    if (!folder || !realpath(folder, dir)) return;
    dir_length = strlen(dir);
    if (log) log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fired) fired_fd = syscall(SYS_openat, AT_FDCWD, fired, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fail && sscanf(fail, "%ld %ld %15s", &fail_at, &fail_for, how) == 3) {
        fail_errno = strcmp(how, "ENOSPC") ? EIO : ENOSPC;
        fail_short = !strcmp(how, "SHORT");
        count_only = !strcmp(how, "COUNT");
    }
}

static int below(const char *path) {
    return dir_length && !strncmp(path, dir, dir_length) && (path[dir_length] == '/' || !path[dir_length]);
}

static const char *base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void record(char kind, uint64_t inode, uint64_t offset, const void *data, uint32_t length) {
    char head[21];
    struct iovec parts[2] = {{head, sizeof head}, {(void *)data, length}};
    if (log_fd < 0) return;
    head[0] = kind;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &offset, 8);
    memcpy(head + 17, &length, 4);
    if (syscall(SYS_writev, log_fd, parts, 2) != (long)(sizeof head + length)) abort();
}

/* Whether this call is to fail: 0 no, 1 with errno set, 2 as a short write. */
static int fails(const char *call, const char *name, int can_be_short) {
    char line[128];
    int hit;
    if (!fail_at) return 0;
    calls++;
    hit = fail_at <= calls && calls < fail_at + fail_for && (!fail_short || can_be_short);
    if ((hit || count_only) && fired_fd >= 0) {
        int length = snprintf(line, sizeof line, "%s %s\n", call, name);
        if (syscall(SYS_write, fired_fd, line, length) != length) abort();
    }
    if (!hit || count_only) return 0;
    errno = fail_errno;
    return fail_short ? 2 : 1;
}

static int watched(int fd) { return fd >= 0 && fd < FDS && table[fd].watched; }

static int fails_fd(const char *call, int fd, int can_be_short) {
    return table[fd].journal ? 0 : fails(call, table[fd].name, can_be_short);
}

/* The path of an open file, whatever it was opened by. */
static void opened(int fd, int flags, int made) {
    char link[64], path[PATH_MAX];
    struct stat stat;
    ssize_t length;
    if (fd < 0 || fd >= FDS) return;
    memset(&table[fd], 0, sizeof table[fd]);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    if (!below(path) || fstat(fd, &stat)) return;
    table[fd].inode = stat.st_ino;
    table[fd].watched = 1;
    table[fd].folder = S_ISDIR(stat.st_mode);
    table[fd].append = (flags & O_APPEND) != 0;
    table[fd].journal = !strncmp(base(path), "journal", 7);
    snprintf(table[fd].name, sizeof table[fd].name, "%.47s", base(path));
    if (made) record(CREATE, stat.st_ino, table[fd].journal, path, length);
    if (flags & O_TRUNC && !made && !table[fd].folder) record(TRUNCATE, stat.st_ino, 0, "", 0);
}

/* An absolute path for one that may not be. */
static const char *absolute(const char *path, char *space) {
    if (path[0] == '/') return path;
    if (!getcwd(space, PATH_MAX / 2)) return path;
    strcat(space, "/");
    strncat(space, path, PATH_MAX / 2 - 2);
    return space;
}

#define OPEN(name, at, ...) \
    mode_t mode = 0; \
    char space[PATH_MAX]; \
    int made, fd, error; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list list; \
        va_start(list, flags); \
        mode = va_arg(list, mode_t); \
        va_end(list); \
    } \
    if (!dir_length) return next(__VA_ARGS__); \
    pthread_mutex_lock(&lock); \
    made = (flags & O_CREAT) && faccessat(at, path, F_OK, 0); \
    if (made && (at) == AT_FDCWD && below(absolute(path, space)) && strncmp(base(path), "journal", 7) \
        && fails("create", base(path), 0) == 1) { \
        error = errno; \
        pthread_mutex_unlock(&lock); \
        errno = error; \
        return -1; \
    } \
    fd = next(__VA_ARGS__); \
    error = errno; \
    opened(fd, flags, made); \
    pthread_mutex_unlock(&lock); \
    errno = error; \
    return fd

int open(const char *path, int flags, ...) { REAL(int, open, const char *, int, ...); OPEN(open, AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { REAL(int, open64, const char *, int, ...); OPEN(open64, AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { REAL(int, openat, int, const char *, int, ...); OPEN(openat, at, at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { REAL(int, openat64, int, const char *, int, ...); OPEN(openat64, at, at, path, flags, mode); }

int close(int fd) {
    REAL(int, close, int);
    pthread_mutex_lock(&lock);
    if (watched(fd)) table[fd].watched = 0;
    pthread_mutex_unlock(&lock);
    return next(fd);
}

/* Calls, fails or shortens, and records. `offset` below 0: where the file stands. */
#define CHANGE(call, length_, offset_, ...) \
    ssize_t done; \
    off_t at = (offset_); \
    size_t length = (length_); \
    int error, how; \
    if (!watched(fd)) return next(__VA_ARGS__); \
    pthread_mutex_lock(&lock); \
    how = fails_fd(call, fd, length > 1); \
    if (how == 1) { \
        done = -1; \
    } else { \
        if (at < 0) at = lseek(fd, 0, table[fd].append ? SEEK_END : SEEK_CUR); \
        if (how == 2) length /= 2; \
        done = next(__VA_ARGS__); \
        if (done > 0) record(WRITE, table[fd].inode, at, data, done); \
    } \
    error = errno; \
    pthread_mutex_unlock(&lock); \
    errno = error; \
    return done

ssize_t write(int fd, const void *data, size_t size) { REAL(ssize_t, write, int, const void *, size_t); CHANGE("write", size, -1, fd, data, length); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { REAL(ssize_t, pwrite, int, const void *, size_t, off_t); CHANGE("write", size, offset, fd, data, length, offset); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { REAL(ssize_t, pwrite64, int, const void *, size_t, off_t); CHANGE("write", size, offset, fd, data, length, offset); }

#define SIMPLE(call, kind, offset_, ...) \
    int done, error; \
    if (!watched(fd)) return next(__VA_ARGS__); \
    pthread_mutex_lock(&lock); \
    done = fails_fd(call, fd, 0) == 1 ? -1 : next(__VA_ARGS__); \
    error = errno; \
    if (!done) record(table[fd].folder ? DIRSYNC : (kind), table[fd].inode, (offset_), table[fd].name, 0); \
    pthread_mutex_unlock(&lock); \
    errno = error; \
    return done

int ftruncate(int fd, off_t size) { REAL(int, ftruncate, int, off_t); SIMPLE("truncate", TRUNCATE, size, fd, size); }
int ftruncate64(int fd, off_t size) { REAL(int, ftruncate64, int, off_t); SIMPLE("truncate", TRUNCATE, size, fd, size); }
int fsync(int fd) { REAL(int, fsync, int); SIMPLE("sync", SYNC, 0, fd); }
int fdatasync(int fd) { REAL(int, fdatasync, int); SIMPLE("sync", SYNC, 0, fd); }

/* Space set aside counts as a call that can fail; a file that only grew by it is of no interest to the replay. */
#define ALLOCATE(...) \
    int done, how; \
    if (!watched(fd)) return next(__VA_ARGS__); \
    pthread_mutex_lock(&lock); \
    how = fails_fd("allocate", fd, 0); \
    done = how == 1 ? errno : next(__VA_ARGS__); \
    pthread_mutex_unlock(&lock); \
    return done

int posix_fallocate(int fd, off_t offset, off_t size) { REAL(int, posix_fallocate, int, off_t, off_t); ALLOCATE(fd, offset, size); }
int posix_fallocate64(int fd, off_t offset, off_t size) { REAL(int, posix_fallocate64, int, off_t, off_t); ALLOCATE(fd, offset, size); }

int fallocate(int fd, int mode, off_t offset, off_t size) {
    REAL(int, fallocate, int, int, off_t, off_t);
    int done;
    if (!watched(fd)) return next(fd, mode, offset, size);
    pthread_mutex_lock(&lock);
    done = fails_fd("allocate", fd, 0) == 1 ? -1 : next(fd, mode, offset, size);
    pthread_mutex_unlock(&lock);
    return done;
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    char space[PATH_MAX];
    const char *whole = absolute(path, space);
    int done, error;
    if (!below(whole)) return next(path);
    pthread_mutex_lock(&lock);
    done = next(path);
    error = errno;
    if (!done) record(UNLINK, 0, 0, whole, strlen(whole));
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    char space[PATH_MAX], other[PATH_MAX], both[2 * PATH_MAX];
    const char *a = absolute(from, space), *b = absolute(to, other);
    int done, error;
    if (!below(a) || !below(b)) return next(from, to);
    pthread_mutex_lock(&lock);
    done = next(from, to);
    error = errno;
    if (!done) {
        int length = snprintf(both, sizeof both, "%s\n%s", a, b);
        record(RENAME, 0, 0, both, length);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}
