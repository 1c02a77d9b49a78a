import Policy
import Synchronization

/// Puts the settings of proxy.conf and what the databases say of themselves together, and hands both to the loops. Each
/// hand-out is a version of its own, so that sessions take it over at their next statement. Any thread.
final class RulesPublisher: Sendable {
    private struct State: Sendable {
        var settings: LoopSettings
        var group: LoopGroup?
    }

    private let state: Mutex<State>

    init(_ settings: LoopSettings, marks: DatabaseMarks) {
        var settings = settings
        settings.rules.marks = marks
        state = Mutex(State(settings: settings))
    }

    /// What is in force.
    var settings: LoopSettings { state.withLock { $0.settings } }

    /// From here on the loops are told.
    func attach(_ group: LoopGroup) { state.withLock { $0.group = group } }

    /// A new proxy.conf.
    func apply(_ settings: LoopSettings) {
        publish { current in
            let (version, marks) = (current.rules.version, current.rules.marks)
            current = settings
            current.rules.version = version
            current.rules.marks = marks
        }
    }

    /// The databases say something else.
    func apply(_ marks: DatabaseMarks) { publish { $0.rules.marks = marks } }

    private func publish(_ change: (inout LoopSettings) -> Void) {
        state.withLock { state in
            change(&state.settings)
            state.settings.rules.version += 1
            // Posted under the lock: no loop may get an older version after a newer one.
            state.group?.apply(state.settings)
        }
    }
}
