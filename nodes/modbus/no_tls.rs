//! The place of TLS in a build without the feature `modbus-tls`.

use std::path::Path;

use super::line_config::Tls;

/// Nothing proves who anybody is.
#[derive(Clone)]
pub(super) enum Identity {}

/// Always an error.
pub(super) fn client(_: &Tls, _: &Path) -> Result<Identity, (&'static str, String)> {
    Err(("ca", "this fieldflow was built without TLS: build it with the feature modbus-tls".to_owned()))
}
