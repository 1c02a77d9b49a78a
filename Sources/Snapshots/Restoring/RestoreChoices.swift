/// What of a snapshot is restored, and where to.
package struct RestoreChoices: Sendable {
    /// What becomes of tables that are there.
    package enum Existing: String, Sendable, CaseIterable {
        /// Nothing is restored.
        case refuse
        /// They stay as they are; what is missing is restored.
        case keep
        /// If they are empty they get their rows back.
        case fill
        /// They are dropped, with what hangs on them and is in the snapshot, and restored.
        case replace
    }

    /// Names of tables, with or without the schema; empty for all that the snapshot holds.
    package var tables: [String]
    package var existing: Existing
    /// Without rows.
    package var definitionsOnly: Bool
    /// Foreign keys are made NOT VALID, where they can be (not on partitioned tables): rows that point to what is lost for
    /// good keep nothing from coming back.
    package var leavesKeysUnvalidated: Bool
    /// New tables keep the default privileges that the database gives them: the snapshot is of another database.
    package var keepsDefaultPrivileges: Bool

    package init(
        tables: [String] = [], existing: Existing = .refuse, definitionsOnly: Bool = false,
        leavesKeysUnvalidated: Bool = false, keepsDefaultPrivileges: Bool = false
    ) {
        self.tables = tables
        self.existing = existing
        self.definitionsOnly = definitionsOnly
        self.leavesKeysUnvalidated = leavesKeysUnvalidated
        self.keepsDefaultPrivileges = keepsDefaultPrivileges
    }
}
