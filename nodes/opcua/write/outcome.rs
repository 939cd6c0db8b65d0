//! What a server says to a write: whether it was surely not done, and the reason in words.

use opcua::types::StatusCode;

use super::writer::Ended;
use crate::opcua::refusal::name;

/// What the answer to one value comes to: a word for the book, and the reason; nothing to add if it was written.
pub(super) fn of_value(status: StatusCode) -> Ended {
    if status.is_good() {
        return match status {
            StatusCode::GoodClamped => {
                Err(("mismatch", "the server wrote another value, one within its own limits (GoodClamped)".to_owned()))
            }
            _ => Ok("written"),
        };
    }
    let named = name(status);
    match words(status) {
        Some((what, "")) => Err(("refused", format!("{what} ({named})"))),
        Some((what, help)) => Err(("refused", format!("{what} ({named}); {help}"))),
        // It may have begun, or the way from the server to the device was lost, or the maker alone knows what it means.
        None => Err(("unknown", format!("outcome unknown: the server says {named}; it is not sent again"))),
    }
}

/// What the server says by refusing a request as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It has too many values, or is too long.
    Size,
    /// The session is gone, and nothing was written.
    Session,
    /// The server has no time for it now, and nothing was written.
    Busy,
    /// Nothing was written.
    Refused(String),
    /// Nobody can tell.
    Unknown(String),
}

/// What a refusal of a whole request comes to.
pub(super) fn of_request(status: StatusCode) -> Fault {
    if is_too_much(status) {
        return Fault::Size;
    }
    match status {
        StatusCode::BadSessionIdInvalid
        | StatusCode::BadSessionClosed
        | StatusCode::BadSessionNotActivated
        | StatusCode::BadSecureChannelIdInvalid
        | StatusCode::BadSecureChannelClosed
        | StatusCode::BadSecureChannelTokenUnknown
        | StatusCode::BadServerHalted
        | StatusCode::BadShutdown => Fault::Session,
        StatusCode::BadServerTooBusy | StatusCode::BadTcpServerTooBusy | StatusCode::BadTooManyPublishRequests => {
            Fault::Busy
        }
        StatusCode::BadServiceUnsupported => {
            Fault::Refused("the server does not let anybody write (BadServiceUnsupported)".to_owned())
        }
        status => match of_value(status) {
            Err(("refused", reason)) => Fault::Refused(reason),
            Err((_, reason)) => Fault::Unknown(reason),
            Ok(_) => Fault::Unknown("outcome unknown: the server gave no answer to the values".to_owned()),
        },
    }
}

/// Whether a request was too much, and so was not taken. A server that says that its answer is too long, or that some limit was
/// met, may have written by then: that is not among these.
pub(super) fn is_too_much(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BadTooManyOperations | StatusCode::BadRequestTooLarge | StatusCode::BadTcpMessageTooLarge
    )
}

