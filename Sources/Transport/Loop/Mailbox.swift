import CLinux
import Glibc
import Synchronization

/// The only door into a loop: any thread posts, the loop's thread drains.
package final class Mailbox<Letter: Sendable>: Sendable {
    private let letters = Mutex<[Letter]>([])
    /// Readable while letters wait.
    package let descriptor: Int32

    package init() throws(TransportError) {
        descriptor = linux_eventfd()
        guard descriptor >= 0 else { throw TransportError(operation: "create", address: "eventfd", code: -descriptor) }
    }

    deinit { close(descriptor) }

    package func post(_ letter: Letter) {
        let isFirst = letters.withLock {
            $0.append(letter)
            return $0.count == 1
        }
        if isFirst { _ = linux_eventfd_signal(descriptor) }
    }

    package func drain() -> [Letter] {
        _ = linux_eventfd_clear(descriptor)
        return letters.withLock { queue in
            let taken = queue
            queue.removeAll()
            return taken
        }
    }
}
