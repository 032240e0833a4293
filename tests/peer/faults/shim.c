/*
 * What stands between twofa and its files: preloaded, it writes down every call that touches a file below one directory,
 * with what was written, and makes the one that it is told to make fail.
 *
 *   SHIM_DIRECTORY  the directory, as the system resolves it
 *   SHIM_JOURNAL    where the calls are written down, outside of that directory
 *   SHIM_FAIL       CLASS:NUMBER:ERRNO:HOW, the call of that class that fails; HOW is
 *                   once   that one alone
 *                   on     it and every later one of its class
 *                   dead   it and every later call of any class that would change a file
 *                   short  it writes half, and the next one of its class fails
 *
 * SQLite and Rust's library call the C library, whose functions these replace. What gives a file its name at last is a
 * call of the system itself (rustix): a filter of the system (seccomp) sends those few back to us as a signal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define REGISTER(context, n) ((context)->uc_mcontext.gregs[(int[]){REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8}[n]])
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define REGISTER(context, n) ((context)->uc_mcontext.regs[n])
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#else
#error "the shim knows the registers of x86_64 and aarch64"
#endif

/* Marks a call of ours, which the filter lets through: none of those that it looks at has six arguments. */
#define OURS 0x7477666173686d31ull

/* What a call is, for who makes one fail; in the order of the test's own list. */
enum class { OPEN, READ, WRITE, SYNC, RENAME, UNLINK, TRUNCATE, MKDIR, MAP, OWNER, CLASSES, SAID };
static const char *const CLASS[] = {"open", "read", "write", "sync", "rename", "unlink", "truncate", "mkdir", "map", "owner"};

/* What a call did to the files, for who rebuilds them. */
enum effect { NOTHING, CREATED, WROTE, CUT, SYNCED, RENAMED, LINKED, UNLINKED, MADE_DIRECTORY, SPOKE };

struct record {
    uint32_t class, effect;
    uint64_t file;
    int64_t at;
    int32_t error;
    uint32_t path, other, data;
};

struct open_file {
    char known, append;
    uint64_t number;
    /* What it was opened as; never given back, for a process does not open so many. */
    const char *name;
};

static struct open_file files[4096];
static char directory[4096];
static size_t length;
static int journal = -1;
static char locked;
static int fail_class = -1, fail_errno;
static long fail_number, calls[CLASSES];
static enum { ONCE, ON, DEAD, SHORT } how;
static char failing, halved;

static void lock(void) {
    while (__atomic_test_and_set(&locked, __ATOMIC_ACQUIRE)) {
    }
}

static void unlock(void) { __atomic_clear(&locked, __ATOMIC_RELEASE); }

static void record(enum class class, enum effect effect, uint64_t file, int64_t at, int error, const char *path,
                   const char *other, const void *data, size_t size) {
    struct record head = {class, effect, file, at, error, path ? strlen(path) : 0, other ? strlen(other) : 0, size};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)other, head.other}, {(void *)data, size}};
    if (journal >= 0 && syscall(SYS_writev, journal, parts, 4) != (long)(sizeof head + head.path + head.other + size)) {
        static const char words[] = "shim: the journal cannot be written\n";
        syscall(SYS_write, 2, words, sizeof words - 1);
        _exit(99);
    }
}

/* Whether this call fails, and with what; `half` is set where it is to do half of its work. The lock is held. */
static int fails(enum class class, char *half) {
    long number = ++calls[class];
    char changes = class != READ && class != MAP && class != OPEN;
    if (failing && how == DEAD && changes) return fail_errno;
    if ((int)class != fail_class) return 0;
    if (halved) {
        halved = 0;
        return fail_errno;
    }
    if (number == fail_number && how == SHORT && half) {
        *half = halved = 1;
        return 0;
    }
    if (number == fail_number) failing = 1;
    if (number == fail_number || (failing && how == ON)) return fail_errno;
    return 0;
}

/* Where a path leads, from the root. NULL: not below the directory. */
static const char *below(int at, const char *path, char whole[static 4096]) {
    char from[2048] = "";
    if (!length || !path) return NULL;
    if (path[0] != '/') {
        if (at == AT_FDCWD) {
            if (!getcwd(from, sizeof from)) return NULL;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t size = readlink(link, from, sizeof from - 1);
            if (size < 0) return NULL;
            from[size] = 0;
        }
    }
    while (!strncmp(path, "./", 2)) path += 2;
    if (snprintf(whole, 4096, "%s%s%s", from, path[0] == '/' ? "" : "/", path) >= 4096) return NULL;
    if (strncmp(whole, directory, length) || (whole[length] && whole[length] != '/')) return NULL;
    return whole;
}

