import Glibc

/// A file descriptor with one owner, closed with it.
package struct OwnedDescriptor: ~Copyable {
    package let number: Int32

    /// Takes over an open descriptor.
    package init(_ number: Int32) { self.number = number }

    deinit { _ = Glibc.close(number) }
}
