import CLinux
import Foundation
import Glibc
import Transport

/// The loops of a proxy, one thread each. Any thread may use it.
package final class LoopGroup: Sendable {
    let loops: [LoopAddress]
    private let balancer: LoopBalancer
    private let allIdle: IdleSignal
    private let running: DispatchGroup

    /// Starts `count` threads.
    package init(
        count: Int, selector kind: LoopSelector.Kind = .epoll, busyPoll: Duration = .zero, context: LoopContext,
        settings: LoopSettings
    ) throws(TransportError) {
        var loops: [LoopAddress] = []
        let allIdle = try IdleSignal()
        let running = DispatchGroup()
        for index in 0..<max(1, count) {
            let mailbox = try Mailbox<LoopLetter>()
            let load = LoopLoad(allIdle: allIdle)
            // What the loop needs from the kernel it gets here, so that a failure is told before any thread runs.
            let selector = SelectorInTransit(selector: try LoopSelector(kind, busyPoll: busyPoll))
            let timer = linux_timer_create()
            guard timer >= 0 else { throw TransportError(operation: "create", address: "timerfd", code: -timer) }
            running.enter()
            let thread = Thread {
                linux_name_thread("loop-\(index)")
                load.beginThread()
                SessionLoop(
                    context: context, settings: settings, mailbox: mailbox, load: load,
                    selector: selector.selector, selectorKind: kind, timer: timer
                ).run()
                running.leave()
            }
            thread.stackSize = 4 << 20
            thread.start()
            loops.append(LoopAddress(mailbox: mailbox, load: load))
        }
        self.loops = loops
        self.allIdle = allIdle
        self.running = running
        balancer = LoopBalancer(loops: loops)
    }

    /// A selector on its way to the loop's thread.
    // Nobody but that thread touches it once it has been made.
    private struct SelectorInTransit: @unchecked Sendable {
        let selector: LoopSelector
    }

    /// Sessions on all loops.
    package var sessionCount: Int { loops.reduce(0) { $0 + $1.load.sessions } }

    /// Readable once the last session has ended.
    package var idleDescriptor: Int32 { allIdle.descriptor }

    /// Gives a client to the first loop that has time for it.
    ///
    /// - Parameter osUser: whose process is at the other end of a Unix-domain socket.
    package func adopt(socket: Int32, peer: SocketAddress, listener: String, osUser: String? = nil) {
        let home = loops[
            LoopBalance.home(
                for: loops.map { LoopBalance.Load(utilization: $0.load.utilization, sessions: $0.load.sessions) })]
        home.load.sessionAdded()
        home.mailbox.post(.adopt(socket: socket, peer: peer, listener: listener, osUser: osUser))
    }

    package func apply(_ settings: LoopSettings) {
        for loop in loops { loop.mailbox.post(.settings(settings)) }
    }

    /// Sessions stay where they are from here on, and end.
    package func drain(deadline: Int64) {
        balancer.stop()
        for loop in loops { loop.mailbox.post(.drain(deadline: deadline)) }
    }

    /// Ends what is left, and the threads. Call `drain` first.
    package func stop() {
        for loop in loops { loop.mailbox.post(.stop) }
        running.wait()
        for loop in loops { SessionLoop.abandon(loop.mailbox.drain(), load: loop.load) }
    }
}