static uint64_t number_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : found.st_ino;
}

static struct open_file *known(int fd) {
    return length && fd >= 0 && fd < 4096 && files[fd].known ? &files[fd] : NULL;
}

static int opens(int at, const char *path, int flags, mode_t mode) {
    char room[4096];
    const char *whole = below(at, path, room);
    if (!whole) return syscall(SYS_openat, at, path, flags, mode);
    lock();
    int error = fails(OPEN, NULL), fd = -1;
    char was = access(whole, F_OK) == 0;
    if (!error) {
        fd = syscall(SYS_openat, at, path, flags, mode);
        error = fd < 0 ? errno : 0;
    }
    uint64_t number = fd < 0 ? 0 : number_of(fd);
    if (fd >= 0 && fd < 4096) files[fd] = (struct open_file){1, (flags & O_APPEND) != 0, number, strdup(whole)};
    record(OPEN, fd >= 0 && !was ? CREATED : NOTHING, number, 0, error, whole, NULL, NULL, 0);
    if (fd >= 0 && was && (flags & O_TRUNC)) record(OPEN, CUT, number, 0, 0, whole, NULL, NULL, 0);
    unlock();
    if (fd < 0) errno = error;
    return fd;
}

static mode_t mode_of(int flags, va_list more) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; }

#define OPENS(name)                                                                                                            \
    int name(const char *path, int flags, ...) {                                                                               \
        va_list more;                                                                                                          \
        va_start(more, flags);                                                                                                 \
        mode_t mode = mode_of(flags, more);                                                                                    \
        va_end(more);                                                                                                          \
        return opens(AT_FDCWD, path, flags, mode);                                                                             \
    }
