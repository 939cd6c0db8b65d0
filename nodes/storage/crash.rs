//! Named moments at which a test can end the process, as a power cut or a kill would.

/// Ends the process here if a test asked for it by this name (`FAILPOINTS=<name>=return`). Nothing in a program that is not
/// built for tests.
#[inline]
pub fn crash_point(name: &'static str) {
    #[cfg(feature = "crash_points")]
    fail::fail_point!(name, |_| std::process::abort());
    #[cfg(not(feature = "crash_points"))]
    let _ = name;
}
