import Synchronization

/// All of a process's counters. Any thread; adding costs one atomic addition and no lock.
package final class Counters: Sendable {
    private final class Cell: Sendable {
        let value = Atomic<UInt64>(0)
    }

    private let cells: [Counter: Cell]

    package init() {
        cells = Dictionary(uniqueKeysWithValues: Counter.allCases.map { ($0, Cell()) })
    }

    /// Counts one event.
    package func add(_ counter: Counter) { cells[counter]?.value.wrappingAdd(1, ordering: .relaxed) }

    /// How often the event has happened since the start.
    package func value(of counter: Counter) -> UInt64 { cells[counter]?.value.load(ordering: .relaxed) ?? 0 }

    /// Everything that has happened at all, by name, sorted.
    package var nonZero: [(name: String, value: UInt64)] {
        cells.map { (name: $0.key.rawValue, value: $0.value.value.load(ordering: .relaxed)) }
            .filter { $0.value > 0 }
            .sorted { $0.name < $1.name }
    }
}
