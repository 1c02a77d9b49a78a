#define _GNU_SOURCE
#include "CLinuxRing.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Linux 6.14; Debian's headers are older.
#define NO_IOWAIT_FEATURE (1U << 17)
#define NO_IOWAIT_ENTER (1U << 7)

struct linux_ring {
    int descriptor;
    // What io_uring_enter(2) is given: the descriptor, or its index among the thread's registered rings.
    int entered;
    uint32_t enter_flags;
    uint32_t *submission_tail;
    uint32_t *submission_flags;
    uint32_t submission_mask;
    uint32_t *completion_head;
    uint32_t *completion_tail;
    uint32_t completion_mask;
    struct io_uring_sqe *submissions;
    struct io_uring_cqe *completions;
    // Filled but not submitted: the entries from `submitted` up to `tail`.
    uint32_t tail;
    uint32_t submitted;
    void *queues;
    size_t queues_size;
    size_t submissions_size;
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    uint32_t buffer_count;
    uint32_t buffer_size;
    uint16_t buffer_tail;
};

static long control(const struct linux_ring *ring, unsigned what, void *argument, unsigned count) {
    return syscall(SYS_io_uring_register, ring->descriptor, what, argument, count);
}

// A memory map of the ring's, or NULL.
static void *mapped(int descriptor, size_t size, off_t what) {
    int flags = descriptor < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, descriptor, what);
    return memory == MAP_FAILED ? NULL : memory;
}

static int map_queues(struct linux_ring *ring, const struct io_uring_params *parameters) {
    // IORING_FEAT_SINGLE_MMAP (Linux 5.4): one map has both queues.
    size_t submissions = parameters->sq_off.array + parameters->sq_entries * sizeof(uint32_t);
    size_t completions = parameters->cq_off.cqes + parameters->cq_entries * sizeof(struct io_uring_cqe);
    ring->queues_size = submissions > completions ? submissions : completions;
    ring->queues = mapped(ring->descriptor, ring->queues_size, IORING_OFF_SQ_RING);
    ring->submissions_size = parameters->sq_entries * sizeof(struct io_uring_sqe);
    ring->submissions = mapped(ring->descriptor, ring->submissions_size, IORING_OFF_SQES);
    if (!ring->queues || !ring->submissions) return -ENOMEM;
    char *base = ring->queues;
    ring->submission_tail = (uint32_t *)(base + parameters->sq_off.tail);
    ring->submission_flags = (uint32_t *)(base + parameters->sq_off.flags);
    ring->submission_mask = parameters->sq_entries - 1;
    ring->completion_head = (uint32_t *)(base + parameters->cq_off.head);
    ring->completion_tail = (uint32_t *)(base + parameters->cq_off.tail);
    ring->completion_mask = parameters->cq_entries - 1;
    ring->completions = (struct io_uring_cqe *)(base + parameters->cq_off.cqes);
    uint32_t *order = (uint32_t *)(base + parameters->sq_off.array);
    for (uint32_t i = 0; i < parameters->sq_entries; i++) order[i] = i;
    return 0;
}

static int map_buffers(struct linux_ring *ring, uint32_t count, uint32_t size) {
    ring->buffer_count = count;
    ring->buffer_size = size;
    ring->buffer_ring = mapped(-1, count * sizeof(struct io_uring_buf), 0);
    ring->buffers = mapped(-1, (size_t)count * size, 0);
    if (!ring->buffer_ring || !ring->buffers) return -ENOMEM;
    struct io_uring_buf_reg group = {.ring_addr = (uint64_t)(uintptr_t)ring->buffer_ring, .ring_entries = count};
    if (control(ring, IORING_REGISTER_PBUF_RING, &group, 1) < 0) return -errno;
    for (uint32_t i = 0; i < count; i++) linux_ring_give(ring, (int)i);
    return 0;
}

struct linux_ring *linux_ring_open(uint32_t submissions, uint32_t completions, uint32_t buffer_count,
                                   uint32_t buffer_size, int *error) {
    struct linux_ring *ring = calloc(1, sizeof *ring);
    *error = -ENOMEM;
    if (!ring) return NULL;
    // Completions are worked out when the loop waits, on its own thread, and only then (Linux 6.1). Disabled: the thread
    // that enables the ring is its only one.
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
        .cq_entries = completions,
    };
    ring->descriptor = (int)syscall(SYS_io_uring_setup, submissions, &parameters);
    if (ring->descriptor < 0) {
        *error = -errno;
        free(ring);
        return NULL;
    }
    ring->entered = ring->descriptor;
    if (parameters.features & NO_IOWAIT_FEATURE) ring->enter_flags |= NO_IOWAIT_ENTER;
    *error = -EOPNOTSUPP;
    if (parameters.features & IORING_FEAT_NODROP && parameters.features & IORING_FEAT_CQE_SKIP) {
        *error = map_queues(ring, &parameters);
        if (*error == 0) *error = map_buffers(ring, buffer_count, buffer_size);
    }
    if (*error == 0) return ring;
    linux_ring_close(ring);
    return NULL;
}

