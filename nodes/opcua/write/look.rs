//! What `validate --connect` sees of a server that is to be written: whether it can be connected to, and which nodes this user may
//! write, and of what type they are. It writes nothing, and makes and keeps no certificate.

use std::time::Duration;

use fieldflow_contract::{At, BuildContext, BuildError, Looking, Seen, Sink as _, Value};
use tokio::time::timeout;

use super::config::Config;
use super::settings;
use super::writer::Writer;
use crate::opcua::look::to_blame;

/// Most nodes that are named one by one.
const MOST_NAMED: usize = 50;

/// Prepares a look; nothing is opened yet.
pub(super) fn begin(config: &Config, context: &BuildContext, within: Duration) -> Result<Looking, BuildError> {
    let mut writer = Writer::new(config, settings(config)?, context)?;
    writer.server.only_look();
    let has_user = config.user.is_some();
    Ok(Box::pin(async move {
        let mut seen = Seen::default();
        match timeout(within, writer.open()).await {
            Ok(Ok(())) => judge(&writer, &mut seen),
            Ok(Err(refusal)) => _ = seen.findings.error(to_blame(refusal.code, has_user), refusal.message),
            Err(_) => {
                let url = writer.server.url();
                seen.findings
                    .error("url", format!("{url} did not answer all within {within:?}"))
                    .help("give it longer with `--within`, or look for what holds it up");
            }
        }
        // Who does not answer does not hear it either.
        let _ = timeout(Duration::from_secs(1), writer.close()).await;
        seen
    }))
}

fn judge(writer: &Writer, seen: &mut Seen) {
    let mut wrong = 0usize;
    for target in &writer.targets {
        let tag = target.tag.name();
        let at = At::from("tags").key(tag);
        let place = match &target.place {
            Ok(place) => place,
            Err(why) => {
                wrong += 1;
                if wrong <= MOST_NAMED {
                    seen.findings.error(at, format!("`{tag}` cannot be written: {why}")).help("check `node`");
                }
                continue;
            }
        };
        let scalar = place.form.scalar;
        let ends = target.measure.range.filter(|_| place.form.shape.count() == Some(1)).into_iter().flatten();
        for (index, end) in ends.enumerate() {
            if let Err(why) = place.form.variant(&Value::F64(end), target.measure, &[]) {
                let at = at.clone().key("range").index(index);
                seen.findings.warning(at, format!("{end} itself cannot be written as {scalar:?}: {why}"));
            }
        }
    }
    if let Some(more) = wrong.checked_sub(MOST_NAMED).filter(|more| 0 < *more) {
        seen.findings.error("tags", format!("{more} more tags cannot be written"));
    }
    let all = writer.targets.len();
    seen.said.push(format!("{} of {all} tags can be written; nothing was written", all - wrong.min(all)));
}
