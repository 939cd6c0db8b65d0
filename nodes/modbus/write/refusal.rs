//! What a device that refuses a write says by that.

use crate::modbus::frame::Request;
use crate::modbus::session::meaning;

/// What an exception says about a write: whether it was surely not done, and the reason in words.
pub(super) fn refusal(code: u8, request: &Request) -> (&'static str, String) {
    let meant = meaning(code);
    let function = request.function();
    match (code, request) {
        (0x01, Request::MaskRegister { .. }) => (
            "refused",
            format!(
                "{meant}: the device does not know function 22, which changes some bits of a register; with \
                 `read_modify_write: true` they are changed by reading it and writing it back"
            ),
        ),
        (0x01, Request::WriteCoil { .. } | Request::WriteRegister { .. }) => (
            "refused",
            format!("{meant}: the device does not know function {function}; with `multiple: true` 15 and 16 are used"),
        ),
        (0x01, _) => ("refused", format!("{meant}: the device does not know function {function}")),
        (0x02 | 0x03 | 0x06 | 0x07 | 0x0A, _) => ("refused", meant),
        // It began and failed, or a gateway lost sight of it, or the maker alone knows what it means.
        _ => ("unknown", format!("outcome unknown: {meant}; it is not sent again")),
    }
}