OPENS(open)
OPENS(open64)
#define OPENS_AT(name)                                                                                                         \
    int name(int at, const char *path, int flags, ...) {                                                                       \
        va_list more;                                                                                                          \
        va_start(more, flags);                                                                                                 \
        mode_t mode = mode_of(flags, more);                                                                                    \
        va_end(more);                                                                                                          \
        return opens(at, path, flags, mode);                                                                                   \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

int close(int fd) {
    if (fd == journal && fd >= 0) return 0;
    if (fd >= 0 && fd < 4096) files[fd].known = 0;
    return syscall(SYS_close, fd);
}

static ssize_t writes(int fd, const void *bytes, size_t size, int64_t at) {
    struct open_file *file = known(fd);
    if (!file) {
        ssize_t done = at < 0 ? syscall(SYS_write, fd, bytes, size) : syscall(SYS_pwrite64, fd, bytes, size, at);
        if (length && (fd == 1 || fd == 2) && done > 0) {
            int error = errno;
            lock();
            record(SAID, SPOKE, 0, fd, 0, NULL, NULL, NULL, 0);
            unlock();
            errno = error;
        }
        return done;
    }
    lock();
    char half = 0;
    int error = fails(WRITE, &half);
    ssize_t done = -1;
    int64_t from = at < 0 ? lseek(fd, 0, file->append ? SEEK_END : SEEK_CUR) : at;
    if (!error) {
        if (half) size /= 2;
        done = size == 0 && half ? 0 : at < 0 ? syscall(SYS_write, fd, bytes, size) : syscall(SYS_pwrite64, fd, bytes, size, at);
        if (half && done <= 0) done = -1, errno = fail_errno;
        error = done < 0 ? errno : 0;
    }
    record(WRITE, done > 0 ? WROTE : NOTHING, file->number, from, error, file->name, NULL, bytes, done > 0 ? done : 0);
    unlock();
    if (done < 0) errno = error;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t size) { return writes(fd, bytes, size, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return writes(fd, bytes, size, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) { return writes(fd, bytes, size, at); }

/* As writes of its parts: fewer bytes than were given are a right of every call. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!known(fd) && fd != 1 && fd != 2) return syscall(SYS_writev, fd, parts, count);
    for (int part = 0; part < count; part++)
        if (parts[part].iov_len) return writes(fd, parts[part].iov_base, parts[part].iov_len, -1);
    return 0;
}

static ssize_t reads(int fd, void *bytes, size_t size, int64_t at) {
    struct open_file *file = known(fd);
    if (file) {
        lock();
        int error = fails(READ, NULL);
        record(READ, NOTHING, file->number, at, error, file->name, NULL, NULL, 0);
        unlock();
        if (error) {
            errno = error;
            return -1;
        }
    }
    return at < 0 ? syscall(SYS_read, fd, bytes, size) : syscall(SYS_pread64, fd, bytes, size, at);
}

ssize_t read(int fd, void *bytes, size_t size) { return reads(fd, bytes, size, -1); }
ssize_t pread(int fd, void *bytes, size_t size, off_t at) { return reads(fd, bytes, size, at); }
ssize_t pread64(int fd, void *bytes, size_t size, off64_t at) { return reads(fd, bytes, size, at); }

/* A call about an open file that either happens or not. */
#define ABOUT(class, effect, at, call)                                                                                         \
    struct open_file *file = known(fd);                                                                                        \
    if (!file) return call;                                                                                                    \
    lock();                                                                                                                    \
    int error = fails(class, NULL);                                                                                            \
    long done = -1;                                                                                                            \
    if (!error) {                                                                                                              \
        done = call;                                                                                                           \
        error = done < 0 ? errno : 0;                                                                                          \
    }                                                                                                                          \
    record(class, error ? NOTHING : effect, file->number, at, error, file->name, NULL, NULL, 0);                                     \
    unlock();                                                                                                                  \
    if (done < 0) errno = error;                                                                                               \
    return done;

int fsync(int fd) { ABOUT(SYNC, SYNCED, 0, syscall(SYS_fsync, fd)) }
int fdatasync(int fd) { ABOUT(SYNC, SYNCED, 0, syscall(SYS_fdatasync, fd)) }
int ftruncate(int fd, off_t size) { ABOUT(TRUNCATE, CUT, size, syscall(SYS_ftruncate, fd, size)) }
int ftruncate64(int fd, off64_t size) { ABOUT(TRUNCATE, CUT, size, syscall(SYS_ftruncate, fd, size)) }
int fchown(int fd, uid_t user, gid_t group) { ABOUT(OWNER, NOTHING, 0, syscall(SYS_fchown, fd, user, group)) }
int fchmod(int fd, mode_t mode) { ABOUT(OWNER, NOTHING, 0, syscall(SYS_fchmod, fd, mode)) }

static void *maps(void *where, size_t size, int protection, int flags, int fd, int64_t at) {
    if (known(fd)) {
        lock();
        int error = fails(MAP, NULL);
        record(MAP, NOTHING, files[fd].number, at, error, files[fd].name, NULL, NULL, 0);
        unlock();
        if (error) {
            errno = error;
            return MAP_FAILED;
        }
    }
    return (void *)syscall(SYS_mmap, where, size, protection, flags, fd, at);
}

void *mmap(void *where, size_t size, int protection, int flags, int fd, off_t at) {
    return maps(where, size, protection, flags, fd, at);
}
void *mmap64(void *where, size_t size, int protection, int flags, int fd, off64_t at) {
    return maps(where, size, protection, flags, fd, at);
}

static int unlinks(int at, const char *path, int flags) {
    char room[4096];
    const char *whole = below(at, path, room);
    if (!whole) return syscall(SYS_unlinkat, at, path, flags);
    lock();
    int error = fails(UNLINK, NULL);
    if (!error && syscall(SYS_unlinkat, at, path, flags)) error = errno;
    record(UNLINK, error ? NOTHING : UNLINKED, 0, 0, error, whole, NULL, NULL, 0);
    unlock();
    errno = error;
    return error ? -1 : 0;
}

int unlink(const char *path) { return unlinks(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return unlinks(at, path, flags); }

int mkdir(const char *path, mode_t mode) {
    char room[4096];
    const char *whole = below(AT_FDCWD, path, room);
    if (!whole) return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    struct stat found = {0};
    lock();
    int error = fails(MKDIR, NULL);
    if (!error && syscall(SYS_mkdirat, AT_FDCWD, path, mode)) error = errno;
    if (!error) stat(whole, &found);
    record(MKDIR, error ? NOTHING : MADE_DIRECTORY, found.st_ino, 0, error, whole, NULL, NULL, 0);
    unlock();
    errno = error;
    return error ? -1 : 0;
}

/* 0, or the number of an error. */
static int names(char links, int at, const char *from, int to_at, const char *to, unsigned flags) {
    char room[4096], other[4096];
    const char *old = below(at, from, room), *new = below(to_at, to, other);
    long call = links ? SYS_linkat : SYS_renameat2;
    if (!old || !new) return syscall(call, at, from, to_at, to, flags, OURS) ? errno : 0;
    lock();
    int error = fails(RENAME, NULL);
    if (!error && syscall(call, at, from, to_at, to, flags, OURS)) error = errno;
    record(RENAME, error ? NOTHING : links ? LINKED : RENAMED, 0, 0, error, old, new, NULL, 0);
    unlock();
    return error;
}

/* A call of the system that the filter sent back. */
static void trapped(int signal, siginfo_t *about, void *context) {
    ucontext_t *where = context;
    int kept = errno, error = ENOSYS;
    (void)signal;
#define ARGUMENT(n, type) ((type)REGISTER(where, n))
    switch (about->si_syscall) {
#ifdef SYS_rename
    case SYS_rename: error = names(0, AT_FDCWD, ARGUMENT(0, char *), AT_FDCWD, ARGUMENT(1, char *), 0); break;
#endif
#ifdef SYS_link
    case SYS_link: error = names(1, AT_FDCWD, ARGUMENT(0, char *), AT_FDCWD, ARGUMENT(1, char *), 0); break;
#endif
    case SYS_linkat:
        error = names(1, ARGUMENT(0, int), ARGUMENT(1, char *), ARGUMENT(2, int), ARGUMENT(3, char *), ARGUMENT(4, unsigned));
        break;
#ifdef SYS_renameat
    case SYS_renameat: error = names(0, ARGUMENT(0, int), ARGUMENT(1, char *), ARGUMENT(2, int), ARGUMENT(3, char *), 0); break;
#endif
    case SYS_renameat2:
        error = names(0, ARGUMENT(0, int), ARGUMENT(1, char *), ARGUMENT(2, int), ARGUMENT(3, char *), ARGUMENT(4, unsigned));
        break;
    }
    RESULT(where) = -error;
    errno = kept;
}

static void stop(const char *why) {
    fprintf(stderr, "shim: %s: %s\n", why, strerror(errno));
    _exit(99);
}

#define TRAP(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)
#define HALF(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5]) + 4 * (n))

static void watch_names(void) {
    struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        HALF(0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)OURS, 0, 3),
        HALF(1),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(OURS >> 32), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_rename
        TRAP(SYS_rename),
#endif
#ifdef SYS_link
        TRAP(SYS_link),
#endif
#ifdef SYS_renameat
        TRAP(SYS_renameat),
#endif
        TRAP(SYS_linkat),
        TRAP(SYS_renameat2),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (sigaction(SIGSYS, &action, NULL)) stop("the signal cannot be caught");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) stop("no filter may be set");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) stop("the filter cannot be set");
}

__attribute__((constructor)) static void begin(void) {
    const char *where = getenv("SHIM_DIRECTORY"), *into = getenv("SHIM_JOURNAL"), *fail = getenv("SHIM_FAIL");
    if (!where || !into) return;
    int fd = syscall(SYS_openat, AT_FDCWD, into, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) stop("the journal cannot be opened");
    journal = fcntl(fd, F_DUPFD, 900);
    syscall(SYS_close, fd);
    /* Held as long as a process lives that has it, those too that this one starts: who waits for them waits for the lock. */
    if (journal < 0 || flock(journal, LOCK_SH)) stop("the journal cannot be kept");
    char class[16], way[16];
    if (fail) {
        if (sscanf(fail, "%15[a-z]:%ld:%d:%15[a-z]", class, &fail_number, &fail_errno, way) != 4) stop("SHIM_FAIL");
        for (int one = 0; one < CLASSES; one++)
            if (!strcmp(class, CLASS[one])) fail_class = one;
        if (fail_class < 0) stop("SHIM_FAIL names no class");
        how = !strcmp(way, "on") ? ON : !strcmp(way, "dead") ? DEAD : !strcmp(way, "short") ? SHORT : ONCE;
    }
    watch_names();
    strncpy(directory, where, sizeof directory - 1);
    length = strlen(directory);
}
