// io_uring(7) without liburing: what Holdfast needs of it. One thread's, but for opening it.
#ifndef CLINUX_RING_H
#define CLINUX_RING_H

#include <stdint.h>

// The two queues that are shared with the kernel, and buffers for it to fill.
struct linux_ring;

// Linux 6.1 or newer. `submissions`, `completions` and `buffer_count` are powers of two. NULL with -errno in `error`: ENOSYS,
// EPERM (forbidden: kernel.io_uring_disabled, seccomp), EINVAL or EOPNOTSUPP (the kernel is too old), ENOMEM.
struct linux_ring *linux_ring_open(uint32_t submissions, uint32_t completions, uint32_t buffer_count,
                                   uint32_t buffer_size, int *error);
// The calling thread is the one that uses the ring from now on; call it once, first. 0, or -errno.
int linux_ring_enable(struct linux_ring *ring);
// What is still under way is taken back.
void linux_ring_close(struct linux_ring *ring);

// Submits what has been asked for, and waits until at least so many completions are there. 0, or -errno.
int linux_ring_enter(struct linux_ring *ring, uint32_t wanted);

// What follows asks for something; it is submitted with the next enter, or now if the queue is full. It completes with
// `value`. 0, or -errno if the queue is full and cannot be submitted.

// poll(2)'s events, whenever the socket has news of them, until that is cancelled (the last completion lacks
// LINUX_RING_MORE).
int linux_ring_poll(struct linux_ring *ring, int descriptor, uint32_t events, uint64_t value);
// recv(2), once, into a buffer of the ring's. Completes with the count, 0 at the end, or -errno (ENOBUFS: no buffer is free).
int linux_ring_receive(struct linux_ring *ring, int descriptor, uint64_t value);
// send(2), done or refused by the time it has been submitted. Completes only if not all has been taken: with how much, or
// -errno (EAGAIN).
int linux_ring_send(struct linux_ring *ring, int descriptor, const void *bytes, uint32_t count, uint64_t value);
// Takes back what was asked for with the value `target`, which then completes with -ECANCELED if it had not; completes
// itself only if there was no such thing.
int linux_ring_cancel(struct linux_ring *ring, uint64_t target, uint64_t value);

// How much has been asked for and not been submitted.
uint32_t linux_ring_asked(const struct linux_ring *ring);

struct linux_completion {
    uint64_t value;
    int32_t result;
    uint32_t flags;
};

// How many completions can be looked at; the one at an index below that; taking so many off the front.
uint32_t linux_ring_completed(const struct linux_ring *ring);
struct linux_completion linux_ring_completion(const struct linux_ring *ring, uint32_t index);
void linux_ring_drop(struct linux_ring *ring, uint32_t count);
// Whether completions have found no room; they come with the next enter.
int linux_ring_has_overflown(const struct linux_ring *ring);

static const uint32_t LINUX_RING_MORE = 2;

// The buffer that a receive has filled; -1 for none.
static inline int linux_completion_buffer(struct linux_completion completion) {
    return completion.flags & 1 ? (int)(completion.flags >> 16) : -1;
}
const void *linux_ring_bytes(const struct linux_ring *ring, int buffer);
// Lets the kernel fill the buffer again.
void linux_ring_give(struct linux_ring *ring, int buffer);

#endif