/// What a status code means that says that nothing was written, and what to do about it.
fn words(status: StatusCode) -> Option<(&'static str, &'static str)> {
    Some(match status {
        StatusCode::BadNotWritable => {
            ("the server lets nobody write this node", "look for another node that sets the same")
        }
        StatusCode::BadUserAccessDenied => {
            ("the server does not let this user write it", "check `user` and its rights there")
        }
        StatusCode::BadWriteNotSupported => (
            "the server does not take a write in this form",
            "write the whole array instead of an `index`, and leave `source_time` out",
        ),
        StatusCode::BadTypeMismatch => {
            ("the node takes another type than the server said", "say with `as` which, if the server leaves it open")
        }
        StatusCode::BadOutOfRange => ("the server does not take this value", "give `range` the limits that it has"),
        StatusCode::BadNodeIdUnknown => ("the server has no such node any more", "check `node`"),
        StatusCode::BadNodeIdInvalid => ("the server cannot read the id of this node", "check `node`"),
        StatusCode::BadAttributeIdInvalid => ("the node has no value", "name a variable"),
        StatusCode::BadIndexRangeInvalid | StatusCode::BadIndexRangeNoData => {
            ("the array has no such elements", "check `index`")
        }
        StatusCode::BadIndexRangeDataMismatch => ("the array has another form than the part of it", "check `index`"),
        StatusCode::BadLocked => ("somebody else has locked it", "try again later, or have it released"),
        StatusCode::BadInvalidState | StatusCode::BadStateNotActive => {
            ("the device does not take it in the state that it is in", "")
        }
        StatusCode::BadNotSupported | StatusCode::BadNotImplemented => ("the server cannot do that", ""),
        StatusCode::BadInvalidArgument
        | StatusCode::BadDataEncodingInvalid
        | StatusCode::BadDataEncodingUnsupported => ("the server cannot read the value", ""),
        StatusCode::BadDecodingError | StatusCode::BadEncodingError => ("the server cannot read the request", ""),
        StatusCode::BadSecurityModeInsufficient => (
            "the server takes writes over a better secured connection only",
            "leave `security` out for SignAndEncrypt, or ask its administrator",
        ),
        StatusCode::BadNoEntryExists | StatusCode::BadConfigurationError => {
            ("the node is not set up in the server", "ask its administrator")
        }
        _ => return None,
    })
}

/// Whether what the server said of a node may be no longer so.
pub(super) fn is_outdated(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BadNotWritable
            | StatusCode::BadTypeMismatch
            | StatusCode::BadNodeIdUnknown
            | StatusCode::BadNodeIdInvalid
            | StatusCode::BadAttributeIdInvalid
            | StatusCode::BadIndexRangeInvalid
            | StatusCode::BadIndexRangeNoData
            | StatusCode::BadIndexRangeDataMismatch
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_was_not_done_why_and_what_to_do() {
        assert_eq!(of_value(StatusCode::Good), Ok("written"));
        assert_eq!(of_value(StatusCode::GoodCompletesAsynchronously), Ok("written"));
        for (status, outcome, said) in [
            (StatusCode::GoodClamped, "mismatch", "another value"),
            (StatusCode::BadNotWritable, "refused", "lets nobody write this node (BadNotWritable); look for"),
            (StatusCode::BadUserAccessDenied, "refused", "check `user`"),
            (StatusCode::BadWriteNotSupported, "refused", "leave `source_time` out"),
            (StatusCode::BadTypeMismatch, "refused", "`as`"),
            (StatusCode::BadOutOfRange, "refused", "`range`"),
            (StatusCode::BadTimeout, "unknown", "BadTimeout; it is not sent again"),
            (StatusCode::BadNoCommunication, "unknown", "BadNoCommunication"),
            (StatusCode::UncertainInitialValue, "unknown", "UncertainInitialValue"),
            (StatusCode::from(0x8FFF_0000), "unknown", "0x8FFF0000"),
        ] {
            let (word, reason) = of_value(status).unwrap_err();
            assert!(word == outcome && reason.contains(said), "{status}: {word}, {reason}");
        }
    }

    #[test]
    fn only_what_surely_wrote_nothing_is_sent_again() {
        for status in
            [StatusCode::BadTooManyOperations, StatusCode::BadRequestTooLarge, StatusCode::BadTcpMessageTooLarge]
        {
            assert_eq!(of_request(status), Fault::Size);
        }
        assert_eq!(of_request(StatusCode::BadSessionIdInvalid), Fault::Session);
        assert_eq!(of_request(StatusCode::BadServerTooBusy), Fault::Busy);
        assert!(matches!(of_request(StatusCode::BadUserAccessDenied), Fault::Refused(_)));
        for status in [
            StatusCode::BadTimeout,
            StatusCode::BadInternalError,
            StatusCode::BadOutOfMemory,
            // It was done, and what was to be said of it does not fit.
            StatusCode::BadResponseTooLarge,
            StatusCode::BadEncodingLimitsExceeded,
        ] {
            assert!(matches!(of_request(status), Fault::Unknown(_)), "{status}");
        }
    }
}
