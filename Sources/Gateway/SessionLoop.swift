import Audit
import CLinux
import Configuration
import Glibc
import Logging
import Policy
import Session
import Synchronization
import Transport

/// What the loops of one proxy share: immutable, or safe to use from any thread.
package struct LoopContext: Sendable {
    package var upstreams: Upstreams
    package var audit: AuditWriter
    package var logger: Logger
    /// Reads the databases' catalogs; nil if none is to be read.
    package var catalog: CatalogService?
    /// Asks a thread that may block to resolve the server's name anew.
    package var serverUnreachable: @Sendable () -> Void
    /// Asks which server is the primary; nil where that does not matter.
    var probes: ServerProbes?
    let cancels = CancelTable()
    /// Opens grants at the guards inside the databases; nil without `[guard] connection`.
    package var grants: GrantService?
    /// Takes snapshots of what would be lost; nil without `[snapshots] folder`.
    package var snapshots: SnapshotService?
    /// Which sessions the trail is told of.
    package var recordedSessions = AuditSettings.Sessions.none
    /// Longer texts are cut in the trail.
    package var maximumTextBytes = 1 << 20
    /// Recorded statements have ended; what the server did then may be compared with them.
    package var statementsEnded: @Sendable () -> Void = {}
    /// Recorded statements have ended well in this database, and not been rolled back: its catalog may be another one.
    package var catalogChanged: @Sendable (_ database: String) -> Void = { _ in }
    /// Asks databases whether they are production; nil where nobody is asked.
    package var marker: MarkerService?
    /// Reads texts that take long; nil to read them on the loops.
    package var judging: JudgingThreads?
    /// What is counted over all loops.
    package var limits = Limits(maximumClients: .max)
}

/// What of `proxy.conf` a loop goes by: swapped whole at a reload.
package struct LoopSettings: Sendable {
    package var rules: RuleSet
    package var connectTimeout: Duration
    package var loginTimeout: Duration
    package var maximumStatementBytes: Int
    package var limits: LimitSettings
    package var encryption: EncryptionPolicy
    /// Whose connections begin with a PROXY header.
    package var proxySources: [ClientPattern]
    /// The server is sent a PROXY header.
    package var sendsProxy: Bool
    package var keepalive: KeepaliveOptions
    /// nil if the server checks the passwords.
    package var authentication: AuthenticationPolicy?

    package init(
        _ configuration: ProxyConfiguration, encryption: EncryptionPolicy, authentication: AuthenticationPolicy? = nil
    ) {
        self.encryption = encryption
        self.authentication = authentication
        rules = configuration.rules
        connectTimeout = configuration.connectTimeout
        loginTimeout = configuration.loginTimeout
        maximumStatementBytes = configuration.maximumStatementBytes
        limits = configuration.limits
        proxySources = configuration.proxyProtocol.sources
        sendsProxy = configuration.sendsProxy
        keepalive = KeepaliveOptions(configuration.tcp)
    }
}

/// What may be said to a loop from outside.
package enum LoopLetter: Sendable {
    /// A client's socket, which the loop owns from here on.
    case adopt(socket: Int32, peer: SocketAddress, listener: String, osUser: String?)
    /// The audit trail has answered the session's intents; `fault` is nil if it has them.
    case trailAnswered(owner: UInt64, fault: String?)
    /// The guard has been told what may be lost, as far as it can be.
    case grantAnswered(owner: UInt64)
    /// What the statement at the front may lose is in a snapshot, or the statement must not run.
    case snapshotAnswered(owner: UInt64, SnapshotAnswer)
    /// The text that the session has ordered the facts of has been read; nil if the order can be given again.
    case factsDelivered(owner: UInt64, order: UInt64, FactsDelivery?)
    /// The catalog of the session's database has been read, or could not be.
    case catalogRead(owner: UInt64)
    /// What can be known of the user who wants in.
    case userFound(owner: UInt64, UserLookup)
    /// The connection must go for others before it has logged in (``LoginTable``).
    case endLogin(owner: UInt64)
    case settings(LoopSettings)
    /// Give sessions with this share (0 to 1) of the loop's work to another loop.
    case handOver(share: Double, to: LoopAddress)
    case takeOver(MovingSession)
    /// End idle sessions now, others when they become idle, all at the deadline (monotonic nanoseconds).
    case drain(deadline: Int64)
    /// End the thread. No session is left.
    case stop
}

