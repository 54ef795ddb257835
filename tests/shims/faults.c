/* Loaded before the program (LD_PRELOAD): fails the n-th call by which the program changes or syncs anything below some directories,
 * whoever makes it, and writes all such calls down. The kernel turns each call into a signal (seccomp), so that calls which
 * pass by the C library are seen too; the handler makes the call itself, marked so that it is let through.
 *
 * SHIM_ROOTS  the directories, with colons between them
 * SHIM_TRACE  where the calls are written down: "number outcome name path" on a line; outcome is 0 or the error number
 * SHIM_AT     the number of the call that fails; 0 or none: all are only written down
 * SHIM_MODE   lost: fails with EIO and is not done; kept: is done and fails all the same; torn: half of a write is done;
 *             full: fails with ENOSPC and is not done
 *
 * Programs that this one starts are let alone. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

/* As a sixth argument, which none of these calls has, it says that the call is the handler's own. */
#define OURS 0x0DA1B00Cul
#define PATH 1024

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define ARGUMENT(context, n) ((context)->uc_mcontext.gregs[(int[]){REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9}[n]])
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#define ARGUMENT(context, n) ((context)->uc_mcontext.regs[n])
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#else
#error "the registers of this processor are not known here"
#endif

enum kind { WRITE, SYNC, NAME, PLACE };
static const struct call {
    const char *name;
    int number, file, path;
    enum kind kind;
} calls[] = {
    /* The arguments that say which file: a descriptor, a path (or none: -1). */
    {"write", SYS_write, 0, -1, WRITE},
    {"pwrite64", SYS_pwrite64, 0, -1, WRITE},
    {"writev", SYS_writev, 0, -1, WRITE},
    {"pwritev", SYS_pwritev, 0, -1, WRITE},
    {"fsync", SYS_fsync, 0, -1, SYNC},
    {"fdatasync", SYS_fdatasync, 0, -1, SYNC},
    {"sync_file_range", SYS_sync_file_range, 0, -1, SYNC},
#ifdef SYS_rename
    {"rename", SYS_rename, -1, 1, NAME},
    {"mkdir", SYS_mkdir, -1, 0, NAME},
    {"unlink", SYS_unlink, -1, 0, NAME},
    {"link", SYS_link, -1, 1, NAME},
#endif
    {"renameat", SYS_renameat, 2, 3, NAME},
    {"renameat2", SYS_renameat2, 2, 3, NAME},
    {"mkdirat", SYS_mkdirat, 0, 1, NAME},
    {"unlinkat", SYS_unlinkat, 0, 1, NAME},
    {"linkat", SYS_linkat, 2, 3, NAME},
    {"ftruncate", SYS_ftruncate, 0, -1, PLACE},
    {"fallocate", SYS_fallocate, 0, -1, PLACE},
};
#define CALLS (sizeof calls / sizeof *calls)

static char roots[PATH];
static int trace = -1;
static unsigned long fails_at, passed;
static enum { LOST, KEPT, TORN, FULL } mode;

static long make(long number, ucontext_t *context) {
    return syscall(number, ARGUMENT(context, 0), ARGUMENT(context, 1), ARGUMENT(context, 2), ARGUMENT(context, 3),
                   ARGUMENT(context, 4), OURS);
}

/* The path that a call is about, where it is below a root. */
static const char *below(const struct call *call, ucontext_t *context, char *path) {
    size_t length = 0;
    const char *name = call->path < 0 ? "" : (const char *)ARGUMENT(context, call->path);
    if (name[0] != '/' && call->file >= 0) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", (int)ARGUMENT(context, call->file));
        ssize_t read = readlink(link, path, PATH - 1);
        if (read < 0) return NULL;
        length = (size_t)read;
        if (name[0]) path[length++] = '/';
    }
    if (length + strlen(name) >= PATH) return NULL;
    strcpy(path + length, name);
    for (const char *root = roots; *root;) {
        size_t end = strcspn(root, ":");
        if (!strncmp(path, root, end) && (path[end] == '/' || !path[end])) return path;
        root += end + (root[end] == ':');
    }
    return NULL;
}

static long torn(const struct call *call, ucontext_t *context) {
    if (call->kind == WRITE && call->number != SYS_writev && call->number != SYS_pwritev) {
        ARGUMENT(context, 2) /= 2;
        make(call->number, context);
    }
    return -EIO;
}

static long fail(const struct call *call, ucontext_t *context) {
    switch (mode) {
    case KEPT: make(call->number, context); return -EIO;
    case TORN: return torn(call, context);
    case FULL: return -ENOSPC;
    default: return -EIO;
    }
}

static void handle(int signal, siginfo_t *info, void *about) {
    (void)signal;
    int before = errno;
    ucontext_t *context = about;
    const struct call *call = calls;
    while (call < calls + CALLS && call->number != info->si_syscall) call++;
    char path[PATH];
    const char *place = trace < 0 || call == calls + CALLS ? NULL : below(call, context, path);
    long result;
    unsigned long number = place ? __atomic_add_fetch(&passed, 1, __ATOMIC_SEQ_CST) : 0;
    if (place && number == fails_at) {
        result = fail(call, context);
    } else {
        result = make(info->si_syscall, context);
        if (result < 0) result = -errno;
    }
    if (place) {
        char line[PATH + 64];
        int length = snprintf(line, sizeof line, "%lu %ld %s %s\n", number, result < 0 ? -result : 0, call->name, place);
        syscall(SYS_write, trace, line, (size_t)length, 0, 0, OURS);
    }
    RESULT(context) = result;
    errno = before;
}

static void filter(void) {
    struct sock_filter program[CALLS + 8];
    unsigned short at = 0;
    program[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5]));
    program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OURS, CALLS + 2, 0);
    program[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned char call = 0; call < CALLS; call++)
        program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[call].number, CALLS - call, 0);
    program[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    /* The mark leads to the first of the two, a known call to the second. */
    program[1].jt = CALLS + 1;
    for (unsigned char call = 0; call < CALLS; call++) program[3 + call].jt = CALLS - call;
    struct sock_fprog whole = {at, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole)) _exit(77);
}

__attribute__((constructor)) static void begin(void) {
    /* A program that this one starts has the filter too, and must have the handler. */
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
    if (sigaction(SIGSYS, &action, NULL)) _exit(77);
    const char *at = getenv("SHIM_AT"), *how = getenv("SHIM_MODE"), *of = getenv("SHIM_ROOTS"), *to = getenv("SHIM_TRACE");
    if (!of || !to || strlen(of) >= PATH) return;
    strcpy(roots, of);
    fails_at = at ? strtoul(at, NULL, 10) : 0;
    mode = !how || !strcmp(how, "lost") ? LOST : !strcmp(how, "kept") ? KEPT : !strcmp(how, "torn") ? TORN : FULL;
    trace = open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace < 0) _exit(77);
    unsetenv("SHIM_ROOTS");
    filter();
}
