/// Which Holdfast this is: in `holdfast --version` and in the trail.
package enum ProgramVersion {
    package static let text = "0.1.0"
}
