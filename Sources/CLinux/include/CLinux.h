// Kernel calls that Foundation and Glibc do not import into Swift. Each wrapper returns the call's result, or -errno.
#ifndef CLINUX_H
#define CLINUX_H

#include <spawn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "CLinuxRing.h"

// epoll(7). Events carry a 64-bit value of the caller's.
int linux_epoll_create(void);
int linux_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t value);
int linux_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t value);
int linux_epoll_remove(int epoll, int descriptor);
int linux_epoll_wait(int epoll, struct epoll_event *events, int capacity, int timeout_milliseconds);

static inline uint64_t linux_epoll_value(const struct epoll_event *event) { return event->data.u64; }
static inline uint32_t linux_epoll_bits(const struct epoll_event *event) { return event->events; }

static const uint32_t LINUX_EPOLL_IN = 0x001;
static const uint32_t LINUX_EPOLL_OUT = 0x004;
static const uint32_t LINUX_EPOLL_ERR = 0x008;
static const uint32_t LINUX_EPOLL_HUP = 0x010;
static const uint32_t LINUX_EPOLL_RDHUP = 0x2000;
static const uint32_t LINUX_EPOLL_EDGE = 0x80000000;

// eventfd(2): non-blocking, close-on-exec.
int linux_eventfd(void);
int linux_eventfd_signal(int descriptor);
int linux_eventfd_clear(int descriptor);

// timerfd(2) on the monotonic clock: readable from a time (in nanoseconds) on until it is set again; 0 is never.
int linux_timer_create(void);
int linux_timer_set(int timer, int64_t deadline);

// accept4(2): the new socket is non-blocking and close-on-exec.
int linux_accept(int listener, struct sockaddr *address, socklen_t *length);

// SO_PEERCRED (unix(7)): the user whose process connected a Unix-domain socket; 0 or -errno.
int linux_peer_user(int descriptor, uint32_t *user);

// recv(2) and send(2): never raise SIGPIPE.
ssize_t linux_receive(int descriptor, void *buffer, size_t capacity);
ssize_t linux_send(int descriptor, const void *buffer, size_t count);

// signalfd(2) over the given signals, which are blocked in the calling thread (and those it starts later).
int linux_signal_descriptor(const int *signals, int count);
// The next pending signal's number, or -errno (-EAGAIN: none).
int linux_signal_read(int descriptor);

// clock_gettime(2), in nanoseconds.
int64_t linux_clock_monotonic(void);
int64_t linux_clock_realtime(void);

// getrandom(2): 64 bits that nobody can guess.
uint64_t linux_random(void);

// memfd_create(2), closed on exec: a file without a name, in memory. The descriptor, or a negative errno.
int linux_memory_file(const char *name);

// pthread_setname_np(3) for the calling thread; cut to 15 bytes.
void linux_name_thread(const char *name);

// Raises RLIMIT_NOFILE's soft limit to the hard one; returns the limit in force.
uint64_t linux_raise_descriptor_limit(void);

// A descriptor of /dev/null, kept to be closed when no other is left.
int linux_open_reserve(void);

// posix_spawn_file_actions_addchdir_np(3): where a child begins.
int linux_spawn_in(posix_spawn_file_actions_t *actions, const char *folder);

#endif