/// A session on its way from one loop to another.
// In one mailbox and nowhere else: the loop that gave it has forgotten it, and only the one that takes it touches it.
package struct MovingSession: @unchecked Sendable {
    let session: SessionDriver
}

/// One thread's event loop and the sessions on it. A session lives here from accept to close, unless it is given to a
/// loop that has more time (``LoopBalance``).
///
/// Everything but the handle is used on the loop's own thread only.
package final class SessionLoop {
    let context: LoopContext
    let mailbox: Mailbox<LoopLetter>
    private(set) var settings: LoopSettings {
        didSet {
            rulesVersion = settings.rules.version
            sessionMemory = settings.limits.sessionMemory
        }
    }
    /// What of `settings` is asked for at every read: by itself, because the settings are a large value.
    private(set) var rulesVersion: Int
    private(set) var sessionMemory: Int
    let selector: LoopSelector
    /// Sessions that relay are to be received from by the selector's ring.
    private(set) var usesRing: Bool
    /// Tells so; nil if that never changes.
    private var crowd: CrowdMeter?
    /// What is read is looked at here first; only what cannot go on at once is copied.
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
    var judge = StatementJudge()
    private var knownRules = RulesCache()
    /// Which catalog the judge goes by; nil for none.
    var judgedCatalog: ObjectIdentifier?

    private struct Slot {
        var generation: UInt32 = 0
        var session: SessionDriver?
    }
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var timers = TimerHeap()
    private var timersBeforeCompaction = fewestCompacted
    private static let fewestCompacted = 256
    /// What the timer descriptor is set to; nil if it will not become readable.
    private var armedDeadline: Int64?
    private let timer: OwnedDescriptor
    private var turnQueue: [SessionDriver] = []
    private let load: LoopLoad
    private var drainDeadline: Int64?
    var isDraining: Bool { drainDeadline != nil }
    private var isStopping = false

    private static let mailboxValue = UInt64.max
    private static let timerValue = UInt64.max - 1

    /// - Parameters:
    ///   - selector: nobody else's.
    ///   - timer: from `linux_timer_create`; the loop owns it from here on.
    init(
        context: LoopContext, settings: LoopSettings, mailbox: Mailbox<LoopLetter>, load: LoopLoad,
        selector: LoopSelector, selectorKind: LoopSelector.Kind, timer: Int32
    ) {
        usesRing = selectorKind == .ring
        crowd = selectorKind == .whicheverPays ? CrowdMeter() : nil
        self.context = context
        self.settings = settings
        rulesVersion = settings.rules.version
        sessionMemory = settings.limits.sessionMemory
        self.mailbox = mailbox
        self.load = load
        self.selector = selector
        self.timer = OwnedDescriptor(timer)
    }

    deinit { scratch.deallocate() }

    /// Runs until told to stop.
    func run() {
        do {
            try selector.begin()
            try selector.addReadable(mailbox.descriptor, value: Self.mailboxValue)
            try selector.addReadable(timer.number, value: Self.timerValue)
        } catch {
            // Unreachable short of a kernel out of memory: a loop that hears nothing must not get sessions.
            return context.logger.critical("an event loop cannot start: \(error.reason)")
        }
        while !isStopping {
            if !timers.isEmpty { armTimer() }
            var eventCount = 0
            selector.wait(isPatient: turnQueue.isEmpty) { value, event in
                eventCount &+= 1
                if value == Self.mailboxValue {
                    readMail()
                } else if value == Self.timerValue {
                    fireTimers()
                } else if let session = session(owner: value & ~1) {
                    switch event {
                    case .ready(let bits): session.ready(isServer: value & 1 == 1, events: bits)
                    case .received(let bytes): session.received(bytes, isServer: value & 1 == 1)
                    case .refused: session.sendRefused(isServer: value & 1 == 1)
                    }
                }
            }
            if crowd?.note(events: eventCount) == true { changeUseOfRing() }
            if !turnQueue.isEmpty {
                let turns = turnQueue
                turnQueue.removeAll(keepingCapacity: true)
                for session in turns { session.continueTurn() }
            }
        }
        for slot in slots { slot.session?.abandon() }
    }

    /// Another way of waiting pays from here on. Sessions go over to the ring with their next event; those that stayed in it
    /// would make every wait one by the ring.
    private func changeUseOfRing() {
        usesRing.toggle()
        guard !usesRing else { return }
        for slot in slots { slot.session?.leaveRing() }
    }

    /// Ends what a loop that has stopped was still sent: sessions on their way to it. All loops have stopped.
    static func abandon(_ letters: [LoopLetter], load: LoopLoad) {
        for letter in letters {
            switch letter {
            case .takeOver(let moving):
                moving.session.abandon()
                load.sessionEnded()
            case .adopt(let socket, _, _, _):
                _ = Glibc.close(socket)
                load.sessionEnded()
            case .trailAnswered, .grantAnswered, .snapshotAnswered, .factsDelivered, .catalogRead, .userFound,
                .endLogin, .settings,
                .handOver, .drain, .stop:
                break
            }
        }
    }

    /// The rules for a session, and its subject, as other sessions share them.
    func rules(for subject: Subject) -> (subject: Subject, rules: SubjectRules) {
        knownRules.rules(for: subject, in: settings.rules)
    }

    /// The session goes on after others have had their turn.
    func requestTurn(_ session: SessionDriver) { turnQueue.append(session) }

    func addTimer(_ delay: Duration, owner: UInt64) -> Int64 {
        let deadline = linux_clock_monotonic() &+ delay.nanoseconds
        addTimer(deadline: deadline, owner: owner)
        return deadline
    }

    /// - Parameter deadline: monotonic nanoseconds.
    func addTimer(deadline: Int64, owner: UInt64) {
        // Every session that logs in leaves some behind that time nothing any more.
        if timers.count >= timersBeforeCompaction {
            timers.compact { session(owner: $0.owner)?.waitsFor(deadline: $0.deadline) == true }
            timersBeforeCompaction = max(Self.fewestCompacted, timers.count * 2)
        }
        timers.add(deadline: deadline, owner: owner)
    }

    /// Sends a CancelRequest of Holdfast's own.
    ///
    /// - Parameters:
    ///   - packet: whole.
    ///   - address: where the session to be cancelled is connected to.
    ///   - upstream: which one that address is of.
    ///   - ended: called on the loop's thread once the server has closed that connection, and so has passed the request on;
    ///     or once it is known that it will not.
    func cancel(
        _ packet: [UInt8], at address: SocketAddress, of upstream: Upstream, ended: @escaping () -> Void
    ) {
        // The client of this session is Holdfast: a socket whose other end is closed.
        var pair: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &pair) == 0 else { return ended() }
        _ = Glibc.close(pair[1])
        let owner = newOwner()
        load.sessionAdded()
        let session = SessionDriver(
            loop: self, owner: owner, client: Stream(OwnedDescriptor(pair[0]), isUnix: true), peer: address,
            listener: "")
        slots[Int(owner >> 32)].session = session
        session.beginCancel(packet, at: address, of: upstream, ended: ended)
    }

    /// The session is over; its slot may be used again.
    func release(_ session: SessionDriver) {
        let index = Int(session.owner >> 32)
        guard slots.indices.contains(index), slots[index].session === session else { return }
        slots[index].session = nil
        freeSlots.append(index)
        load.sessionEnded()
    }

    func session(owner: UInt64) -> SessionDriver? {
        let index = Int(owner >> 32)
        guard slots.indices.contains(index), slots[index].generation == UInt32(truncatingIfNeeded: owner) >> 1 else {
            return nil
        }
        return slots[index].session
    }

    /// Sees to it that the loop wakes for the earliest timer. No clock is asked: the kernel tells the time.
    private func armTimer() {
        // Most timers are of sessions that have long got past what they timed.
        while let timer = timers.first, session(owner: timer.owner)?.waitsFor(deadline: timer.deadline) != true {
            timers.removeFirst()
        }
        guard let earliest = timers.first?.deadline, earliest < armedDeadline ?? .max else { return }
        // 0 would be never.
        _ = linux_timer_set(timer.number, max(earliest, 1))
        armedDeadline = earliest
    }

    private func fireTimers() {
        armedDeadline = nil
        _ = linux_timer_set(timer.number, 0)
        let now = linux_clock_monotonic()
        while let timer = timers.first, timer.deadline <= now {
            timers.removeFirst()
            session(owner: timer.owner)?.timerFired(deadline: timer.deadline)
        }
    }

    private func readMail() {
        for letter in mailbox.drain() {
            switch letter {
            case .adopt(let socket, let peer, let listener, let osUser):
                adopt(socket, peer, listener, osUser)
            case .trailAnswered(let owner, let fault):
                session(owner: owner)?.trailAnswered(fault)
            case .grantAnswered(let owner):
                session(owner: owner)?.grantAnswered()
            case .snapshotAnswered(let owner, let answer):
                session(owner: owner)?.snapshotAnswered(answer)
            case .factsDelivered(let owner, let order, let delivery):
                session(owner: owner)?.factsDelivered(delivery, order: order)
            case .catalogRead(let owner):
                session(owner: owner)?.catalogRead()
            case .userFound(let owner, let lookup):
                session(owner: owner)?.userFound(lookup)
            case .endLogin(let owner):
                session(owner: owner)?.makeRoom()
            case .settings(let changed):
                settings = changed
                for slot in slots { slot.session?.limitsChanged() }
            case .handOver(let share, let other):
                handOver(share, to: other)
            case .takeOver(let moving):
                takeOver(moving.session)
            case .drain(let deadline):
                drainDeadline = deadline
                for slot in slots { slot.session?.drain(deadline: deadline) }
            case .stop:
                isStopping = true
            }
        }
    }

    private func adopt(_ socket: Int32, _ peer: SocketAddress, _ listener: String, _ osUser: String?) {
        let owner = newOwner()
        let session = SessionDriver(
            loop: self, owner: owner, client: Stream(OwnedDescriptor(socket), isUnix: peer.isUnix), peer: peer,
            listener: listener)
        session.osUser = osUser
        slots[Int(owner >> 32)].session = session
        session.begin()
    }

    /// A free slot's index and its new generation, as events carry them.
    private func newOwner() -> UInt64 {
        let index = freeSlots.popLast() ?? slots.count
        if index == slots.count { slots.append(Slot()) }
        // 31 bits: the lowest bit of an event's value tells the session's two sockets apart.
        slots[index].generation = (slots[index].generation &+ 1) & 0x7fff_ffff
        return UInt64(index) << 32 | UInt64(slots[index].generation) << 1
    }

    // MARK: - Moving sessions

    /// How many sessions move at once: each costs four system calls.
    private static let mostMoved = 64

    /// Gives sessions away that have done `share` of all the work, the busiest first, as far as they can leave just now.
    private func handOver(_ share: Double, to other: LoopAddress) {
        guard !isDraining else { return }
        let candidates = slots.compactMap(\.session)
            .map { (session: $0, work: $0.takeEventCount()) }
            .sorted { $0.work > $1.work }
        var left = share * Double(candidates.reduce(0) { $0 + $1.work })
        var moved = 0
        for (session, work) in candidates where moved < Self.mostMoved && session.canMove {
            guard share >= 1 || (work > 0 && Double(work) <= left) else { continue }
            left -= Double(work)
            moved += 1
            other.load.sessionAdded()
            session.leave()
            release(session)
            other.mailbox.post(.takeOver(MovingSession(session: session)))
        }
    }

    private func takeOver(_ session: SessionDriver) {
        let owner = newOwner()
        slots[Int(owner >> 32)].session = session
        session.join(self, owner: owner)
        if let drainDeadline { session.drain(deadline: drainDeadline) }
    }
}
