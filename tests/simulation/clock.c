/* The only clock and chance of a Redis in a simulation: microseconds since 1970 in a file that all
   share, and zeros.

   libfaketime reads and parses a file at each question, and Valkey asks 25 times for each command:
   an eighth of all processor time. Where it finds chance it finds zeros: hash-seed fixes the order
   of keys, but not that of the fields of large hashes, and one of 120 histories had two digests.
   Behind the time stands for each process which start of Redis it plays: its run id says so too, as
   the process itself goes on. Loaded by LD_PRELOAD; SIMULATED_CLOCK names the file, and
   SIMULATED_PLACE says where in it the start stands. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *now_us, *starts;
static int64_t known = -1;

/* Put the number of the start into run id and replication id: the texts of 40 digits. */
static void name_again(int64_t start)
{
    static const char digits[] = "0123456789abcdef";
    const ElfW(Sym) *symbol;
    Dl_info info;
    char *at = dlsym(RTLD_DEFAULT, "server"), *end;

    if (!at || !dladdr1(at, &info, (void **)&symbol, RTLD_DL_SYMENT))
        abort();
    for (end = at + symbol->st_size - 41; at < end; at++) {
        size_t length = *at ? strspn(at, digits) : 0;

        if (length == 40)
            snprintf(at + 32, 9, "%08x", (unsigned)start);
        at += length;
    }
    known = start;
}

static void look(void)
{
    if (*starts != known)
        name_again(*starts);
}

__attribute__((constructor)) static void find(void)
{
    const char *name = getenv("SIMULATED_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    const char *place = getenv("SIMULATED_PLACE");
    void *found = mmap(NULL, 3 * sizeof *now_us, PROT_READ, MAP_SHARED, file, 0);

    if (found == MAP_FAILED || !place)
        abort();
    now_us = found;
    starts = now_us + atoi(place);
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
        return syscall(SYS_clock_gettime, clock, time);
    look();
    time->tv_sec = *now_us / 1000000;
    time->tv_nsec = *now_us % 1000000 * 1000;
    return 0;
}

int gettimeofday(struct timeval *time, void *zone)
{
    (void)zone;
    time->tv_sec = *now_us / 1000000;
    time->tv_usec = *now_us % 1000000;
    return 0;
}

time_t time(time_t *into)
{
    time_t now = *now_us / 1000000;

    if (into)
        *into = now;
    return now;
}

static FILE *open_file(const char *how, const char *name, const char *mode)
{
    FILE *(*next)(const char *, const char *) = dlsym(RTLD_NEXT, how);

    return next(strcmp(name, "/dev/urandom") ? name : "/dev/zero", mode);
}

FILE *fopen(const char *name, const char *mode)
{
    return open_file("fopen", name, mode);
}

FILE *fopen64(const char *name, const char *mode)
{
    return open_file("fopen64", name, mode);
}
