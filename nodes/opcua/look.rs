//! What `validate --connect` sees of a server: whether it can be connected to as the file says, and what each item reads once.
//! It subscribes to nothing and, unlike a run, makes and keeps no certificate.

use std::time::Duration;

use fieldflow_contract::{At, BuildContext, BuildError, Looking, Quality, Seen, Source as _, Value, ValueType};
use opcua::types::{DataValue, Error, StatusCode};
use tokio::time::timeout;

use super::config::Config;
use super::item::Item;
use super::refusal::{Refusal, name};
use super::source::Subscriber;
use super::subscriber;
use super::values::{Made, make, pick};

/// Most bad items that are named one by one.
const MOST_NAMED: usize = 50;

/// Prepares a look; nothing is opened yet.
pub(super) fn begin(config: &Config, context: &BuildContext, within: Duration) -> Result<Looking, BuildError> {
    let mut subscriber = subscriber(config, context)?;
    subscriber.server.only_look();
    let has_user = config.user.is_some();
    Ok(Box::pin(async move {
        let mut seen = Seen::default();
        match timeout(within, subscriber.look()).await {
            Ok(Ok(read)) => judge(&subscriber, &read, &mut seen),
            Ok(Err(refusal)) => {
                seen.findings.error(to_blame(refusal.code, has_user), refusal.message);
            }
            Err(_) => {
                let url = subscriber.server.url();
                seen.findings
                    .error("url", format!("{url} did not answer all within {within:?}"))
                    .help("give it longer with `--within`, or look for what holds it up");
            }
        }
        // Who does not answer does not hear it either.
        let _ = timeout(Duration::from_secs(1), subscriber.close()).await;
        seen
    }))
}

/// The option that a refusal is about.
pub(super) fn to_blame(code: StatusCode, has_user: bool) -> At {
    match code {
        StatusCode::BadSecurityPolicyRejected | StatusCode::BadSecurityModeRejected => "security".into(),
        StatusCode::BadIdentityTokenRejected
        | StatusCode::BadIdentityTokenInvalid
        | StatusCode::BadUserAccessDenied
        | StatusCode::BadUserSignatureInvalid
            if has_user =>
        {
            "user".into()
        }
        _ => "url".into(),
    }
}

impl Subscriber {
    /// Connects and reads each item once; what was read, by the places of the items.
    async fn look(&mut self) -> Result<Vec<(usize, DataValue)>, Refusal> {
        let (session, _) = self.server.connect().await?;
        self.session = Some(session);
        let url = self.server.url().to_owned();
        let lost = |error: Error| Refusal::of(format_args!("{url}: the items cannot be read"), &error);
        self.resolve().await.map_err(lost)?;
        let all: Vec<usize> = (0..self.items.len()).collect();
        let mut read = self.values(&all).await.map_err(lost)?;
        read.sort_unstable_by_key(|(place, _)| *place);
        Ok(read)
    }
}

/// Of what type the records of this value are, if it is one record.
fn type_of(item: &Item, value: &DataValue) -> Option<ValueType> {
    let value = value.value.as_ref()?;
    let part = pick(value, &item.point.range());
    match make(part.as_ref().unwrap_or(value), item.point.elements) {
        // Its name takes the place of the number.
        Made::One(Value::I64(_) | Value::U64(_)) if item.point.names => Some(ValueType::Text),
        Made::One(value) => value.value_type(),
        Made::Parts(_) | Made::Raw(_) | Made::No(_) => None,
    }
}

fn judge(subscriber: &Subscriber, read: &[(usize, DataValue)], seen: &mut Seen) {
    for (place, value) in read {
        let Some((item, kind)) = subscriber.items.get(*place).and_then(|item| Some((item, type_of(item, value)?)))
        else {
            continue;
        };
        let tag = item.point.tag.name();
        if item.point.deadband.is_some() && kind != ValueType::Number {
            let at = At::from("tags").key(tag).key("deadband");
            seen.findings
                .warning(at, format!("`{tag}` was read as {}, which moves by no width", kind.word()))
                .help("leave `deadband` out");
        }
        seen.types.insert(tag.to_owned(), kind);
    }
    let status = |value: &DataValue| value.status.unwrap_or(StatusCode::Good);
    let statuses = read.iter().map(|(place, value)| (*place, status(value)));
    let bad: Vec<(usize, StatusCode)> = statuses.filter(|(_, status)| Quality(status.bits()).is_bad()).collect();
    for (place, status) in bad.iter().take(MOST_NAMED) {
        let Some(item) = subscriber.items.get(*place) else { continue };
        let tag = item.point.tag.name();
        let at = At::from("tags").key(tag);
        let refusal = Refusal::code(format_args!("`{tag}` cannot be read"), *status);
        match *status {
            // It is the file that is wrong, not the day.
            StatusCode::BadNodeIdUnknown
            | StatusCode::BadNodeIdInvalid
            | StatusCode::BadNoMatch
            | StatusCode::BadIndexRangeInvalid
            | StatusCode::BadNotReadable
            | StatusCode::BadUserAccessDenied
            | StatusCode::BadAttributeIdInvalid => {
                seen.findings.error(at, refusal.message).help("check `node`, and what this user may see there");
            }
            status => {
                seen.findings.warning(at, format!("`{tag}` was read as {}", name(status)));
            }
        }
    }
    if let Some(more) = bad.len().checked_sub(MOST_NAMED).filter(|more| 0 < *more) {
        seen.findings.warning("tags", format!("{more} more items cannot be read or are bad"));
    }
    let all = subscriber.items.len();
    seen.said.push(format!("{} of {all} items read", all.saturating_sub(bad.len())));
}
