/* The only clock of a Redis in a simulation: microseconds since 1970 in a file that all share.

   libfaketime reads and parses a file at each question, and Valkey asks 25 times for each command:
   an eighth of all processor time. Loaded by LD_PRELOAD; SIMULATED_CLOCK names the file. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *now_us;

__attribute__((constructor)) static void find(void)
{
    const char *name = getenv("SIMULATED_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *found = mmap(NULL, sizeof *now_us, PROT_READ, MAP_SHARED, file, 0);

    if (found == MAP_FAILED)
        abort();
    now_us = found;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
        return syscall(SYS_clock_gettime, clock, time);
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
