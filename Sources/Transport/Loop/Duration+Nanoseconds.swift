extension Duration {
    /// Nanoseconds, as far as 64 bits reach.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? Int64.max / 2 : whole &+ attoseconds / 1_000_000_000
    }
}