int linux_ring_enable(struct linux_ring *ring) {
    if (control(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0) return -errno;
    // The thread then knows the ring by an index, and no call looks it up among the descriptors.
    struct io_uring_rsrc_update update = {.offset = UINT32_MAX, .data = (uint64_t)ring->descriptor};
    if (control(ring, IORING_REGISTER_RING_FDS, &update, 1) == 1) {
        ring->entered = (int)update.offset;
        ring->enter_flags |= IORING_ENTER_REGISTERED_RING;
    }
    return 0;
}

void linux_ring_close(struct linux_ring *ring) {
    if (ring->enter_flags & IORING_ENTER_REGISTERED_RING) {
        struct io_uring_rsrc_update update = {.offset = (uint32_t)ring->entered};
        control(ring, IORING_UNREGISTER_RING_FDS, &update, 1);
    }
    close(ring->descriptor);
    if (ring->queues) munmap(ring->queues, ring->queues_size);
    if (ring->submissions) munmap(ring->submissions, ring->submissions_size);
    if (ring->buffer_ring) munmap(ring->buffer_ring, ring->buffer_count * sizeof(struct io_uring_buf));
    if (ring->buffers) munmap(ring->buffers, (size_t)ring->buffer_count * ring->buffer_size);
    free(ring);
}

int linux_ring_enter(struct linux_ring *ring, uint32_t wanted) {
    uint32_t count = ring->tail - ring->submitted;
    __atomic_store_n(ring->submission_tail, ring->tail, __ATOMIC_RELEASE);
    long taken = syscall(SYS_io_uring_enter, ring->entered, count, wanted, ring->enter_flags | IORING_ENTER_GETEVENTS,
                         NULL, 0);
    if (taken < 0) return errno == EINTR && count == 0 ? 0 : -errno;
    ring->submitted += (uint32_t)taken;
    return (uint32_t)taken == count ? 0 : -EAGAIN;
}

// The next free entry, zeroed; NULL if there is none.
static struct io_uring_sqe *next_entry(struct linux_ring *ring) {
    if (ring->tail - ring->submitted > ring->submission_mask) linux_ring_enter(ring, 0);
    if (ring->tail - ring->submitted > ring->submission_mask) return NULL;
    struct io_uring_sqe *entry = &ring->submissions[ring->tail++ & ring->submission_mask];
    memset(entry, 0, sizeof *entry);
    return entry;
}

int linux_ring_poll(struct linux_ring *ring, int descriptor, uint32_t events, uint64_t value) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (!entry) return -EBUSY;
    entry->opcode = IORING_OP_POLL_ADD;
    entry->fd = descriptor;
    entry->len = IORING_POLL_ADD_MULTI;
    entry->poll32_events = events;
    entry->user_data = value;
    return 0;
}

int linux_ring_receive(struct linux_ring *ring, int descriptor, uint64_t value) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (!entry) return -EBUSY;
    entry->opcode = IORING_OP_RECV;
    entry->fd = descriptor;
    entry->flags = IOSQE_BUFFER_SELECT;
    // Asked for when the socket has just been emptied: to try at once would be in vain.
    entry->ioprio = IORING_RECVSEND_POLL_FIRST;
    entry->len = ring->buffer_size;
    entry->user_data = value;
    return 0;
}

int linux_ring_send(struct linux_ring *ring, int descriptor, const void *bytes, uint32_t count, uint64_t value) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (!entry) return -EBUSY;
    entry->opcode = IORING_OP_SEND;
    entry->fd = descriptor;
    entry->flags = IOSQE_CQE_SKIP_SUCCESS;
    entry->addr = (uint64_t)(uintptr_t)bytes;
    entry->len = count;
    // MSG_WAITALL: a part alone counts as a failure, and failures are told.
    entry->msg_flags = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL;
    entry->user_data = value;
    return 0;
}

int linux_ring_cancel(struct linux_ring *ring, uint64_t target, uint64_t value) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (!entry) return -EBUSY;
    entry->opcode = IORING_OP_ASYNC_CANCEL;
    entry->fd = -1;
    entry->flags = IOSQE_CQE_SKIP_SUCCESS;
    entry->addr = target;
    entry->user_data = value;
    return 0;
}

uint32_t linux_ring_asked(const struct linux_ring *ring) { return ring->tail - ring->submitted; }

uint32_t linux_ring_completed(const struct linux_ring *ring) {
    return __atomic_load_n(ring->completion_tail, __ATOMIC_ACQUIRE) - *ring->completion_head;
}

struct linux_completion linux_ring_completion(const struct linux_ring *ring, uint32_t index) {
    const struct io_uring_cqe *entry = &ring->completions[(*ring->completion_head + index) & ring->completion_mask];
    return (struct linux_completion){.value = entry->user_data, .result = entry->res, .flags = entry->flags};
}

void linux_ring_drop(struct linux_ring *ring, uint32_t count) {
    __atomic_store_n(ring->completion_head, *ring->completion_head + count, __ATOMIC_RELEASE);
}

int linux_ring_has_overflown(const struct linux_ring *ring) {
    return (__atomic_load_n(ring->submission_flags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW) != 0;
}

const void *linux_ring_bytes(const struct linux_ring *ring, int buffer) {
    return ring->buffers + (size_t)buffer * ring->buffer_size;
}

void linux_ring_give(struct linux_ring *ring, int buffer) {
    struct io_uring_buf *entry = &ring->buffer_ring->bufs[ring->buffer_tail & (ring->buffer_count - 1)];
    entry->addr = (uint64_t)(uintptr_t)linux_ring_bytes(ring, buffer);
    entry->len = ring->buffer_size;
    entry->bid = (uint16_t)buffer;
    __atomic_store_n(&ring->buffer_ring->tail, ++ring->buffer_tail, __ATOMIC_RELEASE);
}
