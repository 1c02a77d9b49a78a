/// What a restore will do: made by ``SnapshotRestorer/plan(_:_:database:)``, shown, then run.
package struct RestorePlan: Sendable {
    package var manifest: SnapshotManifest
    /// Missing tables (and views, sequences) that are made anew.
    package var made: [SnapshotManifest.Table] = []
    /// Tables that are there and get their rows.
    package var filled: [SnapshotManifest.Table] = []
    /// Tables that are dropped first.
    package var dropped: [SnapshotManifest.Table] = []
    /// Other things that come back, for people.
    package var others: [String] = []
    /// What is missing and does not come back, with the reason.
    package var leftOut: [String] = []
    /// Rows are restored.
    package var hasRows = true

    /// What is made by statements of Holdfast's own.
    var statements: [String] = []
    /// What gives triggers of filled tables their states back.
    var triggerStates: [String] = []
    /// Entries of the archives.
    var definitions: Set<Int> = []
    var rows: Set<Int> = []
    /// Every relation that is made.
    var relations: [SnapshotManifest.Table] = []
    /// New tables would get default privileges that they did not have.
    var hasDefaultPrivileges = false
    /// Foreign keys are made NOT VALID.
    var leavesKeysUnvalidated = false

    /// Nothing is to be done.
    package var isEmpty: Bool { made.isEmpty && filled.isEmpty && others.isEmpty }

    /// One line each.
    package var lines: [String] {
        dropped.map { "drop \($0.kindName) \($0.qualifiedName)" }
            + made.map { "make \($0.kindName) \($0.qualifiedName)\(hasRows || $0.kind != "r" ? "" : ", without rows")" }
            + filled.map { "fill \($0.kindName) \($0.qualifiedName)" } + others.map { "make \($0)" }
            + leftOut.map { "not: \($0)" }
    }
}
