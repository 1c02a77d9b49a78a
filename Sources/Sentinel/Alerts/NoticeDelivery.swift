import Configuration
import Foundation

/// Brings a notice to whoever is to be told. Blocks; one thread at a time.
package struct NoticeDelivery: Sendable {
    private let webhook: Webhook?
    private let command: NoticeCommand?
    private let retryCount: Int
    private let host: String
    /// Waits before another attempt; false if there is to be none, because the process ends.
    private let pause: @Sendable (Duration) -> Bool

    package init(
        _ settings: WatchingSettings,
        pause: @escaping @Sendable (Duration) -> Bool = { duration in
            Thread.sleep(forTimeInterval: Double(duration.milliseconds) / 1000)
            return true
        }
    ) {
        webhook =
            settings.webhook.isEmpty
            ? nil : Webhook(address: settings.webhook, headers: settings.webhookHeaders, timeout: settings.timeout)
        command = settings.command.isEmpty ? nil : NoticeCommand(words: settings.command, timeout: settings.timeout)
        retryCount = settings.retryCount
        host = ProcessInfo.processInfo.hostName
        self.pause = pause
    }

    /// Whom a new notice is for.
    package var channels: [WatchNotice.Channel] {
        (webhook == nil ? [] : [.webhook]) + (command == nil ? [] : [.command])
    }

    /// Delivers a notice on one channel, with further attempts where that can help.
    ///
    /// - Returns: why it could not be delivered; nil if it was. A channel that is no longer configured wants nothing.
    package func deliver(_ notice: WatchNotice, by channel: WatchNotice.Channel) -> String? {
        let body = NoticeText.json(notice, host: host)
        var rest: Duration = .milliseconds(500)
        for attempt in 0...retryCount {
            let (reason, isPassing) = tryOnce(body, channel)
            guard let reason else { return nil }
            guard isPassing, attempt < retryCount, pause(rest) else { return reason }
            rest = min(rest * 3, .seconds(20))
        }
        return nil
    }

    private func tryOnce(_ body: Data, _ channel: WatchNotice.Channel) -> (reason: String?, isPassing: Bool) {
        switch channel {
        case .webhook:
            guard let webhook else { return (nil, false) }
            do throws(Webhook.Fault) {
                try webhook.send(body)
                return (nil, false)
            } catch {
                return ("the webhook: \(error.reason)", error.isPassing)
            }
        case .command:
            guard let command else { return (nil, false) }
            do throws(NoticeCommand.Fault) {
                try command.run(body)
                return (nil, false)
            } catch {
                return ("the command: \(error.reason)", true)
            }
        }
    }
}
