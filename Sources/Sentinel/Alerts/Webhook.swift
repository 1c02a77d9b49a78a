import Foundation
import FoundationNetworking
import Synchronization

/// Sends notices as HTTP POST. URLSession (Foundation's, over libcurl): it comes with Swift, is kept by the same
/// people, and a delivery an hour is no reason for a network stack of its own in the process. Blocks; any thread.
struct Webhook: Sendable {
    struct Fault: Error {
        var reason: String
        /// Whether another attempt can succeed.
        var isPassing: Bool
    }

    let address: String
    /// `Name: value`
    let headers: [String]
    let timeout: Duration

    /// - Throws: it was not taken with a status of 2xx in time. Redirections are not followed: neither the findings nor
    ///   the headers go where proxy.conf does not send them.
    func send(_ body: Data) throws(Fault) {
        guard let url = URL(string: address) else { throw Fault(reason: "\"\(address)\" is no URL", isPassing: false) }
        let seconds = Double(timeout.milliseconds) / 1000
        var request = URLRequest(url: url, cachePolicy: .reloadIgnoringLocalCacheData, timeoutInterval: seconds)
        request.httpMethod = "POST"
        request.httpBody = body
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.setValue("holdfast", forHTTPHeaderField: "User-Agent")
        for header in headers {
            let parts = header.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            request.setValue(parts[1].trimmingCharacters(in: .whitespaces), forHTTPHeaderField: String(parts[0]))
        }
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = seconds
        configuration.timeoutIntervalForResource = seconds
        configuration.httpCookieAcceptPolicy = .never
        configuration.httpShouldSetCookies = false
        let exchange = Exchange()
        let session = URLSession(configuration: configuration, delegate: exchange, delegateQueue: nil)
        defer { session.invalidateAndCancel() }
        session.dataTask(with: request).resume()
        guard let outcome = exchange.wait(seconds + 1) else {
            throw Fault(reason: "no answer within \(seconds) s", isPassing: true)
        }
        switch outcome {
        case .status(200..<300): break
        case .status(let code):
            let isPassing = code == 408 || code == 425 || code == 429 || code >= 500
            let hint = (300..<400).contains(code) ? " (redirections are not followed: write the final address)" : ""
            throw Fault(reason: "it answered with status \(code)\(hint)", isPassing: isPassing)
        case .failed(let reason): throw Fault(reason: reason, isPassing: true)
        }
    }

    private enum Outcome: Sendable {
        case status(Int)
        case failed(String)
    }

    /// One request's end.
    private final class Exchange: NSObject, URLSessionDataDelegate, Sendable {
        private let outcome = Mutex<Outcome?>(nil)
        private let ended = DispatchSemaphore(value: 0)

        func wait(_ seconds: Double) -> Outcome? {
            _ = ended.wait(timeout: .now() + seconds)
            return outcome.withLock { $0 }
        }

        private func end(_ outcome: Outcome) {
            let isFirst = self.outcome.withLock { current in
                if current != nil { return false }
                current = outcome
                return true
            }
            if isFirst { ended.signal() }
        }

        func urlSession(
            _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
            newRequest request: URLRequest, completionHandler: @escaping (URLRequest?) -> Void
        ) {
            end(.status(response.statusCode))
            completionHandler(nil)
        }

        /// The answer's body is of no interest, however long it is.
        func urlSession(
            _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
            completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
        ) {
            end((response as? HTTPURLResponse).map { .status($0.statusCode) } ?? .failed("its answer is no HTTP"))
            completionHandler(.cancel)
        }

        func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
            if let response = task.response as? HTTPURLResponse { return end(.status(response.statusCode)) }
            end(.failed(error.map { $0.localizedDescription } ?? "it closed the connection without an answer"))
        }
    }
}
