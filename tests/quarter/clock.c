/* Preloaded into a program, moves the time of day by the seconds that stand in a file of sixteen bytes, and ends pauses
   (Python's time.sleep, and GDAL's) of 1.5 seconds and more when that time is over on the moved clock.
   Monotonic clocks and the times of files stay as they are: libfaketime moves some of them, and time.sleep then fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct shared {
    volatile int64_t ahead;     /* seconds, written by the test */
    volatile int64_t paused_at; /* when a program last was in a pause, in milliseconds of the monotonic clock */
};
static const int64_t SLICE = 50, SHORT = 1500; /* milliseconds; Prefect's runs always pause a second between signs of life */
static struct shared *clock_file;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_clock_nanosleep)(clockid_t, int, const struct timespec *, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_clock_nanosleep = dlsym(RTLD_NEXT, "clock_nanosleep");
    const char *path = getenv("CLOCK_FILE");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) clock_file = page;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real_clock_gettime) real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock_gettime(clock, now);
    if (!result && clock_file && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += clock_file->ahead;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec found;
    int result = clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return result;
}

time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now) *now = found.tv_sec;
    return found.tv_sec;
}

static int64_t milliseconds(const struct timespec *moment) {
    return (int64_t)moment->tv_sec * 1000 + moment->tv_nsec / 1000000;
}

/* Python's time.sleep sleeps until a moment of the monotonic clock. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
    struct timespec now;
    if (!clock_file || clock != CLOCK_MONOTONIC || flags != TIMER_ABSTIME)
        return real_clock_nanosleep(clock, flags, until, left);
    real_clock_gettime(clock, &now);
    if (milliseconds(until) - milliseconds(&now) < SHORT) return real_clock_nanosleep(clock, flags, until, left);
    int64_t moved_before = clock_file->ahead;
    for (;;) {
        real_clock_gettime(clock, &now);
        clock_file->paused_at = milliseconds(&now);
        int64_t rest = milliseconds(until) - milliseconds(&now) - (clock_file->ahead - moved_before) * 1000;
        if (rest <= 0) return 0;
        int64_t slice = milliseconds(&now) + (rest < SLICE ? rest : SLICE);
        struct timespec next = {.tv_sec = slice / 1000, .tv_nsec = slice % 1000 * 1000000};
        int result = real_clock_nanosleep(clock, flags, &next, NULL);
        if (result) return result;
    }
}

/* GDAL sleeps for a while. */
int nanosleep(const struct timespec *length, struct timespec *left) {
    struct timespec until;
    if (left) *left = (struct timespec){0};
    if (!real_clock_gettime) begin();
    real_clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += length->tv_sec + (until.tv_nsec + length->tv_nsec) / 1000000000;
    until.tv_nsec = (until.tv_nsec + length->tv_nsec) % 1000000000;
    errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    return errno ? -1 : 0;
}
