/// What the owner of a database chooses about its guard. Nil leaves what is installed, or the default at first.
package struct GuardChoices: Sendable {
    /// Roles that may open grants and read the log. They have to exist.
    package var roles: [String]?
    /// Tables that are not guarded.
    package var exempt: [GuardPattern]?
    /// Whether the loss of a column is refused; default true.
    package var keepsColumns: Bool?
    /// Whether ALTER COLUMN TYPE is refused where it can lose values; default true.
    package var keepsValues: Bool?

    package init(
        roles: [String]? = nil, exempt: [GuardPattern]? = nil, keepsColumns: Bool? = nil, keepsValues: Bool? = nil
    ) {
        self.roles = roles
        self.exempt = exempt
        self.keepsColumns = keepsColumns
        self.keepsValues = keepsValues
    }

    var isEmpty: Bool { roles == nil && exempt == nil && keepsColumns == nil && keepsValues == nil }
}
