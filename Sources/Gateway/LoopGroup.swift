import CLinux
import Foundation
import Glibc
import Synchronization
import Transport

/// The loops of a proxy, one thread each. Any thread may use it.
package final class LoopGroup: Sendable {
    private let mailboxes: [Mailbox<LoopLetter>]
    private let loads: [LoopLoad]
    private let allIdle: IdleSignal
    private let running: DispatchGroup

    /// Starts `count` threads.
    package init(count: Int, context: LoopContext, settings: LoopSettings) throws(TransportError) {
        var mailboxes: [Mailbox<LoopLetter>] = []
        var loads: [LoopLoad] = []
        let allIdle = try IdleSignal()
        let running = DispatchGroup()
        for index in 0..<max(1, count) {
            let mailbox = try Mailbox<LoopLetter>()
            let load = LoopLoad(allIdle: allIdle)
            // What the loop needs from the kernel it gets here, so that a failure is told before any thread runs.
            let selector = linux_epoll_create()
            guard selector >= 0 else {
                throw TransportError(operation: "create", address: "epoll", code: -selector)
            }
            running.enter()
            let thread = Thread {
                linux_name_thread("loop-\(index)")
                SessionLoop(context: context, settings: settings, mailbox: mailbox, load: load, epoll: selector).run()
                running.leave()
            }
            thread.stackSize = 4 << 20
            thread.start()
            mailboxes.append(mailbox)
            loads.append(load)
        }
        self.mailboxes = mailboxes
        self.loads = loads
        self.allIdle = allIdle
        self.running = running
    }

    /// Sessions on all loops.
    package var sessionCount: Int { loads.reduce(0) { $0 + $1.sessions } }

    /// Readable once the last session has ended.
    package var idleDescriptor: Int32 { allIdle.descriptor }

    /// Gives a client to the loop with the fewest sessions.
    package func adopt(socket: Int32, peer: SocketAddress, listener: String, isOverLimit: Bool) {
        var least = 0
        for index in loads.indices where loads[index].sessions < loads[least].sessions { least = index }
        loads[least].sessionAdded()
        mailboxes[least].post(.adopt(socket: socket, peer: peer, listener: listener, isOverLimit: isOverLimit))
    }

    package func apply(_ settings: LoopSettings) {
        for mailbox in mailboxes { mailbox.post(.settings(settings)) }
    }

    package func drain(deadline: Int64) {
        for mailbox in mailboxes { mailbox.post(.drain(deadline: deadline)) }
    }

    /// Ends what is left, and the threads.
    package func stop() {
        for mailbox in mailboxes { mailbox.post(.stop) }
        running.wait()
    }
}

/// How many sessions a loop has: read by the acceptor.
final class LoopLoad: Sendable {
    private let count = Atomic<Int>(0)
    private let allIdle: IdleSignal

    init(allIdle: IdleSignal) { self.allIdle = allIdle }

    var sessions: Int { count.load(ordering: .relaxed) }

    func sessionAdded() {
        count.add(1, ordering: .relaxed)
        allIdle.sessionAdded()
    }

    func sessionEnded() {
        count.subtract(1, ordering: .relaxed)
        allIdle.sessionEnded()
    }
}

/// Tells when no loop has a session.
final class IdleSignal: Sendable {
    private let count = Atomic<Int>(0)
    let descriptor: Int32

    init() throws(TransportError) {
        descriptor = linux_eventfd()
        guard descriptor >= 0 else { throw TransportError(operation: "create", address: "eventfd", code: -descriptor) }
    }

    deinit { _ = Glibc.close(descriptor) }

    func sessionAdded() { count.add(1, ordering: .relaxed) }

    func sessionEnded() {
        if count.subtract(1, ordering: .relaxed).newValue == 0 { _ = linux_eventfd_signal(descriptor) }
    }
}
