//! Logs: for people on a terminal, as JSON lines for programs. Always on stderr; stdout is for data.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// For people if stderr is a terminal, else JSON.
    pub fn for_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Human } else { Self::Json }
    }
}

/// What is logged if nothing else is said. The library that speaks OPC UA tells each failed try as several errors; the nodes tell
/// each once, in words; of its server, which is simulated only, nobody wants to hear each connection.
const USUAL: &str = "info,opcua_client=off,opcua_core=off,opcua_crypto=off,opcua_server=warn,opcua_types=off";

/// Sends log lines to stderr from now on. `RUST_LOG` chooses what is logged; `info` by default.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second start in one process (tests) is harmless: the first one stays.
    let _ = match format {
        LogFormat::Human => builder.with_ansi(std::io::stderr().is_terminal()).compact().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
}

/// Turns panics into log lines, as `hide` leaves their messages. The runtime catches those of a node and starts it anew; none
/// may tear the terminal apart.
pub fn panics(hide: impl Fn(&str) -> String + Send + Sync + 'static) {
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let error = hide(info.payload_as_str().unwrap_or("no message"));
        tracing::error!(place, error, "panic");
    }));
}
