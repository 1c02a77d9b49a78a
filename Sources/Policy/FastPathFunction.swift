/// A function that a FunctionCall message names by OID. The OIDs are fixed in PostgreSQL's `pg_proc.dat`.
enum FastPathFunction: Hashable {
    /// Opens, reads, writes, creates or closes a large object: what libpq's `lo_*` and JDBC send.
    case largeObjectAccess
    /// `lo_unlink`: a large object and its content are gone.
    case largeObjectRemoval
    case other

    init(oid: UInt32) {
        switch oid {
        case 952, 953, 954, 955, 956, 957, 958,  // lo_open lo_close loread lowrite lo_lseek lo_creat lo_tell
            715, 1004,  // lo_create lo_truncate
            3170, 3171, 3172:  // lo_lseek64 lo_tell64 lo_truncate64
            self = .largeObjectAccess
        case 964:
            self = .largeObjectRemoval
        default:
            self = .other
        }
    }
}
